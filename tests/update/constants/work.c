#include <stdio.h>

static const char end_mark;
static const void *head = &end_mark;
const int first = 5;
static int copy = first;
#if VERSION == 3
static int table[] = {1, 2};
#else
static const int table[] = {1, 2};
#endif

void command(const char *line)
{
#if VERSION == 3
    table[1]++;
#endif
    if (line[0] == 's')
        head = line;
    printf("%d %s %d %d\n", VERSION, head == &end_mark ? "empty" : "full", copy++, table[1]);
}
