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

use crate::{
    Error, Result,
    arch::{self, Interrupted, Registers},
    memory::Memory,
    process::{self, ProcStatus},
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
    /// It was woken at least once.
    woken: bool,
    /// The call that we made fail, until the thread is seen to have left it.
    kicked: Option<Kicked>,
}

/// A call that was made to fail.
#[derive(Clone, Copy, Debug)]
struct Kicked {
    call: Interrupted,
    rip: u64,
    state: u64,
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
    /// A tracer of threads whose memory is `memory`. With `suspend_seccomp`, their seccomp filters
    /// are out of force while they are traced, if the kernel lets us.
    pub fn new(memory: Memory, suspend_seccomp: bool) -> Self {
        Self { memory, tracees: HashMap::new(), suspend_seccomp, stops: 0, stopped: Duration::ZERO, restored: false }
    }

    /// Begins to trace a thread, without stopping it. `false` if it is gone.
    pub fn seize(&mut self, pid: i32, tid: i32) -> Result<bool> {
        if self.tracees.contains_key(&tid) {
            return Ok(true);
        }
        let mut result = Err(io::Error::from_raw_os_error(libc::EPERM));
        if self.suspend_seccomp {
            result = request(libc::PTRACE_SEIZE, tid, libc::PTRACE_O_SUSPEND_SECCOMP as usize);
        }
        if result.is_err() {
            result = request(libc::PTRACE_SEIZE, tid, 0);
        }
        let Err(error) = result else {
            self.tracees.insert(tid, Tracee::default());
            return Ok(true);
        };
        if error.raw_os_error() == Some(libc::ESRCH) {
            return Ok(false);
        }
        match ProcStatus::of_thread(pid, tid) {
            Err(_) => Ok(false),
            Ok(status) if matches!(status.state, 'Z' | 'X' | 'x') => Ok(false),
            Ok(status) if status.tracer != 0 => {
                let tracer = status.tracer;
                Err(Error::Traced { tid, tracer, tracer_name: process::name_of(tracer) })
            }
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
        let view: ThreadState = self.memory.read(state)?;
        let asleep = view.state.load(Relaxed) == thread::BLOCKED && view.inside.load(Relaxed) != 0;
        let (Some(call), true) = (arch::interrupted(&registers), asleep) else { return Ok(Kick::NotNow) };
        last_look()?;
        let kicked = state + mem::offset_of!(ThreadState, kicked) as u64;
        // First the flag, then the registers: should we be killed in between, the call is repeated
        // by the kernel, and the flag only makes the wrapper look for requests.
        self.memory.write_u32(kicked, 1)?;
        arch::fail_with_eintr(&mut registers);
        if !set_registers(tid, &registers) {
            self.memory.write_u32(kicked, 0)?;
            return Ok(Kick::Gone);
        }
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            tracee.woken = true;
            tracee.kicked = Some(Kicked { call, rip: registers.rip, state });
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
                None if start.elapsed() < Duration::from_micros(200) => std::thread::yield_now(),
                None => std::thread::sleep(Duration::from_micros(50)),
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
            if mem::take(&mut tracee.interrupting) {
                return Some(Event::Interrupted);
            }
            self.resume_concealed(tid, 0);
        } else if status >> 16 != 0 {
            self.resume_concealed(tid, 0);
        } else {
            self.take_kick_back(tid);
            self.resume_concealed(tid, signal);
        }
        Some(Event::Handled)
    }

    /// A signal is about to be delivered. If that happens before the thread has seen the call that
    /// we made fail, then the call is put back, so that it ends as the signal will have it.
    fn take_kick_back(&mut self, tid: i32) {
        let Some(kicked) = self.tracees.get_mut(&tid).and_then(|tracee| tracee.kicked.take()) else { return };
        let Some(mut registers) = registers(tid) else { return };
        let Ok(state) = self.memory.read::<ThreadState>(kicked.state) else { return };
        let still = state.kicked.load(Relaxed) == 1 && state.state.load(Relaxed) == thread::BLOCKED;
        if still && arch::is_failed_with_eintr(&registers, kicked.rip) {
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
