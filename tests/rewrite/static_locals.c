/* Statics of functions: several of one name, in blocks, with function pointers, in inline functions. */
//! indirect: handler
#include <stdio.h>

static int handler(int x)
{
    return x + 1;
}

static inline int shared_counter(void)
{
    static int counter = 50;
    return counter++;
}

int count(int which)
{
    static int n = 10;
    if (which) {
        static int n = 20;
        n++;
        {
            static int n;
            n += 3;
            printf("innermost %d\n", n);
        }
        return n;
    }
    for (int i = 0; i < 2; i++) {
        static int n = 30, m = 40, *p = &m;
        n += i + *p;
        printf("loop %d\n", n);
    }
    return ++n;
}

int other(void)
{
    static int n = 100;
    static int (*const table[])(int) = {handler, [2] = handler};
    static const char *names[] = {"a", "b"}, separator = '-';
    static struct { int used; char text[4]; } state = {1, "x"};
    static int list[] = {1, 2, 3}, first = sizeof list / sizeof *list;
    static char unused_one __attribute__((unused));
    state.used++;
    n += table[2](first);
    printf("%s%c%s %d\n", names[0], separator, names[1], state.used);
    return n;
}

int main(void)
{
    for (int i = 0; i < 3; i++)
        printf("%d %d %d %d\n", count(0), count(1), other(), shared_counter());
    static int in_main = 7;
    in_main *= 2;
    printf("%d\n", in_main);
    return 0;
}
