/* A worker that is for a while in code without any update point. */
//! link: -pthread
#include "serve.h"

#include <pthread.h>
#include <string.h>

int pipes[2];
void stay(void);
void tell(void);

static void *worker(void *argument)
{
    char c;
    (void)argument;
    for (;;) {
        if (read(pipes[0], &c, 1) != 1)
            return NULL;
        if (c == 's')
            stay();
    }
}

int main(void)
{
    char line[100];
    pthread_t thread;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (pipe(pipes))
        return 1;
    pthread_create(&thread, NULL, worker, NULL);
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
        if (!strcmp(line, "stay") || !strcmp(line, "leave")) {
            if (write(pipes[1], line, 1) != 1)
                return 1;
        } else {
            tell();
        }
    }
    return 0;
}
