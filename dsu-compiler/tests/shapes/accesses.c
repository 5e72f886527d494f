/* All ways to come to a field that old objects lack. */
//! wrap: struct inner
//! wrap: struct conn
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *old_memory(unsigned long);

struct inner {
    long x;
#ifndef OLD
    long deep;
#endif
    int tail;
};

struct conn {
#ifndef OLD
    long added;
    char name[12];
    unsigned low : 3, high : 5;
    struct conn *peer;
    double ratio;
#endif
    int fd;
    struct inner in;
    struct inner many[2];
    struct conn *next;
    int (*call)(struct conn *);
};

#define CONN(c) ((struct conn *)(c))
#define NAME_OF(c) (CONN(c)->name)
#define MAX(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define container_of(p, t, m) ((t *)((char *)(p) - offsetof(t, m)))

#ifndef OLD
static struct conn *fresh(void)
{
    struct conn *c = old_memory(sizeof *c);
    c->next = 0;
    c->fd = 3;
    return c;
}

static struct conn by_value(struct conn *c)
{
    return *c;
}

static struct conn global;
static long *pointer_to_global = &global.added;

static int call(struct conn *c)
{
    static long *inside = &global.added;
    return (int)++c->added + (inside == pointer_to_global);
}

static long through(const struct conn *c, volatile struct conn *v, const volatile struct inner *i)
{
    return c->added + v->added + i->deep;
}

static long old_style(c, n)
    register struct conn c;
    int n;
{
    return c.added + n;
}

static long first(int count, ...)
{
    va_list list;
    va_start(list, count);
    long n = va_arg(list, struct conn).added;
    va_end(list);
    return n;
}

int main(void)
{
    struct conn *c = fresh(), *d = fresh();
    printf("%ld %s %d %d %p %f\n", c->added, c->name, c->low, c->high, (void *)c->peer, c->ratio);
    d = fresh();
    d->added = 7; d->added += 5; d->added++; --d->added;
    printf("%ld\n", d->added);
    d->low = 9; d->high |= 3; d->high <<= 1;
    printf("%d %d\n", d->low, d->high);
    c = fresh();
    strcpy(NAME_OF(c), "abc");
    c->name[1]++;
    printf("%s %c %zu %zu\n", c->name, *c->name, sizeof(c->name), sizeof c->name);
    c = fresh();
    c->peer = fresh();
    c->peer->peer = c;
    c->peer->next = fresh();
    printf("%ld %ld\n", c->peer->next->added, c->peer->peer->peer->added);
    c = fresh();
    long *p = &c->added;
    *p = 4;
    printf("%ld %ld\n", c->added, (*c).added + (c)->added + c[0].added + (&*c)->added);
    c = fresh();
    printf("%ld %ld\n", c->in.deep, c->many[1].deep + (c->many + 1)->deep + c->many->deep);
    c = fresh();
    struct conn copy = *c, other;
    copy.added = 2;
    other = copy;
    printf("%ld %ld %ld\n", copy.added, other.added, copy.in.deep);
    register struct conn reg = *fresh();
    register long sum asm("rbx") = 0;
    sum += reg.added + reg.in.deep;
    printf("%ld\n", sum);
    c = fresh();
    c->added = 8;
    printf("%ld %s\n", by_value(c).added, by_value(c).name);
    printf("%ld %ld\n", (c ? copy : other).added, (copy = other).added + (0, copy).added);
    printf("%ld\n", ({ struct conn s = *c; s; }).added);
    printf("%ld %ld\n", old_style(*c, 1), first(1, *c));
    c = fresh();
    printf("%ld\n", MAX(c->added, c->in.deep));
    __typeof__(c->added) same = 3;
    printf("%ld %zu\n", same, sizeof(c->added + 1));
    c = fresh(); d = fresh();
    printf("%ld\n", through(c, d, &c->in));
    c->call = call;
    printf("%d %d\n", c->call(c), (*c->call)(c->call(c) ? c : d));
    printf("%d %d\n", offsetof(struct conn, added) == (size_t)&((struct conn *)0)->added,
           container_of(&c->added, struct conn, added) == c);
    /* Compared only: there need not be an object. */
    struct conn *bogus = (struct conn *)((char *)&same - offsetof(struct conn, added));
    printf("%d %d\n", &bogus->added == &same, &same != &bogus->added);
    c = fresh();
    (c->added) = 5;
    printf("%ld %ld\n", c->added, (c)  /* a comment */ ->
           added);
    for (struct conn *walk = c; walk && walk->added < 7; walk->added++)
        ;
    int n = c->added ? c->low : c->high;
    switch (c->added) { case 7: n += 100; }
    printf("%ld %d\n", c->added, n);
    c = fresh();
    printf("%d %ld\n", !c->added && !c->peer, -c->added);
    c = fresh();
    memset(&c->ratio, 0, sizeof c->ratio);
    c = fresh();
    __atomic_fetch_add(&c->added, 3, __ATOMIC_SEQ_CST);
    printf("%ld\n", __atomic_load_n(&c->added, __ATOMIC_SEQ_CST));
    asm volatile("incq %0" : "+m"(fresh()->added));
    return 0;
}
#else
int main(void) { return 0; }
#endif
