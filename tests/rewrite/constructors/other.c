#include <stdio.h>

int constructed;

void note(const char *what, int n)
{
    printf("%s %d\n", what, n);
}

void early(void) __attribute__((constructor(101)));

void early(void)
{
    constructed++;
    note("constructed", 101);
}

__attribute__((destructor(101))) void last(void)
{
    note("destroyed", 101);
}
