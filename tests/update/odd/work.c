/* Odd kinds of code in patches. */
//! flags: -w
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odd.h"

static jmp_buf out;

static int sum(int n, ...)
{
    va_list list;
    int total = VERSION;
    va_start(list, n);
    while (n--)
        total += va_arg(list, int);
    va_end(list);
    return total;
}

static int interpret(const char *code)
{
    static const void *const table[] = {&&stop, &&add, &&twice};
    int x = VERSION;
    goto *table[*code++ - '0'];
add:
    x++;
    goto *table[*code++ - '0'];
twice:
    x *= 2;
    goto *table[*code++ - '0'];
stop:
    return x;
}

static void leave(int n)
{
    if (n == 0)
        longjmp(out, 5 + VERSION);
    leave(n - 1);
}

static int old_style(a, b)
    char a;
    int b;
{
    return a * b + VERSION;
}

static double floating(double x)
{
    return x * 1.5 + VERSION;
}

static const char *choose(int n)
{
    switch (n) {
    case 0: return "zero";
    case 1: return "one";
    case 2: return "two";
    case 3: return "three";
    case 4: return "four";
    case 5: return "five";
    case 6: return "six";
    default: return "many";
    }
}

static int compare(const void *a, const void *b)
{
    return VERSION == 1 ? *(const char *)a - *(const char *)b : *(const char *)b - *(const char *)a;
}

struct pair make(int a)
{
    return (struct pair){a, a + VERSION, {1.5, 2.5}};
}

void command(const char *line)
{
    char text[20];
    int code = setjmp(out);
    if (code == 0)
        leave(3);
    strcpy(text, "hello");
    qsort(text, 5, 1, compare);
    struct pair p = make(3);
    bits.a++;
    bits.b--;
    both.halves[1]++;
    flexible->items[1] += VERSION;
    printf("%s: %d %d %d %d %.1f %s %s %d %.1f\n", line, code, sum(3, 1, 2, 3), interpret("1120"), old_style('a', 2),
           floating(2), choose(VERSION + 2), text, p.b, p.d[1]);
    printf("%d %d %d %d %d\n", bits.a, bits.b, (int)both.whole, flexible->items[1], look());
}
