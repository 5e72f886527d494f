/* Calls in all kinds of expressions. */
#include <stdio.h>
#include <stdlib.h>

struct s { int a; int (*f)(int); };
int one(int x);
void nothing(void);
struct s make(int x);
int *address(int *p);
int zero(void);

static int initial = sizeof(struct s) > 4 ? 3 : 4;
static struct s statics[] = {{1, one}, {.f = &one}};

int main(int argc, char **argv)
{
    int a[4] = {one(1), [2] = one(2), one(3)}, i = 0;
    struct s s = {.a = one(4), .f = one}, t = make(one(5));
    a[one(0)] += one(10);
    *address(&a[3]) = one(20);
    (void)one(1), nothing();
    i += one(one(one(1))) ? one(2) : one(3);
    i = -one(1) + !zero() + ~one(2) - +one(3);
    for (int j = one(0), k = zero(); j < one(3) && !k; j += one(0))
        i += j;
    if (zero() || one(0) && make(3).f(1))
        i++;
    do nothing(); while (zero());
    switch (one(4)) { case 5: i += 100; nothing(); break; default: abort(); }
    nothing(), nothing();
    (zero() ? nothing : nothing)();
    printf("%d %d %d %d %d\n", a[0], a[1], a[2], a[3], i);
    printf("%d %d %d\n", s.f(s.a), t.f(t.a), (&t)->f(1));
    printf("%d\n", (*statics[1].f)(7) + statics->f(8) + initial);
    printf("%d\n", ((int (*)(int))(void *)one)(9));
    printf("%d\n", (one)(1) + (*one)(2) + (**one)(3) + (&one)(4) + (*&one)(5));
    printf("%d\n", one
        (
            6
        ));
    printf("%d\n", sizeof(one(1)) + sizeof one(1) == 8);
    printf("%d\n", _Alignof(struct s) == 8 ? one(1) : zero());
    char text[one(4)];
    printf("%d\n", (int)sizeof text);
    struct s *heap = &(struct s){one(1), make(2).f};
    printf("%d %d\n", heap->f(heap->a), argc + (argv[argc] == NULL));
    unsigned long number = (unsigned long)&one;
    printf("%d\n", number == (unsigned long)one && one == statics[0].f && one != NULL);
    return one(-1);
}

int one(int x) { return x + 1; }
int zero(void) { return 0; }
void nothing(void) { static int n; if (++n > 4) return; printf("n%d\n", n); }
struct s make(int x) { return (struct s){x, one}; }
int *address(int *p) { return p; }
