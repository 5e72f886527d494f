#include <stdio.h>

#include "hidden.h"

static int (*pointers[])(int) = {from_assembler, other_unit, by_pragma, own, kept_function, internal};

int own(int x)
{
    return x + VERSION * 100;
}

void command(const char *line)
{
    printf("%s:", line);
    for (unsigned i = 0; i < sizeof pointers / sizeof *pointers; i++)
        printf(" %d", pointers[i](0));
    printf(" | %d %d %d %d %d %d | %d %d %d\n", from_assembler(1), other_unit(1), by_pragma(1), own(1), kept_function(1),
           internal(1), assembler_data++, other_data++, pragma_data++);
}
