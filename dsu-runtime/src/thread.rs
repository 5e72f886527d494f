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

/// A number that no other thread of the process has while this one lives; even.
pub fn address() -> u64 {
    core::ptr::from_ref(current()) as u64
}

/// Marks the calling thread as serving, parked or leading while this lives; then it is what it was before.
pub struct Marked(u32);

impl Marked {
    /// The thread is in the runtime from now on, and outside of it makes no system calls of ours. `None` where it is
    /// there already: then a signal handler interrupted that.
    pub fn serving() -> Option<Self> {
        let before = current().state.load(Ordering::Relaxed);
        if matches!(before, thread::SERVING | thread::PARKED | thread::LEADING) {
            return None;
        }
        Some(Self::set(thread::SERVING))
    }

    /// Sets the mark of a thread that serves.
    pub fn set(state: u32) -> Self {
        // The fence lets the pusher tell: it clears `pending` and then looks at the mark; the thread does the opposite.
        Self(current().state.swap(state, Ordering::SeqCst))
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        current().state.store(self.0, Ordering::SeqCst);
    }
}
