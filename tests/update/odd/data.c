#include "odd.h"

#include <stdlib.h>

struct bits bits = {6, 3};
union both both;
static struct { struct flexible head; int room[4]; } storage = {{4}, {10, 20, 30, 40}};
struct flexible *flexible = &storage.head;

int look(void)
{
    return bits.a * 1000 + both.halves[1] * 100 + storage.room[1];
}
