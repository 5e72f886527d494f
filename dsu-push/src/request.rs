//! The protocol: one request and its answer. See [`dsu_abi::control`] for the steps.

use crate::{
    Error, Result, blocker,
    control::{Ask, Progress, Remote, message},
    interrupt,
    process::{self, ProcStatus, Process},
    ptrace::{Kick, Tracer},
    threads::{Activity, Threads, View, activity, is_own_call},
};
use dsu_abi::{
    control::{op, phase},
    status::Status,
};
use std::{
    collections::HashMap,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Shortest time between two looks at the process.
const STEP: Duration = Duration::from_micros(20);

/// Time between two looks where nothing is urgent.
const LONG_STEP: Duration = Duration::from_millis(1);

/// Longest time between two looks at all threads.
const LONGEST_INTERVAL: Duration = Duration::from_millis(10);

/// How long a woken thread gets to enter the runtime before another one is woken.
const PATIENCE: Duration = Duration::from_millis(20);

/// How long an answer may be overdue once the leader's time is over.
const GRACE: Duration = Duration::from_secs(5);

/// How long threads with suspended filters get to return from the runtime.
const LONGEST_RETURN: Duration = Duration::from_secs(60);

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The outcome.
    pub status: Status,
    /// The sentence that goes with it.
    pub message: String,
    /// Address of the buffer.
    pub buffer: u64,
    /// Its length.
    pub buffer_size: u64,
    /// How long the program stood still.
    pub pause_ns: u64,
    /// How long loading and checking took.
    pub prepare_ns: u64,
}

/// How a request ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// With an answer.
    Answered(Answer),
    /// With nothing changed, because these threads did not come to rest in time.
    NotAtRest(Vec<View>),
}

/// A conversation with one process.
///
/// It must take place in a thread of its own, which ends with it; see [`crate::ptrace`].
#[derive(Debug)]
pub struct Session<'p> {
    process: &'p Process,
    remote: Remote<'p>,
    threads: Threads<'p>,
    /// For its figures.
    pub tracer: Tracer,
    timeout: Duration,
    deadline: Instant,
    wakes: Wakes,
}

/// Attempts to wake threads.
#[derive(Debug, Default)]
struct Wakes {
    next: HashMap<i32, (Instant, Duration)>,
    quiet_until: Option<Instant>,
}

impl<'p> Session<'p> {
    /// Begins to talk to `process`, until `deadline` at most, when the `timeout` is over that the
    /// user gave.
    pub fn new(process: &'p Process, remote: Remote<'p>, deadline: Instant, timeout: Duration) -> Result<Self> {
        // Sleeps of some microseconds, not rounded up to 50.
        // SAFETY: sets a property of this thread only.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000, 0, 0, 0) };
        let offset = remote.read()?.thread_offset;
        let mut session = Self {
            process,
            remote,
            threads: Threads::new(process, offset),
            tracer: Tracer::new(process.memory, remote.pending_address()),
            timeout,
            deadline,
            wakes: Wakes::default(),
        };
        session.lift_filters()?;
        Ok(session)
    }

    /// Whether there is time left.
    pub fn time_left(&self) -> bool {
        Instant::now() < self.deadline && !interrupt::requested()
    }

    /// Lets go of the threads that were woken, as soon as they are asleep again or a moment later;
    /// with filters suspended, only when no thread needs that any more.
    pub fn release(&mut self) {
        const MOMENT: Duration = Duration::from_millis(2);
        let (start, pid) = (Instant::now(), self.process.pid);
        let awake = |tid: &i32| activity(pid, *tid) == Activity::Running;
        if self.tracer.lifts_filters() {
            // Whatever we do when this takes longer, it is better than to have the program killed.
            while start.elapsed() < LONGEST_RETURN && self.needs_us() {
                self.tracer.pump();
                std::thread::sleep(STEP);
            }
            // They are let go of without being stopped, when this thread ends.
            return;
        }
        while start.elapsed() < MOMENT && self.tracer.woken().iter().any(awake) {
            self.tracer.pump();
            std::thread::sleep(STEP);
        }
        self.tracer.release();
    }

    /// Whether a thread may be in the runtime, or in the middle of a stop.
    fn needs_us(&mut self) -> bool {
        let pid = self.process.pid;
        if self.tracer.is_restless(|tid| activity(pid, tid) == Activity::Running) {
            return true;
        }
        // `pending` first: a thread that sees it cleared does not stay in the runtime.
        match (self.remote.pending(), self.survey()) {
            (Ok(Some(pending)), Ok(views)) => pending != 0 || !views.iter().all(View::is_outside),
            // It has ended, or become another program.
            _ => false,
        }
    }

