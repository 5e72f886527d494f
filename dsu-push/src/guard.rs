//! Processes with seccomp filters.
//!
//! Such a process may be forbidden to map memory, on pain of death. Its filters are suspended while
//! it is traced, and so for exactly as long as the tracer lives: were it killed between asking and
//! the answer, the process would load the patch with its filters in force. So the work is done by
//! a second process, in a session of its own and deaf to the terminal's signals, which completes
//! what it has begun when the first one is killed.

use crate::{error::Exit, interrupt, process, push::Operation, report::Report};
use std::{
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::Duration,
};

/// The hidden option that tells the second process what it is.
pub const OPTION: &str = "guarded";

/// Whether process `pid` has filters.
pub fn is_needed(pid: i32) -> bool {
    process::has_filters(pid)
}

/// Has a second process do `operation`. `None` if that process cannot be made, or does not answer, or where it would not
/// help: a process with filters takes no rehearsal.
pub fn run(pid: i32, operation: Operation, timeout: Duration) -> Option<Report> {
    let mut command = Command::new("/proc/self/exe");
    // The name by which pushers know each other.
    command.arg0(process::OWN_NAME);
    command.arg(format!("--{OPTION}")).arg("--json").arg(format!("--timeout={}", timeout.as_secs_f64()));
    match operation {
        Operation::Check(_) => command.arg("--dry-run"),
        Operation::Undo(_) | Operation::UndoEverywhere(_) => command.arg("--undo"),
        Operation::Rehearse(..) => return None,
        Operation::Apply(_) => &mut command,
    };
    command.arg("--").arg(pid.to_string());
    match operation {
        Operation::Apply(patch) | Operation::Check(patch) | Operation::Rehearse(patch, _) => {
            let _ = command.arg(&patch.path);
        }
        Operation::Undo(wanted) => drop(command.args(wanted)),
        Operation::UndoEverywhere(patch) => drop(command.arg(patch.to_string())),
    }
    // SAFETY: `setsid` and `signal` are safe to call between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            interrupt::persevere();
            Ok(())
        });
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped()).output().ok()?;
    let mut report: Report = serde_json::from_slice(&output.stdout).ok()?;
    report.exit = match output.status.code() {
        Some(0) => Exit::Done,
        Some(2) => Exit::Usage,
        Some(3) => Exit::Refused,
        Some(4) => Exit::TimedOut,
        _ => Exit::Error,
    };
    Some(report)
}
