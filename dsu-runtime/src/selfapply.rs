//! `dsu_apply`: a program that updates itself.
//!
//! The queue is apart from the control block's request, so that a pusher and the program do not
//! get into each other's way.

use crate::commit::{Purpose, prepare};
use crate::image::Source;
use crate::refusal::{Refusal, Result};
use crate::request::{self, Leadership};
use crate::sys::{self, Mapping};
use crate::{control, unwind};
use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicPtr, Ordering};
use dsu_abi::status::Status;

/// A patch file that waits for an update point.
pub struct Queued {
    pid: u32,
    /// Holds the file.
    pub buffer: Mapping,
    /// Length of the file.
    pub size: u64,
}

static QUEUE: AtomicPtr<Queued> = AtomicPtr::new(core::ptr::null_mut());

/// Whether something waits. What a parent process had queued is dropped.
pub fn waiting(pid: u32) -> bool {
    let queued = QUEUE.load(Ordering::Acquire);
    // SAFETY: taken off the queue only by leaders of this process; after fork, only one thread is left.
    match unsafe { queued.as_ref() } {
        None => false,
        Some(queued) if queued.pid == pid => true,
        Some(_) => {
            drop(take());
            false
        }
    }
}

/// Takes what waits.
pub fn take() -> Option<Box<Queued>> {
    let queued = QUEUE.swap(core::ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: put there by `apply` from a box, and taken once.
    (!queued.is_null()).then(|| unsafe { Box::from_raw(queued) })
}

/// Reads, checks and queues the patch at `path`.
///
/// # Safety
/// `path` is a NUL-terminated string.
pub unsafe fn apply(path: *const c_char) -> Status {
    // SAFETY: as the caller promises.
    match unsafe { read_and_check(path) } {
        Ok(()) => Status::Done,
        Err(refusal) => {
            request::set_last_message(&refusal.message);
            refusal.status
        }
    }
}

unsafe fn read_and_check(path: *const c_char) -> Result<()> {
    if path.is_null() {
        return Err(Refusal::new(Status::BadRequest, &["no path was given"]));
    }
    if unwind::in_signal_handler() {
        return Err(Refusal::new(Status::Busy, &["dsu_apply was called from a signal handler"]));
    }
    let (pid, tid) = sys::identity();
    let busy = || Refusal::new(Status::Busy, &["another update is under way"]);
    let leadership = Leadership::take(pid, tid).ok_or_else(busy)?;
    if waiting(pid) {
        return Err(busy());
    }
    // SAFETY: as the caller promises.
    let (buffer, size) = unsafe { read(path) }?;
    // SAFETY: the file was read into the buffer, which nothing else uses.
    let file = unsafe { core::slice::from_raw_parts(buffer.address() as *const u8, size as usize) };
    let message = prepare(file, Source::Copy, Purpose::Check)?.describe();
    request::set_last_message(&message);
    QUEUE.store(Box::into_raw(Box::new(Queued { pid, buffer, size })), Ordering::Release);
    drop(leadership);
    control::pending().store(1, Ordering::SeqCst);
    Ok(())
}

/// Reads a file.
unsafe fn read(path: *const c_char) -> Result<(Mapping, u64)> {
    // SAFETY: as the caller promises.
    let name = unsafe { CStr::from_ptr(path) }.to_string_lossy();
    let failed = || {
        let error = sys::errno();
        let reason = crate::refusal::decimal(error.unsigned_abs().into());
        Refusal::new(Status::BadPatch, &["the patch file ", &name, " cannot be read: error ", &reason])
    };
    /// Closes the descriptor.
    struct Descriptor(i32);
    impl Drop for Descriptor {
        fn drop(&mut self) {
            // SAFETY: opened below, closed once.
            unsafe { libc::close(self.0) };
        }
    }
    // SAFETY: as the caller promises.
    let fd = Descriptor(unsafe { libc::open(path, libc::O_RDONLY | libc::O_CLOEXEC) });
    if fd.0 < 0 {
        core::mem::forget(fd);
        return Err(failed());
    }
    // SAFETY: zeros are a valid value, and the call fills it.
    let mut info: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: writes `info`.
    if unsafe { libc::fstat(fd.0, &raw mut info) } != 0 {
        return Err(failed());
    }
    let size = info.st_size as u64;
    if info.st_mode & libc::S_IFMT != libc::S_IFREG || size == 0 || size > request::LARGEST {
        return Err(Refusal::new(Status::BadPatch, &["the patch file ", &name, " is empty, too large, or not a file"]));
    }
    let buffer = Mapping::new(size, libc::PROT_READ | libc::PROT_WRITE)?;
    let mut done = 0;
    while done < size {
        // SAFETY: reads into the rest of the buffer.
        let part = unsafe { libc::read(fd.0, (buffer.address() + done) as *mut libc::c_void, (size - done) as usize) };
        match part {
            1.. => done += part as u64,
            -1 if sys::errno() == libc::EINTR => {}
            _ => return Err(failed()),
        }
    }
    Ok((buffer, size))
}
