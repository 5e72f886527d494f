/* Initialiser lists: positions and members in another order, designators, nesting, nothing at all. */
//! wrap: struct point
//! wrap: struct item
#include <stdio.h>
#include <string.h>

void *old_memory(unsigned long);

struct point {
#ifndef OLD
    int z;
#endif
    int x, y;
};

struct item {
#ifdef OLD
    int id;
    char name[8];
    union { int kind; float weight; };
    struct point route[2];
    struct point at;
#else
    char name[16];
    int id;
    struct point at;
    struct point route[2];
    int (*f)(void);
    union { int kind; float weight; };
    const char *texts[3];
#endif
    int last;
};

#ifndef OLD
struct box { int n; struct item items[2]; struct point p; };
static int f(void) { return 42; }
static struct point origin = { 1, 2, 3 }, far = { .x = 5, 6, .z = 7 }, none = { 0 }, empty = {}, gnu = { z: 9, x: 8 };
static struct item table[] = {
    { "one", 1, { 1, 2, 3 }, { { 4, 5, 6 }, { 7 } }, f, .kind = 3, { "a", "b" }, 10 },
    { .last = 3, .at = { .y = 4 }, .name = "two", .route[1] = { 8 } },
    [2] = { "three", .id = 3, .weight = 1.5f, { "x", [2] = "z", }, 9, },
};
static struct box box = { 2, { [1] = { "boxed", 4 } }, { 9, 8, 7 } };
static struct item *pointer = &(struct item){ "literal", 6 };

static void show(const char *what, const struct item *i)
{
    printf("%s %s %d (%d %d %d) (%d %d %d) (%d %d %d) %d %d %s %s %s %d\n", what, i->name, i->id, i->at.x, i->at.y, i->at.z,
           i->route[0].x, i->route[0].y, i->route[0].z, i->route[1].x, i->route[1].y, i->route[1].z,
           i->f ? i->f() : 0, i->kind, i->texts[0] ? i->texts[0] : "-", i->texts[1] ? i->texts[1] : "-",
           i->texts[2] ? i->texts[2] : "-", i->last);
}

static void dirty(void) { volatile char c[8192]; memset((void *)c, 0xa5, sizeof c); }

static void locals(void)
{
    struct item unset, more[2][3], *p = &unset;
    struct box around;
    struct point q, r = { q.x = 1, 2 }, s __attribute__((unused));
    q.z = 4;
    unset.last = 1;
    printf("%d %d\n", r.y, q.z);
    (void)more; (void)around; (void)p; (void)s;
}

int main(void)
{
    struct point *ps[] = { &origin, &far, &none, &empty, &gnu };
    for (int i = 0; i < 5; i++)
        printf("%d %d %d\n", ps[i]->x, ps[i]->y, ps[i]->z);
    for (int i = 0; i < 3; i++)
        show("table", &table[i]);
    show("box", &box.items[0]); show("box", &box.items[1]);
    printf("%d %d %d %d\n", box.n, box.p.x, box.p.y, box.p.z);
    show("pointer", pointer);
    struct item zero = { 0 }, none = { NULL }, copy = table[0], array[2] = { table[0], { "own", 5 } };
    none = (struct item){ 0 };
    show("zero", &zero); show("none", &none); show("copy", &copy); show("array", &array[1]); show("array", array);
    struct box inner = { .items = { copy, { "deep", .at = origin } }, .p = far };
    show("inner", &inner.items[1]);
    show("call", &(struct item){ .id = 3, .at = (struct point){ 1, 2, 3 } });
    for (int i = 0; i < 2; i++) { struct item loop = { "loop", i }; show("loop", &loop); loop.id = 9; }
    dirty();
    locals();
    return 0;
}
#else
int main(void) { return 0; }
#endif
