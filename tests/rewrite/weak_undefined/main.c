/* Weak references, and references to functions of other objects that came in late. */
#include <stdio.h>

extern int maybe(int) __attribute__((weak));
extern int surely(int) __attribute__((weak));
extern void *__dso_handle;

static int (*table[])(int) = {surely};

int main(void)
{
    int (*pointer)(int) = maybe;
    printf("%d\n", pointer == NULL);
    if (surely)
        printf("%d %d\n", surely(1), table[0](2));
    printf("%d\n", maybe ? maybe(3) : -3);
    printf("%d\n", &__dso_handle != NULL);
    return 0;
}
