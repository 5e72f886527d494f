//! What keeps a request from being served: threads, and what they are doing instead.

use crate::{
    process::{ProcStatus, Process},
    ptrace::Tracer,
    symbols::Namer,
    syscalls,
    threads::{Activity, View, activity, is_own_call},
};
use dsu_abi::control::thread;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A thread that did not come to an update point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    /// The thread.
    pub tid: i32,
    /// Its name.
    pub thread: String,
    /// The system call it is in, `None` if it is running.
    pub call: Option<String>,
    /// Where in the kernel it waits, if the kernel tells.
    pub waits_in: Option<String>,
    /// The program's innermost function on its stack, if it can be told.
    pub function: Option<String>,
    /// What is the matter.
    pub why: Why,
}

/// Why a thread is in the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It is not at an update point, nor asleep in a quiescent call.
    #[default]
    NotAtPoint,
    /// It is in a quiescent call, but did not answer.
    Unresponsive,
    /// It runs a signal handler that interrupted a quiescent call.
    InHandler,
    /// Job control has stopped it.
    Stopped,
    /// It sleeps uninterruptibly.
    Uninterruptible,
}

/// Describes the threads in `views` that are in the way, as well as can be told. Threads that run
/// are stopped for some microseconds to see where.
pub fn describe(process: &Process, views: &[View], tracer: &mut Tracer) -> Vec<Blocker> {
    const DETAILED: usize = 8;
    let namer = Namer::new(process);
    views.iter().take(DETAILED).filter_map(|view| describe_one(process, view, &namer, tracer)).collect()
}

fn describe_one(process: &Process, view: &View, namer: &Namer, tracer: &mut Tracer) -> Option<Blocker> {
    let (pid, tid) = (process.pid, view.tid);
    let status = ProcStatus::of_thread(pid, tid).ok()?;
    let mut blocker = Blocker { tid, thread: status.name.clone(), ..Blocker::default() };
    blocker.why = match status.state {
        'T' => Why::Stopped,
        'D' => Why::Uninterruptible,
        _ if view.state == Some(thread::RUNNING) || view.inside == 0 => Why::NotAtPoint,
        _ => Why::Unresponsive,
    };
    blocker.waits_in = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/wchan"))
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty() && name != "0");
    match activity(pid, tid) {
        Activity::Call { number, stack, code } => {
            if blocker.why == Why::Unresponsive && !is_own_call(&process.memory, view.stack, stack) {
                blocker.why = Why::InHandler;
            }
            blocker.call = Some(syscalls::name(number));
            blocker.function = namer.innermost(code, stack);
        }
        Activity::Running if blocker.why != Why::Stopped => {
            if let Some(registers) = tracer.inspect(pid, tid) {
                blocker.function = namer.innermost(registers.rip, registers.rsp);
            }
        }
        _ => {}
    }
    Some(blocker)
}

/// The blockers in one sentence.
pub fn sentence(blockers: &[Blocker]) -> String {
    const NAMED: usize = 3;
    if blockers.is_empty() {
        return "no thread came to an update point in time; try again with a longer --timeout".into();
    }
    let mut text = String::new();
    for (index, blocker) in blockers.iter().take(NAMED).enumerate() {
        let _ = write!(text, "{}{blocker}", if index == 0 { "" } else { "; " });
    }
    if blockers.len() > NAMED {
        let _ = write!(text, "; and {} more", blockers.len() - NAMED);
    }
    let hint = match blockers.iter().any(|blocker| blocker.why == Why::Stopped) {
        true => "; let it go on with `kill -CONT PID`, then push again",
        false => "; try again, perhaps with a longer --timeout",
    };
    text + hint
}

impl std::fmt::Display for Blocker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "thread {} ({}) ", self.tid, self.thread)?;
        match (&self.call, self.why) {
            (_, Why::Stopped) => write!(f, "is stopped by job control")?,
            (Some(call), _) => write!(f, "is in {call}")?,
            (None, _) => write!(f, "is running")?,
        }
        if let Some(place) = &self.waits_in {
            write!(f, " ({place})")?;
        }
        match (&self.function, &self.call) {
            (Some(function), Some(_)) => write!(f, ", called from {function}()")?,
            (Some(function), None) => write!(f, " in {function}()")?,
            (None, _) => {}
        }
        match self.why {
            Why::NotAtPoint => write!(
                f,
                ", and not at an update point (if it never comes to one, its loop needs one: add it to dsu.toml, build again and \
                 restart)"
            ),
            Why::Unresponsive => write!(f, ", in a quiescent call, but did not answer"),
            Why::InHandler => write!(f, ", in a signal handler"),
            Why::Uninterruptible => write!(f, ", and sleeps uninterruptibly"),
            Why::Stopped => Ok(()),
        }
    }
}
