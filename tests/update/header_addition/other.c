#include "shared.h"

static const char padding[] = "other";

int other(int x)
{
    return x + (int)sizeof padding;
}
