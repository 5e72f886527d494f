#include <stdio.h>

void command(const char *line)
{
    static int n;
    printf("%s: %d %d\n", line, VERSION, ++n);
}
