#include <stdio.h>

int call_current(int);

int current(int x)
{
    return x + 100 * (VERSION > 2 ? 2 : VERSION);
}

void command(const char *line)
{
    printf("%s: %d\n", line, call_current(1000));
}
