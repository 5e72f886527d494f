#include "calls.h"

int call_exported(void)
{
    return exported[0](1000) + exported[1](0);
}
