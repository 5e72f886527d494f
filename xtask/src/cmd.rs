//! Running commands with their output in a log file and a limit on their time.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// Limit for builds and other long commands.
pub const LONG: Duration = Duration::from_secs(30 * 60);

/// Limit for commands that take seconds.
pub const SHORT: Duration = Duration::from_secs(120);

/// A command with arguments, standard input closed.
pub fn command<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs a command with its output in `log`; on failure the end of the log is part of the error.
pub fn run_logged(command: &mut Command, log: &Path, limit: Duration) -> Result<()> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    let out = fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdout(out.try_clone()?).stderr(out);
    let child = command.spawn().with_context(|| format!("cannot run {}", describe(command)))?;
    let outcome = wait(child, limit).and_then(|status| check(command, status));
    outcome.with_context(|| format!("the last lines of {}:\n{}", log.display(), tail(log, 40)))
}

/// What a finished command said.
pub struct Said {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Both outputs, for messages.
    pub fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// Runs a command and keeps its output; any exit code is fine.
pub fn ask(command: &mut Command, limit: Duration) -> Result<Said> {
    // Files instead of pipes: a descendant that keeps a pipe open cannot make us wait.
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdout(out.try_clone()?).stderr(err.try_clone()?);
    let child = command.spawn().with_context(|| format!("cannot run {}", describe(command)))?;
    let status = wait(child, limit).with_context(|| describe(command))?;
    Ok(Said { code: status.code().unwrap_or(-1), out: read_back(&mut out)?, err: read_back(&mut err)? })
}

/// Runs a command that must succeed and returns its standard output.
pub fn output(command: &mut Command, limit: Duration) -> Result<String> {
    let said = ask(command, limit)?;
    if said.code != 0 {
        bail!("{} failed ({}):\n{}", describe(command), said.code, said.text());
    }
    Ok(said.out)
}

/// Whether a program of this name is in the search path.
pub fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The command line, for messages.
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The last lines of a file.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{} failed ({status})", describe(command));
    }
    Ok(())
}

fn wait(mut child: Child, limit: Duration) -> Result<ExitStatus> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("took longer than {} s and was stopped", limit.as_secs());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn read_back(file: &mut fs::File) -> Result<String> {
    use std::io::{Read, Seek};
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
