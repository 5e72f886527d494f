/* An object made by the plain compiler in the middle: it calls and is called, and is given function pointers. */
//! plain: plain.c
//! by-name: called_by_plain taken_by_plain
//! no-stub: never_taken
#include <stdio.h>

#include "plain.h"

int called_by_plain(int x)
{
    return x + 1;
}

int taken_by_plain(int x)
{
    return x + 2;
}

int never_taken(int x)
{
    return x + 3;
}

int main(void)
{
    printf("%d %d\n", plain_call(5), plain_pointer()(6));
    printf("%d\n", plain_pointer() == taken_by_plain);
    printf("%d %d\n", plain_data, never_taken(1));
    plain_data = 4;
    printf("%d\n", plain_call(7));
    return 0;
}
