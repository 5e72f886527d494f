#include "inline.h"

int other(int x)
{
    return x * 7;
}

#undef gnu_style
int plain_c99(int x)
{
    return header_static(x) + counter();
}

int external_user(int x)
{
    return emitted_here(x) + gnu_style(x) + always(x) + counter() * 10000;
}

int (*pointer_there(void))(int)
{
    return emitted_here;
}
