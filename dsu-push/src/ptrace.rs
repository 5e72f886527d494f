//! Waking a thread that sleeps in a system call.
//!
//! The thread is seized and interrupted, never attached to with a signal, so that neither the
//! program nor its parent can notice. If it is then stopped in a call that can be repeated, the
//! call is made to return `EINTR`, and the wrapper in the program, told so by
//! [`ThreadState::kicked`], enters the runtime and repeats the call.
//!
//! # Letting go
//!
//! The kernel lets go of everything a thread traces when that thread ends, however it ends. So a
//! [`Tracer`] belongs to a thread made for one push, which ends with the push. The same rule makes
//! it harmless to kill `dsu-push`: stopped threads go on, signals on their way arrive. Only a signal
//! that the program ignores, and that arrives in the same microsecond, might then be seen to
//! interrupt a system call (nobody is there to conceal it). So where there is time, a thread is
//! stopped once more and let go properly: [`Tracer::release`].
//!
//! # Seccomp filters
//!
//! Where the program has filters, all threads are traced from before the first request to the end
//! of the push, with their filters suspended. They come into force again when we let go, which must
//! not happen while a thread still makes system calls of the runtime, and neither between a stop
//! and the moment when the kernel restarts the call in which the thread was stopped, as it may do
//! that by another call (`restart_syscall`).

use crate::{
    Error, Result,
    arch::{self, Interrupted, Registers},
    memory::Memory,
    process::{self, ProcStatus},
    threads::{View, is_own_call},
};
use dsu_abi::control::{ThreadState, thread};
use std::{
    collections::HashMap,
    io, mem,
    ptr::null_mut,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

/// How long a thread gets to stop. It takes microseconds, unless the machine is overloaded or the
/// thread sleeps uninterruptibly.
const STOP_WAIT: Duration = Duration::from_millis(50);

/// Options of threads whose filters are suspended. Threads that they make are traced with the same
/// options from their first instruction on; processes, too, to be let go of at once.
const LIFT: i32 =
    libc::PTRACE_O_SUSPEND_SECCOMP | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEFORK | libc::PTRACE_O_TRACEVFORK;

/// What became of an attempt to wake a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kick {
    /// It is on its way into the runtime.
    Done,
    /// It is not in a state to be woken; nothing was changed.
    NotNow,
    /// The thread is gone, or stopped by job control; nothing was changed.
    Gone,
}

/// A thread that we trace.
#[derive(Debug, Default)]
struct Tracee {
    /// A stop that we asked for is still to come.
    interrupting: bool,
    /// Its seccomp filters are suspended, and those of the threads it makes will be.
    lifted: bool,
    /// It is a process that the program has just made, to be let go of at once.
    child: Option<Child>,
    /// When it last went on after a stop.
    resumed: Option<Instant>,
    /// It was woken at least once.
    woken: bool,
    /// The call that we made fail, until the thread is seen to have left it.
    kicked: Option<Kicked>,
}

/// A call that was made to fail.
#[derive(Clone, Copy, Debug)]
struct Kicked {
    call: Interrupted,
    errno: i32,
    rip: u64,
    state: u64,
}

/// A process that a thread with suspended filters has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Child {
    /// It has memory of its own, in which the request waits as well.
    OwnMemory,
    /// It uses its parent's.
    SharedMemory,
}

/// What a stopped thread reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The stop we asked for: the thread is stopped.
    Interrupted,
    /// Something else, dealt with: the thread runs, or rests in a group stop.
    Handled,
    /// The thread ended, or we let go of it.
    Ended,
}

/// Traces threads of one process; see the [module](self) for its lifetime.
#[derive(Debug)]
pub struct Tracer {
    memory: Memory,
    /// Address of `pending`.
    pending: u64,
    tracees: HashMap<i32, Tracee>,
    suspend_seccomp: bool,
    /// How often a thread was stopped.
    pub stops: u32,
    /// How long threads stood still in stops that we asked for.
    pub stopped: Duration,
    /// Whether a thread was let go on with its own system call after all, because of a signal.
    pub restored: bool,
}

impl Tracer {
    /// A tracer of threads whose memory is `memory`, with `pending` at that address.
    pub fn new(memory: Memory, pending: u64) -> Self {
        Self {
            memory,
            pending,
            tracees: HashMap::new(),
            suspend_seccomp: false,
            stops: 0,
            stopped: Duration::ZERO,
            restored: false,
        }
    }

