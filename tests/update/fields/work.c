#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"

static struct conn *conns;
static int made;

#if VERSION == 4
#define id number
#endif

static void add(const char *name)
{
    struct conn *c = calloc(1, sizeof *c);
    c->id = ++made;
#if VERSION != 3
    c->level = 100 * c->id;
    c->load = c->id + 0.5;
#endif
    snprintf(c->name, sizeof c->name, "%s", name);
    for (int i = 0; i < (int)(sizeof c->totals / sizeof c->totals[0]); i++)
        c->totals[i] = 10 * c->id + i;
    c->peer.ip = 0x7f000001;
    c->peer.port = 1000 + c->id;
    snprintf(c->peer.host, sizeof c->peer.host, "host-of-%s", name);
    c->open = 1;
    c->retries = 5;
    c->next = conns;
    conns = c;
}

static void show(const struct conn *c)
{
    printf("%d %s", (int)c->id, c->name);
#if VERSION != 3
    printf(" level=%d load=%.1f", (int)c->level, (double)c->load);
#endif
    printf(" totals=%d,%d,%d", (int)c->totals[0], (int)c->totals[1], (int)c->totals[2]);
    printf(" peer=%u:%s open=%u retries=%u", c->peer.port, c->peer.host, c->open, c->retries);
#if VERSION == 2
    printf(" hits=%d", ((struct conn *)c)->hits++);
#elif VERSION == 6
    printf(" last=%ld", c->totals[3]);
#elif VERSION == 7
    printf(" family=%u", c->peer.family);
#elif VERSION == 8
    printf(" secure=%u", c->secure);
#endif
    puts("");
}

void command(const char *line)
{
    if (*line == '+') {
        add(line + 1);
        printf("added %d\n", made);
        return;
    }
    for (struct conn *c = conns; c; c = c->next)
        if (strcmp(c->name, line) == 0)
            show(c);
}
