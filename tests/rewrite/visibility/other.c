#include "visibility.h"

int hidden_data = 40;
int pragma_data = 2;

int hidden_one(int x)
{
    return x + 1;
}

int pragma_hidden(int x)
{
    return x + 2;
}

int flag_hidden(int x)
{
    return x + 3;
}

int shown(int x)
{
    return x + 4;
}

int protected_one(int x)
{
    return x + 5;
}
