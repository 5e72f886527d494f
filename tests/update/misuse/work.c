#include <stdio.h>

void command(const char *line)
{
    printf("%s: %d\n", line, VERSION);
}
