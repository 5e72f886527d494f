//! Compiling unit texts, in parallel and through the cache.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::cache::Cache;
use super::error::DriverError;
use super::scheduler;
use super::toolchain::Toolchain;
use crate::unit::UnitImage;

/// One text to compile.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Where the text comes from: it is compiled in that directory.
    pub image: &'a UnitImage,
    /// The text, with line markers.
    pub text: &'a str,
    /// The flags.
    pub flags: &'a [String],
}

/// What came of a job.
#[derive(Debug)]
pub enum Outcome {
    /// The object's bytes.
    Object(Vec<u8>),
    /// The compiler refused; its messages.
    Failed(String),
}

/// Compiles texts on all cores; outcomes are in the jobs' order.
///
/// # Errors
/// When the compiler cannot be run.
pub fn compile(tools: &Toolchain, cache: &Cache, jobs: &[Job<'_>]) -> Result<Vec<Outcome>, DriverError> {
    // Known before the threads start, so that it is found only once.
    let identity = tools.identity();
    // The longest first: one that starts last would keep all other cores waiting.
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(jobs[*index].text.len()));
    let outcomes = scheduler::parallel(scheduler::jobs(), &order, |_, index| {
        let job = &jobs[*index];
        let flags = job.flags.join("\0");
        // Only debug information names the directory.
        let debug = job.flags.iter().any(|f| f.starts_with("-g") && f != "-g0");
        let directory = if debug { job.image.directory.as_str() } else { "" };
        let key = Cache::key(&["1", identity, directory, &flags, job.text]);
        let cacheable = !job.flags.iter().any(|f| reads_other_files(f));
        if let Some(bytes) = cacheable.then(|| cache.get(&key)).flatten() {
            return Ok(Outcome::Object(bytes));
        }
        let outcome = compile_one(tools, job)?;
        if let (true, Outcome::Object(bytes)) = (cacheable, &outcome) {
            cache.put(&key, bytes);
        }
        Ok(outcome)
    });
    let mut placed: Vec<_> = order.into_iter().zip(outcomes).collect();
    placed.sort_by_key(|(index, _)| *index);
    placed.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Flags whose effect depends on files that the cache key does not cover.
fn reads_other_files(flag: &str) -> bool {
    ["-fplugin", "-specs", "--specs", "-wrapper", "-B", "@", "-Xclang", "-include", "-frandomize-layout"]
        .iter()
        .any(|prefix| flag.starts_with(prefix))
}

fn compile_one(tools: &Toolchain, job: &Job<'_>) -> Result<Outcome, DriverError> {
    let object = tempfile::Builder::new().prefix("dsu-").suffix(".o").tempfile().map_err(|e| tools.cannot_run(e))?;
    let mut command = tools.command();
    command.args(job.flags).args(["-w", "-x", "cpp-output", "-c", "-", "-o"]).arg(object.path());
    Toolchain::without_dependencies(&mut command);
    in_directory(&mut command, &job.image.directory);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| tools.cannot_run(e))?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                // A compiler that gives up early closes the pipe; its message says why.
                let _ = stdin.write_all(job.text.as_bytes());
            }
        });
        child.wait_with_output()
    })
    .map_err(|e| tools.cannot_run(e))?;
    if !output.status.success() {
        return Ok(Outcome::Failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let bytes = std::fs::read(object.path()).map_err(|e| tools.cannot_run(e))?;
    Ok(Outcome::Object(bytes))
}

/// Debug information names the directory a unit was compiled in.
fn in_directory(command: &mut Command, directory: &str) {
    if Path::new(directory).is_dir() {
        command.current_dir(directory).env("PWD", directory);
    }
}

/// The line of a compiler's messages that says most.
#[must_use]
pub fn first_error(messages: &str) -> &str {
    let is_error = |line: &&str| line.contains("error:") || line.contains("Error:");
    messages.lines().find(is_error).or_else(|| messages.lines().next()).unwrap_or("no message").trim()
}
