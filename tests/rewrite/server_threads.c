//! link: -pthread
//! variant: -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
//! variant: -O0 -g
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>
//! config: [[update-point]]
//! config: function = "loop"
//! config: quiescent = ["epoll_wait"]
//! config: [[update-point]]
//! config: function = "worker"
//! config: quiescent = ["pthread_cond_wait"]
struct job { struct job *next; int n; void (*run)(struct job *); };
static struct pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job *head, **tail;
    atomic_uint done;
    _Bool stop;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER, .tail = &pool.head };
static _Thread_local unsigned mine;
static thread_local char scratch[64];
static pthread_key_t key;
static once_flag once = ONCE_FLAG_INIT;
static atomic_ulong total;
static int wake;
static void make_key(void) { pthread_key_create(&key, free); }
static void square(struct job *j)
{
    mine++;
    snprintf(scratch, sizeof scratch, "%d", j->n * j->n);
    call_once(&once, make_key);
    if (!pthread_getspecific(key))
        pthread_setspecific(key, strdup(scratch));
    atomic_fetch_add(&total, strtoul(scratch, NULL, 10));
    if (atomic_fetch_add_explicit(&pool.done, 1, memory_order_acq_rel) + 1 == 100)
        eventfd_write(wake, 1);
    free(j);
}
static void unlock(void *m) { pthread_mutex_unlock(m); }
static void *worker(void *arg)
{
    for (;;) {
        struct job *j = NULL;
        pthread_mutex_lock(&pool.lock);
        pthread_cleanup_push(unlock, &pool.lock);
        while (!pool.head && !pool.stop)
            pthread_cond_wait(&pool.more, &pool.lock);
        if ((j = pool.head) && !(pool.head = j->next))
            pool.tail = &pool.head;
        pthread_cleanup_pop(1);
        if (!j)
            return arg;
        j->run(j);
    }
}
struct source { int fd; int (*ready)(struct source *); const char *name; };
static int on_timer(struct source *s) { uint64_t n; return read(s->fd, &n, sizeof n) == 8 ? 0 : -1; }
static int on_signal(struct source *s)
{
    struct signalfd_siginfo si;
    if (read(s->fd, &si, sizeof si) != sizeof si) return -1;
    printf("signal %u\n", si.ssi_signo);
    return 1;
}
static int on_event(struct source *s) { eventfd_t v; eventfd_read(s->fd, &v); printf("%s %lu total %lu\n", s->name, v, total); raise(SIGUSR1); return 0; }
static void loop(int ep)
{
    struct epoll_event ev[8];
    for (;;) {
        int n = epoll_wait(ep, ev, 8, 5000);
        if (n < 0 && errno == EINTR) continue;
        for (int i = 0; i < n; i++) {
            struct source *s = ev[i].data.ptr;
            if (s->ready(s)) return;
        }
        if (!n) { puts("timeout"); return; }
    }
}
static int child(int fd)
{
    char c;
    while (read(fd, &c, 1) == 1 && c != 'q')
        if (write(fd, &(char) { c ^ 0x20 }, 1) != 1) return 3;
    return 7;
}
int main(void)
{
    int sv[2][2];
    pid_t pids[2];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < 2; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv[i])) abort();
        if (!(pids[i] = fork())) { close(sv[i][0]); _exit(child(sv[i][1])); }
        close(sv[i][1]);
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct source *sources = (struct source[]) {
        { timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), on_timer, "timer" },
        { signalfd(-1, &set, SFD_CLOEXEC), on_signal, "signal" },
        { wake = eventfd(0, 0), on_event, "event" },
    };
    timerfd_settime(sources[0].fd, 0, &(struct itimerspec) { .it_interval.tv_nsec = 1000000, .it_value = { 0, 1000000 } }, NULL);
    int ep = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < 3; i++)
        epoll_ctl(ep, EPOLL_CTL_ADD, sources[i].fd, &(struct epoll_event) { .events = EPOLLIN, .data.ptr = &sources[i] });
    pthread_t t[4];
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, worker, (void *)(intptr_t)i);
    for (int i = 0; i < 100; i++) {
        struct job *j = malloc(sizeof *j);
        *j = (struct job) { .n = i, .run = square };
        pthread_mutex_lock(&pool.lock);
        *pool.tail = j; pool.tail = &j->next;
        pthread_cond_signal(&pool.more);
        pthread_mutex_unlock(&pool.lock);
    }
    loop(ep);
    pthread_mutex_lock(&pool.lock);
    pool.stop = 1;
    pthread_cond_broadcast(&pool.more);
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < 4; i++) { void *r; pthread_join(t[i], &r); printf("%d ", (int)(intptr_t)r); }
    for (int i = 0; i < 2; i++) {
        char c = 'a'; int st;
        write(sv[i][0], &c, 1); read(sv[i][0], &c, 1); write(sv[i][0], "q", 1);
        waitpid(pids[i], &st, 0);
        printf("%c %d ", c, WEXITSTATUS(st));
    }
    puts("");
    return 0;
}
