//! flags: -Wno-deprecated-declarations
/* Attributes in all places they may stand. */
//! indirect: sectioned in_section noisy fatal pure_one
//! direct: parenthesised_inner
//! output: cleaned 5
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "attributes.h"

static jmp_buf out;

__attribute__((noreturn)) void fatal(int code)
{
    printf("fatal %d\n", code);
    longjmp(out, code);
}

static void cleaner(int *p)
{
    printf("cleaned %d\n", *p);
    finish(*p);
}

static int hot_one(int) __attribute__((hot, noinline)), cold_one(int) __attribute__((cold));

static int hot_one(int x)
{
    return x + 1;
}

static __attribute__((unused)) int cold_one(int x)
{
    return x + 2;
}

static int __attribute__((noinline, noclone)) (parenthesised_inner)(int x)
{
    return x * 5;
}

static int __attribute__((noinline)) (parenthesised)(int x)
{
    return parenthesised_inner(x) + (parenthesised_inner)(x);
}

__attribute__((section(".text.special"))) int sectioned(int x)
{
    return x * 11;
}

static int in_data __attribute__((section(".mydata"))) = 4;
static const int in_rodata __attribute__((section(".myrodata"), used)) = 5;

int main(void)
{
    int code;
    {
        int guard __attribute__((cleanup(cleaner))) = 5;
        guard += hot_one(0) - 1;
    }
    if ((code = setjmp(out)) == 0)
        fatal(3);
    printf("back with %d\n", code);
    printf("%d %d %d\n", sectioned(2), in_section(3), parenthesised(4));
    printf("%d %d\n", in_data, in_rodata);
    printf("%d %d\n", pure_one(4), const_one(5));
    noisy("%s %d\n", "formatted", 1);
    char *p = allocate(8);
    p[0] = 'x';
    printf("%c %d\n", *p, must_use(2));
    release(p);
    if ((code = setjmp(out)) == 0)
        fail_elsewhere(9);
    printf("back with %d\n", code);
    return 0;
}
