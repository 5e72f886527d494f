#include <string.h>

#include "compute.h"

int by_name(const struct record *a, const struct record *b)
{
    return strcmp(a->name, b->name) < 0;
}

int by_number(const struct record *a, const struct record *b)
{
    return a->number < b->number;
}
