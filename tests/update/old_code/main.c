/* The function with the main loop uses fields itself: its old version goes on doing so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve.h"

struct session {
    char name[64];
    int count;
#if VERSION == 1 || VERSION == 4
    int limit;
#elif VERSION == 2
    long limit;
#endif
#if VERSION == 4
    int added;
#endif
};

static struct session *session;

int helper(struct session *s, int by)
{
    s->count += by;
#if VERSION == 4
    s->added += 2 * by;
    return s->added;
#else
    return s->count;
#endif
}

#if VERSION != 5
static int (*volatile hook)(struct session *, int) = helper;
#endif

int main(void)
{
    char line[200];
    setvbuf(stdout, NULL, _IOLBF, 0);
    session = calloc(1, sizeof *session);
#if VERSION == 1
    session->limit = 5;
#endif
#ifdef KEPT
    int *kept = &session->limit;
    if (*kept != 5)
        return 1;
#endif
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
#if VERSION == 1 || VERSION == 4
        int count = hook(session, 1);
#else
        int count = helper(session, 1);
#endif
#ifdef LATE
        session->limit++;
#endif
        printf("%s %d v%d\n", line, count, VERSION);
    }
    return 0;
}
