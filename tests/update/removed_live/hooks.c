#include "hooks.h"

static int plain(int x)
{
    return x;
}

hook *hooks[2] = {plain, plain};

#if VERSION == 1
static int removed(int x)
{
    static int calls;
    return x + 100 + ++calls;
}

int retyped(int x)
{
    return x + 200;
}
#else
static int instead(int x)
{
    return x + 500;
}

long retyped(long x, long y)
{
    return x + 600 + 0 * y;
}
#endif

void install(void)
{
#if VERSION == 1
    hooks[0] = removed;
    hooks[1] = retyped;
#else
    hooks[0] = instead;
    hooks[1] = (hook *)retyped;
#endif
}
