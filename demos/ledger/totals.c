#include "ledger.h"

#include <stdio.h>

#if VERSION >= 11
struct totals {
    long served;
    long refused;
    char last[48];
    long created;
};
#endif

static struct totals totals;
#if VERSION >= 10
static long lines;
static int lengths[8];
#else
static int lines;
static int lengths[4];
#endif

struct totals *totals_get(void)
{
    return &totals;
}

void totals_count(struct totals *t, const char *command, int understood)
{
    unsigned length = 0;

    while (command[length])
        length++;
    snprintf(t->last, sizeof t->last, "%s", command);
    if (understood)
        t->served++;
    else
        t->refused++;
#if VERSION >= 10
    t->created += command[0] == 'o';
#endif
    lines++;
    lengths[length % (sizeof lengths / sizeof *lengths)]++;
}

long totals_print(const struct totals *t, char *reply, unsigned long size)
{
    int sum = 0;

    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++)
        sum += lengths[i];
    int n = snprintf(reply, size, "served %ld refused %ld lines %ld sum %d", t->served, t->refused, (long)lines, sum);
#if VERSION >= 10
    n += snprintf(reply + n, size - n, " created %ld", t->created);
#endif
    return n;
}
