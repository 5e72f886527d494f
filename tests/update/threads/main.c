/* Workers at points and asleep; a main thread that reads commands. */
//! link: -pthread
#include "serve.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int work(int id);
int job(int id);
void tell(void);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int jobs, done[8];
int ticks[8];

/* Spins through a loop with a point. */
static void *busy(void *argument)
{
    int id = (int)(long)argument;
    for (;;) {
        __atomic_store_n(&ticks[id], work(id), __ATOMIC_SEQ_CST);
        usleep(200);
    }
    return NULL;
}

/* Waits for jobs. */
static void *waiting(void *argument)
{
    int id = (int)(long)argument;
    pthread_mutex_lock(&mutex);
    for (;;) {
        while (jobs == 0)
            pthread_cond_wait(&condition, &mutex);
        jobs--;
        done[id] = job(id);
        pthread_cond_broadcast(&condition);
    }
    return NULL;
}

static void run_job(void)
{
    int sum = 0, before = 0, now;
    pthread_mutex_lock(&mutex);
    memset(done, 0, sizeof done);
    jobs++;
    pthread_cond_broadcast(&condition);
    do {
        pthread_cond_wait(&condition, &mutex);
        for (now = 0, sum = 0; now < 8; now++)
            sum += done[now];
    } while (sum == before);
    pthread_mutex_unlock(&mutex);
    printf("job %d\n", sum / 100);
}

int main(void)
{
    char line[100];
    pthread_t thread;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (long i = 1; i < 3; i++)
        pthread_create(&thread, NULL, busy, (void *)i);
    for (long i = 3; i < 6; i++)
        pthread_create(&thread, NULL, waiting, (void *)i);
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
        if (!strcmp(line, "job"))
            run_job();
        else
            tell();
    }
    return 0;
}
