//! The command line of `dsu-diff`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

use crate::diff::build::{self, Options};
use crate::diff::report::DiffReport;
use crate::diff::{Diff, DiffError};
use crate::lineage::{self, State};

/// Compare two builds of a program made with dsu-cc and write a patch that turns a running process of
/// the old one into the new one.
///
/// Exit codes: 0 done (also if nothing changed: then no patch is written), 1 error, 2 usage, 3 refused.
#[derive(Parser, Debug)]
#[command(name = "dsu-diff", version)]
struct Arguments {
    /// The old executable: what the process runs, with the patches it has taken since.
    old: PathBuf,
    /// The new executable.
    new: PathBuf,
    /// A patch that the process has taken since it runs OLD; several: oldest first. Needed once one of them has changed
    /// the layout of a type.
    #[arg(long, value_name = "PATCH")]
    after: Vec<PathBuf>,
    /// The patch to write.
    #[arg(short, long)]
    output: PathBuf,
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
            print(&arguments, &report);
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

fn run(arguments: &Arguments) -> anyhow::Result<DiffReport> {
    let old = state(&arguments.old, &arguments.after)?;
    let new = read(&arguments.new)?.description;
    let diff = Diff::new(old, new)?;
    let mut report = diff.report.clone();
    if diff.is_empty() {
        return Ok(report);
    }
    report.patch = diff.id().to_string();
    let stem = arguments.output.file_stem().map(|s| s.to_string_lossy().into_owned());
    let options = Options {
        output: arguments.output.clone(),
        name: arguments.name.clone().or(stem).unwrap_or_else(|| "patch".into()),
        strip_debug: arguments.strip_debug,
        report: serde_json::to_vec(&report)?,
        save: arguments.save.clone(),
    };
    build::build(&diff, &options)?;
    Ok(report)
}

fn read(path: &Path) -> anyhow::Result<State> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    State::of_executable(&bytes).with_context(|| path.display().to_string())
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
