//! The control block: where `dsu-push` and `libdsu` meet.
//!
//! `dsu-push` finds it by section name in the executable's ELF file, adds the load bias, and reads
//! and writes it with `process_vm_readv`/`process_vm_writev`.
//!
//! # Protocol
//!
//! 1. The pusher checks `magic`, `protocol`, `size`, and that `pending` is 0 (or that the process
//!    named in `request.pusher` is gone: then the request is stale and may be overwritten).
//! 2. It fills [`Request`], `request.sequence` last (any value different from
//!    `response.sequence`), then sets `pending` to 1.
//! 3. A thread that passes an update point or is inside a quiescent call sees `pending`, enters
//!    the runtime and becomes the leader. Requests for another process id (inherited over `fork`)
//!    clear `pending` and are otherwise ignored.
//! 4. Where an operation needs every thread to stand still ([`op::APPLY`], [`op::UNDO`], [`op::REHEARSE`]) and
//!    `request.solo` is 0, the leader prepares, sets `response.phase` to [`phase::PREPARED`] and
//!    waits. Other threads that come to an update point park (`ThreadState::state` =
//!    [`thread::PARKED`]). The pusher looks at every thread's [`ThreadState`]; when each is
//!    parked, in a quiescent call, or the leader, it sets `request.go` to the sequence. The leader
//!    commits. A leader that waits longer than `request.timeout_ms` gives up, changing nothing.
//!    It looks at `timeout_ms` as long as it waits, so the pusher can call it off by setting that to 0.
//! 5. The leader fills [`Response`], `response.sequence` last, and clears `pending`.
//!
//! A pusher that dies at any step leaves a request that either completes or times out.

use crate::{Id, registry::Table};
use core::sync::atomic::{AtomicU32, AtomicU64};

/// First bytes of a control block.
pub const MAGIC: [u8; 8] = *b"DSUCTRL\0";

/// The control block. Layout: see the field comments; size 2048, alignment 64.
#[repr(C, align(64))]
pub struct Control {
    /// +0: [`MAGIC`].
    pub magic: [u8; 8],
    /// +8: [`crate::PROTOCOL`].
    pub protocol: u32,
    /// +12: size of this struct.
    pub size: u32,
    /// +16: 0 at rest; 1 while a request waits. The symbol `dsu_pending`: what update points load.
    pub pending: AtomicU32,
    /// +20: [`flags`].
    pub flags: u32,
    /// +24: the build of the executable.
    pub build: Id,
    /// +40: the state the process is in; equals `build` until the first patch.
    pub state: Id,
    /// +56: offset of [`ThreadState`] from the thread pointer (`@tpoff`, negative on x86-64).
    pub thread_offset: i64,
    /// +64: [`crate::registry::FunctionRecord`]s.
    pub functions: Table,
    /// +80: [`crate::registry::VariableRecord`]s.
    pub variables: Table,
    /// +96: [`crate::registry::ForeignRecord`]s.
    pub foreign: Table,
    /// +112: [`crate::registry::TypeRecord`]s.
    pub types: Table,
    /// +128: [`crate::registry::UpdatePointRecord`]s.
    pub update_points: Table,
    /// +144: [`crate::registry::UnitRecord`]s.
    pub units: Table,
    /// +160: address of the newest [`AppliedPatch`], 0 if none.
    pub applied: AtomicU64,
    /// +168: number of patches in force.
    pub applied_count: AtomicU32,
    /// +172: zero.
    pub reserved: u32,
    /// +176: written by the pusher.
    pub request: Request,
    /// +272: written by the runtime.
    pub response: Response,
}

/// Flags of [`Control::flags`].
pub mod flags {
    /// The program has at least one update point.
    pub const UPDATABLE: u32 = 1;
}

