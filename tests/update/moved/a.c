#include "moved.h"

static int stays = 1;

#if VERSION == 1
int moved_data = 50;
static int moved_static_data = 60;

int moved_function(int x)
{
    return x + moved_data++;
}

static int moved_static(int x)
{
    static int calls;
    return x + ++calls;
}

int use_static(void)
{
    return moved_static(100) + moved_static_data++;
}
#endif

int in_a(void)
{
    return stays++ + moved_data;
}
