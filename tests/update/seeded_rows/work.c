/* A table that is written gets more rows, and its rows get a field. */
#include <stdio.h>

#if VERSION == 2
#define IN_V2(...) __VA_ARGS__
#else
#define IN_V2(...)
#endif

struct row {
    char name[64];
    int uses;
    IN_V2(int limit;)
};

static struct row rows[] = {
    {"a", 1 IN_V2(, 10)},
    IN_V2({"c", 3, 30},)
    {"b", 2 IN_V2(, 20)},
};

void command(const char *line)
{
    rows[*line - '0'].uses++;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        printf("%s %d %d;", rows[i].name, rows[i].uses, IN_V2(rows[i].limit) + 0);
    puts("");
}
