/* Update points by annotation: plain compilers see nothing of them. */
//! stdin: abc
//! link: -pthread
#include <dsu.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *worker(void *argument)
{
    int *n = argument;
    for (int i = 0; i < 10; i++) {
        DSU_UPDATE_POINT("worker");
        ++*n;
    }
    return NULL;
}

int main(void)
{
    pthread_t thread;
    char c;
    int n = 0;
    pthread_create(&thread, NULL, worker, &n);
    pthread_join(thread, NULL);
    for (;;) {
        DSU_UPDATE_POINT("main loop");
        if (read(0, &c, 1) != 1)
            break;
        if (c == 'b') DSU_UPDATE_POINT("b"); else DSU_UPDATE_POINT("not b");
        putchar(c);
    }
    printf(" %d\n", n);
    return 0;
}
