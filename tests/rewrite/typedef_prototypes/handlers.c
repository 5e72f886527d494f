#include "handlers.h"

extern int shared, *where(void);
int left(int), right(int);

int open_handler(int x)
{
    return x * 2;
}

int close_handler(int x)
{
    return x * 3;
}

int nested(int x)
{
    return left(x) + right(x);
}

int apply(handler_p f, int x)
{
    return f(x) + (*f)(x) + (***f)(x);
}

int left(int x)
{
    return x - 100;
}

int right(int x)
{
    return x + 100;
}

int *where(void)
{
    return &shared;
}
