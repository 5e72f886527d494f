//! The calling thread's state.

use core::sync::atomic::Ordering;
use dsu_abi::control::{ThreadState, thread};

unsafe extern "C" {
    fn dsu_rt_thread() -> *const ThreadState;
}

/// The calling thread's state.
fn current() -> &'static ThreadState {
    // SAFETY: a thread-local variable, used only by its own thread while that runs; all fields are atomic.
    unsafe { &*dsu_rt_thread() }
}

/// Marks the calling thread as parked or leading while this lives; then it is running again.
pub struct Marked;

impl Marked {
    /// Sets the mark, unless the thread is parked or leading already: then a signal handler interrupted that.
    pub fn new(state: u32) -> Option<Self> {
        if matches!(current().state.load(Ordering::Relaxed), thread::PARKED | thread::LEADING) {
            return None;
        }
        current().state.store(state, Ordering::SeqCst);
        Some(Self)
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        current().state.store(thread::RUNNING, Ordering::SeqCst);
    }
}