    /// Suspends the seccomp filters of a thread, and of those it makes, as long as it is traced:
    /// until the calling thread ends. From then on threads are not traced otherwise.
    pub fn lift_filters(&mut self, pid: i32, tid: i32) -> Result<()> {
        self.suspend_seccomp = true;
        self.pump();
        match self.tracees.get(&tid) {
            // It was woken before there were filters.
            Some(tracee) if !tracee.lifted => Err(process::filters(&io::Error::from_raw_os_error(libc::EPERM))),
            _ => self.seize(pid, tid).map(|_| ()),
        }
    }

    /// Whether filters are suspended.
    pub fn lifts_filters(&self) -> bool {
        self.suspend_seccomp
    }

    /// Whether a stop is still to come, or a thread that was stopped may not have gone on with its
    /// system call yet: `running` tells whether it seems to run.
    pub fn is_restless(&self, running: impl Fn(i32) -> bool) -> bool {
        let just_now = |tracee: &Tracee| tracee.resumed.is_some_and(|at| at.elapsed() < STOP_WAIT);
        let restless = |(&tid, tracee): (&i32, &Tracee)| {
            tracee.interrupting || tracee.child.is_some() || (just_now(tracee) && running(tid))
        };
        self.tracees.iter().any(restless)
    }

    /// Begins to trace a thread, without stopping it. `false` if it is gone.
    pub fn seize(&mut self, pid: i32, tid: i32) -> Result<bool> {
        if self.tracees.contains_key(&tid) {
            return Ok(true);
        }
        let options = if self.suspend_seccomp { LIFT } else { 0 };
        let lifted = self.suspend_seccomp;
        let Err(error) = request(libc::PTRACE_SEIZE, tid, options as usize) else {
            self.tracees.insert(tid, Tracee { lifted, ..Tracee::default() });
            return Ok(true);
        };
        if error.raw_os_error() == Some(libc::ESRCH) {
            return Ok(false);
        }
        match ProcStatus::of_thread(pid, tid) {
            Err(_) => Ok(false),
            Ok(status) if matches!(status.state, 'Z' | 'X' | 'x') => Ok(false),
            // Made by a thread that we trace, which has not told us yet.
            Ok(status) if status.tracer == own_tid() => {
                self.tracees.insert(tid, Tracee { lifted, ..Tracee::default() });
                Ok(true)
            }
            Ok(status) if status.tracer != 0 => {
                let tracer = status.tracer;
                Err(Error::Traced { tid, tracer, tracer_name: process::name_of(tracer) })
            }
            // Its memory could be read, so only the options can be at fault.
            Ok(_) if lifted => Err(process::filters(&error)),
            Ok(_) => Err(process::permission(pid, "trace the process")),
        }
    }

    /// Makes the thread's system call return and the thread enter the runtime, if it sleeps in a
    /// wrapped call. `state` is the address of its [`ThreadState`]. `last_look` is called while the
    /// thread is stopped, before anything is changed.
    pub fn kick(&mut self, pid: i32, tid: i32, state: u64, last_look: impl FnOnce() -> Result<()>) -> Result<Kick> {
        if !self.seize(pid, tid)? {
            return Ok(Kick::Gone);
        }
        let start = Instant::now();
        if !self.stop(tid)? {
            return Ok(if self.tracees.contains_key(&tid) { Kick::NotNow } else { Kick::Gone });
        }
        let result = self.kick_stopped(tid, state, last_look);
        match result {
            Ok(Kick::Done) => self.resume(tid, 0),
            // Let go of it wholly, unless filters would come into force again.
            _ if !self.suspend_seccomp => self.detach(tid),
            _ => self.resume_concealed(tid, 0),
        }
        self.stopped += start.elapsed();
        result
    }

