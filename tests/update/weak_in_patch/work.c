#include <stdio.h>
#include <stdlib.h>

extern int maybe(int) __attribute__((weak));
extern int maybe_data __attribute__((weak));
extern void __gmon_start__(void) __attribute__((weak));

static int fast(int x)
{
    return x * VERSION;
}

static int (*resolve(void))(int)
{
    return fast;
}

int chosen(int) __attribute__((ifunc("resolve")));

void command(const char *line)
{
#if VERSION == 2
    printf("%s: %d %d %d\n", line, maybe ? maybe(1) : -1, &maybe_data ? maybe_data : -2, chosen(3));
#else
    printf("%s: %d\n", line, chosen(3));
#endif
}
