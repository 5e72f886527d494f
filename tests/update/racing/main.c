/* Threads that use the same objects while their struct gets a field: each object is transformed once. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve.h"

#define OBJECTS 2000
#define THREADS 4

struct object {
    char name[64];
    long serial;
#if VERSION == 2
    long square;
#endif
};

static struct object *objects[OBJECTS];
static volatile long rounds, wrong, transformed;

void use(struct object *o)
{
#if VERSION == 2
    if (o->square != o->serial * o->serial + 1)
        __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
#else
    if (o->serial < 0)
        __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
#endif
}

void sweep(void)
{
    for (int i = 0; i < OBJECTS; i++)
        use(objects[i]);
    __atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
}

static void *worker(void *unused)
{
    for (;;) {
        sweep();
        usleep(500);
    }
    return unused;
}

void answer(const char *line)
{
    long before = rounds;
    while (rounds < before + 3 * THREADS)
        usleep(1000);
    printf("%s: version %d, wrong %ld, transformed %ld\n", line, VERSION, wrong, transformed);
}

int main(void)
{
    char line[200];
    pthread_t thread;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < OBJECTS; i++) {
        objects[i] = calloc(1, sizeof *objects[i]);
        objects[i]->serial = i;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread, NULL, worker, NULL);
    puts("ready");
    while (next_line(line, sizeof line) >= 0)
        answer(line);
    return 0;
}
