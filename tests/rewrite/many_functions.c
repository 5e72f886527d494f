/* Long functions, many functions, deep nesting. */
#include <stdio.h>

#define F1(n) static int f##n(int x) { return x + n; } int g##n(int x) { return f##n(x) - 1; }
#define F4(n) F1(n##0) F1(n##1) F1(n##2) F1(n##3)
#define F16(n) F4(n##0) F4(n##1) F4(n##2) F4(n##3)
F16(1) F16(2) F16(3) F16(4) F16(5) F16(6) F16(7) F16(8)

#define P4(n) g##n##0, g##n##1, g##n##2, g##n##3
#define P16(n) P4(n##0), P4(n##1), P4(n##2), P4(n##3)
static int (*const all[])(int) = {P16(1), P16(2), P16(3), P16(4), P16(5), P16(6), P16(7), P16(8)};

#define DEEP(x) g100(g101(g102(g103(g110(x)))))
#define DEEPER(x) DEEP(DEEP(DEEP(DEEP(DEEP(DEEP(DEEP(DEEP(x))))))))

int main(void)
{
    long sum = 0;
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        sum += all[i](i);
    printf("%ld %d\n", sum, DEEPER(DEEPER(1)));
    return 0;
}
