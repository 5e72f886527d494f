//! The directory with a link's intermediate files: temporary, or kept as a reproducer (`--dsu-save=DIR`).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{DriverError, at};

/// The directory.
#[derive(Debug)]
pub struct Work {
    directory: PathBuf,
    saved: bool,
    _temporary: Option<tempfile::TempDir>,
}

impl Work {
    /// Makes one; a saved one is named after the output, and emptied first.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(save: Option<&Path>, output: &Path) -> Result<Self, DriverError> {
        if let Some(save) = save {
            let directory = save.join(output.file_name().unwrap_or(OsStr::new("a.out")));
            let _ = fs::remove_dir_all(&directory);
            fs::create_dir_all(&directory).map_err(at(&directory))?;
            let directory = fs::canonicalize(&directory).map_err(at(&directory))?;
            return Ok(Self { directory, saved: true, _temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("dsu-link-").tempdir().map_err(at(std::env::temp_dir()))?;
        Ok(Self { directory: temporary.path().to_path_buf(), saved: false, _temporary: Some(temporary) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Writes a file that the link needs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, DriverError> {
        let path = self.directory.join(name);
        fs::write(&path, bytes).map_err(at(&path))?;
        Ok(path)
    }

    /// Writes a file that only a reproducer needs.
    pub fn note(&self, name: &str, text: impl FnOnce() -> String) {
        if self.saved {
            let _ = fs::write(self.directory.join(name), text());
        }
    }

    /// Writes a command as a script.
    pub fn note_command(&self, name: &str, compiler: &str, args: &[OsString]) {
        self.note(name, || {
            let here = super::toolchain::working_directory();
            let words: Vec<String> = args.iter().map(|a| shell_word(a)).collect();
            format!("#!/bin/sh\ncd {} || exit 1\nexec {compiler} {}\n", shell_word(here.as_os_str()), words.join(" "))
        });
    }
}

fn shell_word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
