/* Sleeps in one library call, and tells what came of it. */
//! flags: -D_GNU_SOURCE
//! link: -pthread
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *current(void);

static int pipes[2], timeout_ms;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int condition_met, word;
static sem_t semaphore;
static pid_t child;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* Ends the waiting from another thread, when the test says so on standard input. */
static void *helper(void *what)
{
    char c;
    int fd;
    struct sockaddr_in *address = what;
    while (read(0, &c, 1) == 1) {
        switch (c) {
        case 'w':
            if (write(pipes[1], "w", 1) != 1)
                perror("write");
            break;
        case 'c':
            pthread_mutex_lock(&mutex);
            condition_met = 1;
            pthread_cond_signal(&condition);
            pthread_mutex_unlock(&mutex);
            break;
        case 's': sem_post(&semaphore); break;
        case 'f': syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0); break;
        case 'a':
            fd = socket(AF_INET, SOCK_STREAM, 0);
            if (connect(fd, (struct sockaddr *)address, sizeof *address))
                perror("connect");
            break;
        case 'k': kill(child, SIGKILL); break;
        }
    }
    return NULL;
}

/* One function for each call, so that each call stands in a loop of its own. */
#define LOOP(name, call) \
    static void wait_##name(void) \
    { \
        for (;;) { \
            double start = now(); \
            errno = 0; \
            long result = (call); \
            int error = errno; \
            long spent = (long)((now() - start) * 1000); \
            printf("%s: %ld %s", #name, result, result < 0 ? strerror(error) : error ? "but errno" : "ok"); \
            if (timeout_ms) \
                printf(" %s", spent < timeout_ms ? "early" : spent > timeout_ms + 900 ? "late" : "in time"); \
            printf(" %s\n", current()); \
        } \
    }

static char buffer[10];
static struct pollfd poll_fd;
static int epoll_fd, listen_fd, lock_fd;
static struct epoll_event event;
static fd_set set;
static struct timeval *interval;
static struct timespec *duration, left;
static sigset_t empty;

static int prepare_select(void)
{
    FD_ZERO(&set);
    FD_SET(pipes[0], &set);
    if (interval) {
        interval->tv_sec = timeout_ms / 1000;
        interval->tv_usec = timeout_ms % 1000 * 1000;
    }
    return pipes[0] + 1;
}

static int absolute(struct timespec *t, clockid_t clock)
{
    clock_gettime(clock, t);
    t->tv_sec += timeout_ms / 1000;
    t->tv_nsec += timeout_ms % 1000 * 1000000L;
    if (t->tv_nsec >= 1000000000L)
        t->tv_sec++, t->tv_nsec -= 1000000000L;
    return 0;
}

LOOP(read, read(pipes[0], buffer, 1))
LOOP(poll, poll(&poll_fd, 1, timeout_ms ? timeout_ms : -1))
LOOP(ppoll, ppoll(&poll_fd, 1, duration, NULL))
LOOP(epoll_wait, epoll_wait(epoll_fd, &event, 1, timeout_ms ? timeout_ms : -1))
LOOP(epoll_pwait, epoll_pwait(epoll_fd, &event, 1, timeout_ms ? timeout_ms : -1, &empty))
LOOP(select, select(prepare_select(), &set, NULL, NULL, interval))
LOOP(pselect, pselect(prepare_select(), &set, NULL, NULL, duration, NULL))
LOOP(nanosleep, nanosleep(duration, &left))
LOOP(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, duration, NULL))
LOOP(clock_absolute, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, (absolute(&left, CLOCK_MONOTONIC), &left), NULL))
LOOP(usleep, usleep((useconds_t)timeout_ms * 1000))
LOOP(sleep, sleep(timeout_ms / 1000))
LOOP(accept, accept(listen_fd, NULL, NULL) >= 0 ? 1 : -1)
LOOP(recv, recv(pipes[0], buffer, 1, 0))
LOOP(recvfrom, recvfrom(pipes[0], buffer, 1, 0, NULL, NULL))
LOOP(readv, readv(pipes[0], &(struct iovec){buffer, 1}, 1))
LOOP(pause, pause())
LOOP(sigsuspend, sigsuspend(&empty))
LOOP(wait, wait(NULL) > 0 ? 1 : -1)
LOOP(waitpid, waitpid(child, NULL, 0) > 0 ? 1 : -1)
LOOP(flock, flock(lock_fd, LOCK_EX))
LOOP(sem_wait, sem_wait(&semaphore))
LOOP(sem_timedwait, sem_timedwait(&semaphore, (absolute(&left, CLOCK_REALTIME), &left)))

