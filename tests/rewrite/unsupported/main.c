/* What the parser does not know: such units are kept, one by one, and the others are updatable. */
//! kept: decimal.c: parser
//! kept: shuffle.c: parser
//! by-name: called
#include <stdio.h>

int decimal(int), shuffle(int);

int called(int x)
{
    return x + 1;
}

int main(void)
{
    printf("%d %d\n", decimal(2), shuffle(3));
    return 0;
}
