#include <stdio.h>
#include <stdlib.h>

#include "session.h"

void command(const char *line)
{
    struct session *s = calloc(1, sizeof *s);
    s->id = 1;
    s->options.flags = 3;
    printf("%s: %d %d v%d\n", line, (int)s->id, s->options.flags, VERSION);
    free(s);
}