    fn kick_stopped(&mut self, tid: i32, state: u64, last_look: impl FnOnce() -> Result<()>) -> Result<Kick> {
        let Some(mut registers) = registers(tid) else { return Ok(Kick::Gone) };
        let view = View::new(tid, &self.memory.read(state)?);
        let asleep = view.asleep() && is_own_call(&self.memory, view.stack, registers.rsp);
        let (Some(call), true) = (arch::interrupted(&registers), asleep) else { return Ok(Kick::NotNow) };
        let errno = match view.condition {
            0 => libc::EINTR,
            at if arch::waits_for_condition(&registers, call, at) => libc::ETIMEDOUT,
            _ => return Ok(Kick::NotNow),
        };
        last_look()?;
        let kicked = state + mem::offset_of!(ThreadState, kicked) as u64;
        // First the flag, then the registers: should we be killed in between, the call is repeated
        // by the kernel, and the flag only makes the wrapper look for requests.
        self.memory.write_u32(kicked, 1)?;
        arch::fail_with(&mut registers, errno);
        if !set_registers(tid, &registers) {
            self.memory.write_u32(kicked, 0)?;
            return Ok(Kick::Gone);
        }
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            tracee.woken = true;
            tracee.kicked = Some(Kicked { call, errno, rip: registers.rip, state });
        }
        Ok(Kick::Done)
    }

    /// Stops a thread. `false` if it did not stop in time or ended.
    fn stop(&mut self, tid: i32) -> Result<bool> {
        let Some(tracee) = self.tracees.get_mut(&tid) else { return Ok(false) };
        if !tracee.interrupting {
            match request(libc::PTRACE_INTERRUPT, tid, 0) {
                Ok(()) => tracee.interrupting = true,
                Err(_) => {
                    self.tracees.remove(&tid);
                    return Ok(false);
                }
            }
        }
        self.stops += 1;
        let start = Instant::now();
        loop {
            match self.next_event(tid) {
                Some(Event::Interrupted) => return Ok(true),
                Some(Event::Ended) => return Ok(false),
                Some(Event::Handled) => {}
                None if start.elapsed() > STOP_WAIT => return Ok(false),
                // The thread may need our processor, and to yield would give it to any other.
                None => std::thread::sleep(Duration::from_micros(5)),
            }
        }
    }

    /// Deals with everything that traced threads have reported.
    pub fn pump(&mut self) {
        let tids: Vec<_> = self.tracees.keys().copied().collect();
        for tid in tids {
            while let Some(event) = self.next_event(tid) {
                if event == Event::Interrupted {
                    // A stop that came too late to be of use.
                    self.resume_concealed(tid, 0);
                }
            }
        }
    }

    /// The threads that were woken.
    pub fn woken(&self) -> Vec<i32> {
        self.tracees.iter().filter(|(_, tracee)| tracee.woken).map(|(&tid, _)| tid).collect()
    }

    /// Lets go of the threads that were woken. The others, which were only seized and never
    /// stopped, are let go of when the calling thread ends.
    pub fn release(&mut self) {
        let woken = self.woken();
        for tid in woken {
            let start = Instant::now();
            if self.stop(tid).unwrap_or(false) {
                self.detach(tid);
                self.stopped += start.elapsed();
            }
        }
    }

    /// The registers of a thread, which is stopped for that, briefly.
    pub fn inspect(&mut self, pid: i32, tid: i32) -> Option<Registers> {
        let known = self.tracees.contains_key(&tid);
        if !self.seize(pid, tid).ok()? {
            return None;
        }
        let start = Instant::now();
        if !self.stop(tid).ok()? {
            return None;
        }
        let registers = registers(tid);
        if known {
            self.resume_concealed(tid, 0);
        } else {
            self.detach(tid);
        }
        self.stopped += start.elapsed();
        registers
    }

    /// The thread pointer of a thread, which is stopped for that, briefly.
    pub fn thread_pointer(&mut self, pid: i32, tid: i32) -> Option<u64> {
        self.inspect(pid, tid).map(|registers| registers.fs_base).filter(|&pointer| pointer != 0)
    }

    /// What the thread reports next; `None` if there is nothing.
    fn next_event(&mut self, tid: i32) -> Option<Event> {
        let tracee = self.tracees.get_mut(&tid)?;
        let mut status = 0;
        // SAFETY: writes one integer.
        let result = unsafe { libc::waitpid(tid, &mut status, libc::__WALL | libc::WNOHANG) };
        if result == 0 {
            return None;
        }
        if result < 0 || libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            self.tracees.remove(&tid);
            return Some(Event::Ended);
        }
        if !libc::WIFSTOPPED(status) {
            return Some(Event::Handled);
        }
        let signal = libc::WSTOPSIG(status);
        if status >> 16 == libc::PTRACE_EVENT_STOP {
            if signal != libc::SIGTRAP {
                // A group stop: the program is to stand still until SIGCONT, and does.
                if self.suspend_seccomp {
                    let _ = request(libc::PTRACE_LISTEN, tid, 0);
                    return Some(Event::Handled);
                }
                let _ = request(libc::PTRACE_DETACH, tid, 0);
                self.tracees.remove(&tid);
                return Some(Event::Ended);
            }
            if let Some(child) = tracee.child {
                self.let_go_of_child(tid, child);
                return Some(Event::Ended);
            }
            if mem::take(&mut tracee.interrupting) {
                return Some(Event::Interrupted);
            }
            self.resume_concealed(tid, 0);
        } else if status >> 16 != 0 {
            self.adopt(tid, status >> 16);
            self.resume_concealed(tid, 0);
        } else {
            self.take_kick_back(tid);
            self.resume_concealed(tid, signal);
        }
        Some(Event::Handled)
    }

    /// A thread has made another one, or a process, which is traced, too, and about to stop.
    fn adopt(&mut self, tid: i32, event: i32) {
        let mut made: libc::c_ulong = 0;
        // SAFETY: the kernel fills one word.
        let result = unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, tid, null_mut::<libc::c_void>(), &raw mut made) };
        if result != 0 || made == 0 {
            return;
        }
        let made = made as i32;
        let is_thread = ProcStatus::of(made).is_ok_and(|status| status.tgid != made);
        let child = match event {
            libc::PTRACE_EVENT_FORK => Some(Child::OwnMemory),
            libc::PTRACE_EVENT_CLONE if is_thread => None,
            libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_VFORK => Some(Child::SharedMemory),
            _ => return,
        };
        let tracee = self.tracees.entry(made).or_default();
        (tracee.lifted, tracee.child) = (true, child);
    }

    /// Lets go of a process that the program has made, before its first instruction. The request is
    /// not for it, and to find that out would need system calls that its filters may forbid.
    fn let_go_of_child(&mut self, pid: i32, child: Child) {
        if child == Child::OwnMemory {
            let _ = Memory::new(pid).write_u32(self.pending, 0);
        }
        let _ = request(libc::PTRACE_DETACH, pid, 0);
        self.tracees.remove(&pid);
    }

    /// A signal is about to be delivered. If that happens before the thread has seen the call that
    /// we made fail, then the call is put back, so that it ends as the signal will have it.
    fn take_kick_back(&mut self, tid: i32) {
        let Some(kicked) = self.tracees.get_mut(&tid).and_then(|tracee| tracee.kicked.take()) else { return };
        let Some(mut registers) = registers(tid) else { return };
        let Ok(state) = self.memory.read::<ThreadState>(kicked.state) else { return };
        let still = state.kicked.load(Relaxed) == 1 && state.state.load(Relaxed) == thread::BLOCKED;
        if still && arch::is_failed_with(&registers, kicked.errno, kicked.rip) {
            arch::restore(&mut registers, kicked.call);
            if set_registers(tid, &registers) {
                let flag = kicked.state + mem::offset_of!(ThreadState, kicked) as u64;
                let _ = self.memory.write_u32(flag, 0);
                self.restored = true;
            }
        }
    }

    /// Lets a stopped thread go on, so that it does not notice the stop.
    fn resume_concealed(&mut self, tid: i32, signal: i32) {
        conceal(tid);
        self.resume(tid, signal);
    }

    fn resume(&mut self, tid: i32, signal: i32) {
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            tracee.resumed = Some(Instant::now());
        }
        if request(libc::PTRACE_CONT, tid, signal as usize).is_err() {
            // Killed meanwhile; its end is still to be reported.
        }
    }

    /// Lets go of a stopped thread.
    fn detach(&mut self, tid: i32) {
        conceal(tid);
        let _ = request(libc::PTRACE_DETACH, tid, 0);
        self.tracees.remove(&tid);
    }
}

