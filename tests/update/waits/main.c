/* Threads that wait in calls of which some restart by themselves; main waits for the end of one. */
//! link: -pthread
#define _GNU_SOURCE
#include "serve.h"

#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <threads.h>

void came(const char *what);

static sigset_t one, two, three;
static int pair[2], events[2], queue, set;
static mtx_t mutex;
static cnd_t condition;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t clocked = PTHREAD_COND_INITIALIZER;
static int work, timed;

static void *in_sigwait(void *argument)
{
    for (;;) {
        int number;
        if (sigwait(&one, &number) == 0 && number == SIGUSR1)
            came("sigwait");
    }
    return argument;
}

static void *in_sigwaitinfo(void *argument)
{
    for (;;)
        if (sigwaitinfo(&two, NULL) == SIGUSR2)
            came("sigwaitinfo");
    return argument;
}

static void *in_sigtimedwait(void *argument)
{
    struct timespec day = { 86400, 0 };
    for (;;)
        if (sigtimedwait(&three, NULL, &day) == SIGHUP)
            came("sigtimedwait");
    return argument;
}

static void *in_recvmmsg(void *argument)
{
    for (;;) {
        char data[8];
        struct iovec part = { data, sizeof data };
        struct mmsghdr message = { .msg_hdr = { .msg_iov = &part, .msg_iovlen = 1 } };
        if (recvmmsg(pair[1], &message, 1, 0, NULL) == 1)
            came("recvmmsg");
    }
    return argument;
}

static void *in_epoll(void *argument)
{
    int poller = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN };
    epoll_ctl(poller, EPOLL_CTL_ADD, events[1], &event);
    for (;;) {
        struct timespec day = { 86400, 0 };
        char data;
        if (epoll_pwait2(poller, &event, 1, &day, NULL) == 1 && read(events[1], &data, 1) == 1)
            came("epoll_pwait2");
    }
    return argument;
}

static void *in_msgrcv(void *argument)
{
    struct { long type; char text[8]; } message;
    for (;;)
        if (msgrcv(queue, &message, sizeof message.text, 0, 0) >= 0)
            came("msgrcv");
    return argument;
}

static void *in_semop(void *argument)
{
    struct sembuf take = { 0, -1, 0 };
    for (;;)
        if (semop(set, &take, 1) == 0)
            came("semop");
    return argument;
}

static void *in_clockwait(void *argument)
{
    struct timespec far = { 1L << 40, 0 };
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!timed)
            pthread_cond_clockwait(&clocked, &lock, CLOCK_MONOTONIC, &far);
        timed = 0;
        came("pthread_cond_clockwait");
    }
    return argument;
}

static int in_cnd_wait(void *argument)
{
    mtx_lock(&mutex);
    for (;;) {
        while (!work)
            cnd_wait(&condition, &mutex);
        work = 0;
        came("cnd_wait");
    }
    return argument != NULL;
}

static int in_thrd_join(void *argument)
{
    int result;
    thrd_join(*(thrd_t *)argument, &result);
    return result;
}

static void trigger(const char *what)
{
    struct { long type; char text[8]; } message = { 1, "x" };
    if (strcmp(what, "sigwait") == 0)
        kill(getpid(), SIGUSR1);
    else if (strcmp(what, "sigwaitinfo") == 0)
        kill(getpid(), SIGUSR2);
    else if (strcmp(what, "sigtimedwait") == 0)
        kill(getpid(), SIGHUP);
    else if (strcmp(what, "recvmmsg") == 0)
        send(pair[0], "x", 1, 0);
    else if (strcmp(what, "epoll_pwait2") == 0)
        send(events[0], "x", 1, 0);
    else if (strcmp(what, "msgrcv") == 0)
        msgsnd(queue, &message, sizeof message.text, 0);
    else if (strcmp(what, "semop") == 0)
        semop(set, &(struct sembuf) { 0, 1, 0 }, 1);
    else if (strcmp(what, "pthread_cond_clockwait") == 0) {
        pthread_mutex_lock(&lock);
        timed = 1;
        pthread_cond_signal(&clocked);
        pthread_mutex_unlock(&lock);
    } else if (strcmp(what, "cnd_wait") == 0) {
        mtx_lock(&mutex);
        work = 1;
        cnd_signal(&condition);
        mtx_unlock(&mutex);
    }
}

static void *reader(void *argument)
{
    char line[200];
    while (next_line(line, sizeof line) >= 0)
        trigger(line);
    return argument;
}

int main(int count, char **arguments)
{
    void *(*const all[])(void *) = { in_sigwait, in_sigwaitinfo, in_sigtimedwait, in_recvmmsg, in_epoll, in_msgrcv,
                                     in_semop, in_clockwait };
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigaddset(&one, SIGUSR1);
    sigaddset(&two, SIGUSR2);
    sigaddset(&three, SIGHUP);
    for (int i = 0; i < 3; i++)
        pthread_sigmask(SIG_BLOCK, (sigset_t *[]) { &one, &two, &three }[i], NULL);
    puts("ready");
    if (count > 1 && strcmp(arguments[1], "alone") == 0)
        return in_sigwait(NULL) != NULL;
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, events);
    queue = msgget(IPC_PRIVATE, 0600);
    set = semget(IPC_PRIVATE, 1, 0600);
    mtx_init(&mutex, mtx_plain);
    cnd_init(&condition);
    pthread_t thread;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pthread_create(&thread, NULL, all[i], NULL);
    thrd_t worker, joiner;
    thrd_create(&worker, in_cnd_wait, NULL);
    thrd_create(&joiner, in_thrd_join, &worker);
    pthread_create(&thread, NULL, reader, NULL);
    pthread_join(thread, NULL);
    msgctl(queue, IPC_RMID, NULL);
    semctl(set, 0, IPC_RMID);
    puts("bye");
    return 0;
}
