//! kept: kept.c: nested function
#include <stdio.h>

int current(int);

int call_current(int base)
{
    int add(int x)
    {
#if VERSION == 3
        base++;
#endif
        return current(x) + base;
    }
    int (*pointer)(int) = current;
    return add(1) + pointer(1);
}
