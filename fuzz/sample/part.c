/* The other unit. */
#include "sample.h"

#if VERSION == 2
const long limits[4] = {10, 20, 30, 44};
#else
const long limits[4] = {10, 20, 30, 40};
#endif

int scale(int n, const struct point *by)
{
#if VERSION == 2
    counter++;
#endif
    return n * by->x + by->y;
}
