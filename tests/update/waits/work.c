#include <stdio.h>

void came(const char *what)
{
    printf("%s: version %d\n", what, VERSION);
}
