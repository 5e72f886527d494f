//! Facts about a process, from `/proc`.

use crate::{
    Error, Result,
    image::Image,
    memory::{Memory, MemoryError, words},
};
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::fd::AsRawFd,
    sync::Arc,
};

/// The name of the program, as the system shows it.
pub const OWN_NAME: &str = "dsu-push";

/// No program has anything above this address.
const HIGHEST: u64 = 1 << 56;

/// The parts of `/proc/PID/status` and `/proc/PID/task/TID/status` that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcStatus {
    /// The name (`comm`).
    pub name: String,
    /// State letter: `R`, `S`, `D`, `T`, `t`, `Z`, `X`, ...
    pub state: char,
    /// Process id as we see it.
    pub tgid: i32,
    /// The parent.
    pub parent: i32,
    /// Who traces it, 0 for nobody.
    pub tracer: i32,
    /// Real, effective and saved user id.
    pub uids: [u32; 3],
    /// Its own id in its innermost pid namespace.
    pub inner_id: i32,
    /// Whether it is inside a pid namespace that we are outside of.
    pub nested: bool,
    /// Whether seccomp filters are installed (or only a handful of calls is allowed at all).
    pub seccomp: bool,
    /// Whether it is a thread of the kernel.
    pub kernel: bool,
    /// Its effective capabilities.
    pub capabilities: u64,
}

impl ProcStatus {
    /// Parses the file's text.
    pub fn parse(text: &str) -> Self {
        let mut status = Self { state: '?', ..Self::default() };
        for line in text.lines() {
            let Some((field, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            let number = || value.parse().unwrap_or(0);
            match field {
                "Name" => status.name = value.to_owned(),
                "State" => status.state = value.chars().next().unwrap_or('?'),
                "Tgid" => status.tgid = number(),
                "Pid" => status.inner_id = number(),
                "PPid" => status.parent = number(),
                "TracerPid" => status.tracer = number(),
                "Uid" => {
                    for (slot, word) in status.uids.iter_mut().zip(value.split_whitespace()) {
                        *slot = word.parse().unwrap_or(u32::MAX);
                    }
                }
                "NSpid" => {
                    status.nested = value.split_whitespace().count() > 1;
                    if let Some(id) = value.split_whitespace().last().and_then(|word| word.parse().ok()) {
                        status.inner_id = id;
                    }
                }
                "Seccomp" => status.seccomp = value != "0",
                "Kthread" => status.kernel = value == "1",
                "CapEff" => status.capabilities = u64::from_str_radix(value, 16).unwrap_or(0),
                _ => {}
            }
        }
        status
    }

    /// Status of process `pid`.
    pub fn of(pid: i32) -> io::Result<Self> {
        fs::read_to_string(format!("/proc/{pid}/status")).map(|text| Self::parse(&text))
    }

    /// Status of a thread.
    pub fn of_thread(pid: i32, tid: i32) -> io::Result<Self> {
        fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).map(|text| Self::parse(&text))
    }
}

/// A running program that can be updated in principle: it has a control block.
#[derive(Debug)]
pub struct Process {
    /// Its id as we see it.
    pub pid: i32,
    /// Its id as it sees itself.
    pub inner_pid: i32,
    /// Its name.
    pub name: String,
    /// Path of its executable, for messages.
    pub executable: String,
    /// Its executable file.
    pub image: Arc<Image>,
    /// What to add to addresses of the executable file.
    pub bias: u64,
    /// Address of the control block.
    pub control: u64,
    /// Its memory.
    pub memory: Memory,
}

impl Process {
    /// Looks at process `pid` without touching it.
    pub fn open(pid: i32) -> Result<Self> {
        let status = ProcStatus::of(pid).map_err(|_| Error::NoProcess { pid })?;
        if status.tgid != pid {
            // A thread id: /proc knows it too, though it does not list it.
            return Err(Error::NoProcess { pid });
        }
        if matches!(status.state, 'Z' | 'X' | 'x') {
            return Err(Error::Zombie { parent: status.parent });
        }
        let link = fs::read_link(format!("/proc/{pid}/exe"));
        let file = File::open(format!("/proc/{pid}/exe"));
        let executable = match &link {
            Ok(path) => path.to_string_lossy().into_owned(),
            Err(_) => status.name.clone(),
        };
        let file = file.map_err(|error| match error.kind() {
            // Older kernels do not say, but thread 2 makes all threads of the kernel.
            ErrorKind::NotFound if status.kernel || pid == 2 || status.parent == 2 => Error::KernelThread,
            ErrorKind::PermissionDenied => permission(pid, "look at the process"),
            _ if gone(&error) => Error::Vanished,
            _ => Error::BadExecutable { executable: executable.clone(), reason: error.to_string() },
        })?;
        let image = Image::load(file).map_err(|reason| match reason.not_elf64 {
            true => Error::NotUpdatable { executable: executable.clone(), hint: format!(": {}", reason.reason) },
            false => Error::BadExecutable { executable: executable.clone(), reason: reason.reason },
        })?;
        let Some(control) = image.control else {
            return Err(Error::NotUpdatable { hint: interpreter_hint(&executable), executable });
        };
        let entry = entry_point(pid)?;
        let bias = entry.wrapping_sub(image.entry);
        let control = control.wrapping_add(bias);
        if control > HIGHEST {
            return Err(Error::BadExecutable { executable, reason: "its control block is at no address".into() });
        }
        Ok(Self {
            pid,
            inner_pid: status.inner_id,
            name: status.name,
            executable,
            control,
            image,
            bias,
            memory: Memory::new(pid),
        })
    }

