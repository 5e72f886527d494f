#include <stdio.h>

void close_it(int *p)
{
    printf("closed %d\n", *p);
}

int used_in_asm(int x)
{
    return x * 3;
}
