#include "unit.h"

__thread int per_thread = 10;
const char *const names[3] = {"zero", "one", "two"};

static int thrice(int x)
{
    return 3 * x;
}

int twice(int x)
{
    return 2 * x;
}

const struct row table[2] = {{"twice", twice}, {"thrice", thrice}};
