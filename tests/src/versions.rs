//! The versions of a program in `update/`, built when needed, and the patches between them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};

use crate::program::{Built, Compiler, Program, copy_files, words};
use crate::tools::{Finished, run, tools};

/// A directory in `update/`: what is common to all versions, and a directory for each version where they differ by
/// more than the macro `VERSION` can say.
#[derive(Debug)]
pub struct Versions {
    directory: PathBuf,
    /// Flags of all versions.
    flags: &'static [&'static str],
    scratch: tempfile::TempDir,
    built: Mutex<HashMap<String, Arc<Built>>>,
    patches: Mutex<HashMap<(String, String), Arc<Patch>>>,
    flagged: Mutex<Vec<String>>,
}

/// What `dsu-diff` made.
#[derive(Debug)]
pub struct Patch {
    /// The patch file, which is there if the outcome is success and something changed.
    pub file: PathBuf,
    /// What it said.
    pub finished: Finished,
}

impl Versions {
    /// The program in a directory of `update/`, all versions of it compiled with these flags.
    ///
    /// # Errors
    /// When there is no room for temporary files.
    pub fn new(directory: &Path, flags: &'static [&'static str]) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("dsu-tests-").tempdir()?;
        std::fs::create_dir_all(scratch.path().join("tmp"))?;
        Ok(Self {
            directory: directory.to_path_buf(),
            flags,
            scratch,
            built: Mutex::default(),
            patches: Mutex::default(),
            flagged: Mutex::default(),
        })
    }

    /// Where the test is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A directory for temporary files of tools and programs, which all have to remove.
    pub fn temporary(&self) -> PathBuf {
        self.scratch.path().join("tmp")
    }

    /// A new directory, to run in.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn room(&self) -> Result<PathBuf> {
        let room = tempfile::Builder::new().prefix("room").tempdir_in(self.scratch.path())?.keep();
        // Programs that give up their privileges are to work there, too.
        Ok(std::fs::canonicalize(room)?)
    }

    /// The executable of a version: `v1`, or with further flags, `v1+-O0+-g`.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn executable(&self, version: &str) -> Result<PathBuf> {
        Ok(self.build(version)?.executable.clone())
    }

    /// A version's name without its flags, which would make file names too long.
    fn short(&self, version: &str) -> String {
        let Some((name, _)) = version.split_once('+') else { return version.to_owned() };
        let mut all = self.flagged.lock().unwrap_or_else(PoisonError::into_inner);
        let number = all.iter().position(|v| v == version).unwrap_or_else(|| {
            all.push(version.to_owned());
            all.len() - 1
        });
        format!("{name}+{number}")
    }

    /// Builds a version, once.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn build(&self, version: &str) -> Result<Arc<Built>> {
        let mut all = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = all.get(version) {
            return Ok(built.clone());
        }
        let built = Arc::new(self.build_now(version).with_context(|| format!("building {version}"))?);
        all.insert(version.to_owned(), built.clone());
        Ok(built)
    }

    fn build_now(&self, version: &str) -> Result<Built> {
        let (name, flags) = version.split_once('+').unwrap_or((version, ""));
        let mut flags = words(&flags.replace('+', " "));
        flags.extend(self.flags.iter().map(|f| (*f).to_owned()));
        let number = name.strip_prefix('v').context("versions are called v1, v2, ...")?;
        flags.push(format!("-DVERSION={number}"));
        // Every version has a directory of its own for sources, as if it had been fetched anew.
        let root = self.scratch.path().join(self.short(version));
        let source = root.join("source");
        let common = tools()?.home.join("update/common");
        flags.push(format!("-I{}", common.display()));
        copy_files(&self.directory, &source)?;
        let own = self.directory.join(name);
        if own.is_dir() {
            copy_files(&own, &source)?;
        }
        if !source.join("main.c").exists() {
            std::fs::copy(common.join("main.c"), source.join("main.c"))?;
            if !source.join("dsu.toml").exists() {
                std::fs::copy(common.join("dsu.toml"), source.join("dsu.toml"))?;
            }
        }
        let program = Program::open(&source)?;
        program.configure()?;
        let built = program.build(Compiler::Updatable, &flags, &root, &self.temporary())?;
        ensure!(built.link.status.success(), "the link fails:\n{}", built.link.all());
        let said: Vec<String> = program.directives.pairs("kept").into_iter().map(|(name, _)| name).collect();
        for unit in built.report["units"].as_array().context("dsu-cc made nothing updatable")? {
            let source = unit["source"].as_str().unwrap_or_default();
            if let (Some(reason), false) = (unit["kept"].as_str(), said.iter().any(|s| s == source)) {
                bail!("{source} is kept: {reason}");
            }
        }
        Ok(built)
    }

    /// The patch from one version to another.
    ///
    /// # Errors
    /// When a version cannot be built. That `dsu-diff` refuses is no error.
    pub fn patch(&self, from: &str, to: &str) -> Result<Arc<Patch>> {
        let (old, new) = (self.executable(from)?, self.executable(to)?);
        let mut all = self.patches.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (from.to_owned(), to.to_owned());
        if let Some(patch) = all.get(&key) {
            return Ok(patch.clone());
        }
        let file = self.scratch.path().join(format!("{}-{}.dsu", self.short(from), self.short(to)));
        let mut command = tools()?.command(&tools()?.diff, self.scratch.path(), &self.temporary());
        command.arg(old).arg(new).arg("-o").arg(&file);
        let patch = Arc::new(Patch { file, finished: run(command)? });
        all.insert(key, patch.clone());
        Ok(patch)
    }

    /// The file of the patch from one version to another.
    ///
    /// # Errors
    /// Also when there is none.
    pub fn patch_file(&self, from: &str, to: &str) -> Result<PathBuf> {
        let patch = self.patch(from, to)?;
        ensure!(
            patch.finished.status.success() && patch.file.is_file(),
            "no patch from {from} to {to}: dsu-diff says\n{}",
            patch.finished.all()
        );
        Ok(patch.file.clone())
    }

    /// Checks that no temporary file is left.
    ///
    /// # Errors
    /// When one is.
    pub fn check_temporary(&self) -> Result<()> {
        let left: Vec<_> = std::fs::read_dir(self.temporary())?.flatten().map(|e| e.file_name()).collect();
        ensure!(left.is_empty(), "temporary files are left: {left:?}");
        Ok(())
    }
}
