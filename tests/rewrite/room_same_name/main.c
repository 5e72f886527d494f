/* Two types of one name in two units: a cast is to the one of its own unit. */
//! room: struct engine
//! no-room: handler: the units disagree on it
//! output: 3 7 9
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>

/* Does not begin with an engine, and is never taken for one. */
typedef struct {
    char name[80];
    int seen;
} handler;

int main(void)
{
    handler *h = calloc(1, sizeof *h);
    struct engine *e = make();
    h->seen = 3;
    printf("%d %d %d\n", h->seen, e->speed, limit(e));
    free(h);
    free(e);
    return 0;
}
