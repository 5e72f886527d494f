#include <stdio.h>

#include "box.h"

void command(const char *line)
{
    struct box *b = box(line);
    if (!b) {
        puts("full");
        return;
    }
#if VERSION == 2
    printf("%s %d %s v2\n", line, touch(b), letters(b));
#else
    b->count++;
    printf("%s %d %lx v%d\n", line, b->count * 100 + b->pair.first, (unsigned long)b->values[2].number, VERSION);
#endif
}
