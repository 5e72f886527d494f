#include <stdio.h>
#include <string.h>

#if VERSION == 1
int step(int x)
{
    return x + 1;
}
static long local(int x)
{
    return x;
}
#else
int step(int x, int y)
{
    return x * 10 + y;
}
static const char *local(double x)
{
    return x > 1 ? "big" : "small";
}
#endif

void command(const char *line)
{
#if VERSION == 1
    printf("%s: %d %ld\n", line, step(5), local(1));
#else
    printf("%s: %d %s\n", line, step(5, 6), local(2));
#endif
}
