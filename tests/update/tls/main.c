/* Threads, each with its own data. */
//! link: -pthread
#include "serve.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>

void use(int id);
extern __thread int shared;

static sem_t go[3], done;

static void *body(void *argument)
{
    int id = (int)(long)argument;
    for (;;) {
        sem_wait(&go[id]);
        use(id);
        sem_post(&done);
    }
    return NULL;
}

int main(void)
{
    char line[100];
    pthread_t thread;
    setvbuf(stdout, NULL, _IOLBF, 0);
    sem_init(&done, 0, 0);
    for (long i = 1; i < 3; i++) {
        sem_init(&go[i], 0, 0);
        pthread_create(&thread, NULL, body, (void *)i);
    }
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
        int id = line[0] - '0';
        if (id == 0) {
            use(0);
        } else if (id < 3) {
            sem_post(&go[id]);
            sem_wait(&done);
        } else {
            pthread_create(&thread, NULL, body, (void *)1L);
            printf("more %d\n", shared);
        }
    }
    return 0;
}
