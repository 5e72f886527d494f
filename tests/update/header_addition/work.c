#include <stdio.h>

#include "shared.h"

void command(const char *line)
{
#if VERSION == 1
    printf("%s: %d\n", line, other(1));
#else
    struct added a = {other(1), ADDED_CONSTANT};
    printf("%s: %d\n", line, added_function(a));
#endif
}

#if VERSION == 2
int added_function(struct added a)
{
    return a.x + a.y;
}
#endif
