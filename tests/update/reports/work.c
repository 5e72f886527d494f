#include <stdio.h>

void command(const char *line)
{
    printf("%s\n", line);
}
