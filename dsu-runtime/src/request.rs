//! Serving a request: who leads, what the others do, and the answer.
//!
//! The protocol is described in `dsu_abi::control`.

use crate::commit::{Purpose, prepare, prepare_undo};
use crate::image::Source;
use crate::refusal::{Refusal, Result, clip};
use crate::selfapply;
use crate::sys::{self, Mapping, SignalsBlocked};
use crate::thread::Marked;
use crate::{control, gdb, rehearse, unwind};
use core::cell::UnsafeCell;
use core::ffi::c_char;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use dsu_abi::control::{op, phase, thread};
use dsu_abi::status::Status;

/// Largest patch file.
pub const LARGEST: u64 = 1 << 30;

/// How long a program that updates itself waits for its other threads.
const OWN_TIMEOUT_MS: u32 = 2000;

/// Process and thread that lead, or 0. After a fork it may name a thread of the parent: that counts as 0.
static LEADER: AtomicU64 = AtomicU64::new(0);
/// Threads that are parked.
static PARKED: AtomicU32 = AtomicU32::new(0);
/// When the first of them parked for this request, or 0.
static FIRST_PARK: AtomicU64 = AtomicU64::new(0);

/// Data that only the leader uses.
struct Led<T>(UnsafeCell<T>);
// SAFETY: there is one leader at a time, and taking and leaving the leadership synchronises.
unsafe impl<T> Sync for Led<T> {}

/// Where the pusher puts the patch file.
static BUFFER: Led<Option<Mapping>> = Led(UnsafeCell::new(None));

const MESSAGE_SIZE: usize = 1024;
/// The last message, NUL terminated.
static LAST_MESSAGE: Led<[u8; MESSAGE_SIZE]> = Led(UnsafeCell::new([0; MESSAGE_SIZE]));

/// What `dsu_last_message` returns.
pub fn last_message() -> *const c_char {
    LAST_MESSAGE.0.get().cast()
}

/// Sets the last message. For the leader, or a thread that found another one leading.
pub fn set_last_message(message: &str) {
    let bytes = clip(message, MESSAGE_SIZE - 1);
    // SAFETY: in bounds. A thread that reads the message while another changes it may see a mixture, but never runs
    // over the end, as the last byte stays 0.
    unsafe {
        let text = LAST_MESSAGE.0.get().cast::<u8>();
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), text, bytes.len());
        *text.add(bytes.len()) = 0;
    }
}

/// The right to serve requests; given up when dropped.
pub struct Leadership(());

impl Leadership {
    /// Becomes the leader, if there is none.
    pub fn take(pid: u32, tid: u32) -> Option<Self> {
        let me = u64::from(pid) << 32 | u64::from(tid);
        let now = LEADER.load(Ordering::Acquire);
        let stale = now != 0 && now >> 32 != u64::from(pid);
        if now != 0 && !stale {
            return None;
        }
        LEADER.compare_exchange(now, me, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        if stale {
            // Left over from the parent process, whose other threads do not exist here.
            PARKED.store(0, Ordering::Relaxed);
        }
        Some(Self(()))
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = "an error in the runtime itself; see whether the program is well before trying again";
            answer(&Answer::from(Refusal::new(Status::Internal, &[text])));
        }
        LEADER.store(0, Ordering::SeqCst);
        wake_parked();
    }
}

/// Wakes the threads that are parked. No system call where there are none: one that parks now looks once more whether
/// it has to.
fn wake_parked() {
    if PARKED.load(Ordering::SeqCst) != 0 {
        sys::wake_all(control::pending());
    }
}

/// After a panic in an entry point: nothing may wait for this thread.
pub fn after_panic() {
    control::pending().store(0, Ordering::SeqCst);
    wake_parked();
}

