/* Tables of functions in constants: what they contain in a running process after an update. */
#include <stdio.h>

#include "calls.h"

static int one(int x)
{
    return x + 1;
}

static int two(int x)
{
    return x + VERSION * 10;
}

#if VERSION == 2
static int three(int x)
{
    return x + 333;
}
#endif

int (*const exported[2])(int) = {
#if VERSION == 1
    one, two
#else
    three, one
#endif
};

static const struct { const char *name; int (*run)(int); } private_table[] = {
    {"first", one},
#if VERSION == 1
    {"second", two},
#else
    {"changed", three},
#endif
};

void command(const char *line)
{
    printf("%s: %d %d, %s %d, %d\n", line, exported[0](1), exported[1](2), private_table[1].name,
           private_table[1].run(3), call_exported());
}
