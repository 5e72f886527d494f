//! kept: kept.c: nested function
#include "hidden.h"

int kept_function(int x)
{
    int inner(int y)
    {
        return y + x;
    }
    return inner(1);
}
