/* Weak functions: overridden, not overridden, not there at all. */
//! indirect: overridden
#include <stdio.h>

__attribute__((weak)) int overridden(int x)
{
    return x;
}

__attribute__((weak)) int remains(int x)
{
    return x + 1;
}

int absent(int) __attribute__((weak));
extern int absent_data __attribute__((weak));
int given(int);
#pragma weak given
#pragma weak absent_too
int absent_too(void);
int twice(int);

int main(void)
{
    printf("%d %d\n", overridden(1), remains(1));
    printf("%d %d\n", absent != NULL, &absent_data != NULL);
    if (absent)
        printf("%d\n", absent(1));
    printf("%d %d\n", given ? given(5) : -1, absent_too ? 1 : 0);
    printf("%d\n", twice(3));
    return 0;
}
