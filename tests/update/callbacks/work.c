//! link: -pthread
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_key_t key;
static int numbers[] = {3, 1, 2};

static void at_end(void)
{
    printf("at end %d\n", VERSION);
}

static void on_signal(int number)
{
    (void)number;
    printf("signal %d\n", VERSION);
}

static void on_thread_end(void *value)
{
    printf("thread data %d %s\n", VERSION, (char *)value);
}

static void *body(void *argument)
{
    pthread_setspecific(key, argument);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    int d = *(const int *)a - *(const int *)b;
    return VERSION == 1 ? d : -d;
}

static void before_fork(void)
{
    printf("fork %d\n", VERSION);
}

void command(const char *line)
{
    pthread_t thread;
    if (!strcmp(line, "register")) {
        atexit(at_end);
        signal(SIGUSR1, on_signal);
        pthread_key_create(&key, on_thread_end);
        pthread_atfork(before_fork, NULL, NULL);
        puts("registered");
    } else if (!strcmp(line, "sort")) {
        qsort(numbers, 3, sizeof *numbers, compare);
        printf("%d %d %d\n", numbers[0], numbers[1], numbers[2]);
    } else if (!strcmp(line, "signal")) {
        raise(SIGUSR1);
    } else if (!strcmp(line, "thread")) {
        pthread_create(&thread, NULL, body, "x");
        pthread_join(thread, NULL);
    } else if (!strcmp(line, "same")) {
        printf("%d\n", signal(SIGUSR1, on_signal) == on_signal);
    }
}
