/* Threads that are cancelled in wrapped calls, and ones that end. */
//! flags: -D_GNU_SOURCE
//! link: -pthread
#include "serve.h"

#include <pthread.h>
#include <string.h>

int current(void);

static int pipes[2];

static void clean(void *what)
{
    printf("cleaned %s %d\n", (char *)what, current());
}

static void *waiter(void *argument)
{
    char c;
    pthread_cleanup_push(clean, argument);
    for (;;) {
        if (read(pipes[0], &c, 1) != 1)
            break;
        if (c == 'e')
            break;
    }
    pthread_cleanup_pop(0);
    return "ended";
}

int main(void)
{
    char line[100];
    pthread_t thread;
    void *result;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (pipe(pipes))
        return 1;
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
        if (!strcmp(line, "start")) {
            pthread_create(&thread, NULL, waiter, "waiter");
            puts("started");
        } else if (!strcmp(line, "cancel")) {
            pthread_cancel(thread);
            pthread_join(thread, &result);
            printf("cancelled %d\n", result == PTHREAD_CANCELED);
        } else if (!strcmp(line, "end")) {
            if (write(pipes[1], "e", 1) != 1)
                return 1;
            pthread_join(thread, &result);
            puts(result);
        } else {
            printf("version %d\n", current());
        }
    }
    return 0;
}
