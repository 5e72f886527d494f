#include <stdio.h>

#include "other.h"

static int count = 0;

void command(const char *line)
{
    count++;
#if VERSION >= 3
    static int from_three = 300;
    printf("%s: v%d %d %d %d\n", line, VERSION, count, other(count), ++from_three);
#else
    printf("%s: v%d %d %d\n", line, VERSION, count, other(count));
#endif
}
