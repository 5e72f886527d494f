//! The command line.

use crate::{
    Error, Result,
    error::Exit,
    family::{self, Selection},
    guard, interrupt, lineage,
    patchfile::PatchFile,
    push::{self, Operation},
    report::{self, Report},
    status,
};
use clap::{ArgAction, CommandFactory, Parser, error::ErrorKind};
use dsu_abi::{Id, status::Status};
use std::{
    collections::{BTreeMap, HashSet},
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How many processes are waited for at the same time.
const WORKERS: usize = 32;

/// How long a process gets to answer before it is waited for beside others.
const AT_ONCE: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "\
Examples:
  dsu-push 1234 fix.dsu            apply a patch to process 1234
  dsu-push --dry-run 1234 fix.dsu  can it take the patch, and if not, why?
  dsu-push --rehearse 1234 fix.dsu in a child of the process first, then in itself
  dsu-push --family 1234 fix.dsu   to it and its descendants of the same build
  dsu-push --all ./server fix.dsu  to every process that runs this build
  dsu-push --status 1234           what does it run?
  dsu-push --undo 1234             undo the newest patch

Exit codes:
  0  done, or nothing was left to do (already applied)
  1  error: no such process, no permission, unreadable patch, ...
  2  usage
  3  refused: this process cannot take this patch; nothing was changed
  4  not now: timed out or busy; nothing was changed, trying again may help
With several processes, the exit code is that of the worst outcome: 1, 3, 4, 0 in this order.";

/// Update running programs that were built with dsu-cc.
#[derive(Debug, Parser)]
#[command(name = "dsu-push", version, after_help = EXAMPLES, override_usage = "\
dsu-push [OPTIONS] PID... PATCH
       dsu-push [OPTIONS] --all EXECUTABLE PATCH
       dsu-push [OPTIONS] --undo PID... [PATCH-ID]
       dsu-push [OPTIONS] --status PID...
       dsu-push --lineage FILE PID")]
pub struct Arguments {
    /// Processes, by number, and the patch file (with --undo: optionally the id or name of the patch)
    #[arg(value_name = "PID... PATCH", required_unless_present = "all", action = ArgAction::Append)]
    operands: Vec<String>,
    /// Only check: can each process take the patch, and if not, why?
    #[arg(long, conflicts_with_all = ["undo", "status"])]
    dry_run: bool,
    /// Apply the patch in a forked child of the process first, and go on only if that goes well (with --dry-run: not at
    /// all). Shows crashes and endless loops of state transformers, and of transformers of the static objects that the
    /// patch lists; not those of transformers that run later, when the program comes to an object
    #[arg(long, conflicts_with_all = ["undo", "status"])]
    rehearse: bool,
    /// How long the child may take; the process stands still meanwhile
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds, requires = "rehearse")]
    rehearsal_limit: Duration,
    /// Show build, state, patches, update points, and old code that may be running still
    #[arg(long, conflicts_with = "undo")]
    status: bool,
    /// Undo the newest patch, which must be PATCH-ID (its name, or how its id begins) if that is given
    #[arg(long)]
    undo: bool,
    /// Write to FILE how the process came into its state, for `dsu-diff`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["undo", "status", "dry_run", "rehearse", "all", "family"])]
    lineage: Option<PathBuf>,
    /// Give up after this time, with nothing changed
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,
    /// Print one JSON object per process
    #[arg(long)]
    json: bool,
    /// Also all descendants that run the same build
    #[arg(long, conflicts_with = "all")]
    family: bool,
    /// All processes that run this build of EXECUTABLE
    #[arg(long, value_name = "EXECUTABLE")]
    all: Option<PathBuf>,
    /// Go on when interrupted; see `guard`
    #[arg(long = guard::OPTION, hide = true)]
    guarded: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if !(0.001..=86400.0 * 30.0).contains(&seconds) {
        return Err("must be between 0.001 s and 30 days".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Runs the tool on the arguments of this process.
pub fn main() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    interrupt::listen();
    if arguments.guarded {
        interrupt::persevere();
    }
    match run(&arguments) {
        Ok(exit) => exit,
        Err(Failure::Usage(message)) => {
            let _ = Arguments::command().error(ErrorKind::ValueValidation, message).print();
            Exit::Usage
        }
        Err(Failure::Error(error)) => {
            if arguments.json {
                let object = serde_json::json!({ "outcome": error.word(), "message": error.to_string() });
                let _ = writeln!(anstream::stdout(), "{object}");
            } else {
                let _ = writeln!(anstream::stderr(), "dsu-push: {RED}error:{RESET} {error}");
            }
            error.exit()
        }
    }
}

enum Failure {
    Usage(String),
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

/// A process number, if the operand can be one: patch ids are longer.
fn pid(operand: &str) -> Option<i32> {
    (operand.len() <= 7).then(|| operand.parse().ok().filter(|&pid| pid > 0)).flatten()
}

fn pids(operands: &[String]) -> Result<Vec<i32>, Failure> {
    let mut pids = Vec::new();
    for operand in operands {
        let pid = pid(operand).ok_or_else(|| Failure::Usage(format!("`{operand}` is not a process number")))?;
        if pid == std::process::id() as i32 {
            return Err(Failure::Usage("dsu-push cannot update itself".into()));
        }
        if !pids.contains(&pid) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut numbers = arguments.operands.as_slice();
    let mut last = None;
    let wants_patch = !arguments.undo && !arguments.status && arguments.lineage.is_none();
    // The last operand is the patch; when undoing, only if it is not one more process.
    if wants_patch || (arguments.undo && numbers.last().is_some_and(|operand| pid(operand).is_none())) {
        last = numbers.split_last().map(|(last, rest)| {
            numbers = rest;
            last.as_str()
        });
    }
    if wants_patch && (last.is_none() || (numbers.is_empty() && arguments.all.is_none())) {
        return Err(Failure::Usage("a process and a patch are needed: dsu-push PID PATCH".into()));
    }
    if arguments.all.is_some() && !numbers.is_empty() {
        return Err(Failure::Usage("either --all EXECUTABLE or process numbers, not both".into()));
    }
    if arguments.all.is_none() && numbers.is_empty() {
        return Err(Failure::Usage("a process number is needed".into()));
    }
    let pids = pids(numbers)?;
    if let Some(path) = &arguments.lineage {
        let &[pid] = pids.as_slice() else {
            return Err(Failure::Usage("--lineage takes one process number".into()));
        };
        return Ok(write_lineage(pid, path, arguments.json));
    }
    let file = match last {
        Some(path) if wants_patch => Some(PatchFile::open(Path::new(path))?),
        _ => None,
    };
    let mut selection = match &arguments.all {
        Some(path) => Selection::instances(path)?,
        None if arguments.family => Selection::family(pids)?,
        None => Selection::Listed(pids),
    };
    if arguments.status {
        return Ok(show_status(selection, arguments.json));
    }
    let operation = match &file {
        Some(patch) if arguments.dry_run && arguments.rehearse => Operation::Rehearse(patch, arguments.rehearsal_limit),
        Some(patch) if arguments.dry_run => Operation::Check(patch),
        Some(patch) => Operation::Apply(patch),
        None if selection.grows() => {
            // One patch for all: a child that is forked when its parent is done must not lose another.
            let members = selection.members();
            let Some(newest) = push::newest(&members, last)? else {
                let message = "no patch is in force in any of the processes".into();
                return Err(Error::Answer { status: Status::NothingToUndo, message }.into());
            };
            Operation::UndoEverywhere(newest)
        }
        None => Operation::Undo(last),
    };
    Ok(push_all(selection, operation, arguments))
}

// `anstream` removes these where the output is not a terminal.
const RED: &str = "\x1b[1;31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

fn write_lineage(pid: i32, path: &Path, json: bool) -> Exit {
    let written = lineage::lineage(pid).and_then(|(bytes, count)| {
        std::fs::write(path, bytes).map_err(|source| Error::System { action: "write the lineage", source })?;
        Ok(count)
    });
    let report = match written {
        Ok(count) => Report::lineage(pid, path, count),
        Err(error) => Report::failure(pid, &error),
    };
    print(&report, json);
    report.exit
}

fn show_status(mut selection: Selection, json: bool) -> Exit {
    let mut exits = Vec::new();
    for pid in selection.members() {
        match status::status(pid) {
            Ok(report) if json => print_json(&report),
            Ok(report) => {
                let _ = writeln!(anstream::stdout(), "{report}");
            }
            Err(Error::Vanished | Error::NoProcess { .. }) if selection.grows() => {}
            Err(error) => {
                let report = Report::failure(pid, &error);
                print(&report, json);
                exits.push(report.exit);
            }
        }
    }
    report::overall(exits)
}

/// Does `operation` to all of `selection`, until no member is left that it was not done to.
fn push_all(mut selection: Selection, operation: Operation, arguments: &Arguments) -> Exit {
    let mut known = HashSet::new();
    let mut reports = Vec::new();
    let mut calm = 0;
    loop {
        if interrupt::requested() {
            break;
        }
        let new: Vec<_> = selection.members().into_iter().filter(|pid| known.insert(*pid)).collect();
        if new.is_empty() {
            calm += 1;
            // Twice, because a process list is not read in one instant.
            if calm == 2 {
                break;
            }
            continue;
        }
        calm = 0;
        reports.extend(push_some(&new, operation, arguments, selection.grows()));
        if !selection.grows() {
            break;
        }
    }
    if known.is_empty() {
        let _ =
            writeln!(anstream::stderr(), "dsu-push: {RED}error:{RESET} no process that you may see runs this build");
        return Exit::Error;
    }
    let exit = report::overall(reports.iter().map(|report| report.exit));
    if exit == Exit::Done && selection.grows() && !arguments.dry_run {
        return confirm(&reports, arguments.json);
    }
    exit
}

/// Does `operation` to some processes and prints what came of it.
fn push_some(pids: &[i32], operation: Operation, arguments: &Arguments, may_vanish: bool) -> Vec<Report> {
    let push = |pid: i32, timeout: Duration| {
        let here = || match push::run(pid, operation, timeout) {
            Ok(success) => Report::success(pid, operation, &success),
            Err(error) => Report::failure(pid, &error),
        };
        let _waiting = Waiting::announce(pid);
        let guarded = !arguments.guarded && guard::is_needed(pid);
        let in_earnest = || guarded.then(|| guard::run(pid, operation, timeout)).flatten().unwrap_or_else(here);
        let mut report = match (operation, arguments.rehearse) {
            (Operation::Apply(patch), true) => {
                match push::run(pid, Operation::Rehearse(patch, arguments.rehearsal_limit), timeout) {
                    Ok(rehearsal) if rehearsal.status == Status::Done => in_earnest().rehearsed(rehearsal.pause_ns),
                    Ok(_) => in_earnest(),
                    Err(error) => Report::failure(pid, &error),
                }
            }
            _ => in_earnest(),
        };
        if may_vanish && report.is_gone() {
            report = Report::skipped(pid);
        }
        if matches!(operation, Operation::UndoEverywhere(_)) && report.outcome == Status::NotNewest.word() && guarded {
            // It may not be in force: then there is nothing to do.
            report = here();
        }
        if report.exit != Exit::TimedOut || timeout == arguments.timeout {
            print(&report, arguments.json);
        }
        report
    };
    // First those that answer at once, one after another: they do not get in each other's way, so
    // each stands still as briefly as can be. Then the others together: they have to be waited for.
    let first = if pids.len() > 1 { arguments.timeout.min(AT_ONCE) } else { arguments.timeout };
    let (later, mut reports): (Vec<_>, Vec<_>) = pids
        .iter()
        .map(|&pid| push(pid, first))
        .partition(|report| report.exit == Exit::TimedOut && first != arguments.timeout);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(&mut reports));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(later.len()) {
            scope.spawn(|| {
                while let Some(report) = later.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = push(report.pid, arguments.timeout);
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(report);
                }
            });
        }
    });
    reports
}