    /// Asks, and waits for the answer. Where the operation needs all threads at rest, they are
    /// held for at most `window`; those that have come to rest stand still that long.
    pub fn ask(&mut self, ask: Ask, window: Duration) -> Result<Outcome> {
        self.take_over()?;
        let sequence = self.new_sequence()?;
        self.remote.write_request(&ask, sequence, self.leader_timeout(window))?;
        self.lift_filters()?;
        self.remote.raise(1)?;
        let barrier = matches!(ask.op, op::APPLY | op::UNDO | op::REHEARSE);
        match self.wait(sequence, barrier, window) {
            Ok(outcome @ Outcome::Answered(_)) => Ok(outcome),
            Err(error @ Error::Vanished) => Err(error),
            // It may be answered at the last moment.
            other => match self.withdraw(sequence)? {
                Some(answer) if answer.status != Status::TimedOut => Ok(Outcome::Answered(answer)),
                _ => other,
            },
        }
    }

    /// Lets the program run for a while, and for longer while a thread sleeps outside every
    /// quiescent call: to hold the others would be in vain.
    pub fn rest(&mut self, time: Duration) -> Result<()> {
        const MOST: u32 = 10;
        let start = Instant::now();
        let pid = self.process.pid;
        let outside = |view: &View| !view.at_rest() && matches!(activity(pid, view.tid), Activity::Call { .. });
        while self.time_left() && start.elapsed() < time * MOST {
            if start.elapsed() >= time && !self.survey()?.iter().any(outside) {
                break;
            }
            self.tracer.pump();
            std::thread::sleep(LONG_STEP);
        }
        Ok(())
    }

    /// The time a leader may wait for other threads: a bit less than we wait ourselves.
    fn leader_timeout(&self, window: Duration) -> u32 {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let margin = (left / 10).min(Duration::from_millis(500));
        (left - margin).min(window).as_millis().clamp(1, u128::from(u32::MAX)) as u32
    }

