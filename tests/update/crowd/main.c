/* A crowd of threads. */
//! flags: -D_GNU_SOURCE
//! link: -pthread
#include "serve.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

int current(int);
static int never[2];
static sem_t semaphore;
int seen[3];

static void *reader(void *argument)
{
    char c;
    while (read(never[0], &c, 1) == 1)
        ;
    return argument;
}

static void *poller(void *argument)
{
    struct pollfd fd = {never[0], POLLIN, 0};
    while (poll(&fd, 1, 50) >= 0)
        __atomic_fetch_add(&seen[current(0)], 1, __ATOMIC_SEQ_CST);
    return argument;
}

static void *sleeper(void *argument)
{
    struct timespec time = {0, 20000000};
    while (nanosleep(&time, NULL) == 0)
        __atomic_fetch_add(&seen[current(0)], 1, __ATOMIC_SEQ_CST);
    puts("interrupted");
    return argument;
}

static void *poster(void *argument)
{
    while (sem_wait(&semaphore) == 0)
        __atomic_fetch_add(&seen[current(0)], 1, __ATOMIC_SEQ_CST);
    return argument;
}

int main(void)
{
    char line[100];
    void *(*const bodies[])(void *) = {reader, poller, sleeper, poster};
    pthread_attr_t attributes;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (pipe(never))
        return 1;
    sem_init(&semaphore, 0, 0);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    for (long i = 0; i < 120; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, bodies[i % 4], NULL))
            return 1;
    }
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
        for (int i = 0; i < 30; i++)
            sem_post(&semaphore);
        /* Only what is there after an update counts: nobody runs the old version any more. */
        __atomic_store_n(&seen[1], 0, __ATOMIC_SEQ_CST);
        __atomic_store_n(&seen[2], 0, __ATOMIC_SEQ_CST);
        usleep(100000);
        printf("version %d: %s %s\n", current(1), seen[1] ? "one" : "-", seen[2] ? "two" : "-");
    }
    return 0;
}