/// What the pusher asks. 96 bytes.
#[repr(C)]
pub struct Request {
    /// +0: identifies the request; written last, by the pusher.
    pub sequence: AtomicU64,
    /// +8: [`op`].
    pub op: AtomicU32,
    /// +12: process id the request is for, as that process sees it itself (its innermost pid namespace).
    pub target: AtomicU32,
    /// +16: process id of the pusher, as the pusher sees it; 0 for a request by the process itself.
    pub pusher: AtomicU32,
    /// +20: 1 if the process has a single thread: the leader need not wait for `go`.
    pub solo: AtomicU32,
    /// +24: how long the leader may wait for the other threads, in milliseconds.
    pub timeout_ms: AtomicU32,
    /// +28: REHEARSE: how long the child process may take, in milliseconds.
    pub limit_ms: AtomicU32,
    /// +32: RESERVE: bytes wanted. CHECK, APPLY: length of the patch file in the buffer.
    pub size: AtomicU64,
    /// +40: the sequence of this request, once every thread is quiescent.
    pub go: AtomicU64,
    /// +48: UNDO: the patch to undo (must be the newest). Otherwise zero.
    pub patch: Id,
    /// +64: zero.
    pub reserved2: [u64; 4],
}

/// Operations of [`Request::op`].
pub mod op {
    /// Map a buffer of `size` bytes for a patch file; answers with its address.
    pub const RESERVE: u32 = 1;
    /// Load and check the patch file in the buffer, then forget it again. Changes nothing.
    pub const CHECK: u32 = 2;
    /// Load, check and commit the patch file in the buffer.
    pub const APPLY: u32 = 3;
    /// Undo the newest patch.
    pub const UNDO: u32 = 4;
    /// Load and check the patch file in the buffer, and commit it in a child process that then ends. Changes nothing. The
    /// program stands still meanwhile, for at most [`Request::limit_ms`](super::Request::limit_ms).
    pub const REHEARSE: u32 = 5;
}

/// What the runtime answers. 1776 bytes.
#[repr(C)]
pub struct Response {
    /// +0: the sequence of the request this answers; written last, by the runtime.
    pub sequence: AtomicU64,
    /// +8: [`crate::status`] code.
    pub status: AtomicU32,
    /// +12: [`phase`].
    pub phase: AtomicU32,
    /// +16: RESERVE: address of the buffer.
    pub buffer: AtomicU64,
    /// +24: RESERVE: its length.
    pub buffer_size: AtomicU64,
    /// +32: how long the program stood still for the commit, in nanoseconds: from the leader's
    /// entry into the runtime until it returns, or, with several threads, from the first park.
    pub pause_ns: AtomicU64,
    /// +40: the part of it spent on loading and checking.
    pub prepare_ns: AtomicU64,
    /// +48: thread id of the leader, 0 when none.
    pub leader: AtomicU32,
    /// +52: length of `message`.
    pub message_len: AtomicU32,
    /// +56: a sentence in UTF-8 for the person at the pusher, not NUL terminated.
    pub message: [u8; 1720],
}

/// Phases of [`Response::phase`].
pub mod phase {
    /// No request, or the request is answered.
    pub const IDLE: u32 = 0;
    /// The leader loads and checks.
    pub const PREPARING: u32 = 1;
    /// The leader waits for `go`.
    pub const PREPARED: u32 = 2;
    /// The leader is publishing.
    pub const COMMITTING: u32 = 3;
}

/// State of a thread, a thread-local variable (`dsu_thread`). 32 bytes.
///
/// `inside` and `state` are written by the thread; `kicked` by the pusher while it holds the thread stopped.
#[repr(C)]
pub struct ThreadState {
    /// +0: address of the NUL-terminated name of the update point in whose quiescent call the
    /// thread is; 0 when outside.
    pub inside: AtomicU64,
    /// +8: [`thread`].
    pub state: AtomicU32,
    /// +12: set to 1 by the pusher together with making the system call return `EINTR`; the call
    /// wrapper clears it and restarts the call.
    pub kicked: AtomicU32,
    /// +16: while [`thread::BLOCKED`], the stack pointer of the wrapper that made the call. A thread that is found in a
    /// system call further down than libraries need (see [`LIBRARY_STACK`]) may run a signal handler that interrupted
    /// the wrapped call: it neither counts as quiescent nor may it be kicked.
    pub stack: AtomicU64,
    /// +24: address of the condition variable that the wrapped call waits for, else 0. Such a call swallows `EINTR`, so
    /// the pusher makes its wait for the variable time out instead, and the wrapper turns that into a wake-up without
    /// a reason, which POSIX allows. 1, where no condition variable is: the call swallows `EINTR`, and the thread is not to be
    /// woken (it waits for the end of another one).
    pub condition: AtomicU64,
}

