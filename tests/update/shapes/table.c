#include "conn.h"

static struct conn *all;
static struct conn embedded[2] = { { .id = 100, .name = "first" }, { .id = 101 } };

void *fresh(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory)
        abort();
    return memory;
}

struct conn *find(int id)
{
    if (id >= 100)
        return &embedded[id - 100];
    struct conn *c = all;
    while (c && c->id != id)
        c = c->next;
    if (!c) {
        c = fresh(sizeof *c);
        c->id = id;
        c->next = all;
        all = c;
    }
    return c;
}
