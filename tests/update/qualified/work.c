/* What becomes of functions that use a struct through a variable, and do not name it. */
#include <stdio.h>

#if VERSION == 2
#define IN_V2(text) text
#else
#define IN_V2(text)
#endif

struct flags {
    char name[64];
    IN_V2(volatile) int stop;
    IN_V2(_Atomic) int count;
};

static struct flags flags;
static struct flags *of(void);

static int wait_for_it(void)
{
    while (flags.stop > 100)
        ;
    return flags.count++;
}

static int peek(void)
{
    return of()->stop;
}

static int nothing(int n)
{
    return n + 1;
}

static struct flags *of(void)
{
    return &flags;
}

void command(const char *line)
{
    printf("%d\n", wait_for_it() + peek() + nothing(*line == 0));
}