    /// Its status now.
    pub fn status(&self) -> Result<ProcStatus> {
        let status = ProcStatus::of(self.pid).map_err(|_| Error::Vanished)?;
        match status.state {
            'Z' | 'X' | 'x' => Err(Error::Vanished),
            _ => Ok(status),
        }
    }

    /// Whether one of its threads has seccomp filters.
    pub fn has_filters(&self) -> bool {
        has_filters(self.pid)
    }

    /// Turns a failed transfer into an error that explains itself.
    pub fn explain(&self, error: MemoryError) -> Error {
        match error {
            MemoryError::Permission => permission(self.pid, "access its memory"),
            other => other.into(),
        }
    }

    /// Makes this the only pusher at work on the process, as long as the result lives.
    ///
    /// The lock is on `/proc/PID/auxv`, which exists exactly as long as the process does, which
    /// only those may open who may trace it, and which leaves nothing behind.
    pub fn lock(&self) -> Result<Option<Lock>> {
        let file = File::open(format!("/proc/{}/auxv", self.pid)).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => permission(self.pid, "access its memory"),
            _ => Error::Vanished,
        })?;
        // SAFETY: the descriptor is open; `flock` touches no memory.
        let result = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
        if result == 0 {
            return Ok(Some(Lock(file)));
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            ErrorKind::WouldBlock => Ok(None),
            // A file system that cannot lock: the control block itself still tells pushers apart.
            _ => Ok(Some(Lock(file))),
        }
    }
}

/// See [`Process::lock`].
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] File);

/// Whether an error of a `/proc` file means that the process is gone.
fn gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// Where the program of the process begins, from its auxiliary vector.
fn entry_point(pid: i32) -> Result<u64> {
    const AT_ENTRY: u64 = 9;
    let bytes = fs::read(format!("/proc/{pid}/auxv")).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => permission(pid, "access its memory"),
        _ => Error::Vanished,
    })?;
    let mut words = words(&bytes);
    while let (Some(tag), Some(value)) = (words.next(), words.next()) {
        if tag == AT_ENTRY {
            return Ok(value);
        }
    }
    // Empty: the process is ending.
    Err(Error::Vanished)
}

/// Says so where the executable is a dynamic loader or an interpreter.
fn interpreter_hint(executable: &str) -> String {
    let file = executable.rsplit('/').next().unwrap_or(executable);
    if file.starts_with("ld-linux") || file.starts_with("ld-musl") || file.starts_with("ld.so") {
        ": this is the dynamic loader; start the program itself, not `ld.so PROGRAM`".into()
    } else if ["python", "perl", "bash", "sh", "dash", "ruby", "node", "java"].iter().any(|name| file.starts_with(name))
    {
        ": this is an interpreter, perhaps around the program you mean; see its children with `pgrep -P PID`".into()
    } else {
        String::new()
    }
}

