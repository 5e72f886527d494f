/*
 * The wrappers of blocking calls (dsu_abi::calls::BLOCKING).
 *
 * Inside a quiescent call the thread marks itself BLOCKED around the call, so that it counts as quiescent while it
 * sleeps. The mark and the look at dsu_pending are the thread's half of Dekker's algorithm; the other half is the
 * pusher, which sets dsu_pending and then looks at the mark. Each half needs a full fence between its two steps: here
 * it is the exchange.
 *
 * Where the pusher made the call return EINTR (`kicked`), the program must not see it: the call is made again, with the
 * time that remains.
 */
#define _GNU_SOURCE
#include "thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* A C library that lacks these, or has them elsewhere, has no program that calls them through here either. */
#pragma weak cnd_timedwait
#pragma weak cnd_wait
#pragma weak epoll_pwait2
#pragma weak mq_receive
#pragma weak mq_send
#pragma weak mq_timedreceive
#pragma weak pthread_cond_clockwait
#pragma weak sem_clockwait
#pragma weak thrd_join
int epoll_pwait2(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);
int pthread_cond_clockwait(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
int sem_clockwait(sem_t *, clockid_t, const struct timespec *);

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static inline int outside(void)
{
    return DSU_LIKELY(dsu_thread.inside == 0);
}

static __attribute__((noinline, cold)) int mark_slowly(uint64_t stack)
{
    int error = errno;
    int marked;
    do {
        __atomic_store_n(&dsu_thread.state, DSU_RUNNING, __ATOMIC_SEQ_CST);
        marked = dsu_rt_serve();
        if (!marked)
            break;
        __atomic_store_n(&dsu_thread.stack, stack, __ATOMIC_RELAXED);
        __atomic_exchange_n(&dsu_thread.state, DSU_BLOCKED, __ATOMIC_SEQ_CST);
    } while (dsu_pending);
    errno = error;
    return marked;
}

/* Of the wrapper, as this is inlined into it. A system call that is made much further down is not the wrapper's, but that
 * of a signal handler. */
static inline __attribute__((always_inline)) uint64_t stack_pointer(void)
{
#ifdef __x86_64__
    uint64_t pointer;
    __asm__ volatile("mov %%rsp, %0" : "=r"(pointer));
    return pointer;
#else
    return (uint64_t)(uintptr_t)__builtin_frame_address(0);
#endif
}

/* Before the call. Returns whether the thread is marked; it is not where this call is made in a signal handler that
 * interrupted another one. */
static inline int mark_at(uint64_t stack)
{
    if (DSU_UNLIKELY(dsu_thread.state != DSU_RUNNING))
        return 0;
    __atomic_store_n(&dsu_thread.stack, stack, __ATOMIC_RELAXED);
    __atomic_exchange_n(&dsu_thread.state, DSU_BLOCKED, __ATOMIC_SEQ_CST);
    return DSU_LIKELY(!dsu_pending) ? 1 : mark_slowly(stack);
}

/* After the call. Returns whether to make it again; errno is then what it was `before` the call, as if it had not been
 * interrupted. */
static __attribute__((noinline, cold)) int unmark_slowly(int *marked, int failed, int before, uint64_t stack)
{
    int error = errno;
    int interrupted = failed && error == EINTR;
    /* In a signal handler, a kick that did not hit this call is for the call that the signal interrupted. */
    if (!*marked && !interrupted)
        return 0;
    int again = __atomic_exchange_n(&dsu_thread.kicked, 0, __ATOMIC_SEQ_CST) && interrupted;
    if (*marked) {
        if (dsu_pending)
            dsu_rt_serve();
        *marked = again ? mark_at(stack) : 0;
    }
    errno = again ? before : error;
    return again;
}

static inline __attribute__((always_inline)) int unmark(int *marked, int failed, int before)
{
    if (DSU_LIKELY(*marked))
        __atomic_exchange_n(&dsu_thread.state, DSU_RUNNING, __ATOMIC_SEQ_CST);
    if (DSU_LIKELY(!(dsu_pending | *(volatile uint32_t *)&dsu_thread.kicked)))
        return *marked = 0;
    return unmark_slowly(marked, failed, before, stack_pointer());
}

/* The thread was cancelled in the call: it is about to run the program's cleanup handlers. */
static inline void cancelled(int *marked)
{
    if (DSU_UNLIKELY(*marked)) {
        __atomic_store_n(&dsu_thread.condition, 0, __ATOMIC_RELAXED);
        __atomic_exchange_n(&dsu_thread.state, DSU_RUNNING, __ATOMIC_SEQ_CST);
    }
}

#define MARK()                                                                                                         \
    int before = errno;                                                                                                \
    (void)before;                                                                                                      \
    int marked __attribute__((cleanup(cancelled))) = mark_at(stack_pointer())

/* A wrapper of a call that fails with -1 and knows no time-out, or an absolute one. */
#define WRAP(type, name, params, args)                                                                                 \
    DSU_AT_REST type dsu_call_##name params                                                                            \
    {                                                                                                                  \
        if (outside())                                                                                                 \
            return name args;                                                                                          \
        type result;                                                                                                   \
        MARK();                                                                                                        \
        do                                                                                                             \
            result = name args;                                                                                        \
        while (unmark(&marked, result == (type)-1, before));                                                           \
        return result;                                                                                                 \
    }

WRAP(int, accept, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length))
WRAP(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags), (fd, address, length, flags))
WRAP(int, connect, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length))
WRAP(int, flock, (int fd, int operation), (fd, operation))
WRAP(ssize_t, mq_receive, (mqd_t queue, char *data, size_t size, unsigned *priority), (queue, data, size, priority))
WRAP(int, mq_send, (mqd_t queue, const char *data, size_t size, unsigned priority), (queue, data, size, priority))
WRAP(ssize_t, mq_timedreceive,
     (mqd_t queue, char *data, size_t size, unsigned *priority, const struct timespec *until),
     (queue, data, size, priority, until))