/// While this lives, and after a moment, a line on the terminal tells how long we have waited.
struct Waiting(Option<Sender<()>>, Option<JoinHandle<()>>);

impl Waiting {
    fn announce(pid: i32) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None, None);
        }
        let (done, is_done) = channel();
        let start = Instant::now();
        let thread = std::thread::spawn(move || {
            let mut shown = false;
            while is_done.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                let seconds = start.elapsed().as_secs();
                let _ = write!(anstream::stderr(), "\r\x1b[Kpid {pid}: waiting for an update point, {seconds} s");
                shown = true;
            }
            if shown {
                let _ = write!(anstream::stderr(), "\r\x1b[K");
            }
        });
        Self(Some(done), Some(thread))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.0.take());
        if let Some(thread) = self.1.take() {
            let _ = thread.join();
        }
    }
}

/// Sees that all processes of a family are in the same state.
fn confirm(reports: &[Report], json: bool) -> Exit {
    let mut states: BTreeMap<Id, Vec<i32>> = BTreeMap::new();
    for report in reports {
        if let Ok(state) = family::state_of(report.pid) {
            states.entry(state).or_default().push(report.pid);
        }
    }
    if states.len() > 1 {
        let list: Vec<_> = states.iter().map(|(state, pids)| format!("{state}: {pids:?}")).collect();
        let error = Error::Disagree(list.join("; "));
        let _ = writeln!(anstream::stderr(), "dsu-push: {RED}error:{RESET} {error}");
        return error.exit();
    }
    if let (Some((state, pids)), false) = (states.first_key_value(), json) {
        let number = if pids.len() == 1 { "1 process".to_owned() } else { format!("{} processes, all", pids.len()) };
        let _ = writeln!(anstream::stdout(), "{number} in state {state}");
    }
    Exit::Done
}

fn print(report: &Report, json: bool) {
    if json {
        return print_json(report);
    }
    let colour = match report.exit {
        Exit::Done => GREEN,
        Exit::TimedOut => YELLOW,
        _ => RED,
    };
    let line = report.line();
    let _ = match report.exit {
        Exit::Done => writeln!(anstream::stdout(), "{colour}{line}{RESET}"),
        _ => writeln!(anstream::stderr(), "{colour}{line}{RESET}"),
    };
}

fn print_json(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}
