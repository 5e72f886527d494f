#include <assert.h>
#include <stdio.h>
#if VERSION == 2

/* A comment that was not there,
   over several lines. */

#endif
#include "things.h"

static int f(int x)
{
    assert(x > 0);
    return x   +   1;
}

#if VERSION == 2
/* More. */
void
command  (const char *line)
{ printf("%s: %d %d\n", line, f(1), MACRO(2)); } // end
#else
void command(const char *line)
{
    printf("%s: %d %d\n", line, f(1), MACRO(2));
}
#endif
