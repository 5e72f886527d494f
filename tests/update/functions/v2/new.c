/* A file that the old program does not have. */
#include "other.h"

static int state = 5;

int only_in_new(int x)
{
    return x + state++;
}
