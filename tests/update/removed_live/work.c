#include <stdio.h>

#include "hooks.h"

void command(const char *line)
{
    printf("%s: %d %d\n", line, hooks[0](1), ((int (*)(int))hooks[1])(2));
    if (VERSION == 1 || line[0] == '!')
        install();
}
