//! Blocking library calls that `libdsu` wraps, and `libdsu`'s entry points.

/// Prefix of a wrapper: the wrapper of `read` is `dsu_call_read`.
pub const WRAPPER_PREFIX: &str = "dsu_call_";

/// Library calls in which a thread may sleep. Inside a quiescent call, `dsu-cc` replaces calls to
/// `X` by calls to `dsu_call_X`, which has the same prototype.
pub const BLOCKING: &[&str] = &[
    "accept",
    "accept4",
    "clock_nanosleep",
    "cnd_timedwait",
    "cnd_wait",
    "connect",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "flock",
    "mq_receive",
    "mq_send",
    "mq_timedreceive",
    "msgrcv",
    "msgsnd",
    "nanosleep",
    "pause",
    "poll",
    "ppoll",
    "pread",
    "pselect",
    "pthread_cond_clockwait",
    "pthread_cond_timedwait",
    "pthread_cond_wait",
    "pthread_join",
    "pwrite",
    "read",
    "readv",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "select",
    "sem_clockwait",
    "sem_timedwait",
    "sem_wait",
    "semop",
    "send",
    "sendfile",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "sigsuspend",
    "sigtimedwait",
    "sigwait",
    "sigwaitinfo",
    "sleep",
    "syscall",
    "thrd_join",
    "thrd_sleep",
    "usleep",
    "wait",
    "wait3",
    "wait4",
    "waitid",
    "waitpid",
    "write",
    "writev",
];

/// The subset of [`BLOCKING`] that waits for something to happen: what makes a loop a server's. Not the end of a thread: who
/// waits for that is at rest only if the program's author says so.
pub const WAITING: &[&str] = &[
    "accept",
    "accept4",
    "clock_nanosleep",
    "cnd_timedwait",
    "cnd_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "mq_receive",
    "mq_timedreceive",
    "msgrcv",
    "nanosleep",
    "pause",
    "poll",
    "ppoll",
    "pselect",
    "pthread_cond_clockwait",
    "pthread_cond_timedwait",
    "pthread_cond_wait",
    "read",
    "readv",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "select",
    "sem_clockwait",
    "sem_timedwait",
    "sem_wait",
    "semop",
    "sigsuspend",
    "sigtimedwait",
    "sigwait",
    "sigwaitinfo",
    "sleep",
    "thrd_sleep",
    "usleep",
    "wait",
    "wait3",
    "wait4",
    "waitid",
    "waitpid",
];

/// Entry points of `libdsu` for rewritten code, beside the wrappers, and for programs that include `dsu.h`.
///
/// | symbol | C prototype |
/// |---|---|
/// | `dsu_update_point` | `void (const char *name)`: called when `dsu_pending` is not 0 |
/// | `dsu_quiescent_enter` | `const void *(const char *name)`: a quiescent call begins; returns the one around it |
/// | `dsu_quiescent_leave` | `void (const void *outer)`: it is over; `outer` is in force again |
/// | `dsu_quiescent_pass` | `void (const char *name)`: the function about to be called may take the mark of that name; 0 takes it back |
/// | `dsu_quiescent_take` | `const char *(void)`: takes the mark that the caller passed; 0 if none |
/// | `dsu_pending` | `volatile unsigned` |
/// | `dsu_apply` | `int (const char *path)`: applies a patch file to the calling process at its next update point |
/// | `dsu_last_message` | `const char *(void)`: a sentence about the last update |
/// | `dsu_migrate` | `void (void *object, unsigned long stamp)`: brings an object to the version of that stamp of its type |
/// | `dsu_block` | `void *(void *object, unsigned long stamp)`: the object's block in the side table of its type |
/// | `dsu_block_free` | `void (void *object, unsigned long stamp)`: the object is about to be freed: gives its block back |
/// | `dsu_out_of_range` | `void (void)`: a transformer met a value that the new type cannot hold |
pub const ENTRY_POINTS: &[&str] = &[
    "dsu_pending",
    "dsu_quiescent_enter",
    "dsu_quiescent_leave",
    "dsu_quiescent_pass",
    "dsu_quiescent_take",
    "dsu_update_point",
    "dsu_apply",
    "dsu_last_message",
    "dsu_migrate",
    "dsu_block",
    "dsu_block_free",
    "dsu_out_of_range",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_wait_are_wrapped() {
        for call in WAITING {
            assert!(BLOCKING.contains(call), "{call} waits, and has no wrapper");
        }
    }
}
