//! Rehearsals: a patch is committed in a child process, which then ends.
//!
//! What a state transformer does wrong, it does there: a crash, an endless loop or a refusal leaves the program as it
//! was. Where the patch says which static objects are of types that it changes, the transformers of these run, too.
//! What cannot be rehearsed is what transformers do to other objects, later, when the program comes to them.
//!
//! The child is made without a signal at its end, so that neither the program's handler of `SIGCHLD` nor its `waitpid`
//! see anything of it; and without the C library's `fork`, so that no handlers of the program run (see `pthread_atfork`).
//! That is safe because all other threads are at rest and so hold none of the library's locks. The child takes no
//! signals, leaves no core file, and ends with the thread that made it. It shares with the program what processes share:
//! what its state transformers write to files, sockets and shared memory is written.

use crate::commit::Prepared;
use crate::refusal::{Refusal, Result, clip, decimal};
use crate::sys::{self, Mapping, SignalsBlocked};
use crate::{control, migrate};
use core::sync::atomic::{AtomicU32, Ordering};
use dsu_abi::status::Status;

/// Objects of a changed type.
pub struct Objects {
    /// The variable they are in.
    pub variable: &'static str,
    /// Address of the first.
    pub first: u64,
    /// Distance between them.
    pub stride: u64,
    /// Their number.
    pub count: u64,
    /// The stamp that the patch's code wants them to have.
    pub stamp: u64,
}

const TEXT: usize = 1600;

/// What the child tells, in shared memory.
#[repr(C)]
struct Stage {
    /// 1 when `status` and `text` are the outcome; before, `text` says what goes on.
    done: AtomicU32,
    status: AtomicU32,
    length: AtomicU32,
    text: [u8; TEXT],
}

/// The child's memory that the parent sees, too.
struct Window(Mapping);

impl Window {
    fn new() -> Result<Self> {
        Mapping::shared(size_of::<Stage>() as u64).map(Self)
    }

    fn stage(&self) -> *mut Stage {
        self.0.address() as *mut Stage
    }

    fn write(&self, parts: &[&str]) {
        let text = parts.concat();
        let bytes = clip(&text, TEXT);
        let stage = self.stage();
        // SAFETY: in the mapping, which only this process writes to.
        unsafe {
            (*stage).length.store(0, Ordering::Release);
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut (*stage).text).cast(), bytes.len());
            (*stage).length.store(bytes.len() as u32, Ordering::Release);
        }
    }

    fn finish(&self, status: Status, text: &str) {
        self.write(&[text]);
        // SAFETY: as above.
        let stage = unsafe { &*self.stage() };
        stage.status.store(status as u32, Ordering::Relaxed);
        stage.done.store(1, Ordering::Release);
    }

    /// What the child has told; `None` for the status while it is not done. The child has ended.
    fn read(&self) -> (Option<Status>, String) {
        // SAFETY: in the mapping. The child does not write any more; a byte that it wrote by mistake is a byte.
        let (done, status, length, text) = unsafe {
            let stage = self.stage();
            let text = core::ptr::read(&raw const (*stage).text);
            (
                (*stage).done.load(Ordering::Acquire),
                (*stage).status.load(Ordering::Relaxed),
                (*stage).length.load(Ordering::Acquire),
                text,
            )
        };
        let text = String::from_utf8_lossy(text.get(..length as usize).unwrap_or_default()).into_owned();
        (Status::from_code(status).filter(|_| done == 1), text)
    }
}

/// Commits `prepared` in a child process, for at most `limit_ns`. Returns a sentence; nothing has changed.
pub fn rehearse(prepared: Prepared, limit_ns: u64) -> Result<String> {
    let patch = prepared.name();
    let failed = |parts: &[&str]| {
        let text = [&["patch ", patch, " cannot be rehearsed: "], parts, &["; nothing was changed"]].concat();
        Refusal::new(Status::RehearsalFailed, &text)
    };
    // SAFETY: asks for a number.
    if unsafe { libc::prctl(libc::PR_GET_SECCOMP) } > 0 {
        return Err(failed(&["the process has seccomp filters, under which a child of it may be killed"]));
    }
    let window = Window::new()?;
    let signals = SignalsBlocked::new();
    let parent = sys::identity().0;
    // SAFETY: makes a process like `fork`, without a signal at its end. All other threads are at rest.
    match unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) } {
        0 => child(prepared, &window, parent),
        -1 => Err(failed(&["the process cannot fork: error ", &decimal(sys::errno().unsigned_abs().into())])),
        pid => {
            let end = wait(pid as i32, limit_ns);
            drop(signals);
            outcome(patch, end, &window, limit_ns)
        }
    }
}

/// How a child ended.
enum End {
    Exited(i32),
    Signalled(i32),
    /// It was killed, as its time was over.
    TooLong,
    /// It was killed, as nobody waits for the outcome any more.
    CalledOff,
}

