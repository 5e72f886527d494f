//! Servers as child processes that never outlive a task, and what /proc says about them.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use crate::cmd;

/// A running server; ended with all its descendants when dropped.
pub struct Server {
    child: Child,
    log: std::path::PathBuf,
}

impl Server {
    /// Starts a server with its output in `log` and waits until it accepts connections on `port`.
    pub fn start(command: &mut Command, log: &Path, port: u16) -> Result<Self> {
        let server = Self::spawn(command, log)?;
        server.await_port(port)?;
        Ok(server)
    }

    /// Starts a process with its output in `log`.
    pub fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let out = fs::File::create(log)?;
        command.stdout(out.try_clone()?).stderr(out).stdin(Stdio::null());
        // SAFETY: prctl is safe to call between fork and exec.
        unsafe {
            // If the task is killed, the server goes, too.
            command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?));
        }
        let child = command.spawn().with_context(|| format!("cannot start {}", cmd::describe(command)))?;
        Ok(Self { child, log: log.to_path_buf() })
    }

    /// Waits until something listens on the port. (No connection is made: it would be the server's first client.)
    pub fn await_port(&self, port: u16) -> Result<()> {
        let start = Instant::now();
        while !listens(self.pid(), port) {
            if !alive(self.pid()) {
                bail!("the server ended at once; it said:\n{}", cmd::tail(&self.log, 20));
            }
            if start.elapsed() > Duration::from_secs(20) {
                bail!("the server does not listen on port {port}; it said:\n{}", cmd::tail(&self.log, 20));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(-1)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.pid()), signal).context("the server is gone")
    }

    /// The server and its descendants.
    pub fn family(&self) -> Vec<i32> {
        let mut family = vec![self.pid()];
        family.extend(descendants(self.pid()));
        family
    }

    /// The end of what it printed.
    pub fn said(&self) -> String {
        cmd::tail(&self.log, 20)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let family: Vec<(i32, u64)> = self.family().into_iter().filter_map(|pid| Some((pid, started(pid)?))).collect();
        let _ = self.signal(Signal::SIGTERM);
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Start times make sure that a process id used again is nobody else.
        for (pid, since) in family {
            if started(pid) == Some(since) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

/// A port that is free now, on 127.0.0.1.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Connects to a server of ours.
pub fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).with_context(|| format!("cannot connect to port {port}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether the process exists and is not a zombie.
pub fn alive(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] != "Z")
}

/// The path of the program that a process runs, also if another has taken that place since.
pub fn executable(pid: i32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?.into_os_string().into_string().ok()?;
    Some(path.trim_end_matches(" (deleted)").to_string())
}

/// Processes started by `pid`, directly or not.
pub fn descendants(pid: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let parents: Vec<(i32, i32)> = pids.filter_map(|pid| Some((pid, stat(pid)?[1].parse().ok()?))).collect();
    let mut found = vec![pid];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found.retain(|&pid| alive(pid));
    found
}

/// Children of `pid`, also those that have ended but were not waited for.
pub fn children(pid: i32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// From now on, descendants whose parents end without waiting for them become children of this task: their CPU time is
/// then accounted to it, once [`reap_orphans`] has waited for them.
pub fn adopt_orphans() -> Result<()> {
    nix::sys::prctl::set_child_subreaper(true).context("cannot adopt orphans")
}

/// Waits for adopted processes that have ended. Returns whether any still runs.
pub fn reap_orphans(server: i32) -> bool {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let pids: Vec<i32> =
        lists.flat_map(|list| list.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect();
    let orphans: Vec<i32> = pids.into_iter().filter(|&pid| pid != server).collect();
    let running =
        |pid: &&i32| matches!(waitpid(Pid::from_raw(**pid), Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive));
    orphans.iter().filter(running).count() > 0
}

/// A field of /proc/PID/status, white space normalised.
pub fn status_field(pid: i32, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Resident memory in KiB.
pub fn resident(pid: i32) -> u64 {
    let field = status_field(pid, "VmRSS").unwrap_or_default();
    field.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// CPU time of the process's threads, in nanoseconds, from the scheduler's own accounts.
pub fn cpu_time(pid: i32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let first = |path: std::path::PathBuf| fs::read_to_string(path).ok()?.split(' ').next()?.parse::<u64>().ok();
    tasks.filter_map(|task| first(task.path().join("schedstat"))).sum()
}

fn started(pid: i32) -> Option<u64> {
    stat(pid)?[19].parse().ok()
}

/// /proc/PID/stat from the state on: state, parent, ...
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<String> = text.rsplit_once(')')?.1.split_whitespace().map(String::from).collect();
    (fields.len() > 20).then_some(fields)
}

/// Whether anybody in the network that the process sees listens on the port.
fn listens(pid: i32, port: u16) -> bool {
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let wanted = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.len() > 3 && fields[1].ends_with(&wanted) && fields[3] == "0A"
    })
}