WRAP(ssize_t, msgrcv, (int queue, void *data, size_t size, long type, int flags), (queue, data, size, type, flags))
WRAP(int, msgsnd, (int queue, const void *data, size_t size, int flags), (queue, data, size, flags))
WRAP(int, pause, (void), ())
WRAP(ssize_t, pread, (int fd, void *data, size_t size, off_t offset), (fd, data, size, offset))
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset))
WRAP(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))
WRAP(ssize_t, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRAP(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))
WRAP(ssize_t, recvfrom,
     (int fd, void *data, size_t size, int flags, struct sockaddr *address, socklen_t *length),
     (fd, data, size, flags, address, length))
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
WRAP(int, sem_clockwait, (sem_t *semaphore, clockid_t clock, const struct timespec *until), (semaphore, clock, until))
/* Linux and glibc leave the remaining time in *timeout, and the sets as they were, when a signal interrupts. */
WRAP(int, select, (int count, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout),
     (count, in, out, other, timeout))
WRAP(int, sem_timedwait, (sem_t *semaphore, const struct timespec *until), (semaphore, until))
WRAP(int, sem_wait, (sem_t *semaphore), (semaphore))
WRAP(int, semop, (int set, struct sembuf *operations, size_t count), (set, operations, count))
WRAP(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags), (fd, messages, count, flags))
WRAP(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
WRAP(ssize_t, sendfile, (int to, int from, off_t *offset, size_t size), (to, from, offset, size))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WRAP(ssize_t, sendto,
     (int fd, const void *data, size_t size, int flags, const struct sockaddr *address, socklen_t length),
     (fd, data, size, flags, address, length))
WRAP(int, sigsuspend, (const sigset_t *mask), (mask))
WRAP(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info), (set, info))
WRAP(pid_t, wait, (int *status), (status))
WRAP(pid_t, wait3, (int *status, int options, struct rusage *usage), (status, options, usage))
WRAP(pid_t, wait4, (pid_t pid, int *status, int options, struct rusage *usage), (pid, status, options, usage))
WRAP(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options))
WRAP(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))
WRAP(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))

/* Waiting for a condition does not return EINTR, but may wake for no reason. So a kick makes the wait time out, in the
 * kernel's words, and the wrapper makes a wake-up for no reason of that. A thread that wakes while a request is pending
 * lets go of the mutex while it waits for the request: others may need it to come to their update points.
 * To wait again here instead of waking would be wrong: the condition may have been signalled in between. */
static __attribute__((noinline, cold)) int serve_without(pthread_mutex_t *mutex, int result, int marked)
{
    int error = errno;
    int kicked = __atomic_exchange_n(&dsu_thread.kicked, 0, __ATOMIC_SEQ_CST);
    if (kicked && result == ETIMEDOUT)
        result = 0;
    if (dsu_pending && marked && pthread_mutex_unlock(mutex) == 0) {
        dsu_rt_serve();
        int locked = pthread_mutex_lock(mutex);
        if (locked != 0)
            result = locked;
    }
    errno = error;
    return result;
}

/* Marks the thread, and says what its call waits for. */
#define MARK_WAITING(what)                                                                                             \
    MARK();                                                                                                            \
    if (DSU_LIKELY(marked))                                                                                            \
        __atomic_store_n(&dsu_thread.condition, what, __ATOMIC_RELEASE)

