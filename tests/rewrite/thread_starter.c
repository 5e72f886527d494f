// Threads that a function of the program starts for others: each needs an update point, and main, too.
//! link: -pthread
//! config: [[update-point]]
//! config: function = "pointed"
//! config: quiescent = ["poll"]
//! note: a thread that runs pointless (thread_starter.c:
//! note: the thread that runs main has no update point
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

static pthread_t start(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    pthread_create(&thread, NULL, run, argument);
    return thread;
}

static void *pointed(void *argument)
{
    for (int i = 0; i < 3; i++)
        poll(NULL, 0, 1);
    return argument;
}

static void *pointless(void *argument)
{
    return argument;
}

int main(void)
{
    int a = 1, b = 2;
    pthread_t one = start(pointed, &a), two = start(pointless, &b);
    void *first, *second;
    pthread_join(one, &first);
    pthread_join(two, &second);
    printf("%d %d\n", *(int *)first, *(int *)second);
    return 0;
}
