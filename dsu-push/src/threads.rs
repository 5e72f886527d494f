//! The threads of a process and what they do, without stopping them.
//!
//! A thread's [`ThreadState`] is at a fixed distance from its thread pointer. The thread pointer
//! is a register, which only a stopped thread shows; but the kernel tells where the thread's list of
//! robust mutexes is, glibc keeps that list in the thread control block, and the control block
//! begins with its own address. So the pointer is found by reading. Where that fails (other C
//! libraries), the thread is stopped once and asked.

use crate::{
    arch,
    memory::{Memory, MemoryError, from_bytes},
    process::{self, Process},
    ptrace::Tracer,
};
use dsu_abi::control::{LIBRARY_STACK, ThreadState, thread};
use std::{collections::HashMap, fs, sync::atomic::Ordering::Relaxed};

/// A thread and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The thread id.
    pub tid: i32,
    /// [`thread`]; `None` if it cannot be told yet (a thread that is just being made).
    pub state: Option<u32>,
    /// Address of the name of the update point in whose quiescent call it is; 0 when outside.
    pub inside: u64,
    /// The stack pointer of the wrapper of the call it is in; 0 if not known.
    pub stack: u64,
    /// Address of the condition variable it waits for, if it does.
    pub condition: u64,
}

impl View {
    /// A thread of which nothing is known.
    pub fn unknown(tid: i32) -> Self {
        Self { tid, state: None, inside: 0, stack: 0, condition: 0 }
    }

    /// The view of a thread in `state`.
    pub fn new(tid: i32, state: &ThreadState) -> Self {
        Self {
            tid,
            state: Some(state.state.load(Relaxed)),
            inside: state.inside.load(Relaxed),
            stack: state.stack.load(Relaxed),
            condition: state.condition.load(Relaxed),
        }
    }

    /// Whether the thread is surely outside of the runtime, and will stay so while no request waits.
    pub fn is_outside(&self) -> bool {
        matches!(self.state, Some(thread::RUNNING | thread::BLOCKED))
    }

    /// Whether the thread stands at an update point, as good as.
    pub fn at_rest(&self) -> bool {
        match self.state {
            Some(thread::PARKED | thread::LEADING) => true,
            Some(thread::BLOCKED) => self.inside != 0,
            _ => false,
        }
    }

    /// Whether the thread may be asleep in a quiescent call, from which it can be woken.
    pub fn asleep(&self) -> bool {
        self.state == Some(thread::BLOCKED) && self.inside != 0
    }

    /// Whether the thread serves the request.
    pub fn leading(&self) -> bool {
        self.state == Some(thread::LEADING)
    }
}

/// The threads of a process.
#[derive(Debug)]
pub struct Threads<'p> {
    process: &'p Process,
    offset: i64,
    pointers: HashMap<i32, u64>,
    misses: HashMap<i32, u32>,
}

impl<'p> Threads<'p> {
    /// The threads of `process`, whose states are at `offset` from their thread pointers.
    pub fn new(process: &'p Process, offset: i64) -> Self {
        Self { process, offset, pointers: HashMap::new(), misses: HashMap::new() }
    }

    /// The thread ids, ascending.
    pub fn ids(&self) -> Vec<i32> {
        let mut ids = process::numbers(&format!("/proc/{}/task", self.process.pid));
        ids.sort_unstable();
        ids
    }

    /// Every thread and its state.
    ///
    /// Reads the task list again until it does not change, so that no thread is left out that
    /// another one started meanwhile.
    pub fn survey(&mut self, tracer: &mut Tracer) -> Result<Vec<View>, MemoryError> {
        let mut ids = self.ids();
        for _ in 0..100 {
            let views = ids.iter().map(|&tid| self.view(tid, tracer)).collect::<Result<Vec<_>, _>>()?;
            let now = self.ids();
            if now == ids {
                return Ok(views);
            }
            ids = now;
        }
        // Threads come and go faster than we can look: say that one is not known.
        Ok(ids.into_iter().map(View::unknown).collect())
    }

    /// One thread and its state.
    pub fn view(&mut self, tid: i32, tracer: &mut Tracer) -> Result<View, MemoryError> {
        let unknown = View::unknown(tid);
        let Some(address) = self.state_address(tid, tracer) else { return Ok(unknown) };
        match self.process.memory.read::<ThreadState>(address) {
            Ok(state) => Ok(View::new(tid, &state)),
            Err(MemoryError::Unmapped(_)) => {
                // The thread ended, and its id may be in use again.
                self.forget(tid);
                Ok(unknown)
            }
            Err(error) => Err(error),
        }
    }

    /// Address of a thread's [`ThreadState`].
    pub fn state_address(&mut self, tid: i32, tracer: &mut Tracer) -> Option<u64> {
        if let Some(pointer) = self.pointers.get(&tid) {
            return Some(pointer.wrapping_add_signed(self.offset));
        }
        let pointer = thread_pointer(&self.process.memory, tid).or_else(|| {
            // A thread that is just being made will have its list soon; one that still has none
            // belongs to another C library.
            let misses = self.misses.entry(tid).or_default();
            *misses += 1;
            (*misses % 16 == 5).then(|| tracer.thread_pointer(self.process.pid, tid))?
        })?;
        self.pointers.insert(tid, pointer);
        Some(pointer.wrapping_add_signed(self.offset))
    }

