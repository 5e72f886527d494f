#include "serve.h"

int current(void)
{
    return VERSION;
}

int on_event(int x)
{
    return x * 10 + VERSION;
}
