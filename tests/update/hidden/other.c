#include "hidden.h"

int other_data = 60, pragma_data = 70;

int other_unit(int x)
{
    return x + 6;
}

int by_pragma(int x)
{
    return x + 7;
}

int internal(int x)
{
    return x + 8;
}
