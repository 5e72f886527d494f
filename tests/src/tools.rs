//! The tools under test, and running them for a bounded time.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a step may take. Generous, as it is only used up by failures.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where things are.
#[derive(Debug)]
pub struct Tools {
    /// `dsu-cc`.
    pub cc: PathBuf,
    /// `dsu-diff`.
    pub diff: PathBuf,
    /// `dsu-push`.
    pub push: PathBuf,
    /// The directory of `dsu.h`.
    pub include: PathBuf,
    /// This crate's directory.
    pub home: PathBuf,
    /// Cache of compiled units, kept from run to run.
    cache: PathBuf,
}

/// Finds the tools: those of the release build of this workspace, or those in the directory `DSU_TOOLS`.
///
/// # Errors
/// When they are not there.
pub fn tools() -> Result<&'static Tools> {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    let found = TOOLS.get_or_init(|| {
        let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let workspace = home.parent().unwrap_or(Path::new(".")).to_path_buf();
        let target = workspace.join("target");
        let bin = std::env::var_os("DSU_TOOLS").map_or_else(|| target.join("release"), PathBuf::from);
        Tools {
            cc: bin.join("dsu-cc"),
            diff: bin.join("dsu-diff"),
            push: bin.join("dsu-push"),
            include: workspace.join("dsu-runtime/include"),
            home,
            cache: target.join("tmp/dsu-tests-cache"),
        }
    });
    for tool in [&found.cc, &found.diff, &found.push] {
        if !tool.is_file() {
            bail!("{} is missing: run `cargo build --release` first", tool.display());
        }
    }
    Ok(found)
}

impl Tools {
    /// A command in `directory`, with a private directory for temporary files.
    pub fn command(&self, program: impl AsRef<OsStr>, directory: &Path, temporary: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(directory).env("TMPDIR", temporary).env("DSU_CACHE", &self.cache).env("LC_ALL", "C");
        // What only a patch refers to looks lost to a checker that does not know the patch.
        command.env("ASAN_OPTIONS", "detect_leaks=0");
        for name in ["DSU_CC", "DSU_CONFIG", "DSU_REPORT", "DSU_SAVE"] {
            command.env_remove(name);
        }
        command
    }
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Both outputs.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The exit code; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// A command that is running.
#[derive(Debug)]
pub struct Running {
    child: std::process::Child,
    name: String,
    started: Instant,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

/// Starts a command without input.
///
/// # Errors
/// When it cannot be started.
pub fn spawn(mut command: Command) -> Result<Running> {
    let name = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {name}"))?;
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    Ok(Running { child, name, started: Instant::now(), stdout, stderr })
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

impl Running {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Waits for its end, for at most `limit` since its start.
    ///
    /// # Errors
    /// When it takes too long; it is killed then.
    pub fn finish(mut self, limit: Duration) -> Result<Finished> {
        let mut nap = Duration::from_micros(200);
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if self.started.elapsed() > limit {
                self.kill();
                let _ = self.child.wait();
                bail!("{} took more than {limit:?}", self.name);
            }
            std::thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(10));
        };
        let text = |reader: Option<JoinHandle<Vec<u8>>>| {
            let bytes = reader.and_then(|r| r.join().ok()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ok(Finished { status, stdout: text(self.stdout.take()), stderr: text(self.stderr.take()) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started or takes too long.
pub fn run(command: Command) -> Result<Finished> {
    spawn(command)?.finish(PATIENCE * 2)
}

/// Runs a command that must succeed.
///
/// # Errors
/// Also when it fails; the error has its output.
pub fn run_well(command: Command) -> Result<Finished> {
    let name = format!("{command:?}");
    let finished = run(command)?;
    if !finished.status.success() {
        bail!("{name}: {}\n{}", finished.status, finished.all());
    }
    Ok(finished)
}
