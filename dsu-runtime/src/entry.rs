//! The C entry points. None of them unwinds, aborts or exits, whatever happens inside.

use crate::{migrate, request, selfapply, sys, tls};
use core::ffi::{c_char, c_void};
use core::sync::atomic::{AtomicBool, Ordering};
use dsu_abi::status::Status;
use dsu_macros::entry;

/// The default hook would print to the program's standard error, which may be anything by now.
fn silence_panics() {
    static SILENT: AtomicBool = AtomicBool::new(false);
    if !SILENT.swap(true, Ordering::Relaxed) {
        std::panic::set_hook(Box::new(|_| {}));
    }
}

/// An update point that found a request pending. `name` is its name.
#[entry(on_panic = request::after_panic())]
pub extern "C" fn dsu_update_point(name: *const c_char) {
    let _ = name;
    silence_panics();
    let errno = sys::errno();
    request::serve();
    sys::set_errno(errno);
}

/// A wrapped call that found a request pending: serves it, or waits while another thread does.
///
/// Returns 0 where the thread runs a signal handler and so may not be updated.
#[entry(on_panic = { request::after_panic(); 0 })]
pub extern "C" fn dsu_rt_serve() -> i32 {
    silence_panics();
    i32::from(request::serve())
}

/// Reads and checks the patch at `path` and has it applied at the next update point.
///
/// Returns 0 where it is queued, else a status code; `dsu_last_message` says more.
///
/// # Safety
/// `path` is a NUL-terminated string.
#[entry(on_panic = Status::Internal as i32)]
pub unsafe extern "C" fn dsu_apply(path: *const c_char) -> i32 {
    silence_panics();
    let errno = sys::errno();
    // SAFETY: as the caller promises.
    let status = unsafe { selfapply::apply(path) };
    sys::set_errno(errno);
    status as i32
}

/// The message of the last request or `dsu_apply` of this process.
#[entry(on_panic = c"".as_ptr())]
pub extern "C" fn dsu_last_message() -> *const c_char {
    request::last_message()
}

/// This thread's block of the thread-local variables of patch `module`, made on first use.
#[entry(on_panic = tls::spare(module))]
pub extern "C" fn dsu_rt_tls_block(module: u64) -> *mut c_void {
    tls::block(module)
}

/// Brings `object` to the version of its type whose stamp is `stamp`, or to the newest if that is in force.
///
/// # Safety
/// `object` is an object of the type that `stamp` is a stamp of.
#[entry(on_panic = ())]
pub unsafe extern "C" fn dsu_migrate(object: *mut c_void, stamp: u64) {
    // SAFETY: as the caller promises.
    unsafe { migrate::migrate(object as u64, stamp) };
}

/// The block of `object` in the side table of its type, for code that wants the version whose stamp is `stamp`.
///
/// # Safety
/// As for [`dsu_migrate`]; the version has a side table.
#[entry(on_panic = core::ptr::null_mut())]
pub unsafe extern "C" fn dsu_block(object: *mut c_void, stamp: u64) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe { migrate::block(object as u64, stamp) as *mut c_void }
}

/// `object` is about to be freed: what its block holds is forgotten, and the block serves others.
///
/// # Safety
/// As for [`dsu_block`]; nobody uses the object any more.
#[entry(on_panic = ())]
pub unsafe extern "C" fn dsu_block_free(object: *mut c_void, stamp: u64) {
    // SAFETY: as the caller promises.
    unsafe { migrate::forget_block(object as u64, stamp) };
}

/// A transformer has met a value that the new type cannot hold.
#[entry(on_panic = ())]
pub extern "C" fn dsu_out_of_range() {
    migrate::out_of_range();
}
