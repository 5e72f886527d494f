#include <stdio.h>

extern int table[4];

void tell(const char *who, int number)
{
    printf("%s %d: v%d %d\n", who, number, VERSION, number >= 0 ? table[number] : 0);
}
