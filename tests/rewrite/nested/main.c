/* A unit with nested functions is kept as it is, and said to be; calls in both directions work. */
//! kept: nested.c: nested function
//! by-name: called_back counted
//! indirect: called_back
#include <stdio.h>

int uses_nested(int);
int called_back(int);
int counted(void);
extern int kept_variable;

int called_back(int x)
{
    return x + 3;
}

int counted(void)
{
    static int n;
    return ++n;
}

int main(void)
{
    int (*pointer)(int) = uses_nested;
    printf("%d %d %d\n", uses_nested(4), pointer(5), kept_variable);
    printf("%d\n", counted());
    return 0;
}
