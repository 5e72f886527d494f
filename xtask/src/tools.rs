//! The project's own tools, run as a user would.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{cmd, paths, recipe::show, ui};

/// Builds the tools, unless that is up to date.
pub fn build() -> Result<()> {
    let step = ui::step("cargo build --release");
    let mut cargo = cmd::command(env!("CARGO"), ["build", "--release", "--quiet"]);
    cargo.current_dir(paths::root());
    cmd::output(&mut cargo, cmd::LONG)?;
    step.done("");
    Ok(())
}

/// What `dsu-diff` made of two builds.
pub enum Diff {
    /// The programs do not differ.
    Unchanged,
    /// A patch was written.
    Patch(Changes),
    /// No patch is possible, for these reasons.
    Refused(Vec<String>),
}

impl Diff {
    /// What the patch changes; it is an error if there is none.
    pub fn patch(self) -> Result<Changes> {
        match self {
            Self::Patch(changes) => Ok(changes),
            Self::Unchanged => bail!("the programs do not differ"),
            Self::Refused(reasons) => bail!("refused: {}", reasons.join("; ")),
        }
    }
}

/// What a patch changes.
pub struct Changes {
    /// Names of the replaced units.
    pub units: Vec<String>,
    /// Names of the types whose layout changes.
    pub types: Vec<String>,
    /// Names of variables that are new or get a new value.
    pub globals: Vec<String>,
    /// Lines that a person wrote for it.
    pub lines: usize,
}

/// Makes a patch that leads from one build to another.
pub fn diff(old: &Path, new: &Path, patch: &Path) -> Result<Diff> {
    diff_after(old, &[], new, patch, None)
}

/// Makes a patch that leads from a build and the patches its process has taken to another build, with what a person
/// wrote for it.
pub fn diff_after(old: &Path, after: &[PathBuf], new: &Path, patch: &Path, transform: Option<&Path>) -> Result<Diff> {
    let mut command = cmd::command(paths::tool("dsu-diff"), ["--json"]);
    for earlier in after {
        command.arg("--after").arg(earlier);
    }
    if let Some(transform) = transform {
        command.arg("--transform").arg(transform);
    }
    command.arg(old).arg(new).arg("-o").arg(patch);
    let said = cmd::ask(&mut command, cmd::LONG)?;
    let report: Value = serde_json::from_str(&said.out).unwrap_or_default();
    match (said.code, report["outcome"].as_str()) {
        (0, Some("unchanged")) => Ok(Diff::Unchanged),
        (0, Some("patch")) => {
            let globals = ["variables_added", "variables_overwritten", "tables_grown"];
            Ok(Diff::Patch(Changes {
                units: names(&report["units"]),
                types: names(&report["types"]),
                lines: report["hand_written_lines"].as_u64().unwrap_or(0) as usize,
                globals: globals.iter().flat_map(|field| names(&report[field])).collect(),
            }))
        }
        (REFUSED, Some(_)) => Ok(Diff::Refused(names(&report["refused"]))),
        _ => bail!("{} exited with {}:\n{}", cmd::describe(&command), said.code, said.text()),
    }
}

/// The exit code of `dsu-diff` for what it cannot do safely.
const REFUSED: i32 = 3;

/// What became of a push to one or more processes: one report each.
pub struct Pushed {
    reports: Vec<Value>,
}

impl Pushed {
    /// Processes that took part.
    pub fn processes(&self) -> usize {
        self.reports.iter().filter(|report| report["outcome"] != "skipped").count()
    }

    /// The longest pause, in nanoseconds.
    pub fn pause_ns(&self) -> u64 {
        self.reports.iter().filter_map(|report| report["pause_ns"].as_u64()).max().unwrap_or(0)
    }

    /// What was said of each process.
    pub fn message(&self) -> String {
        let messages = self.reports.iter().filter_map(|report| report["message"].as_str());
        messages.collect::<Vec<_>>().join("; ")
    }
}

/// Sends a patch to a process and its descendants.
pub fn push(pid: i32, patch: &Path, options: &[&str]) -> Result<Pushed> {
    let patch = show(patch);
    let arguments: Vec<&str> = options.iter().copied().chain([patch.as_str()]).collect();
    request(pid, &arguments)
}

/// Undoes the newest patch.
pub fn undo(pid: i32, options: &[&str]) -> Result<Pushed> {
    let arguments: Vec<&str> = options.iter().copied().chain(["--undo"]).collect();
    request(pid, &arguments)
}

fn request(pid: i32, arguments: &[&str]) -> Result<Pushed> {
    let mut command = cmd::command(paths::tool("dsu-push"), ["--json"]);
    let (flags, rest): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|word| word.starts_with("--"));
    command.args(flags).arg(pid.to_string()).args(rest);
    let said = cmd::ask(&mut command, cmd::LONG)?;
    if said.code != 0 {
        bail!("{} exited with {}:\n{}", cmd::describe(&command), said.code, said.text());
    }
    Ok(Pushed { reports: json_lines(&said.out)? })
}

/// The state a process is in, and the number of patches in force.
pub fn status(pid: i32) -> Result<(String, usize)> {
    let mut command = cmd::command(paths::tool("dsu-push"), ["--json", "--status"]);
    command.arg(pid.to_string());
    let text = cmd::output(&mut command, Duration::from_secs(30))?;
    let status = json_lines(&text)?.into_iter().next().unwrap_or_default();
    let state = status["state"].as_str().with_context(|| format!("no state in:\n{text}"))?.to_string();
    Ok((state, status["patches"].as_array().map_or(0, Vec::len)))
}

fn json_lines(text: &str) -> Result<Vec<Value>> {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))).collect()
}

fn names(list: &Value) -> Vec<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |item: &Value| item.as_str().or_else(|| item["name"].as_str()).map(String::from);
    items.iter().filter_map(name).collect()
}