/// See [`arch::conceal_stop`].
fn conceal(tid: i32) {
    if let Some(mut registers) = registers(tid) {
        if arch::conceal_stop(&mut registers) {
            set_registers(tid, &registers);
        }
    }
}

/// The calling thread.
fn own_tid() -> i32 {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::gettid() }
}

/// A ptrace request without an address.
fn request(request: libc::c_uint, tid: i32, data: usize) -> io::Result<()> {
    // SAFETY: none of the requests made with this function reads or writes memory of ours.
    let result = unsafe { libc::ptrace(request, tid, null_mut::<libc::c_void>(), data as *mut libc::c_void) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Registers of a stopped thread; `None` if it is not stopped (any more).
fn registers(tid: i32) -> Option<Registers> {
    let mut registers = mem::MaybeUninit::<Registers>::zeroed();
    // SAFETY: the kernel fills the struct, which is its own.
    let result = unsafe { libc::ptrace(libc::PTRACE_GETREGS, tid, null_mut::<libc::c_void>(), registers.as_mut_ptr()) };
    // SAFETY: plain integers, zeroed above.
    (result == 0).then(|| unsafe { registers.assume_init() })
}

/// Sets registers of a stopped thread.
fn set_registers(tid: i32, registers: &Registers) -> bool {
    // SAFETY: the kernel reads the struct, which is its own.
    let result = unsafe {
        libc::ptrace(libc::PTRACE_SETREGS, tid, null_mut::<libc::c_void>(), std::ptr::from_ref(registers).cast_mut())
    };
    result == 0
}
