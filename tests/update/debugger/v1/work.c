#include <stdio.h>

#include "trace.h"

static int inner(int x)
{
    trace("inner one"); /* line 7 of version 1 */
    return x + 1;
}

void command(const char *line)
{
    printf("%s: %d\n", line, inner(1));
}
