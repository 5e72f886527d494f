/* The same in both versions; what it calls is not. */
#include <stdio.h>

extern void hook(void) __attribute__((weak));
long labs(long);
void other(void);

void command(const char *line)
{
    (void)line;
    if (hook)
        hook();
    printf("%ld\n", labs(-3));
    other();
}
