#include "shared.h"

int in_other(int x)
{
    return shared_inline(x) + in_third() + not_affected();
}
