//! What can go wrong, as data, each with a sentence that says what to do.

use crate::{blocker::Blocker, memory::MemoryError};
use dsu_abi::{Id, status::Status};
use std::path::PathBuf;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How a run of `dsu-push` ends, as an exit code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing was left to do.
    #[default]
    Done = 0,
    /// An error.
    Error = 1,
    /// A mistake on the command line.
    Usage = 2,
    /// Refused; nothing was changed, and trying again will not help.
    Refused = 3,
    /// Not now; nothing was changed, and trying again may help.
    TimedOut = 4,
}

/// A failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No process has this number.
    #[error("there is no process {pid}; see `pgrep -a NAME` for the processes of a program")]
    NoProcess {
        /// The process.
        pid: i32,
    },
    /// It was there, and then it was not.
    #[error("the process went away meanwhile (it ended, or became another program)")]
    Vanished,
    /// Ended, not yet waited for.
    #[error("it has ended already and is a zombie: its parent, process {parent}, has not waited for it yet")]
    Zombie {
        /// Whose duty it is to wait for it.
        parent: i32,
    },
    /// A thread of the kernel.
    #[error("it is a thread of the kernel, not a program")]
    KernelThread,
    /// No control block.
    #[error(
        "{executable} was not built with dsu-cc, or not with update points (it has no section .dsu.control){hint}; \
         rebuild it with `make CC=dsu-cc`, see that dsu-cc reports update points, and restart it once"
    )]
    NotUpdatable {
        /// The program.
        executable: String,
        /// More about this very program; begins with a separator, or is empty.
        hint: String,
    },
    /// The executable file cannot be made sense of.
    #[error("cannot read the executable {executable}: {reason}")]
    BadExecutable {
        /// The program.
        executable: String,
        /// What is wrong.
        reason: String,
    },
    /// No update point was built in.
    #[error(
        "{executable} was built with dsu-cc, but without update points, so it never stands where it could be updated; \
         run `dsu-cc --suggest-update-points` on its sources, name the points in dsu.toml, rebuild and restart it"
    )]
    NoUpdatePoints {
        /// The program.
        executable: String,
    },
    /// Another version of the contract.
    #[error(
        "{what} speaks protocol {theirs}, this dsu-push speaks protocol {ours}; \
         use the dsu-push of the release that {what} was built with"
    )]
    Protocol {
        /// Who speaks it.
        what: String,
        /// Its version.
        theirs: u32,
        /// Our version.
        ours: u32,
    },
    /// The block in memory is not what the executable says.
    #[error("the control block of the process is damaged: {0}; nothing was changed")]
    DamagedControl(String),
    /// The patch is for something else.
    #[error(
        "patch {patch} is for state {from}{after}, but the process is in state {state} ({lineage}); \
         make a patch from what it runs with `dsu-diff OLD NEW`, or with `dsu-diff --pid PID NEW` where patches have \
         changed types in it"
    )]
    WrongState {
        /// Name of the patch.
        patch: String,
        /// The state it applies to.
        from: Id,
        /// How the program comes there, if the patch says; begins with a blank.
        after: String,
        /// The state the process is in.
        state: Id,
        /// How the process came there.
        lineage: String,
    },
    /// The kernel does not let us.
    #[error("no permission to {action}: {reason}")]
    Permission {
        /// What we wanted.
        action: &'static str,
        /// Why not, and what to do.
        reason: String,
    },
    /// Seccomp filters that cannot be suspended.
    #[error("the process has seccomp filters, under which it may be killed for loading a patch, and {reason}")]
    Filters {
        /// Why they stay, and what to do.
        reason: &'static str,
    },
    /// A debugger has it.
    #[error(
        "{tracer_name} (process {tracer}) is tracing thread {tid} and has to let go first; quit it or detach it, then push again"
    )]
    Traced {
        /// The thread.
        tid: i32,
        /// The debugger.
        tracer: i32,
        /// Its name.
        tracer_name: String,
    },
    /// Not all threads came to rest.
    #[error("timed out after {seconds} s, nothing was changed: {}", crate::blocker::sentence(blockers))]
    TimedOut {
        /// How long we waited.
        seconds: f64,
        /// What was in the way.
        blockers: Vec<Blocker>,
    },
    /// The user does not want to wait.
    #[error("interrupted, nothing was changed")]
    Interrupted,
    /// Another pusher, or the program itself, is at it.
    #[error("{by} is updating the process at the moment; nothing was changed, try again when it is done")]
    Busy {
        /// Who.
        by: String,
    },
    /// Cannot read the patch file.
    #[error("cannot read {}: {source}", path.display())]
    PatchUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{} is not a patch: {reason}; patches are made by `dsu-diff OLD NEW -o PATCH`", path.display())]
    NotAPatch {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The runtime in the process said no.
    #[error("{message}")]
    Answer {
        /// Its code.
        status: Status,
        /// Its sentence.
        message: String,
    },
    /// The patch to undo is not in force.
    #[error("no patch {wanted} is in force; in force are, newest first: {in_force}")]
    NoSuchPatch {
        /// What was asked for.
        wanted: String,
        /// What there is.
        in_force: String,
    },
    /// The processes of a family ended up in different states.
    #[error("the processes are not all in the same state: {0}; push again")]
    Disagree(String),
    /// Memory could not be transferred.
    #[error("cannot access the memory of the process: {0}")]
    Memory(MemoryError),
    /// The system refused something unexpected.
    #[error("cannot {action}: {source}")]
    System {
        /// What we wanted.
        action: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

impl Error {
    /// A short stable word for `--json`.
    pub fn word(&self) -> &'static str {
        match self {
            Error::NoProcess { .. } => "no-process",
            Error::Vanished => "vanished",
            Error::Zombie { .. } => "zombie",
            Error::KernelThread => "kernel-thread",
            Error::NotUpdatable { .. } => "not-updatable",
            Error::BadExecutable { .. } => "bad-executable",
            Error::NoUpdatePoints { .. } => "no-update-points",
            Error::Protocol { .. } => "other-protocol",
            Error::DamagedControl(_) => "damaged-control",
            Error::WrongState { .. } => Status::WrongState.word(),
            Error::Permission { .. } => "no-permission",
            Error::Filters { .. } => "filtered",
            Error::Traced { .. } => "traced",
            Error::TimedOut { .. } => Status::TimedOut.word(),
            Error::Interrupted => "interrupted",
            Error::Busy { .. } => Status::Busy.word(),
            Error::PatchUnreadable { .. } => "patch-unreadable",
            Error::NotAPatch { .. } => Status::BadPatch.word(),
            Error::Answer { status, .. } => status.word(),
            Error::NoSuchPatch { .. } => Status::NotNewest.word(),
            Error::Disagree(_) => "disagree",
            Error::Memory(_) | Error::System { .. } => "error",
        }
    }

    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        match self {
            Error::NotUpdatable { .. }
            | Error::NoUpdatePoints { .. }
            | Error::Protocol { .. }
            | Error::WrongState { .. }
            | Error::Filters { .. }
            | Error::NoSuchPatch { .. } => Exit::Refused,
            Error::TimedOut { .. } | Error::Interrupted | Error::Busy { .. } => Exit::TimedOut,
            Error::Answer { status, .. } => match status {
                Status::Done | Status::AlreadyApplied => Exit::Done,
                Status::WrongState
                | Status::BadPatch
                | Status::Incompatible
                | Status::MissingSymbol
                | Status::NotNewest
                | Status::NothingToUndo
                | Status::TransformerFailed
                | Status::Irreversible
                | Status::RehearsalFailed => Exit::Refused,
                Status::TimedOut | Status::Busy => Exit::TimedOut,
                Status::NoMemory | Status::Internal | Status::BadRequest => Exit::Error,
            },
            _ => Exit::Error,
        }
    }
}

impl From<MemoryError> for Error {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Gone => Error::Vanished,
            other => Error::Memory(other),
        }
    }
}
