#include "engine.h"

#include <stdlib.h>

/* Begins with an engine. */
typedef struct {
    struct engine engine;
    int limit;
} handler;

struct engine *make(void)
{
    handler *h = calloc(1, sizeof *h);
    h->engine.speed = 7;
    h->limit = 9;
    return (struct engine *)h;
}

int limit(struct engine *e)
{
    return ((handler *)e)->limit;
}
