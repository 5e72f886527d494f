#include "moved.h"

#if VERSION == 2
int moved_data = 50;
static int moved_static_data = 60;

int moved_function(int x)
{
    return x + moved_data++ + 1000;
}

static int moved_static(int x)
{
    static int calls;
    return x + ++calls + 2000;
}

int use_static(void)
{
    return moved_static(100) + moved_static_data++;
}
#endif

int in_b(void)
{
    return moved_data;
}
