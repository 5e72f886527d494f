#include "shared.h"

int in_third(void)
{
    return LIMIT * 1000;
}