LOOP(futex, syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0))
LOOP(futex_until, syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, (absolute(&left, CLOCK_MONOTONIC), &left), NULL, ~0))

static int wait_for_condition(int timed)
{
    int result = 0;
    pthread_mutex_lock(&mutex);
    if (timed)
        absolute(&left, CLOCK_REALTIME);
    while (!condition_met && !result)
        result = timed ? pthread_cond_timedwait(&condition, &mutex, &left) : pthread_cond_wait(&condition, &mutex);
    condition_met = 0;
    pthread_mutex_unlock(&mutex);
    return result;
}

LOOP(pthread_cond_wait, wait_for_condition(0))
LOOP(pthread_cond_timedwait, wait_for_condition(1))

static void on_signal(int number)
{
    (void)number;
}

#define CASE(name) \
    if (!strcmp(call, #name)) \
        wait_##name();

int main(int argc, char **argv)
{
    static struct sockaddr_in address = {.sin_family = AF_INET};
    static struct timeval storage;
    static struct timespec more;
    socklen_t length = sizeof address;
    pthread_t thread;
    sigset_t blocked;
    const char *call = argv[1];
    struct sigaction action = {.sa_handler = on_signal};

    setvbuf(stdout, NULL, _IOLBF, 0);
    timeout_ms = argc > 2 ? atoi(argv[2]) : 0;
    sigaction(SIGUSR1, &action, NULL);
    if (timeout_ms) {
        more.tv_sec = timeout_ms / 1000;
        more.tv_nsec = timeout_ms % 1000 * 1000000L;
        interval = &storage;
        duration = &more;
    }
    if (!strncmp(call, "recv", 4) ? socketpair(AF_UNIX, SOCK_STREAM, 0, pipes) : pipe(pipes))
        return 1;
    poll_fd = (struct pollfd){.fd = pipes[0], .events = POLLIN};
    epoll_fd = epoll_create1(0);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pipes[0], &(struct epoll_event){.events = EPOLLIN});
    listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listen_fd, (struct sockaddr *)&address, length) || listen(listen_fd, 5))
        return 1;
    getsockname(listen_fd, (struct sockaddr *)&address, &length);
    sem_init(&semaphore, 0, 0);
    sigemptyset(&empty);
    sigemptyset(&blocked);
    if (!strncmp(call, "wait", 4)) {
        child = fork();
        if (child == 0) {
            for (;;)
                pause();
        }
    }
    if (!strcmp(call, "flock")) {
        int ready[2];
        char c;
        lock_fd = open("lock", O_CREAT | O_RDWR, 0600);
        if (pipe(ready))
            return 1;
        child = fork();
        if (child == 0) {
            lock_fd = open("lock", O_RDWR);
            flock(lock_fd, LOCK_EX);
            if (write(ready[1], "x", 1) != 1)
                _exit(1);
            for (;;)
                pause();
        }
        if (read(ready[0], &c, 1) != 1)
            return 1;
    }
    /* Signals are for the main thread. */
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    pthread_create(&thread, NULL, helper, &address);
    if (strcmp(call, "sigsuspend"))
        pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
    puts("ready");
    CASE(read) CASE(poll) CASE(ppoll) CASE(epoll_wait) CASE(epoll_pwait) CASE(select) CASE(pselect) CASE(nanosleep)
    CASE(clock_nanosleep) CASE(clock_absolute) CASE(usleep) CASE(sleep) CASE(accept) CASE(recv) CASE(recvfrom)
    CASE(readv) CASE(pause) CASE(sigsuspend) CASE(wait) CASE(waitpid) CASE(flock) CASE(sem_wait) CASE(sem_timedwait)
    CASE(pthread_cond_wait) CASE(pthread_cond_timedwait) CASE(futex) CASE(futex_until)
    return 2;
}