    /// Forgets what is known of a thread.
    pub fn forget(&mut self, tid: i32) {
        self.pointers.remove(&tid);
        self.misses.remove(&tid);
    }

    /// The name of the update point at `inside`.
    pub fn point_name(&self, inside: u64) -> String {
        self.process.memory.read_string(inside, 256).unwrap_or_default()
    }
}

/// Whether a system call that is made with the stack pointer at `stack` is that of the wrapper whose stack pointer was
/// `wrapper`, and not that of a signal handler that interrupted it.
pub fn is_own_call(memory: &Memory, wrapper: u64, stack: u64) -> bool {
    /// How far below a library that somebody put in between may be.
    const FAR: u64 = 8 << 10;
    match wrapper.checked_sub(stack) {
        // Written by an older runtime.
        _ if wrapper == 0 => true,
        Some(0..=LIBRARY_STACK) => true,
        Some(..=FAR) => !has_signal_frame(memory, stack, wrapper).unwrap_or(true),
        _ => false,
    }
}

/// Whether the stack between the two addresses looks as if there were a signal frame. The address that handlers return to
/// is no proof: whatever sets a handler leaves it on the stack, too.
fn has_signal_frame(memory: &Memory, from: u64, to: u64) -> Option<bool> {
    let from = from & !7;
    let bytes = memory.read_bytes(from, (to - from) as usize + arch::SIGNAL_FRAME).ok()?;
    let word = |at: usize| bytes.get(at..).and_then(from_bytes::<u64>);
    let is_code = |word: u64| word >> 12 != 0 && word >> 47 == 0;
    let returns = |word: u64| memory.read_bytes(word, 9).is_ok_and(|code| arch::is_signal_return(&code));
    let is_frame = |at: usize| {
        let frame = from + at as u64;
        let stack = word(at + arch::INTERRUPTED_STACK).unwrap_or(0);
        // What it interrupted was in the call, or in the wrapper itself.
        (frame + 1..=to).contains(&stack) && word(at).is_some_and(|word| is_code(word) && returns(word))
    };
    Some((0..(to - from) as usize).step_by(8).any(is_frame))
}

/// The thread pointer of a thread that runs under glibc.
fn thread_pointer(memory: &Memory, tid: i32) -> Option<u64> {
    const PAGE: u64 = 4096;
    let (mut head, mut length) = (0_u64, 0_usize);
    // SAFETY: the call writes one word to each of the two variables.
    let result = unsafe { libc::syscall(libc::SYS_get_robust_list, tid, &mut head, &mut length) };
    if result != 0 || head < 2 * PAGE || head % 8 != 0 {
        return None;
    }
    // The control block begins somewhere below, in this page or the one before it.
    let mut low = head & !(PAGE - 1);
    let mut bytes = memory.read_bytes(low, (head - low) as usize).ok()?;
    for _ in 0..2 {
        let word = |at: usize| bytes.get(at..).and_then(from_bytes::<u64>);
        let found = (0..bytes.len() / 8).rev().map(|index| index * 8).find(|&at| {
            let address = low + at as u64;
            word(at) == Some(address) && word(at + arch::SELF_POINTER) == Some(address)
        });
        if let Some(at) = found {
            return Some(low + at as u64);
        }
        low -= PAGE;
        let mut longer = memory.read_bytes(low, PAGE as usize).ok()?;
        longer.append(&mut bytes);
        bytes = longer;
    }
    None
}

/// What a thread does in the kernel, from `/proc/PID/task/TID/syscall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Running, in the program or in the kernel.
    Running,
    /// Asleep in a system call.
    Call {
        /// Its number.
        number: i64,
        /// The stack pointer.
        stack: u64,
        /// The program counter.
        code: u64,
    },
    /// Asleep otherwise (a page fault, a stop).
    Asleep,
    /// The kernel does not tell.
    Unknown,
}

/// See [`Activity`].
pub fn activity(pid: i32, tid: i32) -> Activity {
    fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall"))
        .map_or(Activity::Unknown, |text| parse_activity(&text))
}

fn parse_activity(text: &str) -> Activity {
    let words: Vec<_> = text.split_whitespace().collect();
    let hex = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap_or(0);
    match words.as_slice() {
        ["running"] => Activity::Running,
        ["-1", ..] => Activity::Asleep,
        [number, _, _, _, _, _, _, stack, code] => match number.parse() {
            Ok(number) => Activity::Call { number, stack: hex(stack), code: hex(code) },
            Err(_) => Activity::Unknown,
        },
        _ => Activity::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activities() {
        assert_eq!(parse_activity("running\n"), Activity::Running);
        assert_eq!(parse_activity("-1 0x1 0x2\n"), Activity::Asleep);
        assert_eq!(
            parse_activity("7 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffe 0x7f00\n"),
            Activity::Call { number: 7, stack: 0x7ffe, code: 0x7f00 }
        );
        assert_eq!(parse_activity(""), Activity::Unknown);
    }

    #[test]
    fn our_own_thread_pointer() {
        // SAFETY: takes no arguments and cannot fail.
        let tid = unsafe { libc::gettid() };
        let memory = Memory::new(std::process::id() as i32);
        let pointer = thread_pointer(&memory, tid).expect("glibc has a list of robust mutexes");
        // SAFETY: takes no arguments and cannot fail; glibc's pthread_t is the thread pointer.
        assert_eq!(pointer, unsafe { libc::pthread_self() } as u64);
    }
}
