/* Definitions in the old style, called with and without a prototype in sight. */
//! flags: -std=gnu89 -w
//! indirect: sum3 scale main_helper
#include <stdio.h>

int sum3();
double scale();
char *pick();
int (*choose())();

static int local_old(a, b)
    int a;
    short b;
{
    return a * 10 + b;
}

main_helper(x)
{
    return x - 1;
}

int main(argc, argv)
    int argc;
    char **argv;
{
    float f = 1.5f;
    char c = 3;
    printf("%d\n", sum3(1, 2, 3));
    printf("%.2f\n", scale(f, c));
    printf("%s\n", pick(2, "zero", "one", "two"));
    printf("%d\n", local_old(4, 2));
    printf("%d\n", main_helper(8));
    printf("%d\n", (*choose(1))(5, 6));
    printf("%d\n", choose(0)(5, 6));
    return argc == 1 && argv[1] == 0 ? 0 : 1;
}