#define WRAP_CONDITION(name, params, args)                                                                             \
    DSU_AT_REST int dsu_call_##name params                                                                             \
    {                                                                                                                  \
        if (outside())                                                                                                 \
            return name args;                                                                                          \
        MARK_WAITING((uint64_t)(uintptr_t)condition);                                                                  \
        int result = name args;                                                                                        \
        cancelled(&marked);                                                                                            \
        if (DSU_UNLIKELY(dsu_pending | *(volatile uint32_t *)&dsu_thread.kicked))                                      \
            result = serve_without(mutex, result, marked);                                                             \
        marked = 0;                                                                                                    \
        return result;                                                                                                 \
    }

WRAP_CONDITION(pthread_cond_wait, (pthread_cond_t *condition, pthread_mutex_t *mutex), (condition, mutex))
WRAP_CONDITION(pthread_cond_timedwait,
               (pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until),
               (condition, mutex, until))

WRAP_CONDITION(pthread_cond_clockwait,
               (pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until),
               (condition, mutex, clock, until))

/* glibc's conditions and mutexes of C11 are those of POSIX under another name. */
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t) && sizeof(mtx_t) == sizeof(pthread_mutex_t), "the same");

static int c11_result(int error)
{
    return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}

DSU_AT_REST int dsu_call_cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    if (outside())
        return cnd_wait(condition, mutex);
    return c11_result(dsu_call_pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}

DSU_AT_REST int dsu_call_cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until)
{
    if (outside())
        return cnd_timedwait(condition, mutex, until);
    return c11_result(dsu_call_pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until));
}

/* Waits for the end of a thread. The C library makes them again by itself when they are interrupted, so waking this thread
 * would be in vain: what it says it waits for is no condition variable that any system call could be about. */
#define WRAP_JOIN(name, params, args)                                                                                  \
    DSU_AT_REST int dsu_call_##name params                                                                             \
    {                                                                                                                  \
        if (outside())                                                                                                 \
            return name args;                                                                                          \
        MARK_WAITING(DSU_NOT_WAKEABLE);                                                                                \
        int result = name args;                                                                                        \
        __atomic_store_n(&dsu_thread.condition, 0, __ATOMIC_RELAXED);                                                  \
        unmark(&marked, 0, before);                                                                                    \
        return result;                                                                                                 \
    }

WRAP_JOIN(pthread_join, (pthread_t thread, void **result_of_thread), (thread, result_of_thread))
WRAP_JOIN(thrd_join, (thrd_t thread, int *result_of_thread), (thread, result_of_thread))

/* Where the C library would make the call again after a signal, this does so itself: a kick is to be seen. */
DSU_AT_REST int dsu_call_sigwait(const sigset_t *set, int *number)
{
    if (outside())
        return sigwait(set, number);
    int error = errno;
    int result;
    do
        result = dsu_call_sigwaitinfo(set, NULL);
    while (result == -1 && errno == EINTR);
    int failure = result == -1 ? errno : 0;
    if (failure == 0)
        *number = result;
    errno = error;
    return failure;
}

/* System calls by number: waits for a futex, which have no other name, and which may be made again as they are. */
DSU_HIDDEN long dsu_call_syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
    long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    long operation = b & FUTEX_CMD_MASK;
    int waits = number == SYS_futex && ((operation == FUTEX_WAIT && d == 0) || operation == FUTEX_WAIT_BITSET);
    if (outside() || !waits)
        return syscall(number, a, b, c, d, e, f);
    long result;
    MARK();
    do
        result = syscall(number, a, b, c, d, e, f);
    while (unmark(&marked, result == -1, before));
    return result;
}

/* Calls with a relative time-out: those that are made again get the time that remains. (The coarse clock would be
 * cheaper, but an idle machine lets it lag, and a time-out must not end early.) */
static inline int64_t monotonic_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static __attribute__((noinline, cold)) int64_t remaining(int64_t start, int64_t timeout)
{
    int64_t left = timeout - (monotonic_now() - start);
    return left > 0 ? left : 0;
}

#define WRAP_MILLISECONDS(name, params, args)                                                                          \
    DSU_AT_REST int dsu_call_##name params                                                                             \
    {                                                                                                                  \
        if (outside())                                                                                                 \
            return name args;                                                                                          \
        int64_t total = timeout * NS_PER_MS;                                                                           \
        int64_t start = timeout > 0 ? monotonic_now() : 0;                                                                \
        int result;                                                                                                    \
        MARK();                                                                                                        \
        for (;;) {                                                                                                     \
            result = name args;                                                                                        \
            if (DSU_LIKELY(!unmark(&marked, result == -1, before)))                                                    \
                return result;                                                                                         \
            if (timeout > 0)                                                                                           \
                timeout = (int)((remaining(start, total) + NS_PER_MS - 1) / NS_PER_MS);                                \
        }                                                                                                              \
    }

