/* typeof, sizeof, _Generic and other places where a function is named but not called. */
//! direct: never_called
//! indirect: taken
#include <stddef.h>
#include <stdio.h>

int taken(int), unused_result(void);
static int plain(int x)
{
    return x + 1;
}

static double other(double x)
{
    return x / 2;
}

static long never_called(void)
{
    return 1;
}

static __typeof__(never_called()) long_number = sizeof never_called();

struct big {
    char bytes[100];
};
struct big make(void);

__typeof__(taken) taken_too;
typedef __typeof__(plain) plain_t;
static __typeof__(plain(0)) number = 3;
static __typeof__(&taken) pointer = taken;
static char array[sizeof(make())];
static char another[sizeof taken(1) + _Alignof(struct big)];
enum { FROM_SIZE = sizeof(plain(1)) };

#define NAME(f) _Generic((f), int (*)(int): "int of int", double (*)(double): "double of double", default: "other")
#define CALL(x) _Generic((x), int: plain, double: other)(x)

int main(void)
{
    __typeof__(plain) *local = plain;
    __auto_type inferred = taken;
    plain_t *third = local;
    printf("%d %d %d %d\n", number, pointer(1), local(2), third(3));
    printf("%ld\n", long_number);
    printf("%zu %zu %d\n", sizeof array, sizeof another, FROM_SIZE);
    printf("%s %s %s %s\n", NAME(plain), NAME(&other), NAME(taken), NAME(printf));
    printf("%d %.2f\n", CALL(4), CALL(5.0));
    printf("%zu %zu\n", sizeof(plain(unused_result())), sizeof(struct big));
    printf("%d\n", __builtin_types_compatible_p(__typeof__(plain), __typeof__(taken)));
    printf("%d\n", __builtin_choose_expr(1, plain, other)(6));
    printf("%d\n", __builtin_constant_p(taken(1)));
    printf("%d %d\n", inferred(1), taken_too(2));
    printf("%zu\n", offsetof(struct big, bytes[FROM_SIZE]));
    _Static_assert(sizeof(plain(1)) == 4, "size");
    __typeof__(make()) big = make();
    printf("%c\n", big.bytes[0]);
    int n = 5;
    int vla[taken(n)];
    printf("%zu %zu\n", sizeof vla, sizeof(int[plain(n)]));
    return 0;
}

int taken(int x)
{
    return x * 10;
}

int taken_too(int x)
{
    return x * 20;
}

int unused_result(void)
{
    puts("never");
    return 0;
}

struct big make(void)
{
    return (struct big){"b"};
}
