#include <stdio.h>

void command(const char *line)
{
    printf("%s: v%d\n", line, VERSION);
}