WRAP_MILLISECONDS(poll, (struct pollfd *fds, nfds_t count, int timeout), (fds, count, timeout))
WRAP_MILLISECONDS(epoll_wait, (int fd, struct epoll_event *events, int count, int timeout), (fd, events, count, timeout))
WRAP_MILLISECONDS(epoll_pwait, (int fd, struct epoll_event *events, int count, int timeout, const sigset_t *mask),
                  (fd, events, count, timeout, mask))

#define WRAP_TIMESPEC(name, params, args)                                                                              \
    DSU_AT_REST int dsu_call_##name params                                                                             \
    {                                                                                                                  \
        if (outside())                                                                                                 \
            return name args;                                                                                          \
        /* A time-out too large to count in nanoseconds, or an invalid one, is passed on as it is. */                  \
        int counted = timeout != NULL && timeout->tv_sec >= 0 && timeout->tv_sec < (INT64_C(1) << 32) &&               \
                      timeout->tv_nsec >= 0 && timeout->tv_nsec < NS_PER_S;                                            \
        int64_t total = counted ? timeout->tv_sec * NS_PER_S + timeout->tv_nsec : 0;                                   \
        int64_t start = counted ? monotonic_now() : 0;                                                                    \
        struct timespec left;                                                                                          \
        int result;                                                                                                    \
        MARK();                                                                                                        \
        for (;;) {                                                                                                     \
            result = name args;                                                                                        \
            if (DSU_LIKELY(!unmark(&marked, result == -1, before)))                                                    \
                return result;                                                                                         \
            if (counted) {                                                                                             \
                int64_t nanoseconds = remaining(start, total);                                                         \
                left.tv_sec = nanoseconds / NS_PER_S;                                                                  \
                left.tv_nsec = nanoseconds % NS_PER_S;                                                                 \
                timeout = &left;                                                                                       \
            }                                                                                                          \
        }                                                                                                              \
    }

WRAP_TIMESPEC(ppoll, (struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask),
              (fds, count, timeout, mask))
WRAP_TIMESPEC(sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *timeout), (set, info, timeout))
WRAP_TIMESPEC(epoll_pwait2,
              (int fd, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask),
              (fd, events, count, timeout, mask))
WRAP_TIMESPEC(pselect,
              (int count, fd_set *in, fd_set *out, fd_set *other, const struct timespec *timeout, const sigset_t *mask),
              (count, in, out, other, timeout, mask))

/* The time-out counts only once a message has come, so it need not be counted here. */
WRAP(int, recvmmsg,
     (int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout),
     (fd, messages, count, flags, timeout))

/* Sleeps: the kernel says how much of an interrupted one is left. `clock_nanosleep` returns its error. */
DSU_AT_REST int dsu_call_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *rest)
{
    if (outside())
        return clock_nanosleep(clock, flags, time, rest);
    struct timespec left = {0, 0}, request;
    int result;
    MARK();
    for (;;) {
        result = clock_nanosleep(clock, flags, time, &left);
        errno = result;
        int again = unmark(&marked, result != 0, before);
        errno = before;
        if (DSU_LIKELY(!again))
            break;
        if (!(flags & TIMER_ABSTIME)) {
            request = left;
            time = &request;
        }
    }
    if (result == EINTR && rest != NULL && !(flags & TIMER_ABSTIME))
        *rest = left;
    return result;
}

DSU_AT_REST int dsu_call_nanosleep(const struct timespec *time, struct timespec *rest)
{
    if (outside())
        return nanosleep(time, rest);
    struct timespec left = {0, 0}, request;
    int result;
    MARK();
    for (;;) {
        result = nanosleep(time, &left);
        if (DSU_LIKELY(!unmark(&marked, result == -1, before)))
            break;
        request = left;
        time = &request;
    }
    if (result == -1 && errno == EINTR && rest != NULL)
        *rest = left;
    return result;
}

DSU_AT_REST unsigned dsu_call_sleep(unsigned seconds)
{
    if (outside())
        return sleep(seconds);
    int error = errno;
    struct timespec time = {seconds, 0};
    if (dsu_call_nanosleep(&time, &time) == -1)
        return (unsigned)time.tv_sec;
    errno = error;
    return 0;
}

DSU_AT_REST int dsu_call_usleep(useconds_t microseconds)
{
    if (outside())
        return usleep(microseconds);
    struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000};
    return dsu_call_nanosleep(&time, NULL);
}

DSU_AT_REST int dsu_call_thrd_sleep(const struct timespec *time, struct timespec *rest)
{
    int error = errno;
    int result = dsu_call_clock_nanosleep(CLOCK_REALTIME, 0, time, rest);
    errno = error;
    return result == 0 ? 0 : result == EINTR ? -1 : -2;
}
