/* A table that changes its length, and whose entries are looked up by functions that return pointers to them. */
#include "table.h"

#include <stddef.h>
#include <string.h>

static const struct alg *by_name(const char *name);

static const struct alg algs[] = {
    {"one", 1, &algs[1]},
    {"two", 2, NULL},
#if VERSION == 2
    {"three", 3, NULL},
#endif
    {NULL, 0, NULL},
};

/* Not constant, but nothing writes it. */
static struct alg *extra[] = {
    &(struct alg){"four", 4, NULL},
#if VERSION == 2
    &(struct alg){"five", 5, NULL},
#endif
    NULL,
};

static const struct alg *by_name(const char *name)
{
    const struct alg *alg;
    for (alg = algs; alg->name != NULL; alg++) {
        if (strcmp(alg->name, name) == 0)
            return alg;
    }
    for (struct alg **e = extra; *e; e++) {
        if (strcmp((*e)->name, name) == 0)
            return *e;
    }
    return NULL;
}

int alg_number(const char *name)
{
    const struct alg *alg = by_name(name);
    return alg ? alg->number : -1;
}

/* Of an entry, through two functions. */
const struct alg *alg_find(const char *name)
{
    return by_name(name);
}
