#include <stdio.h>
#include <string.h>

#include "other.h"

static int unchanged(int x)
{
    return x + 1;
}

#if VERSION == 1
static int removed_static(int x)
{
    return x * 2;
}
#else
static int added_static(int x)
{
    static int calls;
    return x * 3 + ++calls;
}
#endif

void command(const char *line)
{
    int n = (int)strlen(line);
#if VERSION == 1
    printf("1: %d %d %d\n", unchanged(n), removed_static(n), removed_later(n));
#else
    printf("2: %d %d %d %d\n", unchanged(n), added_static(n), added_later(n), only_in_new(n));
#endif
}
