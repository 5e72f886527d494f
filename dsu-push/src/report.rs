//! Results for people and for programs.

use crate::{
    Error,
    blocker::Blocker,
    error::Exit,
    push::{Operation, Success},
    status::duration,
};
use dsu_abi::{Id, status::Status};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, path::Path};

/// What became of one process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The process.
    pub pid: i32,
    /// The outcome, as a stable word: that of a [`Status`], of an [`Error`], or `skipped`.
    pub outcome: Cow<'static, str>,
    /// The outcome as a sentence.
    pub message: String,
    /// The patch, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// The patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_id: Option<String>,
    /// How many units it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<usize>,
    /// How long the program stood still for the commit, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_ns: Option<u64>,
    /// The part of it spent on loading and checking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepare_ns: Option<u64>,
    /// The build of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Its state before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_before: Option<String>,
    /// Its state after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_after: Option<String>,
    /// How long it stood still for a rehearsal before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal_ns: Option<u64>,
    /// How often a thread was stopped from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<u32>,
    /// For how long, all in all, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_ns: Option<u64>,
    /// Threads that were in the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
    /// The exit code it leads to.
    #[serde(skip)]
    pub exit: Exit,
}

impl Report {
    /// A report without details.
    fn bare(pid: i32, outcome: &'static str, message: String, exit: Exit) -> Self {
        Self {
            pid,
            outcome: outcome.into(),
            message,
            patch: None,
            patch_id: None,
            units: None,
            pause_ns: None,
            prepare_ns: None,
            build: None,
            state_before: None,
            state_after: None,
            rehearsal_ns: None,
            stops: None,
            stopped_ns: None,
            blockers: Vec::new(),
            exit,
        }
    }

    /// Of a success.
    pub fn success(pid: i32, operation: Operation, success: &Success) -> Self {
        let units = match success.units {
            Some(1) => " (1 unit)".to_owned(),
            Some(units) => format!(" ({units} units)"),
            None => String::new(),
        };
        let name = &success.patch;
        let message = match (operation, success.status) {
            (_, Status::AlreadyApplied) => format!("already applied {name}"),
            (Operation::Apply(_), _) => format!("applied {name}{units}, pause {}", duration(success.pause_ns)),
            (Operation::Rehearse(..), _) => {
                let pause = duration(success.pause_ns);
                let says = success.message.rsplit(": ").next().unwrap_or_default();
                format!("can take {name}{units}: {says}, pause {pause}")
            }
            (_, Status::NothingToUndo) => format!("nothing to undo: {name} is not in force"),
            (Operation::Undo(_) | Operation::UndoEverywhere(_), _) => {
                format!("undid {name}, pause {}", duration(success.pause_ns))
            }
            (Operation::Check(_), _) => {
                format!("can take {name}{units}; checked in {}", duration(success.prepare_ns))
            }
        };
        let text = |id: Id| Some(id.to_string());
        let figures = success.status == Status::Done;
        Self {
            patch: Some(name.clone()),
            patch_id: text(success.patch_id),
            units: success.units,
            pause_ns: figures.then_some(success.pause_ns),
            prepare_ns: figures.then_some(success.prepare_ns),
            build: text(success.build),
            state_before: text(success.before),
            state_after: text(success.after),
            stops: Some(success.stops),
            stopped_ns: Some(success.stopped.as_nanos() as u64),
            ..Self::bare(pid, success.status.word(), message, Exit::Done)
        }
    }

    /// Of a lineage that was written.
    pub fn lineage(pid: i32, path: &Path, patches: usize) -> Self {
        let patches = if patches == 1 { "1 patch".to_owned() } else { format!("{patches} patches") };
        Self::bare(pid, Status::Done.word(), format!("wrote its lineage, {patches}, to {}", path.display()), Exit::Done)
    }

    /// Of a failure.
    pub fn failure(pid: i32, error: &Error) -> Self {
        let mut report = Self::bare(pid, error.word(), error.to_string(), error.exit());
        match error {
            Error::TimedOut { blockers, .. } => report.blockers.clone_from(blockers),
            Error::WrongState { patch, state, .. } => {
                report.patch = Some(patch.clone());
                report.state_before = Some(state.to_string());
            }
            _ => {}
        }
        report
    }

    /// The process stood still for `pause_ns` before, for a rehearsal.
    #[must_use]
    pub fn rehearsed(mut self, pause_ns: u64) -> Self {
        self.rehearsal_ns = Some(pause_ns);
        self.message += &format!("; rehearsed before, pause {}", duration(pause_ns));
        self
    }

    /// Of a process that vanished from a family.
    pub fn skipped(pid: i32) -> Self {
        Self::bare(pid, "skipped", "skipped: it ended meanwhile".into(), Exit::Done)
    }

    /// Whether the process was not there, or not any more.
    pub fn is_gone(&self) -> bool {
        matches!(&*self.outcome, "no-process" | "vanished" | "zombie")
    }

    /// The line for people.
    pub fn line(&self) -> String {
        let lead = match self.exit {
            Exit::Done => "",
            Exit::Refused => "refused: ",
            Exit::TimedOut => "not now: ",
            Exit::Error | Exit::Usage => "error: ",
        };
        format!("pid {}: {lead}{}", self.pid, self.message)
    }
}

/// The exit code of several outcomes: the one that most needs a person's attention.
pub fn overall(exits: impl IntoIterator<Item = Exit>) -> Exit {
    let rank = |exit: &Exit| match exit {
        Exit::Done => 0,
        Exit::TimedOut => 1,
        Exit::Refused => 2,
        Exit::Error => 3,
        Exit::Usage => 4,
    };
    exits.into_iter().max_by_key(rank).unwrap_or(Exit::Done)
}
