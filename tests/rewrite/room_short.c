// Structs whose memory may end before they do get no room: stamp and slop would be outside.
//! no-room: struct named: memory for part of it is measured: something is taken from its size, or added to an offset in it (add_named, room_short.c:
//! no-room: struct counted: memory for part of it is measured: something is taken from its size, or added to an offset in it (add_counted, room_short.c:
//! no-room: struct headed: it is made by malloc with an offset in it (add_headed, room_short.c:
//! no-room: struct prefixed: it is made by grab with the size of struct prefix (add_prefixed, room_short.c:
//! no-room: struct kept: memory for part of it is measured
//! room: struct cleared: 16
//! room: struct base: 16
//! room: struct spacious: 16
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct named { struct named *next; long a[4]; union { char small[50]; char *name; } name; };
#define BARE_NAMED (sizeof(struct named) - 50)
struct counted { struct counted *next; long a[4]; char name[50]; };
struct headed { long a[5]; long detail[4]; };
struct prefix { long a[5]; };
struct prefixed { long a[5]; long detail[4]; };
struct kept { long a[8]; long last; };
struct cleared { long a[2]; long rest[8]; };
struct base { long a[9]; };
struct outer { struct base base; long more[9]; };
struct spacious { long a[9]; };

static void *grab(size_t size)
{
    void *p = malloc(size);
    if (!p)
        abort();
    return p;
}

static struct named *add_named(const char *name)
{
    struct named *n = malloc(BARE_NAMED + strlen(name) + 1);
    strcpy(n->name.small, name);
    return n;
}

static struct counted *add_counted(const char *name)
{
    size_t size = offsetof(struct counted, name) + strlen(name) + 1;
    struct counted *n = malloc(size);
    strcpy(n->name, name);
    return n;
}

static struct headed *add_headed(void)
{
    struct headed *n = malloc(offsetof(struct headed, detail));
    n->a[0] = 3;
    return n;
}

static struct prefixed *add_prefixed(void)
{
    struct prefixed *n = grab(sizeof(struct prefix));
    n->a[0] = 4;
    return n;
}

/* With room behind the last field, this would clear it. */
static void clear_all_but_last(struct kept *k) { memset(k, 0, sizeof *k - sizeof k->last); }

static void clear_rest(struct cleared *c) { memset(c->rest, 0, sizeof *c - offsetof(struct cleared, rest)); }

int main(void)
{
    struct named *named = add_named("one");
    struct counted *counted = add_counted("two");
    struct headed *headed = add_headed();
    struct prefixed *prefixed = add_prefixed();
    struct kept *kept = malloc(sizeof *kept);
    struct cleared *cleared = malloc(sizeof *cleared);
    struct base *base = grab(sizeof(struct outer));
    struct spacious *spacious = grab(sizeof *spacious + 20);
    kept->last = 5;
    clear_all_but_last(kept);
    cleared->a[1] = 6;
    clear_rest(cleared);
    base->a[0] = 7;
    spacious->a[0] = 8;
    printf("%s %s %ld %ld %ld %ld %ld %ld\n", named->name.small, counted->name, headed->a[0], prefixed->a[0], kept->last,
           cleared->a[1] + cleared->rest[7], base->a[0], spacious->a[0]);
    free(named), free(counted), free(headed), free(prefixed), free(kept), free(cleared), free(base), free(spacious);
    return 0;
}
