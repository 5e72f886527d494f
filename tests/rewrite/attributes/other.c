#include "attributes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void finish(int x)
{
    printf("finish %d\n", x);
}

int in_section(int x)
{
    return x * 13;
}

int pure_one(int x)
{
    return x + 100;
}

int const_one(int x)
{
    return x + 200;
}

void noisy(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

char *allocate(size_t n)
{
    return malloc(n);
}

void release(void *p)
{
    free(p);
}

int must_use(int x)
{
    return -x;
}

_Noreturn void fail_elsewhere(int code)
{
    fatal(code);
}
