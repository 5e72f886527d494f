/* Objects without names in the initial values of variables, which the program writes. CASE 1: constants point to them. */
#include <stdio.h>

struct counter {
    const char *name;
    int count;
};

#ifndef CASE
#define CASE 0
#endif

static struct counter *counters[] = {
    &(struct counter){"a", 0},
    &(struct counter){"b", VERSION},
#if VERSION == 3
    &(struct counter){"c", 0},
#endif
};

#if CASE == 1
static struct counter *const one = &(struct counter){"one", 0};
#endif

/* Those that nothing writes are taken over. */
static struct counter *plain[] = {&(struct counter){"plain", VERSION}};

void command(const char *line)
{
    for (unsigned i = 0; i < sizeof counters / sizeof *counters; i++) {
        if (counters[i]->name[0] == *line)
            printf("%s: %d, %d\n", line, ++counters[i]->count, plain[0]->count);
    }
#if CASE == 1
    one->count++;
#endif
}
