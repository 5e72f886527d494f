/* A signal handler that waits where the program can be updated: below it, anything may be on the stack. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve.h"

struct session {
    long a[8];
#if VERSION < 2
    int limit;
#else
    long limit;
#endif
};

static struct session *session;
static char line[200];

static void serve(void)
{
    if (next_line(line, sizeof line) >= 0)
        printf("handler %s, version %d\n", line, VERSION);
}

static void on_signal(int number)
{
    (void)number;
    puts("handler waits");
    serve();
}

static __attribute__((noinline)) void work(void)
{
    int limit = session->limit;
    raise(SIGUSR1);
    session->limit = limit + 1;
    printf("limit %ld\n", (long)session->limit);
}

void command(const char *said)
{
    if (!session) {
        session = calloc(1, sizeof *session);
        signal(SIGUSR1, on_signal);
    }
    if (strcmp(said, "signal") == 0)
        work();
    else
        printf("version %d\n", VERSION);
}
