/* The ways to sleep. */
#define _GNU_SOURCE
#include "program.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS = 2 };

static int pair[2], listener, epoll;
static sem_t semaphore;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int ready;

/* Wakes one that waits as `cond`. */
void make_ready(void)
{
    pthread_mutex_lock(&mutex);
    ready++;
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
}

void prepare(void)
{
    struct sockaddr_in address;
    struct epoll_event event;
    memset(&address, 0, sizeof address);
    memset(&event, 0, sizeof event);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    epoll = epoll_create1(0);
    event.events = EPOLLIN;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || bind(listener, (void *)&address, sizeof address) != 0
        || listen(listener, 5) != 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event) != 0)
        exit(9);
    sem_init(&semaphore, 0, 0);
}

static void *nothing(void *unused)
{
    return unused;
}

long rest(const char *how)
{
    char byte;
    if (strcmp(how, "read") == 0)
        return read(pair[0], &byte, 1);
    if (strcmp(how, "stdin") == 0)
        return read(0, &byte, 1);
    if (strcmp(how, "recv") == 0)
        return recv(pair[0], &byte, 1, 0);
    if (strcmp(how, "accept") == 0)
        return accept(listener, NULL, NULL);
    if (strcmp(how, "poll") == 0) {
        struct pollfd fd = {pair[0], POLLIN, 0};
        return poll(&fd, 1, SECONDS * 1000);
    }
    if (strcmp(how, "select") == 0) {
        struct timeval time = {SECONDS, 0};
        fd_set set;
        FD_ZERO(&set);
        FD_SET(pair[0], &set);
        return select(pair[0] + 1, &set, NULL, NULL, &time);
    }
    if (strcmp(how, "epoll_wait") == 0) {
        struct epoll_event event;
        return epoll_wait(epoll, &event, 1, SECONDS * 1000);
    }
    if (strcmp(how, "nanosleep") == 0) {
        struct timespec time = {SECONDS, 0};
        return nanosleep(&time, NULL);
    }
    if (strcmp(how, "sleep") == 0)
        return sleep(SECONDS);
    if (strcmp(how, "pause") == 0)
        return pause();
    if (strcmp(how, "sigsuspend") == 0) {
        sigset_t none;
        sigemptyset(&none);
        return sigsuspend(&none);
    }
    if (strcmp(how, "sem_wait") == 0)
        return sem_wait(&semaphore);
    if (strcmp(how, "cond") == 0) {
        pthread_mutex_lock(&mutex);
        while (ready == 0)
            pthread_cond_wait(&condition, &mutex);
        ready--;
        pthread_mutex_unlock(&mutex);
        return 0;
    }
    if (strcmp(how, "cond_until") == 0) {
        struct timespec until;
        int error = 0;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += SECONDS;
        pthread_mutex_lock(&mutex);
        while (error == 0)
            error = pthread_cond_timedwait(&condition, &mutex, &until);
        pthread_mutex_unlock(&mutex);
        return error == ETIMEDOUT ? 0 : error;
    }
    if (strcmp(how, "waitpid") == 0)
        return waitpid(-1, NULL, 0);
    if (strcmp(how, "busy") == 0)
        return usleep(200);
    if (strcmp(how, "waker") == 0) {
        make_ready();
        return usleep(200);
    }
    if (strcmp(how, "churn") == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, nothing, NULL) == 0)
            pthread_join(thread, NULL);
        return usleep(100);
    }
    if (strcmp(how, "breed") == 0) {
        pid_t child = fork();
        if (child == 0) {
            usleep(500);
            _exit(0);
        }
        return waitpid(child, NULL, 0) == child ? usleep(500) : -1;
    }
    return 0;
}
