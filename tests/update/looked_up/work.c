/* A program that finds its own variables by name. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int limit = VERSION;
static int other = VERSION;

void command(const char *line)
{
    int *found = dlsym(RTLD_DEFAULT, line);
    if (found)
        *found += 10;
    printf("%s: %d %d\n", line, limit, other);
}
