#include <stdio.h>

#include "trace.h"

/* Some lines
   that were
   not there. */
static int added(int x)
{
    trace("added two"); /* line 10 of version 2 */
    return x + 2;
}

static int inner(int x)
{
    return added(x) * 2; /* line 16 of version 2 */
}

void command(const char *line)
{
    printf("%s: %d\n", line, inner(1));
}
