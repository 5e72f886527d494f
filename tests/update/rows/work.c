/* A table that grows, and a pointer to one of its rows that is kept. CASE: what is done with that pointer. */
#include <stdio.h>
#include <string.h>

#ifndef CASE
#define CASE 0
#endif

#if CASE == 4 && VERSION == 2
struct wide {
    int more[4];
    const char *name;
    int number;
};
typedef struct wide row;
#else
struct row {
    const char *name;
    int number;
};
typedef struct row row;
#endif

static const row rows[] = {
    {.name = "one", .number = 1},
    {.name = "two", .number = 2},
#if VERSION == 2
    {.name = "three", .number = 3},
#endif
};

static const void *kept;

static const row *find(const char *name)
{
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

void command(const char *line)
{
    if (!kept)
        kept = find(line);
    const row *row = kept, *other = find(line);
    int same = 0;
#if CASE == 1
    same = row == other;
#elif CASE == 2
    same = row == &rows[1];
#elif CASE == 3
    same = row - find("one");
#endif
    printf("%s: %d %d, %d\n", line, other ? other->number : 0, row ? row->number : 0, same);
}
