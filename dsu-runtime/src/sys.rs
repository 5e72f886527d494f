//! The few system services that the runtime needs.

use crate::refusal::{Refusal, Result};
use core::sync::atomic::AtomicU32;

/// Page size of x86-64 and of most aarch64 systems: the granularity of everything mapped here.
pub const PAGE: u64 = 4096;

/// `address` rounded down to a page.
pub fn page_down(address: u64) -> u64 {
    address & !(PAGE - 1)
}

/// `address` rounded up to a page. Callers have bounded `address`.
pub fn page_up(address: u64) -> u64 {
    page_down(address.wrapping_add(PAGE - 1))
}

/// Nanoseconds of a clock.
fn clock(which: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes `now`.
    unsafe { libc::clock_gettime(which, &raw mut now) };
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// Monotonic time in nanoseconds.
pub fn now() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since the epoch.
pub fn wall_clock() -> u64 {
    clock(libc::CLOCK_REALTIME)
}

/// This process and thread, as they see themselves.
pub fn identity() -> (u32, u32) {
    // SAFETY: no arguments.
    unsafe { (libc::getpid() as u32, libc::syscall(libc::SYS_gettid) as u32) }
}

/// The calling thread's `errno`.
pub fn errno() -> i32 {
    // SAFETY: the location is this thread's own.
    unsafe { *libc::__errno_location() }
}

/// Sets the calling thread's `errno`.
pub fn set_errno(value: i32) {
    // SAFETY: the location is this thread's own.
    unsafe { *libc::__errno_location() = value }
}

/// Sleeps for `ns` nanoseconds, or less.
pub fn doze(ns: u64) {
    let time = libc::timespec { tv_sec: 0, tv_nsec: ns.min(999_999_999) as i64 };
    // SAFETY: reads `time`.
    unsafe { libc::nanosleep(&raw const time, core::ptr::null_mut()) };
}

/// Sleeps while `word` is `value`, at most `ns` nanoseconds.
pub fn wait_on(word: &AtomicU32, value: u32, ns: u64) {
    let time = libc::timespec { tv_sec: 0, tv_nsec: ns.min(999_999_999) as i64 };
    // SAFETY: the word is valid for the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            value,
            &raw const time,
        )
    };
}

/// Wakes all that sleep on `word`.
pub fn wake_all(word: &AtomicU32) {
    // SAFETY: the word is valid for the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, i32::MAX) };
}

/// Signals held back while this lives, apart from those that an instruction causes.
pub struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    /// Holds signals back.
    pub fn new() -> Self {
        // SAFETY: the sets are initialised by the calls; the mask is this thread's own.
        unsafe {
            let (mut all, mut old) = (core::mem::zeroed(), core::mem::zeroed());
            libc::sigfillset(&raw mut all);
            for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP] {
                libc::sigdelset(&raw mut all, signal);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old);
            Self(old)
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: restores the mask of this thread.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, core::ptr::null_mut()) };
    }
}

/// Memory, unmapped when dropped.
pub struct Mapping {
    address: u64,
    length: u64,
}

impl Mapping {
    /// Maps `length` bytes of zeros (rounded up to pages) with protection `protection`.
    pub fn new(length: u64, protection: i32) -> Result<Self> {
        Self::map(length, protection, libc::MAP_PRIVATE)
    }

    /// Maps `length` bytes of zeros that this process shares with its children.
    pub fn shared(length: u64) -> Result<Self> {
        Self::map(length, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)
    }

    fn map(length: u64, protection: i32, sharing: i32) -> Result<Self> {
        let length = page_up(length);
        let flags = sharing | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh mapping.
        let address = unsafe { libc::mmap(core::ptr::null_mut(), length as usize, protection, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(Refusal::system("mmap"));
        }
        Ok(Self { address: address as u64, length })
    }

    /// First address.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Bytes, a multiple of the page size.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Keeps the memory mapped for ever.
    pub fn leak(self) {
        core::mem::forget(self);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: owned, and whoever drops it has no more references into it.
        unsafe { libc::munmap(self.address as *mut libc::c_void, self.length as usize) };
    }
}

/// Changes the protection of the pages `from..to`.
pub fn protect(from: u64, to: u64, protection: i32) -> Result<()> {
    let (from, to) = (page_down(from), page_up(to));
    // SAFETY: callers pass pages of an image or of a variable, and a protection that their users expect.
    let failed =
        from < to && unsafe { libc::mprotect(from as *mut libc::c_void, (to - from) as usize, protection) } != 0;
    if failed { Err(Refusal::system("mprotect")) } else { Ok(()) }
}

/// Whether the process never had a second thread, as far as the C library knows.
pub fn is_single_threaded() -> bool {
    unsafe extern "C" {
        fn dsu_rt_single_threaded() -> i32;
    }
    // SAFETY: reads a variable.
    unsafe { dsu_rt_single_threaded() != 0 }
}

/// Number of threads of the process, where that can be told.
pub fn thread_count() -> Option<usize> {
    if is_single_threaded() {
        return Some(1);
    }
    std::fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}
