/* A unit that the parser gives up on is kept, with the reason, and still meets the current version of everything. */
//! kept: register.c: global register variable
//! by-name: called
#include <stdio.h>

int use(int x);

int called(int x)
{
    return x + 1;
}

int main(void)
{
    printf("%d\n", use(4));
    return 0;
}
