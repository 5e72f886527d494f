/* Constants that not every object begins with that new code makes, and some that every object does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if VERSION == 2
#define IN_V2(...) __VA_ARGS__
#else
#define IN_V2(...)
#endif

#define TYPE(name) struct name { char text[192]; IN_V2(int fd; long wide; int bits : 4;) }

TYPE(other_object); TYPE(early); TYPE(jump); TYPE(operand); TYPE(gnu); TYPE(cleared); TYPE(copied); TYPE(array);
TYPE(several); TYPE(skipped); TYPE(branch); TYPE(pool); TYPE(pointer); TYPE(anything); TYPE(local); TYPE(reset);
TYPE(added); TYPE(unknown); TYPE(cut); TYPE(checked); TYPE(failing); TYPE(either); TYPE(nested); TYPE(inside);
TYPE(again);

struct around {
    int plain;
    struct inside one;
};

static void *table[100];
static int used;
static char arena[4096];
static int taken;
static void *(*make)(size_t) = malloc;
static struct around *holder;

static void keep(void *p)
{
    table[used++ % 100] = p;
}

static void *from_arena(size_t size)
{
    taken += size;
    return arena + taken - size;
}

struct other_object *new_other_object(void)
{
    struct other_object *c = calloc(1, sizeof *c);
    keep(c);
    c = table[0];
    IN_V2(c->fd = -1;)
    return c;
}

struct early *new_early(int n)
{
    struct early *c = calloc(1, sizeof *c);
    if (n)
        return c;
    IN_V2(c->fd = -1;)
    return c;
}

struct jump *new_jump(int n)
{
    struct jump *c = calloc(1, sizeof *c);
    if (n)
        goto out;
    IN_V2(c->fd = -1;)
out:
    return c;
}

struct operand *new_operand(int n)
{
    struct operand *c = calloc(1, sizeof *c);
    IN_V2(n && (c->fd = -1);)
    return c;
}

struct gnu *new_gnu(int n)
{
    struct gnu *c = calloc(1, sizeof *c);
    IN_V2(n = n ?: (c->fd = -1);)
    return c;
}

struct cleared *new_cleared(void)
{
    struct cleared *c = malloc(sizeof *c);
    IN_V2(c->fd = -1;)
    memset(c, 0, sizeof *c);
    return c;
}

struct copied *new_copied(const struct copied *from)
{
    struct copied *c = calloc(1, sizeof *c);
    IN_V2(c->fd = -1;)
    if (from)
        *c = *from;
    return c;
}

struct array *new_array(int n)
{
    struct array *c = calloc(n, sizeof *c);
    IN_V2(c->fd = -1;)
    return c;
}

struct several *new_several(int n)
{
    struct several *c = malloc(n * sizeof *c);
    memset(c, 0, n * sizeof *c);
    IN_V2(c->fd = -1;)
    return c;
}

void new_skipped(int n)
{
    for (int i = 0; i < n; i++) {
        struct skipped *c = calloc(1, sizeof *c);
        keep(c);
        if (i & 1)
            continue;
        IN_V2(c->fd = -1;)
    }
}

struct branch *new_branch(int n)
{
    struct branch *c = NULL;
    if (n)
        c = calloc(1, sizeof *c);
    else
        c = calloc(1, sizeof *c);
    if (n) {
        IN_V2(c->fd = -1;)
    }
    return c;
}

struct pool *new_pool(int n)
{
    struct pool *c;
    if (n) {
        c = from_arena(sizeof *c);
        IN_V2(c->fd = 7;)
        return c;
    }
    c = calloc(1, sizeof *c);
    IN_V2(c->fd = -1;)
    return c;
}

struct pointer *new_pointer(int n)
{
    struct pointer *c;
    if (n) {
        c = make(sizeof *c);
        IN_V2(c->fd = 7;)
        return c;
    }
    c = calloc(1, sizeof *c);
    IN_V2(c->fd = -1;)
    return c;
}

struct anything *new_anything(void)
{
    void *p = calloc(1, sizeof(struct anything));
    struct anything *c = calloc(1, sizeof *c);
    keep(p);
    IN_V2(c->fd = -1;)
    return c;
}

struct local *new_local(void)
{
    struct local s = {{0}};
    struct local *c = calloc(1, sizeof *c);
    keep(s.text[0] ? &s : NULL);
    IN_V2(c->fd = -1;)
    return c;
}

struct reset *new_reset(void)
{
    struct reset *c = calloc(1, sizeof *c);
    IN_V2(c->fd = -1;)
    return c;
}

void reset(struct reset *c)
{
    memset(c, 0, sizeof *c);
}

/* What is cleared is not what is made. */
struct again *new_again(struct again *old)
{
    struct again *c;
    if (old) {
        memset(old, 0, sizeof *old);
        return old;
    }
    c = calloc(1, sizeof *c);
    IN_V2(c->fd = -1;)
    return c;
}