/// Serves the request that is pending, or waits until another thread has served it.
///
/// Returns false where this thread may not be updated: it runs a signal handler, or serves already.
pub fn serve() -> bool {
    // First of all, and `pending` is looked at again behind it: see [`thread::SERVING`].
    let Some(_mark) = Marked::serving() else { return false };
    if control::pending().load(Ordering::SeqCst) == 0 {
        return true;
    }
    let started = sys::now();
    let (pid, tid) = sys::identity();
    while control::pending().load(Ordering::SeqCst) != 0 {
        if !is_ours(pid) {
            control::pending().store(0, Ordering::SeqCst);
            break;
        }
        if unwind::in_signal_handler() {
            return false;
        }
        if let Some(leadership) = Leadership::take(pid, tid) {
            let _mark = Marked::set(thread::LEADING);
            lead(pid, tid, started);
            drop(leadership);
        } else {
            let _mark = Marked::set(thread::PARKED);
            park();
        }
    }
    true
}

/// Whether the request that is pending is for this process, or was inherited over `fork`, or is answered.
fn is_ours(pid: u32) -> bool {
    let request = control::request();
    let pushed = request.target.load(Ordering::Acquire) == pid && unanswered();
    // A leader clears `pending` after its answer; until then the others stay.
    let led = LEADER.load(Ordering::Acquire) >> 32 == u64::from(pid);
    pushed || led || selfapply::waiting(pid)
}

fn unanswered() -> bool {
    // SAFETY: in bounds; accessed atomically.
    let answered = unsafe { &(*control::response()).sequence };
    control::request().sequence.load(Ordering::Acquire) != answered.load(Ordering::Acquire)
}

/// Waits until the request is served. Program code must not run meanwhile, so signals wait, too.
fn park() {
    let signals = SignalsBlocked::new();
    let _ = FIRST_PARK.compare_exchange(0, sys::now(), Ordering::Relaxed, Ordering::Relaxed);
    PARKED.fetch_add(1, Ordering::SeqCst);
    while control::pending().load(Ordering::SeqCst) != 0 && LEADER.load(Ordering::SeqCst) != 0 {
        sys::wait_on(control::pending(), 1, 20_000_000);
    }
    PARKED.fetch_sub(1, Ordering::SeqCst);
    drop(signals);
}

/// An answer to the pusher.
struct Answer {
    status: Status,
    message: String,
    buffer: (u64, u64),
    pause_ns: u64,
    prepare_ns: u64,
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self { status: refusal.status, message: refusal.message, buffer: (0, 0), pause_ns: 0, prepare_ns: 0 }
    }
}

/// Serves what waits, as the leader.
fn lead(pid: u32, tid: u32, started: u64) {
    FIRST_PARK.store(0, Ordering::Relaxed);
    let request = control::request();
    let mut debug = None;
    if let Some(queued) = selfapply::take() {
        // SAFETY: the file was read into the buffer, which nothing else uses.
        let file = unsafe { core::slice::from_raw_parts(queued.buffer.address() as *const u8, queued.size as usize) };
        let wait = Wait { sequence: 0, rule: Rule::AllParked };
        let answer = apply(file, &wait, started).unwrap_or_else(Answer::from);
        if answer.status == Status::Done {
            debug = Some((queued.buffer, queued.size));
        }
        set_last_message(&answer.message);
        // No answer goes to a pusher, who would otherwise take this for a request under way.
        set_phase(phase::IDLE);
    }
    if request.target.load(Ordering::Acquire) == pid && unanswered() {
        // SAFETY: in bounds; accessed atomically.
        unsafe { &(*control::response()).leader }.store(tid, Ordering::Relaxed);
        let mut buffer = None;
        let result = execute(started, &mut buffer);
        if result
            .as_ref()
            .is_ok_and(|answer| request.op.load(Ordering::Relaxed) == op::APPLY && answer.status == Status::Done)
        {
            debug = buffer.map(|buffer| (buffer, request.size.load(Ordering::Relaxed)));
        }
        answer(&result.unwrap_or_else(Answer::from));
    }
    control::pending().store(0, Ordering::SeqCst);
    wake_parked();
    // Not part of anyone's pause any more, except this thread's.
    if let Some((buffer, size)) = debug {
        // In a program with a single thread it still stands still.
        if let Some(frames) = crate::journal::entries().next().and_then(|entry| entry.frames)
            && !sys::is_single_threaded()
        {
            frames.settle();
        }
        gdb::announce(buffer, size);
    }
}

