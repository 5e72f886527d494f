#include "state.h"

int shared = 40;
struct entry table[10];

int look(void)
{
    return shared + table[3].used;
}
