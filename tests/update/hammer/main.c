/* Threads that never let go of malloc, the dynamic loader and pthread_create while they are updated. */
//! flags: -D_GNU_SOURCE
//! link: -pthread -ldl
#include "serve.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int churn(int n);
void tell(void);
int rounds[4];

static void *allocate(void *argument)
{
    int id = (int)(long)argument;
    for (;;) {
        char *blocks[20];
        for (int i = 0; i < 20; i++)
            blocks[i] = malloc((size_t)(i * 1000 + churn(i)));
        for (int i = 0; i < 20; i++)
            free(blocks[i]);
        rounds[id]++;
    }
    return NULL;
}

static void *load(void *argument)
{
    (void)argument;
    for (;;) {
        void *library = dlopen("libthread_db.so.1", RTLD_NOW | RTLD_LOCAL);
        rounds[2] += churn(library && dlsym(library, "td_init")) > 0;
        if (library)
            dlclose(library);
    }
    return NULL;
}

static void *short_lived(void *argument)
{
    free(malloc(100));
    return argument;
}

static void *create(void *argument)
{
    (void)argument;
    for (;;) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, short_lived, NULL) == 0)
            pthread_join(thread, NULL);
        rounds[3] += churn(1) > 0;
    }
    return NULL;
}

int main(void)
{
    char line[100];
    pthread_t thread;
    setvbuf(stdout, NULL, _IOLBF, 0);
    pthread_create(&thread, NULL, allocate, (void *)0);
    pthread_create(&thread, NULL, allocate, (void *)1);
    pthread_create(&thread, NULL, load, NULL);
    pthread_create(&thread, NULL, create, NULL);
    puts("ready");
    while (next_line(line, sizeof line) >= 0)
        tell();
    return 0;
}
