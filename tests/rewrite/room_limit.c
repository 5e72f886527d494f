// Memory of a fixed length: what is put there must not become longer.
//! no-room: struct session: its size goes to reserve, which compares it with one that it may not exceed (main, room_limit.c:
//! no-room: struct other: its size goes to part_of_block, which compares it with one that it may not exceed (main, room_limit.c:
//! room: struct large
//! unproven: get
//! output: 84 0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
    char name[80];
    int count;
};

struct other {
    char name[96];
};

struct large {
    char name[1000];
};

static struct {
    void *shadow;
    char storage[88];
} area;

static struct {
    char block[100];
} blocks;

void *reserve(size_t size)
{
    if (size > 88)
        abort();
    area.shadow = area.storage;
    return area.shadow;
}

void *part_of_block(size_t size)
{
    return size <= sizeof blocks.block ? (void *)&blocks : (abort(), (void *)0);
}

/* Too small to matter, or too large. */
void *get(size_t size)
{
    if (size < 16)
        size = 16;
    if (size > 0x7fffffff)
        return 0;
    return memset(malloc(size), 0, size);
}

int main(void)
{
    struct session *s = reserve(sizeof *s);
    struct other *o = part_of_block(sizeof *o);
    struct large *l = get(sizeof *l);
    s->count = 1;
    o->name[0] = l->name[0] = 0;
    printf("%d %d\n", (int)sizeof *s, l->name[0]);
    return 0;
}