/// Carries out the pusher's request. The buffer of a patch file is handed back in `used`.
fn execute(started: u64, used: &mut Option<Mapping>) -> Result<Answer> {
    let request = control::request();
    let sequence = request.sequence.load(Ordering::Acquire);
    let size = request.size.load(Ordering::Relaxed);
    // SAFETY: this thread leads.
    let buffer = unsafe { &mut *BUFFER.0.get() };
    let rule = if request.solo.load(Ordering::Relaxed) != 0 { Rule::Solo } else { Rule::Go };
    let wait = Wait { sequence, rule };
    set_phase(phase::PREPARING);
    match request.op.load(Ordering::Relaxed) {
        op::RESERVE => {
            *buffer = None;
            if size == 0 || size > LARGEST {
                return Err(Refusal::new(Status::BadRequest, &["the patch file is empty or larger than 1 GiB"]));
            }
            let mapping = Mapping::new(size, libc::PROT_READ | libc::PROT_WRITE)?;
            let place = (mapping.address(), mapping.length());
            *buffer = Some(mapping);
            let pause_ns = sys::now().saturating_sub(started);
            Ok(Answer { status: Status::Done, message: String::new(), buffer: place, pause_ns, prepare_ns: 0 })
        }
        operation @ (op::CHECK | op::APPLY | op::REHEARSE) => {
            let Some(mapping) = buffer.take().filter(|mapping| size != 0 && size <= mapping.length()) else {
                return Err(Refusal::new(Status::BadRequest, &["there is no buffer with a patch file"]));
            };
            let mapping = used.insert(mapping);
            // SAFETY: the pusher wrote the file there and does not touch it any more.
            let file = unsafe { core::slice::from_raw_parts(mapping.address() as *const u8, size as usize) };
            if operation == op::APPLY {
                return apply(file, &wait, started);
            }
            if operation == op::REHEARSE {
                return rehearse(file, &wait, started);
            }
            let prepared = prepare(file, Source::Consume, Purpose::Check)?;
            let prepare_ns = sys::now().saturating_sub(started);
            let message = prepared.describe();
            drop(prepared);
            let pause_ns = sys::now().saturating_sub(started);
            Ok(Answer { status: Status::Done, message, buffer: (0, 0), pause_ns, prepare_ns })
        }
        op::UNDO => {
            let prepared = prepare_undo(request.patch)?;
            let prepare_ns = sys::now().saturating_sub(started);
            wait.run()?;
            let message = prepared.commit()?;
            Ok(Answer { status: Status::Done, message, buffer: (0, 0), pause_ns: pause(started, &wait), prepare_ns })
        }
        _ => Err(Refusal::new(Status::BadRequest, &["the program's runtime does not know this request"])),
    }
}

fn apply(file: &[u8], wait: &Wait, started: u64) -> Result<Answer> {
    let prepared = prepare(file, Source::Consume, Purpose::Apply)?;
    let prepare_ns = sys::now().saturating_sub(started);
    wait.run()?;
    let message = prepared.commit(|_| {})?;
    let pause_ns = pause(started, wait);
    crate::journal::set_pause(pause_ns);
    Ok(Answer { status: Status::Done, message, buffer: (0, 0), pause_ns, prepare_ns })
}

