//! plain: loop.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "serve.h"

struct session {
    long a[8];
    int count;
#if VERSION < 3
    int limit;
#else
    long limit;
#endif
};

static struct session *session;

static __attribute__((noinline)) void work(const char *line)
{
    session->count++;
    printf("%s: version %d, limit %ld\n", line, VERSION, (long)session->limit);
}

/* Run by the loop: who waits in the loop is on the stack below it. */
static int serve(void)
{
    char line[200];
    if (next_line(line, sizeof line) < 0)
        return 1;
    work(line);
    return 0;
}

/* The same, by a function of the C library that calls it at once. */
static int once(const void *key, const void *element)
{
    (void)key, (void)element;
    while (serve() == 0)
        ;
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    session = calloc(1, sizeof *session);
    session->limit = 10;
    if (argc > 1 && !strcmp(argv[1], "once")) {
        bsearch("x", "x", 1, 1, once);
    } else {
        loop_add(serve);
        loop_run();
    }
    printf("at the end limit %ld\n", (long)session->limit);
    work("end");
    return 0;
}