/// Waits for the child, and ends it when its time is over.
fn wait(pid: i32, limit_ns: u64) -> End {
    let started = sys::now();
    let mut killed = None;
    loop {
        let mut status = 0;
        // SAFETY: writes `status`. The child is not waited for elsewhere: only `__WALL` sees it.
        let ended = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG | libc::__WALL) };
        if ended == pid || (ended < 0 && sys::errno() != libc::EINTR) {
            return match killed {
                Some(end) => end,
                None if ended == pid && libc::WIFSIGNALED(status) => End::Signalled(libc::WTERMSIG(status)),
                None => End::Exited(libc::WEXITSTATUS(status)),
            };
        }
        let waited = sys::now().saturating_sub(started);
        let called_off = control::request().timeout_ms.load(Ordering::Relaxed) == 0;
        if killed.is_none() && (waited > limit_ns || called_off) {
            killed = Some(if called_off { End::CalledOff } else { End::TooLong });
            // SAFETY: our own child, which is not waited for yet, so that the number is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        sys::doze(if waited < 5_000_000 { 50_000 } else { 500_000 });
    }
}

fn outcome(patch: &str, end: End, window: &Window, limit_ns: u64) -> Result<String> {
    let (status, text) = window.read();
    let went_wrong = |parts: &[&str]| {
        let text = [&["the rehearsal of patch ", patch], parts, &["; nothing was changed"]].concat();
        Err(Refusal::new(Status::RehearsalFailed, &text))
    };
    let place = if text.is_empty() { String::new() } else { [" in ", &text].concat() };
    match (end, status) {
        (End::Exited(0), Some(Status::Done)) => Ok(text),
        (End::Exited(0), Some(status)) => Err(Refusal { status, message: text }),
        (End::Exited(code), _) => {
            went_wrong(&[" ended", &place, " with exit code ", &decimal(code.unsigned_abs().into())])
        }
        (End::Signalled(signal), _) => {
            let number = decimal(signal.unsigned_abs().into());
            went_wrong(&[" crashed", &place, ": signal ", &number, signal_name(signal)])
        }
        (End::TooLong, _) => {
            let limit = decimal(limit_ns / 1_000_000);
            went_wrong(&[
                " was ended, as it was still",
                if place.is_empty() { " under way" } else { &place },
                " after ",
                &limit,
                " ms",
            ])
        }
        (End::CalledOff, _) => {
            Err(Refusal::new(Status::TimedOut, &["the rehearsal was called off; nothing was changed"]))
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => " (segmentation fault)",
        libc::SIGBUS => " (bus error)",
        libc::SIGFPE => " (arithmetic error)",
        libc::SIGILL => " (illegal instruction)",
        libc::SIGABRT => " (abort)",
        libc::SIGSYS => " (forbidden system call)",
        libc::SIGKILL => " (killed)",
        _ => "",
    }
}

/// What the child does. It never goes back to the program.
fn child(prepared: Prepared, window: &Window, parent: u32) -> ! {
    seclude(parent);
    let act = core::panic::AssertUnwindSafe(|| act(prepared, window));
    let code = i32::from(std::panic::catch_unwind(act).is_err());
    // SAFETY: ends the process at once: nothing of the program's runs at its exit.
    unsafe {
        libc::syscall(libc::SYS_exit_group, code);
        loop {
            libc::kill(libc::getpid(), libc::SIGKILL);
        }
    }
}

/// Makes sure that whatever happens to the child leaves no trace.
fn seclude(parent: u32) {
    // SAFETY: settings of this process only. The program's handlers of its own crashes must not run: they may write
    // files, or start it again.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
        for signal in
            [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS]
        {
            libc::signal(signal, libc::SIG_DFL);
        }
        if libc::getppid() as u32 != parent {
            libc::syscall(libc::SYS_exit_group, 1);
        }
    }
}

fn act(mut prepared: Prepared, window: &Window) {
    let (patch, carries) = (prepared.name(), prepared.carry_count());
    let objects = core::mem::take(&mut prepared.objects);
    if let Err(refusal) = prepared.commit(|carry| window.write(&["the state transformer ", carry])) {
        return window.finish(refusal.status, &refusal.message);
    }
    let mut count = 0_u64;
    for group in &objects {
        window.write(&["the transformer of an object in ", group.variable]);
        for index in 0..group.count {
            // SAFETY: an object of the type that the stamp belongs to, as the manifest says; its place was checked.
            unsafe { migrate::migrate(group.first + index * group.stride, group.stamp) };
        }
        count += group.count;
    }
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let (carries, objects) = (carries as u64, count);
    let first = [&decimal(carries), " state transformer", plural(carries)].concat();
    let second = [&decimal(objects), " static object", plural(objects)].concat();
    let text = ["patch ", patch, " can be applied: ", &first, " and ", &second, " rehearsed"];
    window.finish(Status::Done, &text.concat());
}
