#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Version 2 counts in long, and without a limit. */
struct item {
    struct item *next;
#if VERSION == 1
    int count;
    int limit;
#else
    long count;
#endif
    char name[48];
};

static struct item *items;
/* Objects that a rehearsal finds. */
static struct item fixed[2] = { { .count = 5, .name = "first" }, { .count = 6, .name = "second" } };
static struct holder { int n; struct item inner; } around = { 1, { .count = 7, .name = "inner" } };

static struct item *find(const char *name)
{
    for (struct item *i = items; i; i = i->next)
        if (strcmp(i->name, name) == 0)
            return i;
    for (int i = 0; i < 2; i++)
        if (strcmp(fixed[i].name, name) == 0)
            return &fixed[i];
    return strcmp(around.inner.name, name) == 0 ? &around.inner : NULL;
}

static void show(const struct item *i)
{
#if VERSION == 1
    printf("%s count=%d limit=%d v1\n", i->name, i->count, i->limit);
#else
    printf("%s count=%ld v2\n", i->name, i->count);
#endif
}

void command(const char *line)
{
    struct item *i = find(line + (*line == '+'));
    if (*line == '+' && !i) {
        i = calloc(1, sizeof *i);
        snprintf(i->name, sizeof i->name, "%s", line + 1);
        i->next = items;
        items = i;
#if VERSION == 1
        i->limit = 9;
#endif
    }
#if VERSION != 1
    if (strcmp(line, "big") == 0)
        i->count = 1l << 40;
#endif
    i->count += *line == '+';
    show(i);
}