/// How far below [`ThreadState::stack`] the stack pointer may be in the system call of the wrapped call itself. Signal
/// frames are larger on every architecture.
pub const LIBRARY_STACK: u64 = 1024;

/// Values of [`ThreadState::state`].
pub mod thread {
    /// Running program code.
    pub const RUNNING: u32 = 0;
    /// In a wrapped blocking call inside a quiescent call: may be asleep, counts as quiescent.
    pub const BLOCKED: u32 = 1;
    /// Parked at an update point until the request is answered.
    pub const PARKED: u32 = 2;
    /// Leading a request.
    pub const LEADING: u32 = 3;
    /// In the runtime: about to lead or to park, or on its way back to the program. Outside of this state, and of
    /// [`PARKED`] and [`LEADING`], the runtime makes no system call of its own: a process whose seccomp filters were
    /// suspended for it may have them again once no thread is in any of the three and `pending` is 0.
    pub const SERVING: u32 = 4;
}

/// A patch in force, newest first: a list in the target's heap. 136 bytes.
#[repr(C)]
pub struct AppliedPatch {
    /// +0: address of the next older one, 0 at the end.
    pub next: u64,
    /// +8: identity of the patch file.
    pub patch: Id,
    /// +24: state before.
    pub from: Id,
    /// +40: state after.
    pub to: Id,
    /// +56: address of the patch's name (UTF-8).
    pub name: u64,
    /// +64: length of the name.
    pub name_len: u64,
    /// +72: where the image was loaded.
    pub image: u64,
    /// +80: length of the image.
    pub image_size: u64,
    /// +88: when it was applied: nanoseconds since the epoch.
    pub applied_at: u64,
    /// +96: its pause in nanoseconds.
    pub pause_ns: u64,
    /// +104: address of its [`crate::patch::PatchHeader`] in the image.
    pub header: u64,
    /// +112: address of its [`TypeStatus`] records, one for each type it changes.
    pub types: u64,
    /// +120: their number.
    pub type_count: u64,
    /// +128: how many values its state transformers met that the new type could not hold.
    pub out_of_range: u64,
}

/// A version of a type that a patch in force made. 48 bytes.
#[repr(C)]
pub struct TypeStatus {
    /// +0: key of the type name.
    pub key: u64,
    /// +8: address of the type name, NUL terminated.
    pub name: u64,
    /// +16: the stamp of objects of this version, 0 if objects of the type have no stamp.
    pub stamp: u64,
    /// +24: the version, from 1 on.
    pub version: u32,
    /// +28: how many blocks of its side table came into use since this version is there: each object needs one, and one that comes to be in the
    /// place of a dead one takes that of it.
    pub blocks: AtomicU32,
    /// +32: how many objects were brought to this version.
    pub migrated: AtomicU64,
    /// +40: how many values that took which the new type could not hold.
    pub out_of_range: AtomicU64,
}

const _: () = {
    use core::mem::{align_of, offset_of, size_of};
    assert!(size_of::<Request>() == 96);
    assert!(size_of::<Response>() == 1776);
    assert!(size_of::<Control>() == 2048 && align_of::<Control>() == 64);
    assert!(size_of::<ThreadState>() == 32);
    assert!(offset_of!(ThreadState, stack) == 16 && offset_of!(ThreadState, condition) == 24);
    assert!(size_of::<AppliedPatch>() == 136);
    assert!(size_of::<TypeStatus>() == 48);
    assert!(offset_of!(Control, pending) == 16);
    assert!(offset_of!(Control, build) == 24);
    assert!(offset_of!(Control, thread_offset) == 56);
    assert!(offset_of!(Control, functions) == 64);
    assert!(offset_of!(Control, applied) == 160);
    assert!(offset_of!(Control, request) == 176);
    assert!(offset_of!(Control, response) == 272);
};
