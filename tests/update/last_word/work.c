/* A state transformer sees variables as the update makes them, and what it writes counts. */
#include <stdio.h>
#include <string.h>

struct row {
    char name[64];
    int uses;
#if VERSION == 2
    int max;
#endif
};

#if VERSION == 1
static int limit = 1;
static int sizes[2] = {1, 2};
static struct row rows[2] = {{"a", 1}, {"b", 2}};
#else
static long limit = 1;
static int sizes[4] = {1, 2, 3, 4};
static struct row rows[2] = {{"a", 1, 5}, {"b", 2, 6}};
#endif

void command(const char *line)
{
    limit++;
    sizes[0]++;
    rows[0].uses++;
    printf("%s %ld %d %d", line, (long)limit, sizes[0], rows[0].uses);
#if VERSION == 2
    printf(" %d %d %d", sizes[3], rows[0].max, rows[1].max);
#endif
    puts("");
}
