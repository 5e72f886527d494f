#include <stdio.h>

static int helper(int x)
{
#if VERSION == 1
    return x + 1;
#else
    return x * 100;
#endif
}

void command(const char *line)
{
    printf("%s: %d\n", line, helper(4));
}
