/* Members without a name. */
//! wrap: struct packet
#include <stdio.h>

void *old_memory(unsigned long);

struct packet {
    int kind;
    __extension__ union {
        struct { int a, b; };
        const struct tagged { long l; } t;
        enum { SMALL, LARGE } size;
    };
#ifndef OLD
    long added;
#endif
    struct { int inner; struct { int innermost; }; };
};

#ifndef OLD
int main(void)
{
    struct packet *p = old_memory(sizeof *p), q = { 1, .a = 2, .b = 3, .added = 4, .inner = 5, .innermost = 6 };
    p->a = 1; p->innermost = 5; p->inner = 6; p->kind = 2;
    printf("%ld\n", p->added);
    p->added = 7;
    struct tagged t = p->t;
    printf("%d %d %d %d %ld\n", p->a, p->innermost, p->inner, p->kind, p->added);
    p->size = LARGE;
    printf("%d %d\n", p->size, t.l == 0);
    printf("%d %d %d %ld %d %d\n", q.kind, q.a, q.b, q.added, q.inner, q.innermost);
    return 0;
}
#else
int main(void) { return 0; }
#endif