    /// Any number that was not used for the last request.
    fn new_sequence(&self) -> Result<u64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
        let block = self.remote.read()?;
        let used = [block.response.sequence.load(Relaxed), block.request.sequence.load(Relaxed), 0];
        Ok((now..).find(|number| !used.contains(number)).unwrap_or(now))
    }

    /// With seccomp filters in force, the runtime may be forbidden to load anything, on pain of
    /// death; they are suspended while a thread is traced, and any thread may become the leader.
    fn lift_filters(&mut self) -> Result<()> {
        if !self.tracer.lifts_filters() && !self.process.has_filters() {
            return Ok(());
        }
        // Again, until no thread is left that another one made meanwhile.
        let mut known = Vec::new();
        for _ in 0..100 {
            let ids = self.threads.ids();
            if ids == known {
                return Ok(());
            }
            for &tid in &ids {
                self.tracer.lift_filters(self.process.pid, tid)?;
            }
            known = ids;
        }
        Err(Error::Busy { by: "the process makes threads all the time and".into() })
    }

    /// Waits until the block is ours to write: nobody's request is under way.
    fn take_over(&mut self) -> Result<()> {
        let mut step = STEP;
        loop {
            self.tracer.pump();
            let pending = self.pending()?;
            let block = self.remote.read()?;
            let request = &block.request;
            let answered = request.sequence.load(Relaxed) == block.response.sequence.load(Relaxed);
            if pending == 0 && (answered || block.response.phase.load(Relaxed) == phase::IDLE) {
                return Ok(());
            }
            let pusher = request.pusher.load(Relaxed) as i32;
            let ours = request.target.load(Relaxed) == self.process.inner_pid as u32;
            let owner = match pusher {
                _ if !ours || answered => None,
                0 => Some("the program itself".to_owned()),
                pid => is_pusher(pid).then(|| format!("another dsu-push (process {pid})")),
            };
            match owner {
                Some(by) if !self.time_left() => return Err(Error::Busy { by }),
                Some(_) => {}
                None => {
                    // Left behind by a pusher that was killed, or inherited over fork.
                    self.withdraw(request.sequence.load(Relaxed))?;
                    return Ok(());
                }
            }
            std::thread::sleep(step);
            step = (step * 2).min(LONG_STEP);
        }
    }

    /// `pending`, for sure of our process.
    fn pending(&self) -> Result<u32> {
        self.remote.pending()?.ok_or(Error::Vanished)
    }

    /// Waits for the answer to `sequence`, and does our part to bring it about.
    fn wait(&mut self, sequence: u64, barrier: bool, window: Duration) -> Result<Outcome> {
        let start = Instant::now();
        let mut gone = false;
        let mut cleared = 0;
        let mut in_the_way: Vec<View> = Vec::new();
        self.wakes = Wakes::default();
        // When to look at the threads again, which costs more than to look at the block.
        let (mut look, mut interval) = (start, STEP * 5);
        loop {
            self.tracer.pump();
            if std::mem::take(&mut self.tracer.restored) {
                // The thread handles a signal first. After that it may do as it likes: it is not
                // known to be the only thread any more when it comes back.
                self.remote.set_solo(false)?;
                self.wakes.quiet_until = None;
            }
            let pending = self.pending()?;
            let progress = self.remote.progress()?;
            if progress.sequence == sequence {
                let answer = self.answer(progress)?;
                return Ok(match answer.status {
                    Status::TimedOut => Outcome::NotAtRest(in_the_way),
                    _ => Outcome::Answered(answer),
                });
            }
            let now = Instant::now();
            if !self.time_left() {
                return Ok(Outcome::NotAtRest(in_the_way));
            }
            match progress.phase {
                phase::IDLE if now >= look => {
                    // Nobody leads. A thread that was on its way into the runtime when an older
                    // request was withdrawn may have taken ours away with it.
                    cleared = if pending == 0 { cleared + 1 } else { 0 };
                    if cleared > 3 {
                        self.remote.raise(1)?;
                        cleared = 0;
                    }
                    self.remote.set_timeout(self.leader_timeout(window))?;
                    in_the_way = self.wake(barrier)?;
                    look = Instant::now() + interval;
                    interval = (interval * 2).min(LONGEST_INTERVAL);
                }
                phase::PREPARED if barrier && !gone => {
                    let views = self.survey()?;
                    in_the_way = views.into_iter().filter(|view| !self.at_rest(view)).collect();
                    if in_the_way.is_empty() {
                        self.remote.set_go(sequence)?;
                        gone = true;
                    }
                }
                _ => {}
            }
            // Threads stand still while we sleep: the longer we have waited, the less it matters.
            std::thread::sleep(match start.elapsed() {
                waited if waited < Duration::from_millis(5) => STEP,
                waited if waited < Duration::from_secs(1) => STEP * 3,
                _ => STEP * 10,
            });
        }
    }

    fn survey(&mut self) -> Result<Vec<View>> {
        Ok(self.threads.survey(&mut self.tracer)?)
    }

    /// Whether a thread may be left where it is during a commit. One that is in a wrapped call must
    /// really be in it: otherwise it may be in a signal handler that interrupted the call.
    fn at_rest(&self, view: &View) -> bool {
        let in_call = || match activity(self.process.pid, view.tid) {
            Activity::Call { stack, .. } => is_own_call(&self.process.memory, view.stack, stack),
            _ => false,
        };
        view.at_rest() && (!view.asleep() || in_call())
    }

    /// Wakes one thread that sleeps in a quiescent call, unless one is on its way. Returns the
    /// threads that are not at rest.
    fn wake(&mut self, barrier: bool) -> Result<Vec<View>> {
        let views = self.survey()?;
        let in_the_way = views.iter().filter(|view| !self.at_rest(view)).copied().collect();
        let now = Instant::now();
        if views.iter().any(View::leading) || self.wakes.quiet_until.is_some_and(|until| now < until) {
            return Ok(in_the_way);
        }
        let alone = views.len() == 1;
        // In turn: one that was woken and went back to sleep, as from a condition variable, must not keep the others
        // from being woken.
        let mut sleepers: Vec<&View> = views.iter().filter(|view| view.asleep()).collect();
        // One that waits for a condition variable sees a wake-up without a reason: only if there is no other.
        let conditional = |view: &View| view.condition != 0;
        sleepers.sort_by_key(|view| (self.wakes.next.get(&view.tid).map(|(when, _)| *when), conditional(view)));
        for view in sleepers {
            let tid = view.tid;
            let due = self.wakes.next.get(&tid).is_none_or(|(when, _)| *when <= now);
            if !due || !self.at_rest(view) || !self.can_wake(tid) {
                continue;
            }
            let Some(state) = self.threads.state_address(tid, &mut self.tracer) else { continue };
            let (threads, remote) = (&self.threads, self.remote);
            let last_look = || match alone && barrier && threads.ids() == [tid] {
                // It cannot make another thread before it serves the request.
                true => remote.set_solo(true),
                false => Ok(()),
            };
            let kicked = self.tracer.kick(self.process.pid, tid, state, last_look)?;
            let (_, wait) = self.wakes.next.get(&tid).copied().unwrap_or((now, LONG_STEP));
            match kicked {
                Kick::Done => {
                    self.wakes.quiet_until = Some(Instant::now() + PATIENCE);
                    self.wakes.next.insert(tid, (Instant::now() + PATIENCE, wait));
                    break;
                }
                Kick::NotNow => {
                    let longer = (wait * 2).min(Duration::from_millis(100));
                    self.wakes.next.insert(tid, (Instant::now() + wait, longer));
                }
                Kick::Gone => self.threads.forget(tid),
            }
        }
        Ok(in_the_way)
    }

    /// Whether a sleeping thread can be woken: not if job control has stopped it, in which state it
    /// is to stay, nor if it sleeps uninterruptibly.
    fn can_wake(&self, tid: i32) -> bool {
        ProcStatus::of_thread(self.process.pid, tid).is_ok_and(|status| status.state == 'S')
    }

    fn answer(&self, progress: Progress) -> Result<Answer> {
        let response = self.remote.response()?;
        let text = message(&response);
        match Status::from_code(progress.status) {
            Some(status) => Ok(Answer {
                status,
                message: text,
                buffer: response.buffer.load(Relaxed),
                buffer_size: response.buffer_size.load(Relaxed),
                pause_ns: response.pause_ns.load(Relaxed),
                prepare_ns: response.prepare_ns.load(Relaxed),
            }),
            None => Err(Error::DamagedControl(format!("outcome {} is unknown; {text}", progress.status))),
        }
    }

    /// The error to report when the time is over, given the threads that were in the way.
    pub fn timed_out(&mut self, in_the_way: &[View]) -> Error {
        if interrupt::requested() {
            return Error::Interrupted;
        }
        let mut views = in_the_way.to_vec();
        if views.is_empty() {
            views = self.survey().unwrap_or_default();
            if views.iter().any(|view| !view.at_rest()) {
                views.retain(|view| !view.at_rest());
            }
        }
        let blockers = blocker::describe(self.process, &views, &mut self.tracer);
        Error::TimedOut { seconds: self.timeout.as_secs_f64(), blockers }
    }

    /// Takes the request `sequence` back, unless a thread is serving it: then waits for the answer.
    fn withdraw(&mut self, sequence: u64) -> Result<Option<Answer>> {
        // From here on, a thread that enters the runtime finds that the request is not for it.
        self.remote.address_to(0)?;
        let leader_timeout = self.remote.read()?.request.timeout_ms.load(Relaxed);
        // A leader that waits for other threads gives up now.
        self.remote.set_timeout(0)?;
        // The block is not trusted to say how long that is.
        let patience = GRACE + Duration::from_millis(leader_timeout.into()).min(self.timeout);
        let start = Instant::now();
        let mut calm = 0;
        loop {
            self.tracer.pump();
            let pending = self.pending()?;
            let progress = self.remote.progress()?;
            if progress.sequence == sequence && sequence != 0 {
                if pending != 0 && !self.led()? {
                    self.remote.raise(0)?;
                }
                return self.answer(progress).map(Some);
            }
            // A leader shows in its thread's state; the phase alone may be inherited over fork.
            let led = self.led()?;
            calm = if led { 0 } else { calm + 1 };
            if calm >= 3 {
                // `pending` may be cleared only now: threads that are parked wait for that.
                self.remote.raise(0)?;
                return Ok(None);
            }
            if start.elapsed() > patience {
                return Err(Error::Busy { by: "the process itself has not finished an earlier request and".into() });
            }
            std::thread::sleep(if led { LONG_STEP } else { STEP * 5 });
        }
    }

    /// Whether a thread serves a request.
    fn led(&mut self) -> Result<bool> {
        Ok(self.survey()?.iter().any(View::leading))
    }
}

/// Whether a process lives and is a pusher like us, and not just one that got its number later.
fn is_pusher(pid: i32) -> bool {
    let name = process::name_of(pid);
    pid != std::process::id() as i32
        && process::alive(pid)
        && (name == process::OWN_NAME || name == process::name_of(std::process::id() as i32))
}
