#include "shared.h"

int not_affected(void)
{
    return 0;
}
