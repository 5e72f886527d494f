#include "pedantic.h"

#include <stdio.h>

int other(int x)
{
    return x * 2;
}

int next(void)
{
    return getchar();
}
