/* Definitions of all forms. */
//! wrap: struct node
//! wrap: anon
//! wrap: struct inner
//! wrap: struct outer
//! wrap: struct listed
//! wrap: struct bits
//! wrap: struct calls
//! wrap: *hidden
//! wrap: struct gone
#include <stdio.h>
#include <stdlib.h>

void *old_memory(unsigned long);

struct node; typedef struct node node_t;
struct node {
    node_t *self;
#ifndef OLD
    struct node *added; int (*visit)(struct node *, const struct node *p);
#endif
    struct node *children[3];
};

typedef
    struct {
    int a;
    /* A comment; with } braces { and "quotes. */
#ifndef OLD
    char *text, *texts[2],
         c;
#endif
    long b;
    } anon, *anon_p, anons[2];

struct outer {
    int n;
    const struct inner {
        short s;
#ifndef OLD
        short added;
#endif
    } *pi, in;
    enum colour { RED, GREEN } colour;
#ifndef OLD
    struct pair { int x, y; } pair;
    enum colour next;
    union { int i; float f; } either;
#endif
    struct { int deep; } plain;
} first_outer, *outers[2];

static struct listed { int a;
#ifndef OLD
    int added;
#endif
    long b } one, two = { 1 };

struct bits {
    unsigned a : 3;
    unsigned b : 7;
    _Bool flag : 1;
    enum colour colour : 4;
#ifndef OLD
    unsigned new_a : 5, new_b : 9;
    signed char small : 2;
#endif
    int : 4;
    volatile unsigned v : 3;
    long wide : 40;
};

struct calls {
#ifndef OLD
    void (*first)(struct calls *, int), *(*second[2])(void *);
#endif
    int (*third)(const struct calls *);
};

typedef struct { int x;
#ifndef OLD
    int added;
#endif
} *hidden;

struct gone {
    int a;
#ifdef OLD
    long b;
    unsigned c : 4, d : 4;
    char e[24];
#else
    int d;
    char e[32];
#endif
    short f;
};

union choice {
    int i;
#ifdef OLD
    char big[40];
#else
    double d;
#endif
};

#ifndef OLD
static void visit(struct calls *c, int n) { printf("visited %d %d\n", n, c->third == 0); }
static int see(struct node *n, const struct node *p) { return n == p; }

int main(void)
{
    struct node *n = old_memory(sizeof *n);
    printf("%d %d\n", n->added == 0, n->visit == 0);
    n->added = n->children[2] = n; n->visit = see;
    printf("%d %d\n", n->added->children[2] == n, n->visit(n, n->added));
    anon_p a = old_memory(sizeof *a);
    a->b = 3;
    printf("%p %p %d\n", (void *)a->text, (void *)a->texts[1], a->c);
    anons *all = old_memory(sizeof *all);
    printf("%d %d\n", (*all)[1].c, (*all)->c);
    struct outer *o = old_memory(sizeof *o);
    printf("%d %d %d %d %d\n", o->in.added, o->pair.x, o->pair.y, o->next, o->either.i);
    o->next = GREEN;
    struct pair p = o->pair;
    o->plain.deep = p.x;
    printf("%d %d %d\n", o->next, o->plain.deep, first_outer.in.added);
    printf("%d %d %ld %d\n", one.added, two.a, two.b, two.added);
    struct bits *b = old_memory(sizeof *b);
    b->a = 5; b->b = 100; b->flag = 1; b->colour = GREEN; b->v = 6; b->wide = -12345678901;
    printf("%d %d %d\n", b->new_a, b->new_b, b->small);
    b->new_a = 17; b->new_b = 300; b->small = -1;
    printf("%d %d %d %d %d %ld %d %d %d\n", b->a, b->b, b->flag, b->colour, b->v, (long)b->wide, b->new_a, b->new_b, b->small);
    struct calls *c = old_memory(sizeof *c);
    c->third = 0;
    printf("%d %d\n", c->first == 0, c->second[1] == 0);
    c->first = visit;
    c->first(c, 4);
    hidden h = old_memory(sizeof *h);
    printf("%d\n", h->added);
    struct gone *g = old_memory(sizeof *g);
    g->a = 1; g->f = 2;
    printf("%d %s %zu\n", g->d, g->e, sizeof g->e);
    union choice u; u.i = 4; u.d = 1.5;
    printf("%f %d\n", u.d, sizeof u >= sizeof(double));
    return 0;
}
#else
int main(void) { return 0; }
#endif
