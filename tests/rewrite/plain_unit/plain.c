#include "plain.h"

int plain_data = 3;

int plain_call(int x)
{
    return called_by_plain(x) * plain_data;
}

int (*plain_pointer(void))(int)
{
    return taken_by_plain;
}
