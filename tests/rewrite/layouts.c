/* Bit-fields, flexible arrays, anonymous members, packed and aligned types, as static data and in calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bits {
    unsigned a : 3, b : 5;
    signed c : 7;
    unsigned : 0;
    unsigned long d : 40;
    _Bool e : 1;
};

struct flexible {
    int count;
    struct { int x, y; } items[];
};

struct anonymous {
    union {
        int i;
        struct { short low, high; };
    };
    int (*get)(const struct anonymous *);
};

struct __attribute__((packed)) packed {
    char c;
    int (*f)(int);
    short s;
};

static struct { int counter; char name[8]; } unnamed = {5, "abc"};
static union { long l; double d; } either = {.d = 1.5};
static enum { RED, GREEN = 5 } colour = GREEN;
static struct bits bits = {1, 2, -3, 1UL << 39, 1};
static struct flexible fixed = {2, {{1, 2}, {3, 4}}};
static _Alignas(64) char aligned[3] = "xy";
static int matrix[][2] = {{1, 2}, {3, 4}, {5}};
static struct anonymous *chain[2];
static char open_ended[];
static char open_ended[] = "open";
static int zero[0];

int low(const struct anonymous *a)
{
    return a->low;
}

static int twice(int x)
{
    return 2 * x;
}

static struct packed packed = {'p', twice, 3};

struct bits change(struct bits b)
{
    b.a++;
    b.c--;
    return b;
}

int main(void)
{
    struct flexible *f = malloc(sizeof *f + 3 * sizeof f->items[0]);
    struct anonymous a = {.i = 0x20001, .get = low};
    f->count = 3;
    for (int i = 0; i < f->count; i++)
        f->items[i].x = i, f->items[i].y = i * i;
    bits = change(bits);
    printf("%d %d %d %lx %d\n", bits.a, bits.b, bits.c, (unsigned long)bits.d, bits.e);
    printf("%d %d %d\n", f->items[2].y, fixed.items[1].x, fixed.count);
    printf("%d %d\n", a.get(&a), a.high);
    printf("%d %d\n", packed.f(packed.s), (int)sizeof packed);
    unnamed.counter++;
    printf("%d %s %.1f %d\n", unnamed.counter, unnamed.name, either.d, colour);
    printf("%d %zu %d\n", (int)((unsigned long)aligned % 64), sizeof matrix, matrix[2][1]);
    chain[1] = &a;
    printf("%d %s %d\n", chain[1]->get(chain[1]), open_ended, (int)sizeof zero);
    free(f);
    return 0;
}
