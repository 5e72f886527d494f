/* Recursion, direct and mutual, in one unit and across two, on the update path. */
//! indirect: even odd ackermann walk
//! direct: half
//! config: [[update-point]]
//! config: function = "walk"
//! config: entry = true
#include <stdio.h>

int even(int), odd(int), ackermann(int, int), walk(int, int);

/* Not on the update path, and not called from there. */
static int half(int n)
{
    return n < 2 ? 0 : 1 + half(n - 2);
}

static int factorial(int n)
{
    return n < 2 ? 1 + half(n) : n * factorial(n - 1);
}

int even(int n)
{
    return n == 0 ? 1 : odd(n - 1);
}

int main(void)
{
    printf("%d %d %d\n", factorial(6), even(10), odd(10));
    printf("%d\n", ackermann(2, 3));
    printf("%d\n", walk(4, 1));
    return 0;
}
