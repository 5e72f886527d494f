//! The series of patches in a Debian source package.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::{
    cmd,
    recipe::{Edit, Replacement},
    tools::{self, Diff},
};

/// One patch of a series.
pub struct Patch {
    /// Its name, without `.patch`.
    pub name: String,
    change: Change,
}

/// What a patch is.
enum Change {
    /// A file for `patch`, with its `-p` option and the files it touches.
    File { file: PathBuf, strip: String, touched: Vec<String> },
    /// One made by the recipe.
    Edit(Edit),
}

/// The series of an unpacked source package, in order, and what the recipe adds to it.
pub fn read(source: &Path, edits: &[Edit]) -> Result<Vec<Patch>> {
    let folder = source.join("debian").join("patches");
    let files = read_series(&folder.join("series"))?.into_iter().map(|(name, strip)| {
        let file = folder.join(&name);
        let touched = touched(&fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
        let name = name.rsplit('/').next().unwrap_or(&name).trim_end_matches(".patch").to_string();
        Ok(Patch { name, change: Change::File { file, strip, touched } })
    });
    let edits = edits.iter().map(|edit| Ok(Patch { name: edit.name.clone(), change: Change::Edit(edit.clone()) }));
    files.chain(edits).collect()
}

impl Patch {
    /// Whether it touches a file with one of these endings.
    pub fn touches(&self, endings: &[String]) -> bool {
        let fits = |path: &String| endings.iter().any(|ending| path.ends_with(ending.as_str()));
        match &self.change {
            Change::File { touched, .. } => touched.iter().any(fits),
            Change::Edit(edit) => edit.changes.iter().any(|change| fits(&change.file)),
        }
    }

    /// Applies it to a tree. Files that it leaves alone keep their times.
    pub fn apply(&self, tree: &Path) -> Result<()> {
        match &self.change {
            Change::File { file, strip, .. } => {
                let mut patch = cmd::command("patch", ["-s", "-f", "--no-backup-if-mismatch", strip.as_str(), "-i"]);
                cmd::output(patch.arg(file).current_dir(tree), cmd::SHORT)
                    .with_context(|| format!("patch {}", self.name))?;
            }
            Change::Edit(edit) => {
                for Replacement { file, from, to } in &edit.changes {
                    let path = tree.join(file);
                    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                    let places = text.matches(from).count();
                    ensure!(places == 1, "{}: {from:?} is there {places} times in {file}", edit.name);
                    fs::write(path, text.replace(from, to))?;
                }
            }
        }
        Ok(())
    }
}

/// How a program came to the code it runs: a build, and the patches applied to it since.
#[derive(Clone)]
pub struct Lineage {
    /// The build that was started.
    pub base: PathBuf,
    /// The patches, oldest first.
    pub patches: Vec<PathBuf>,
}

impl Lineage {
    /// Of a program just started.
    pub fn new(base: PathBuf) -> Self {
        Self { base, patches: Vec::new() }
    }

    /// Makes the patch that leads on to a build, with what a person wrote for it.
    pub fn diff(&self, new: &Path, patch: &Path, transform: Option<&Path>) -> Result<Diff> {
        tools::diff_after(&self.base, &self.patches, new, patch, transform)
    }
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
