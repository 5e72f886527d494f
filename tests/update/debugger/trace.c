#include "trace.h"

#include <execinfo.h>
#include <stdio.h>

/* The depth of the stack below main, which is found only if every frame can be unwound. */
void trace(const char *what)
{
    static int base;
    void *frames[50];
    int depth = backtrace(frames, 50);
    if (!base)
        base = depth;
    printf("%s at depth %d\n", what, depth - base);
}
