#include <stdio.h>
#include <string.h>

#if VERSION == 1
typedef int number;
#define SIZE 10
#elif VERSION == 2
typedef long number;
#define SIZE 10
#else
typedef int number;
#define SIZE 20
#endif

static number total;
static char buffer[SIZE];

static number add(number x)
{
    return total += x;
}

void command(const char *line)
{
    strncpy(buffer, line, SIZE - 1);
    printf("%s: %ld %d\n", buffer, (long)add(1), (int)sizeof buffer);
}
