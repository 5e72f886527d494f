//! Names of system calls in which a thread may be found waiting.

macro_rules! names {
    ($($name:ident $constant:ident;)*) => {
        /// The name of a system call; its number where we have none.
        pub fn name(number: i64) -> String {
            match number { $(libc::$constant => stringify!($name).to_owned(),)* other => format!("system call {other}") }
        }
    };
}

names! {
    accept SYS_accept; accept4 SYS_accept4; clock_nanosleep SYS_clock_nanosleep; connect SYS_connect;
    epoll_pwait SYS_epoll_pwait; epoll_pwait2 SYS_epoll_pwait2; epoll_wait SYS_epoll_wait; fcntl SYS_fcntl;
    fdatasync SYS_fdatasync; flock SYS_flock; fsync SYS_fsync; futex SYS_futex; getrandom SYS_getrandom;
    io_getevents SYS_io_getevents; io_uring_enter SYS_io_uring_enter; ioctl SYS_ioctl; msgrcv SYS_msgrcv;
    msgsnd SYS_msgsnd; nanosleep SYS_nanosleep; open SYS_open; openat SYS_openat; pause SYS_pause; poll SYS_poll;
    ppoll SYS_ppoll; pread SYS_pread64; preadv SYS_preadv; pselect SYS_pselect6; pwrite SYS_pwrite64;
    pwritev SYS_pwritev; read SYS_read; readv SYS_readv; recvfrom SYS_recvfrom; recvmmsg SYS_recvmmsg;
    recvmsg SYS_recvmsg; restart_syscall SYS_restart_syscall; sched_yield SYS_sched_yield; select SYS_select;
    semop SYS_semop; semtimedop SYS_semtimedop; sendfile SYS_sendfile; sendmmsg SYS_sendmmsg; sendmsg SYS_sendmsg;
    sendto SYS_sendto; sigsuspend SYS_rt_sigsuspend; sigtimedwait SYS_rt_sigtimedwait; splice SYS_splice;
    vfork SYS_vfork; wait4 SYS_wait4; waitid SYS_waitid; write SYS_write; writev SYS_writev;
}
