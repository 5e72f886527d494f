#include <stdio.h>

#if VERSION == 2
void hook(void)
{
    puts("hook");
}

long labs(long n)
{
    return n < 0 ? 100 - n : n;
}
#endif

#if VERSION == 1
static int handle(int n)
{
    return printf("one %d\n", n);
}
#else
static int handle(const char *text, int n)
{
    return printf("%s %d\n", text, n);
}
#endif

static struct {
    const char *name;
    int (*function)();
} handlers[] = {{"handle", handle}};

void other(void)
{
#if VERSION == 1
    handlers[0].function(5);
#else
    handlers[0].function("two", 5);
#endif
}
