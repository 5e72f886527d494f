//! How programs were linked, so that `--suggest-update-points PROGRAM` can look at one again.
//!
//! A program without update points is exactly what the real compiler makes of it: nothing in its file leads back to its
//! units. So the command line of its link is kept beside the cache, under its path.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::args::CommandLine;
use super::cache::{Cache, root};
use super::error::DriverError;

/// More than anybody works on; the oldest go first.
const LIMIT: usize = 500;

#[derive(Serialize, Deserialize)]
struct Record {
    directory: PathBuf,
    words: Vec<String>,
}

/// Keeps a link's command line; failure is silent.
pub fn remember(line: &CommandLine, output: &Path) {
    let _ = try_remember(line, output);
}

fn try_remember(line: &CommandLine, output: &Path) -> Option<()> {
    let file = file(output)?;
    let words = line.words().into_iter().map(OsString::into_string).collect::<Result<_, _>>().ok()?;
    let record = Record { directory: std::env::current_dir().ok()?, words };
    let directory = file.parent()?;
    fs::create_dir_all(directory).ok()?;
    let temporary = tempfile::NamedTempFile::new_in(directory).ok()?;
    fs::write(temporary.path(), serde_json::to_vec(&record).ok()?).ok()?;
    temporary.persist(&file).ok()?;
    prune(directory);
    Some(())
}

/// The link that made a program, with the working directory set to where that was.
///
/// # Errors
/// When it is not known, or its directory is gone.
pub fn recall(program: &Path) -> Result<CommandLine, DriverError> {
    let unknown = || DriverError::Refused {
        output: program.display().to_string(),
        reason: "it is not known how it was linked; give the objects or sources it is linked from, with the options \
                 of that link"
            .to_owned(),
    };
    let text = file(program).and_then(|f| fs::read(f).ok()).ok_or_else(unknown)?;
    let record: Record = serde_json::from_slice(&text).map_err(|_| unknown())?;
    std::env::set_current_dir(&record.directory).map_err(super::error::at(&record.directory))?;
    Ok(CommandLine::parse(record.words.into_iter().map(OsString::from).collect()))
}

fn file(program: &Path) -> Option<PathBuf> {
    let path = fs::canonicalize(program).ok()?;
    Some(root()?.join("links").join(Cache::key(&[path.to_str()?])))
}

fn prune(directory: &Path) {
    let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|f| Some((f.metadata().ok()?.modified().ok()?, f.path())))
        .collect();
    if files.len() > LIMIT {
        files.sort();
        for (_, path) in &files[..files.len() - LIMIT] {
            let _ = fs::remove_file(path);
        }
    }
}
