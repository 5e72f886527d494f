//! The command line of `dsu-diff`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser};

use crate::description::Description;
use crate::diff::build::{self, Options};
use crate::diff::directives::Directives;
use crate::diff::pairing::Pairing;
use crate::diff::report::DiffReport;
use crate::diff::types::Types;
use crate::diff::{Diff, DiffError, transform};
use crate::lineage::{self, State};

/// Compare two builds of a program made with dsu-cc and write a patch that turns a running process of
/// the old one into the new one.
///
/// Exit codes: 0 done (also if nothing changed: then no patch is written), 1 error, 2 usage, 3 refused.
#[derive(Parser, Debug)]
#[command(name = "dsu-diff", version)]
struct Arguments {
    /// The old executable, which the process runs (left out with --pid), and the new one.
    #[arg(required = true, num_args = 1..=2, value_name = "PROGRAM")]
    programs: Vec<PathBuf>,
    /// A patch that the process has taken since it runs OLD; several: oldest first. Needed once one of them has changed
    /// the layout of a type.
    #[arg(long, value_name = "PATCH")]
    after: Vec<PathBuf>,
    /// The process to make the patch for: what it runs and has taken is read from it.
    #[arg(long, value_name = "PID", conflicts_with = "after")]
    pid: Option<u32>,
    /// The patch to write.
    #[arg(short, long, required_unless_present = "template")]
    output: Option<PathBuf>,
    /// Transformers, and decisions on data (`#pragma dsu ...`).
    #[arg(long, value_name = "FILE.c")]
    transform: Option<PathBuf>,
    /// Write no patch, but the start of a file for --transform: signatures and layouts of all transformers; `-` prints it.
    #[arg(long, value_name = "FILE.c")]
    template: Option<PathBuf>,
    /// The patch's name; by default that of the file.
    #[arg(long)]
    name: Option<String>,
    /// Report as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Leave debug information out of the patch.
    #[arg(long)]
    strip_debug: bool,
    /// Keep intermediate files in this directory.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
}

/// Runs the command.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(report) => {
            report.iter().for_each(|report| print(&arguments, report));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let refused = error.downcast_ref::<DiffError>().and_then(|e| match e {
                DiffError::Refused(reasons) => Some(reasons.clone()),
                _ => None,
            });
            match refused {
                Some(reasons) => {
                    if arguments.json {
                        let report =
                            DiffReport { outcome: "refused".into(), refused: reasons, ..DiffReport::default() };
                        print(&arguments, &report);
                    } else {
                        anstream::eprintln!("dsu-diff: {error}");
                    }
                    ExitCode::from(3)
                }
                None => {
                    anstream::eprintln!("dsu-diff: {error:#}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}

fn print(arguments: &Arguments, report: &DiffReport) {
    let text =
        if arguments.json { serde_json::to_string_pretty(report).unwrap_or_default() + "\n" } else { report.text() };
    // A closed pipe is no reason to fail: the patch is written.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn run(arguments: &Arguments) -> anyhow::Result<Option<DiffReport>> {
    let (old, new) = match (arguments.pid, arguments.programs.as_slice()) {
        (Some(pid), [new]) => (of_process(pid)?, new),
        (None, [old, new]) => (state(old, &arguments.after)?, new),
        _ => {
            let what = "name the old program and the new one, or --pid and only the new one";
            Arguments::command().error(clap::error::ErrorKind::WrongNumberOfValues, what).exit();
        }
    };
    let new = read(new)?.description;
    let directives = match &arguments.transform {
        Some(file) => Directives::read(file)?,
        None => Directives::default(),
    };
    if let Some(file) = &arguments.template {
        template(&old.description, &new, &directives, file)?;
        return Ok(None);
    }
    let stem = arguments.output.as_ref().and_then(|o| o.file_stem()).map(|s| s.to_string_lossy().into_owned());
    let name = arguments.name.clone().or(stem).unwrap_or_else(|| "patch".into());
    let diff = Diff::new(old, new, &directives, &name)?;
    let mut report = diff.report.clone();
    let Some(output) = arguments.output.clone().filter(|_| !diff.is_empty()) else { return Ok(Some(report)) };
    report.patch = diff.id().to_string();
    let options = Options {
        output,
        name,
        strip_debug: arguments.strip_debug,
        report: serde_json::to_vec(&report)?,
        save: arguments.save.clone(),
    };
    build::build(&diff, &options)?;
    Ok(Some(report))
}

/// Writes what a person can start from.
fn template(old: &Description, new: &Description, directives: &Directives, to: &Path) -> anyhow::Result<()> {
    let pairing = Pairing::new(&old.model, &new.model);
    let types = Types::new(old, &new.model, &pairing, directives);
    let text = transform::template(&new.model, &types);
    if to.as_os_str() == "-" {
        std::io::stdout().write_all(text.as_bytes()).or_else(closed)?;
    } else {
        // Somebody's work may be in it.
        let file = std::fs::File::create_new(to);
        file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| to.display().to_string())?;
    }
    // What cannot change has no transformer; what can has one, and its text is of use.
    if types.refusals.is_empty() { Ok(()) } else { Err(DiffError::Refused(types.refusals).into()) }
}

/// Nobody reads on: that is no failure.
fn closed(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

fn read(path: &Path) -> anyhow::Result<State> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    State::of_executable(&bytes).with_context(|| path.display().to_string())
}

/// The state of a process, by what `dsu-push`, which stands beside this program, reads from it.
fn of_process(pid: u32) -> anyhow::Result<State> {
    let pusher = std::env::current_exe()?.with_file_name("dsu-push");
    let directory = tempfile::Builder::new().prefix("dsu-diff").tempdir()?;
    let file = directory.path().join("lineage");
    let output = std::process::Command::new(&pusher)
        .args([pid.to_string().as_str(), "--lineage"])
        .arg(&file)
        .output()
        .with_context(|| format!("cannot run {}", pusher.display()))?;
    if !output.status.success() {
        anyhow::bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut state = read(Path::new(&format!("/proc/{pid}/exe")))?;
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    for step in dsu_abi::lineage::steps(&bytes).context("dsu-push wrote no lineage")? {
        let step = step.context("what dsu-push wrote is damaged")?;
        state = state.after(step.bytes).with_context(|| format!("a patch of process {pid}"))?;
        if state.description.state != step.to {
            anyhow::bail!("process {pid} is in state {}, its patches lead to {}", step.to, state.description.state);
        }
    }
    Ok(state)
}

/// The state of a process that runs `executable` and has taken `patches`.
fn state(executable: &Path, patches: &[PathBuf]) -> anyhow::Result<State> {
    let mut state = read(executable)?;
    for path in patches {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let step = lineage::step_of_patch(&bytes).with_context(|| path.display().to_string())?;
        state = state.after(&step).with_context(|| path.display().to_string())?;
    }
    Ok(state)
}
