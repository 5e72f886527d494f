#include "table.h"

static int add(int x)
{
    return x + VERSION;
}

static int twice(int x)
{
    return x * 2;
}

#if VERSION == 2
static int square(int x)
{
    return x * x;
}
#endif

const struct row commands[] = {
    {"add", add},
    {"twice", twice},
#if VERSION == 2
    {"square", square},
#endif
};
const int command_count = sizeof commands / sizeof *commands;

/* Nothing writes it, though it is not constant. */
int weights[] = {
    1, 2,
#if VERSION == 2
    3, 4,
#endif
};

int total(void)
{
    int sum = 0;
    for (unsigned i = 0; i < sizeof weights / sizeof *weights; i++)
        sum += weights[i];
    return sum;
}
