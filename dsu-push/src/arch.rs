//! Registers of a stopped thread: everything in this crate that is specific to x86-64.
//!
//! A thread that sleeps in a system call and is stopped there has left the kernel's wait with one
//! of a few internal results, which the kernel turns into a restart of the call, or into `EINTR`,
//! when the thread goes on. Changing that result while the thread is stopped is how a call is made
//! to return.

#[cfg(not(target_arch = "x86_64"))]
compile_error!("dsu-push supports x86-64 only");

/// General registers.
pub type Registers = libc::user_regs_struct;

/// Restart, unless a handler without `SA_RESTART` runs.
const ERESTARTSYS: i64 = 512;
/// Restart always.
const ERESTARTNOINTR: i64 = 513;
/// Restart, unless any handler runs.
const ERESTARTNOHAND: i64 = 514;
/// Restart with the remaining time, unless any handler runs.
const ERESTART_RESTARTBLOCK: i64 = 516;

/// Calls that return plain `EINTR` when their thread is stopped, though no signal came; the
/// program would see it. Repeating them is harmless: they have no effect before they succeed.
const PLAIN_EINTR: &[i64] = &[
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_io_getevents,
    // With a receive or send time-out set on the socket:
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
];

/// The result of an interrupted system call in which a thread was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// Number of the system call.
    pub number: u64,
    /// The internal result.
    pub result: u64,
}

/// The system call in which the thread was asleep when it was stopped, if it can be repeated.
pub fn interrupted(registers: &Registers) -> Option<Interrupted> {
    let (number, result) = (registers.orig_rax as i64, registers.rax as i64);
    let repeatable = match -result {
        ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND | ERESTART_RESTARTBLOCK => true,
        error => error == i64::from(libc::EINTR) && PLAIN_EINTR.contains(&number),
    };
    (number >= 0 && repeatable).then_some(Interrupted { number: number as u64, result: registers.rax })
}

/// Whether the call is that of a thread that waits for the condition variable at `condition` to be signalled; not one
/// in which it waits for a lock on the way there or back.
///
/// glibc waits with `FUTEX_WAIT_BITSET` for a word in the variable, and for locks with `FUTEX_WAIT`.
pub fn waits_for_condition(registers: &Registers, call: Interrupted, condition: u64) -> bool {
    const FUTEX_WAIT_BITSET: i32 = 9;
    /// Of `pthread_cond_t`.
    const SIZE: u64 = 48;
    let flags = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
    // A wait with a time-out that was interrupted before goes on as another call, with the same registers.
    let futex = [libc::SYS_futex, libc::SYS_restart_syscall].contains(&(call.number as i64));
    futex && registers.rsi as i32 & !flags == FUTEX_WAIT_BITSET && registers.rdi.wrapping_sub(condition) < SIZE
}

/// Makes the call return the error `errno` to the program.
pub fn fail_with(registers: &mut Registers, errno: i32) {
    registers.rax = -i64::from(errno) as u64;
    // Not in a system call any more, as far as the kernel's restart logic goes.
    registers.orig_rax = u64::MAX;
}

/// Whether the registers are as [`fail_with`] left them, with the thread at `rip`.
pub fn is_failed_with(registers: &Registers, errno: i32, rip: u64) -> bool {
    registers.rax as i64 == -i64::from(errno) && registers.orig_rax == u64::MAX && registers.rip == rip
}

/// Where in a signal frame, which begins with the address that the handler returns to, the stack pointer of what was
/// interrupted is: behind five words of `ucontext` and fifteen registers.
pub const INTERRUPTED_STACK: usize = 8 + 5 * 8 + 15 * 8;

/// How much of a signal frame [`INTERRUPTED_STACK`] needs.
pub const SIGNAL_FRAME: usize = INTERRUPTED_STACK + 8;

/// Whether `code` is where signal handlers return to: `mov $15, %rax; syscall` (`rt_sigreturn`).
pub fn is_signal_return(code: &[u8]) -> bool {
    const LONG: &[u8] = &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
    const SHORT: &[u8] = &[0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05];
    code.starts_with(LONG) || code.starts_with(SHORT)
}

/// Takes [`fail_with`] back.
pub fn restore(registers: &mut Registers, call: Interrupted) {
    registers.orig_rax = call.number;
    registers.rax = call.result;
    conceal_stop(registers);
}

/// Keeps a stop from being visible as `EINTR`: the call is repeated unless a handler runs, as if
/// only a signal could have interrupted it. Returns whether the registers changed.
pub fn conceal_stop(registers: &mut Registers) -> bool {
    let plain = registers.rax as i64 == -i64::from(libc::EINTR)
        && (registers.orig_rax as i64) >= 0
        && PLAIN_EINTR.contains(&(registers.orig_rax as i64));
    if plain {
        registers.rax = -ERESTARTNOHAND as u64;
    }
    plain
}

/// Distance from a thread control block (glibc: where the thread pointer points) to the copy of
/// its own address that it holds, beside the one at its beginning.
pub const SELF_POINTER: usize = 16;

/// Whether `code` (the bytes before an address) ends with a call instruction, so that the address
/// can be a return address.
pub fn ends_with_call(code: &[u8]) -> bool {
    let n = code.len();
    // call rel32; call through a register or memory (ff /2), with 0, 1 or 4 bytes of displacement
    // and perhaps a SIB byte.
    (n >= 5 && code[n - 5] == 0xe8)
        || (2..=7).any(|length| n >= length && code[n - length] == 0xff && code[n - length + 1] >> 3 & 7 == 2)
}
