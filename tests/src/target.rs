//! A program under test while it runs: its lines, its input, and what its threads do.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::tools::PATIENCE;

/// A running program. It is killed when this is dropped, with its children.
#[derive(Debug)]
pub struct Target {
    child: Child,
    /// The process to update: the child itself, unless that is a wrapper.
    pid: i32,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Target {
    /// Starts a program; its standard error goes where its standard output goes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command.process_group(0);
        // SAFETY: `alarm` is async-signal-safe. It ends the program, should this process be killed before it can.
        unsafe {
            command.pre_exec(|| {
                libc::alarm(120);
                Ok(())
            });
        }
        let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let (send, lines) = channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        return;
                    }
                }
            });
        }
        let (pid, stdin) = (child.id() as i32, child.stdin.take());
        Ok(Self { child, pid, stdin, lines, seen: Vec::new() })
    }

    /// The process to update.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Says that another process is to be updated: one that the program has told of.
    pub fn set_pid(&mut self, pid: i32) {
        self.pid = pid;
    }

    /// All lines it has printed so far.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// Its next line.
    ///
    /// # Errors
    /// When there is none in time, or the program ends.
    pub fn line(&mut self) -> Result<String> {
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => bail!("no line in time; so far: {:?}", self.tail()),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("the output has ended ({:?}); so far: {:?}", self.child.try_wait()?, self.tail())
            }
        };
        self.seen.push(line.clone());
        Ok(line)
    }

    /// The last lines it printed, for messages.
    pub fn tail(&self) -> &[String] {
        &self.seen[self.seen.len().saturating_sub(12)..]
    }

    /// Whether no line is there that has not been looked at.
    pub fn is_silent(&mut self) -> bool {
        match self.lines.try_recv() {
            Ok(line) => {
                self.seen.push(line);
                false
            }
            Err(_) => true,
        }
    }

    /// Sends a line to its standard input.
    ///
    /// # Errors
    /// When it is not open.
    pub fn send(&mut self, text: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("standard input is closed")?;
        stdin.write_all(format!("{text}\n").as_bytes())?;
        Ok(stdin.flush()?)
    }

    /// Closes its standard input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal to the process to update.
    ///
    /// # Errors
    /// When the name is unknown or the process is gone.
    pub fn signal(&self, name: &str) -> Result<()> {
        let signal: Signal = format!("SIG{name}").parse()?;
        Ok(kill(Pid::from_raw(self.pid), signal)?)
    }

    /// Waits until `count` of its threads sleep in a system call.
    ///
    /// # Errors
    /// When they do not in time, or the call is unknown.
    pub fn asleep(&mut self, call: &str, count: usize) -> Result<()> {
        let number = number_of(call)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let calls = self.calls();
            // A call that was interrupted by a look from outside goes on as `restart_syscall`.
            let asleep = |c: &&Option<i64>| **c == Some(number) || **c == Some(libc::SYS_restart_syscall);
            if calls.iter().filter(asleep).count() >= count {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{count} threads are not in {call}, but in system calls {calls:?}; output: {:?}",
                self.tail()
            );
            if let Some(status) = self.child.try_wait()? {
                bail!("the program ended: {status}; output: {:?}", self.tail());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What its threads are in.
    fn calls(&self) -> Vec<Option<i64>> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten();
        tasks
            .map(|task| {
                let text = std::fs::read_to_string(task.path().join("syscall")).ok()?;
                text.split_whitespace().next()?.parse().ok()
            })
            .collect()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.close_input();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
                    self.seen.push(line);
                }
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "the program does not end; output: {:?}", self.tail());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for its end, by `exit(code)`.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn exits(&mut self, code: i32) -> Result<()> {
        let status = self.wait()?;
        ensure!(status.code() == Some(code), "the program ended with {status}; output: {:?}", self.tail());
        Ok(())
    }

    /// Waits for its end by a signal.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn dies(&mut self, name: &str) -> Result<()> {
        let signal: Signal = format!("SIG{name}").parse()?;
        let status = self.wait()?;
        ensure!(status.signal() == Some(signal as i32), "the program ended with {status}; output: {:?}", self.tail());
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // The group was made for it, and lives as long as the child has not been waited for.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Numbers of the system calls that library calls sleep in.
fn number_of(call: &str) -> Result<i64> {
    Ok(match call {
        "read" => libc::SYS_read,
        "write" => libc::SYS_write,
        "poll" => libc::SYS_poll,
        "ppoll" => libc::SYS_ppoll,
        "epoll_pwait" => libc::SYS_epoll_pwait,
        "readv" => libc::SYS_readv,
        "select" => libc::SYS_pselect6,
        "epoll_wait" => libc::SYS_epoll_wait,
        "nanosleep" | "sleep" | "usleep" => libc::SYS_clock_nanosleep,
        "accept" => libc::SYS_accept,
        "recv" => libc::SYS_recvfrom,
        "recvmsg" => libc::SYS_recvmsg,
        "pause" => libc::SYS_pause,
        "futex" => libc::SYS_futex,
        "wait" => libc::SYS_wait4,
        "waitid" => libc::SYS_waitid,
        "sigsuspend" => libc::SYS_rt_sigsuspend,
        "sigwait" => libc::SYS_rt_sigtimedwait,
        "flock" => libc::SYS_flock,
        _ => bail!("system call {call} is not in the list of the tests"),
    })
}
