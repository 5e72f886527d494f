//! The states of a program that a series of patches describes, as trees on disk.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::cmd;

/// One state of the source.
#[derive(Clone)]
pub struct State {
    /// The patch that leads to it; `upstream` for the first.
    pub name: String,
    /// Its tree.
    pub tree: PathBuf,
}

/// Applies the series of an unpacked source package in order and keeps a copy of the tree before it, and after each
/// patch that touches a file with one of the endings. Patches that touch others only are applied, too.
pub fn states(source: &Path, endings: &[String], folder: &Path) -> Result<Vec<State>> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let current = folder.join("current");
    copy(source, &current)?;
    let patches = source.join("debian").join("patches");
    let mut states = vec![State { name: "upstream".into(), tree: folder.join("00-upstream") }];
    copy(&current, &states[0].tree)?;
    for (name, strip) in read_series(&patches.join("series"))? {
        let file = patches.join(&name);
        let mut patch = cmd::command("patch", ["-s", "-f", "--no-backup-if-mismatch", strip.as_str(), "-i"]);
        patch.arg(&file).current_dir(&current);
        cmd::output(&mut patch, cmd::SHORT).with_context(|| format!("patch {name}"))?;
        if touched(&fs::read(&file)?).iter().any(|path| endings.iter().any(|ending| path.ends_with(ending.as_str()))) {
            let short = name.rsplit('/').next().unwrap_or(&name).trim_end_matches(".patch").to_string();
            let tree = folder.join(format!("{:02}-{short}", states.len()));
            copy(&current, &tree)?;
            states.push(State { name: short, tree });
        }
    }
    fs::remove_dir_all(&current)?;
    Ok(states)
}

/// The names and `-p` options of a quilt series.
fn read_series(path: &Path) -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().map(|line| line.split_once(" #").map_or(line, |(line, _)| line).trim());
    let entries = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(entries
        .map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default().to_string();
            (name, words.find(|word| word.starts_with("-p")).unwrap_or("-p1").to_string())
        })
        .collect())
}

/// The files a patch touches.
fn touched(patch: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(patch);
    let names = text.lines().filter_map(|line| line.strip_prefix("+++ ").or_else(|| line.strip_prefix("--- ")));
    names.filter_map(|rest| rest.split_whitespace().next()).map(String::from).collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    cmd::output(cmd::command("cp", ["-a"]).arg(from).arg(to), cmd::SHORT)?;
    Ok(())
}
