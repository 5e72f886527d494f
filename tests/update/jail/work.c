#include <math.h>
#include <stdio.h>
#include <string.h>

static int n;

void command(const char *line)
{
    printf("%s: %d %d %zu\n", line, VERSION, ++n, strlen(line));
}
