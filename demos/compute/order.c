#include "compute.h"

int by_value(uint64_t a, uint64_t b)
{
    return a < b;
}

int by_low_bits(uint64_t a, uint64_t b)
{
    return (uint32_t)a < (uint32_t)b;
}
