/* Indirect functions of the toolchain's kind keep working, and so does what calls them. */
#include <stdio.h>

int chosen(int);
int use(int);

static int fast(int x)
{
    return x * 2;
}

static int (*resolve(void))(int)
{
    return fast;
}

int chosen(int) __attribute__((ifunc("resolve")));

int main(void)
{
    int (*pointer)(int) = chosen;
    printf("%d %d %d\n", chosen(1), pointer(2), use(3));
    return 0;
}
