/* A static library: members that are used, that are not, and that are kept as they are. */
//! archive: libthings.a: used.c unused.c kept.c chained.c
//! archive: libsecond.a: deeper.c
//! kept: kept.c: nested function
//! symbol: used chained deeper
//! no-symbol: unused never_linked
//! indirect: used chained deeper back
//! by-name: back
#include <stdio.h>

int used(int), kept_one(int);

int back(int x)
{
    return x * 10;
}

int main(void)
{
    printf("%d %d\n", used(1), kept_one(2));
    return 0;
}
