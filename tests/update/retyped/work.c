#include <stdio.h>

#include "retyped.h"

#if VERSION == 1
int written = 5;
static short local = 6;
#elif VERSION == 2
long written = 5;
static short local = 6;
#elif VERSION == 3
int written = 5;
static char local[2] = {6};
#elif VERSION == 4
int written[3] = {5};
static short local = 6;
#endif

void command(const char *line)
{
#if VERSION == 3
    written++, local[0]++;
    printf("%s %d %d\n", line, (int)written, local[0]);
#elif VERSION == 4
    written[0]++, local++;
    printf("%s %d %d\n", line, written[0], local);
#else
    written++, local++;
    printf("%s %d %d\n", line, (int)written, local);
#endif
}