struct added *new_added(void)
{
    struct added *c = calloc(1, sizeof *c);
    IN_V2(c->fd++; c->wide |= 4;)
    return c;
}

struct unknown *new_unknown(size_t size)
{
    struct unknown *c = calloc(1, size);
    IN_V2(c->fd = -1;)
    return c;
}

struct inside *new_inside(void)
{
    struct inside *c = calloc(1, sizeof *c);
    IN_V2(c->fd = -1;)
    return c;
}

/* From here on the constants are certain, or parts of them. */

struct cut *new_cut(void)
{
    struct cut *c = calloc(1, sizeof *c);
    IN_V2(c->wide = c->bits = 9; c->fd = c->wide = -2;)
    return c;
}

struct checked *new_checked(int n)
{
    struct checked *c;
    if (n && (c = malloc(sizeof *c)) != NULL) {
        memset(c, 0, sizeof *c);
        for (int i = 0; i < n; i++)
            if (n > 5)
                break;
        IN_V2(c->bits = 9; c->fd = -1;)
        return c;
    }
    return NULL;
}

struct failing *new_failing(int n)
{
    struct failing *c = malloc(sizeof *c);
    if (__builtin_expect(!c, 0))
        goto out;
    memset(c, 0, sizeof *c);
    snprintf(c->text, sizeof c->text, "%d", n);
    if (n < 0) {
        free(c);
        return NULL;
    }
    IN_V2(c->fd = -1;)
out:
    return c;
}

struct either *new_either(int n)
{
    struct either *c;
    if (n)
        c = calloc(1, sizeof(struct either));
    else if ((c = malloc(sizeof(struct either) + n)))
        memset(c, 0, sizeof *c);
    if (c) {
        IN_V2(c->fd = -1;)
    }
    return c;
}

struct nested *new_nested(int n)
{
    if (n) {
        struct nested *c = calloc(1, sizeof *c);
        IN_V2(c->fd = -1;)
        return c;
    }
    return NULL;
}

static struct reset *made;
static struct checked *checked;

void command(const char *line)
{
    if (*line == '+') {
        made = new_reset();
        checked = new_checked(1);
        new_other_object();
        puts("made");
    } else if (*line == '-') {
        reset(made);
        puts("reset");
    } else if (*line == '*') {
        printf("%p", (void *)new_early(1)), new_jump(1), new_operand(1), new_gnu(1), new_cleared(), new_copied(NULL);
        new_array(1), new_several(1), new_skipped(1), new_branch(1), new_pool(1), new_pointer(1), new_anything();
        new_local(), new_added(), new_unknown(sizeof(struct unknown)), new_inside(), new_again(NULL), new_cut(), new_failing(1);
        new_either(1), new_nested(1), printf("%d\n", holder ? holder->plain : 0);
    } else {
        printf("%d", made->text[0] + checked->text[0]);
        IN_V2(printf(" fd=%d, fd=%d bits=%d", made->fd, checked->fd, checked->bits);)
        puts("");
    }
}
