#include <stdio.h>

#include "moved.h"

static int (*kept)(int) = moved_function;

void command(const char *line)
{
    (void)line;
    int a = moved_function(1), b = kept(2), c = use_static(), d = in_a(), e = in_b();
    printf("%d %d %d %d %d %d\n", a, b, c, d, e, kept == moved_function);
}
