#include "other.h"

#if VERSION >= 2
int added_in_two = 20;
#endif

int other(int x)
{
#if VERSION == 1
    return x;
#elif VERSION < 4
    return x + added_in_two++;
#else
    return x - added_in_two++;
#endif
}