/// The error for what the kernel did not permit, with the likely reasons in this very case.
pub fn permission(pid: i32, action: &'static str) -> Error {
    // SAFETY: takes no arguments and cannot fail.
    let our_uid = unsafe { libc::geteuid() };
    let ours = ProcStatus::of(std::process::id() as i32).unwrap_or_default();
    const CAP_SYS_PTRACE: u64 = 1 << 19;
    let capable = ours.capabilities & CAP_SYS_PTRACE != 0;
    let mut reasons = Vec::new();
    match ProcStatus::of(pid) {
        Err(_) => return Error::NoProcess { pid },
        Ok(theirs) => {
            if !capable && theirs.uids.iter().any(|&uid| uid != our_uid) {
                reasons.push(if theirs.uids.iter().all(|&uid| uid == theirs.uids[0]) {
                    format!(
                        "it belongs to user {}, you are user {our_uid}; run dsu-push as that user or as root",
                        theirs.uids[0]
                    )
                } else {
                    "it runs with the rights of several users (setuid); run dsu-push as root".to_owned()
                });
            } else if !capable && theirs.capabilities & !ours.capabilities != 0 {
                reasons.push("it has capabilities that you lack; run dsu-push as root".into());
            }
            if !capable && reasons.is_empty() {
                reasons.push(
                    "the process may have changed its user or be setuid, and so be protected (not dumpable); \
                     run dsu-push as root or with CAP_SYS_PTRACE"
                        .into(),
                );
            }
            if capable {
                reasons.push(if theirs.nested || ours.nested {
                    "it is in another container; push from inside that container, or from the host as root".into()
                } else {
                    "you have CAP_SYS_PTRACE, so a user namespace, a security module (SELinux, AppArmor) or the \
                     container's seccomp profile forbids it; push from the host, or start the container with \
                     `--cap-add SYS_PTRACE`"
                        .into()
                });
            }
        }
    }
    match fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").map(|text| text.trim().to_owned()).as_deref() {
        Ok("1") if !capable => reasons.push(
            "kernel.yama.ptrace_scope is 1 (only ancestors may); run dsu-push as root, or `sysctl kernel.yama.ptrace_scope=0`"
                .into(),
        ),
        Ok("2") if !capable => {
            reasons.push("kernel.yama.ptrace_scope is 2 (only with CAP_SYS_PTRACE); run dsu-push as root".into());
        }
        Ok("3") => reasons.push(
            "kernel.yama.ptrace_scope is 3 (nobody may, until the next boot); boot with a lower value".into(),
        ),
        _ => {}
    }
    Error::Permission { action, reason: reasons.join("; also, ") }
}

/// Whether a thread of process `pid` has seccomp filters: each thread has its own.
pub fn has_filters(pid: i32) -> bool {
    let filtered = |tid| ProcStatus::of_thread(pid, tid).is_ok_and(|status| status.seccomp);
    numbers(&format!("/proc/{pid}/task")).into_iter().any(filtered)
}

/// The error where seccomp filters cannot be suspended.
pub fn filters(error: &io::Error) -> Error {
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    let ours = ProcStatus::of(std::process::id() as i32).unwrap_or_default();
    let reason = if error.raw_os_error() == Some(libc::EINVAL) {
        "this kernel cannot suspend them (it was built without CONFIG_CHECKPOINT_RESTORE); \
         to update it while it runs, start the program without its sandbox"
    } else if ours.seccomp {
        "dsu-push may not suspend them, as it runs under a filter itself (that of a container?); \
         run it as root of the host, outside of the container"
    } else if ours.capabilities & CAP_SYS_ADMIN == 0 {
        "only root may suspend them meanwhile; run dsu-push as root (or with CAP_SYS_ADMIN and CAP_SYS_PTRACE)"
    } else {
        "only root of the host may suspend them meanwhile; run dsu-push outside of the container"
    };
    Error::Filters { reason }
}

/// Whether a process with this id lives (zombies do not).
pub fn alive(pid: i32) -> bool {
    ProcStatus::of(pid).is_ok_and(|status| !matches!(status.state, 'Z' | 'X' | 'x'))
}

/// The name of a process, `?` if it is gone.
pub fn name_of(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).map_or_else(|_| "?".into(), |name| name.trim_end().to_owned())
}

/// All process ids, ascending.
pub fn all() -> Vec<i32> {
    let mut pids = numbers("/proc");
    pids.sort_unstable();
    pids
}

/// The numeric entries of a folder.
pub fn numbers(folder: &str) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_of_a_nested_thread() {
        let status = ProcStatus::parse(
            "Name:\ta b\nState:\tS (sleeping)\nTgid:\t41\nPid:\t42\nPPid:\t7\nTracerPid:\t9\nUid:\t1\t2\t3\t4\nNSpid:\t42\t5\t1\nSeccomp:\t2\nCapEff:\t0000000000000003\n",
        );
        assert_eq!((status.name.as_str(), status.state, status.tgid, status.parent), ("a b", 'S', 41, 7));
        assert_eq!((status.tracer, status.inner_id, status.nested, status.seccomp), (9, 1, true, true));
        assert_eq!((status.uids, status.capabilities), ([1, 2, 3], 3));
    }

    #[test]
    fn ourselves() {
        let status = ProcStatus::of(std::process::id() as i32).expect("our own status");
        assert_eq!(status.tgid, std::process::id() as i32);
        assert!(!status.kernel);
        assert!(matches!(Process::open(std::process::id() as i32), Err(Error::NotUpdatable { .. })));
    }
}