fn rehearse(file: &[u8], wait: &Wait, started: u64) -> Result<Answer> {
    let prepared = prepare(file, Source::Consume, Purpose::Apply)?;
    let prepare_ns = sys::now().saturating_sub(started);
    wait.run()?;
    let limit_ns = u64::from(control::request().limit_ms.load(Ordering::Relaxed)) * 1_000_000;
    let message = rehearse::rehearse(prepared, limit_ns)?;
    Ok(Answer { status: Status::Done, message, buffer: (0, 0), pause_ns: pause(started, wait), prepare_ns })
}

/// How long the program has stood still.
fn pause(started: u64, wait: &Wait) -> u64 {
    let first_park = FIRST_PARK.load(Ordering::Relaxed);
    let from = if wait.rule == Rule::Solo || first_park == 0 { started } else { first_park };
    sys::now().saturating_sub(from)
}

/// When the other threads are at rest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// There are none.
    Solo,
    /// When the pusher says so.
    Go,
    /// When all are parked: the program updates itself, and there is no pusher to look at sleeping threads.
    AllParked,
}

/// Waiting for the other threads.
struct Wait {
    sequence: u64,
    rule: Rule,
}

impl Wait {
    fn run(&self) -> Result<()> {
        if self.rule != Rule::Solo {
            set_phase(phase::PREPARED);
            self.until_at_rest()?;
        }
        set_phase(phase::COMMITTING);
        Ok(())
    }

    fn until_at_rest(&self) -> Result<()> {
        let began = sys::now();
        while !self.is_over() {
            let waited = sys::now().saturating_sub(began);
            if waited > self.limit_ns() {
                return Err(Refusal::new(
                    Status::TimedOut,
                    &["the threads did not all come to rest in time; nothing was changed"],
                ));
            }
            // To yield instead would be cheap only where nothing else wants to run: a thread that has slept gets the
            // processor back at once, one that has yielded only when the others have used up their time.
            if waited < 200_000 {
                core::hint::spin_loop();
            } else {
                sys::doze(20_000);
            }
        }
        Ok(())
    }

    /// How long to wait. The pusher may change it meanwhile.
    fn limit_ns(&self) -> u64 {
        let milliseconds = match self.rule {
            Rule::Go => control::request().timeout_ms.load(Ordering::Relaxed),
            Rule::Solo | Rule::AllParked => OWN_TIMEOUT_MS,
        };
        u64::from(milliseconds) * 1_000_000
    }

    fn is_over(&self) -> bool {
        match self.rule {
            Rule::Solo => true,
            Rule::Go => control::request().go.load(Ordering::Acquire) == self.sequence,
            Rule::AllParked => sys::thread_count() == Some(PARKED.load(Ordering::SeqCst) as usize + 1),
        }
    }
}

fn set_phase(value: u32) {
    // SAFETY: in bounds; accessed atomically.
    unsafe { &(*control::response()).phase }.store(value, Ordering::Release);
}

/// Fills the response, its sequence number last.
fn answer(answer: &Answer) {
    set_last_message(&answer.message);
    let response = control::response();
    // SAFETY: in bounds of the block. The pusher reads the message only after it has seen the sequence number.
    unsafe {
        let capacity = (*response).message.len();
        let bytes = clip(&answer.message, capacity);
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut (*response).message).cast::<u8>(), bytes.len());
        let response = &*response;
        response.message_len.store(bytes.len() as u32, Ordering::Relaxed);
        response.status.store(answer.status as u32, Ordering::Relaxed);
        response.buffer.store(answer.buffer.0, Ordering::Relaxed);
        response.buffer_size.store(answer.buffer.1, Ordering::Relaxed);
        response.pause_ns.store(answer.pause_ns, Ordering::Relaxed);
        response.prepare_ns.store(answer.prepare_ns, Ordering::Relaxed);
        response.leader.store(0, Ordering::Relaxed);
        response.phase.store(phase::IDLE, Ordering::Relaxed);
        response.sequence.store(control::request().sequence.load(Ordering::Acquire), Ordering::Release);
    }
}
