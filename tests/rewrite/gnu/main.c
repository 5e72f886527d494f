/* GNU extensions. */
//! flags: -w -D_GNU_SOURCE
//! indirect: get_pointer clones vectors optimised
#include <complex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int *get_pointer(int);
int clones(int);
int vectors(int);
int optimised(int);

typedef union __attribute__((transparent_union)) { int *i; float *f; } either;
typedef int int128 __attribute__((mode(TI)));
struct empty {};
struct old { int a, b, c[4]; };
union number { int i; double d; };

static int take(either e)
{
    return *e.i;
}

static struct old old = {b: 2, a: 1, c: {[2] 9, [0] 7}};
static int ranges[] = {[0 ... 3] = 5, [2] = 6};
static int (*table[])(int) = {[1 ... 2] = clones};

static int classify(int x)
{
    switch (x) {
    case 0 ... 9: return clones(x);
    case 10: __attribute__((fallthrough));
    case 11: return vectors(x);
    default: return x ?: optimised(3);
    }
}

static int assembled(int x)
{
    int result;
    __asm__("movl %[in], %[out]" : [out] "=r"(*get_pointer(0)) : [in] "r"(clones(x)));
    __asm__ goto("jmp %l[away]" : : : : away);
    return -1;
away:
    __asm__ __volatile__("addl %1, %0" : "=r"(result) : "r"(vectors(x)), "0"(x));
    return result + *get_pointer(0);
}

static int __attribute__((optimize("O0"), noinline)) slow(int x)
{
    return optimised(x) + 1;
}

__attribute__((target("sse4.2"))) static int targeted(int x)
{
    return clones(x) + 0b101 + '\e' + 0x1p3;
}

static int local_label(int n)
{
    __label__ again;
    int (*f)(int) = n ? clones : vectors, sum = 0;
    static __thread int calls;
again:
    sum += f(n) + ++calls;
    if (n-- > 0)
        goto again;
    return sum;
}

int main(void)
{
    int values[2] = {4, 5}, i = 6;
    float number = 1;
    struct empty nothing = {};
    int128 wide = (int128)clones(3) << 70;
    printf("%d %d\n", take(&i), (int)sizeof nothing);
    printf("%d %d %d %d %d\n", old.a, old.b, old.c[2], ranges[2], ranges[3]);
    printf("%d %d %d %d\n", classify(3), classify(11), classify(0 - 5), classify(50));
    printf("%d %d %d\n", assembled(4), slow(2), targeted(1));
    printf("%d %d\n", local_label(2), table[2](7));
    printf("%d %d\n", (int)(wide >> 70), (int)creal(2.0 + 3.0i));
    printf("%f\n", ((union number)(double)optimised(1)).d);
    printf("%ld %d\n", (long)sizeof(clones), (int)__alignof__(values));
    printf("%d %d\n", __builtin_expect(clones(1), 2), __builtin_popcount(vectors(7)));
    printf("%s %d\n", __PRETTY_FUNCTION__, ({ __auto_type x = clones(2); x; }));
    printf("%d\n", (clones + 0)(5));
    printf("%d\n", (int)({ typeof(int[clones(3)]) v; sizeof v; }));
    return 0;
}
