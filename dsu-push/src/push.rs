//! One operation on one process.

use crate::{
    Error, Result,
    control::{Applied, Ask, Remote},
    patchfile::PatchFile,
    process::{self, Process},
    request::{Answer, Outcome, Session},
};
use dsu_abi::{Id, control::op, status::Status};
use std::time::{Duration, Instant};

/// What to do.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// Apply a patch.
    Apply(&'a PatchFile),
    /// See whether a patch can be applied.
    Check(&'a PatchFile),
    /// Apply a patch in a child of the process, which may take that long.
    Rehearse(&'a PatchFile, Duration),
    /// Undo the newest patch, which must be the given one if one is given: its name, or how its id begins.
    Undo(Option<&'a str>),
    /// Undo this patch, if it is in force.
    UndoEverywhere(Id),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Success {
    /// The outcome: done, or already applied.
    pub status: Status,
    /// What the runtime said.
    pub message: String,
    /// The build of the process.
    pub build: Id,
    /// Its state before.
    pub before: Id,
    /// Its state after.
    pub after: Id,
    /// The patch, by name.
    pub patch: String,
    /// The patch.
    pub patch_id: Id,
    /// How many units it replaces, if known.
    pub units: Option<usize>,
    /// How long the program stood still for the commit.
    pub pause_ns: u64,
    /// The part of it spent on loading and checking.
    pub prepare_ns: u64,
    /// How often a thread was stopped from outside.
    pub stops: u32,
    /// For how long, all in all.
    pub stopped: Duration,
}

/// Does `operation` to process `pid`, within `timeout`.
pub fn run(pid: i32, operation: Operation, timeout: Duration) -> Result<Success> {
    let deadline = Instant::now() + timeout;
    let process = Process::open(pid)?;
    Remote::open(&process)?.require_updatable()?;
    if matches!(operation, Operation::Rehearse(..)) && process.has_filters() {
        let message = "cannot rehearse: the process has seccomp filters, under which a child of it may be killed; nothing \
                       was changed (push without --rehearse, or rehearse with a process without a sandbox)";
        return Err(Error::Answer { status: Status::RehearsalFailed, message: message.into() });
    }
    let _lock = loop {
        match process.lock()? {
            Some(lock) => break lock,
            None if Instant::now() >= deadline => return Err(Error::Busy { by: "another dsu-push".into() }),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    // In a thread of its own, whose end lets go of all threads it traces (see `ptrace`): that has
    // to be over when the lock is given back.
    std::thread::scope(|scope| {
        let work = || run_here(&process, operation, deadline, timeout);
        match std::thread::Builder::new().spawn_scoped(scope, work).map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(source) => Err(Error::System { action: "make a thread", source }),
        }
    })
}

/// Waits until nobody traces the process. A pusher that was killed may take a moment to let go.
fn wait_untraced(process: &Process, deadline: Instant) -> Result<()> {
    loop {
        let tracer = process.status()?.tracer;
        if tracer == 0 {
            return Ok(());
        }
        let tracer_name = process::name_of(tracer);
        if tracer_name != process::OWN_NAME || Instant::now() >= deadline {
            return Err(Error::Traced { tid: process.pid, tracer, tracer_name });
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn run_here(process: &Process, operation: Operation, deadline: Instant, timeout: Duration) -> Result<Success> {
    let remote = Remote::open(process)?;
    wait_untraced(process, deadline)?;
    let mut session = Session::new(process, remote, deadline, timeout)?;
    let block = remote.read()?;
    let applied = remote.applied()?;
    let mut success = Success {
        status: Status::Done,
        message: String::new(),
        build: block.build,
        before: block.state,
        after: block.state,
        patch: String::new(),
        patch_id: Id::default(),
        units: None,
        pause_ns: 0,
        prepare_ns: 0,
        stops: 0,
        stopped: Duration::ZERO,
    };
    let undo = |session: &mut Session, success: &mut Success, patch: &Applied| {
        success.patch.clone_from(&patch.name);
        success.patch_id = patch.id;
        let ask = Ask { op: op::UNDO, patch: patch.id, ..Ask::default() };
        persist(session, timeout, |session, window| session.ask(ask, window))
    };
    let answer = match operation {
        Operation::Apply(patch) | Operation::Check(patch) | Operation::Rehearse(patch, _) => {
            success.patch.clone_from(&patch.name);
            success.patch_id = patch.patch;
            success.units = Some(patch.units.len());
            // After a way back the process is again in the state that the patch is for.
            if patch.from != block.state && applied.iter().any(|old| old.id == patch.patch) {
                success.status = Status::AlreadyApplied;
                return Ok(success);
            }
            if patch.from != block.state {
                let lineage = lineage(block.build, &applied);
                let after = if patch.after.is_empty() { String::new() } else { format!(" (after {})", patch.after) };
                let patch_name = patch.name.clone();
                return Err(Error::WrongState {
                    patch: patch_name,
                    from: patch.from,
                    after,
                    state: block.state,
                    lineage,
                });
            }
            let ask = Ask { size: patch.bytes.len() as u64, ..Ask::default() };
            let ask = match operation {
                Operation::Apply(_) => Ask { op: op::APPLY, ..ask },
                Operation::Rehearse(_, limit) => {
                    Ask { op: op::REHEARSE, limit_ms: rehearsal_time(limit, deadline), ..ask }
                }
                _ => Ask { op: op::CHECK, ..ask },
            };
            persist(&mut session, timeout, |session, window| send(process, session, patch, ask, window))
        }
        Operation::UndoEverywhere(patch) if applied.iter().all(|old| old.id != patch) => {
            success.patch = patch.to_string();
            success.patch_id = patch;
            success.status = Status::NothingToUndo;
            return Ok(success);
        }
        Operation::UndoEverywhere(patch) => {
            undo(&mut session, &mut success, choose(Some(&patch.to_string()), &applied)?)
        }
        Operation::Undo(wanted) => undo(&mut session, &mut success, choose(wanted, &applied)?),
    };
    session.release();
    let mut answer = answer?;
    if answer.status == Status::Irreversible {
        answer.message.push_str(&way_back(process.pid, &applied));
    }
    success.status = expect_success(&answer)?;
    success.message = answer.message;
    success.pause_ns = answer.pause_ns;
    success.prepare_ns = answer.prepare_ns;
    success.stops = session.tracer.stops;
    success.stopped = session.tracer.stopped;
    // The process may end right after it has answered; that is no failure of ours.
    success.after = remote.read().map_or(success.before, |block| block.state);
    Ok(success)
}

/// How long the threads are held at the first attempt to bring all of them to rest at once. Each
/// further attempt holds them longer, up to a part of the whole time; in between, they run for
/// twice as long.
const FIRST_WINDOW: Duration = Duration::from_millis(20);
const LARGEST_PART: u32 = 10;

/// Asks again and again, with `ask`, until the threads come to rest at the same time.
fn persist(
    session: &mut Session,
    timeout: Duration,
    mut ask: impl FnMut(&mut Session, Duration) -> Result<Outcome>,
) -> Result<Answer> {
    let mut window = FIRST_WINDOW;
    loop {
        match ask(session, window)? {
            Outcome::Answered(answer) => return Ok(answer),
            Outcome::NotAtRest(views) if !session.time_left() => return Err(session.timed_out(&views)),
            Outcome::NotAtRest(_) => {}
        }
        session.rest(window * 2)?;
        window = (window * 2).min((timeout / LARGEST_PART).max(FIRST_WINDOW));
    }
}

/// The milliseconds that a rehearsal may take: a part of the time that is left.
fn rehearsal_time(limit: Duration, deadline: Instant) -> u32 {
    let left = deadline.saturating_duration_since(Instant::now()) / 10 * 9;
    limit.min(left).as_millis().clamp(1, 1 << 30) as u32
}

/// Puts the patch file into the process and asks for what is to be done with it.
fn send(process: &Process, session: &mut Session, patch: &PatchFile, ask: Ask, window: Duration) -> Result<Outcome> {
    let size = ask.size;
    let reserved = match session.ask(Ask { op: op::RESERVE, size, ..Ask::default() }, window)? {
        Outcome::Answered(answer) => answer,
        other => return Ok(other),
    };
    expect_success(&reserved)?;
    if reserved.buffer == 0 || reserved.buffer_size < size {
        return Err(Error::DamagedControl(format!("a buffer of {} bytes is too small", reserved.buffer_size)));
    }
    process.memory.write(reserved.buffer, &patch.bytes)?;
    session.ask(ask, window)
}

fn expect_success(answer: &Answer) -> Result<Status> {
    match answer.status {
        status @ (Status::Done | Status::AlreadyApplied) => Ok(status),
        status => Err(Error::Answer { status, message: answer.message.clone() }),
    }
}

/// What to do where the newest patch cannot be undone.
fn way_back(pid: i32, applied: &[Applied]) -> String {
    let (build, what) = match applied {
        [newest, _, ..] => (
            "BUILD".to_owned(),
            format!(", where BUILD is the build that the process corresponded to before {}", newest.name),
        ),
        _ => (format!("/proc/{pid}/exe"), String::new()),
    };
    format!(
        "; the way back is a patch, too: `dsu-diff --pid {pid} {build} -o back.dsu && dsu-push {pid} back.dsu`{what}"
    )
}

/// The patch to undo: the newest, if it is the one that is wanted.
fn choose<'a>(wanted: Option<&str>, applied: &'a [Applied]) -> Result<&'a Applied> {
    let Some(newest) = applied.first() else {
        let message = "no patch is in force, so there is nothing to undo".into();
        return Err(Error::Answer { status: Status::NothingToUndo, message });
    };
    let Some(wanted) = wanted else { return Ok(newest) };
    let matches = |patch: &Applied| patch.name == wanted || patch.id.to_string().starts_with(&wanted.to_lowercase());
    match applied.iter().position(matches) {
        Some(0) => Ok(newest),
        Some(index) => {
            let newer: Vec<_> = applied[..index].iter().map(|patch| patch.name.as_str()).collect();
            let message = format!(
                "patch {} is not the newest: undo {} first, in this order",
                applied[index].name,
                newer.join(", ")
            );
            Err(Error::Answer { status: Status::NotNewest, message })
        }
        None => Err(Error::NoSuchPatch {
            wanted: wanted.to_owned(),
            in_force: applied
                .iter()
                .map(|patch| format!("{} ({})", patch.name, patch.id))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// The newest patch in force in the first of `members` that has any; `wanted` as in [`Operation::Undo`].
pub fn newest(members: &[i32], wanted: Option<&str>) -> Result<Option<Id>> {
    for &pid in members {
        let Ok(process) = Process::open(pid) else { continue };
        let Ok(applied) = Remote::open(&process).and_then(|remote| remote.applied()) else { continue };
        if !applied.is_empty() {
            return choose(wanted, &applied).map(|patch| Some(patch.id));
        }
    }
    Ok(None)
}

/// How a process came into its state.
fn lineage(build: Id, applied: &[Applied]) -> String {
    if applied.is_empty() {
        return format!("its build {build}, without patches");
    }
    let names: Vec<_> = applied.iter().rev().map(|patch| patch.name.as_str()).collect();
    format!("build {build} with {}", names.join(", "))
}
