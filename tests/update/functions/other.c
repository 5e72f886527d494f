#include "other.h"

#if VERSION == 1
int removed_later(int x)
{
    return x + 100;
}
#else
int added_later(int x)
{
    return x + 200;
}
#endif
