#include <stdio.h>

#include "shared.h"

void command(const char *line)
{
    printf("%s: %d %d\n", line, shared_inline(1), in_other(1));
}
