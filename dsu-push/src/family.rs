//! Which processes: a family, or all instances of a program.

use crate::{
    Error, Result,
    control::Remote,
    image::Image,
    process::{self, ProcStatus, Process},
};
use dsu_abi::Id;
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    path::{Path, PathBuf},
};

/// A set of processes that may grow while it is worked on.
#[derive(Debug)]
pub enum Selection {
    /// These.
    Listed(Vec<i32>),
    /// These and their descendants that run the same build.
    Family {
        /// Where the families begin.
        roots: Vec<i32>,
        /// Builds of the roots.
        builds: HashSet<Id>,
        /// All descendants ever seen, with whatever program: if one ends, its children are still ours.
        seen: HashSet<i32>,
    },
    /// All processes that run this build.
    Instances {
        /// The executable.
        path: PathBuf,
        /// Its build.
        build: Id,
    },
}

impl Selection {
    /// The families that begin with `roots`.
    pub fn family(roots: Vec<i32>) -> Result<Self> {
        let builds = roots.iter().map(|&pid| build_of(pid)).collect::<Result<_>>()?;
        Ok(Self::Family { seen: roots.iter().copied().collect(), roots, builds })
    }

    /// All processes that run the executable at `path`.
    pub fn instances(path: &Path) -> Result<Self> {
        let executable = path.display().to_string();
        let bad = |reason: String| Error::BadExecutable { executable: executable.clone(), reason };
        let file = File::open(path).map_err(|error| bad(error.to_string()))?;
        let image = Image::load(file).map_err(|error| bad(error.reason))?;
        match image.build {
            Some(build) => Ok(Self::Instances { path: path.to_owned(), build }),
            None => Err(Error::NotUpdatable { executable, hint: String::new() }),
        }
    }

    /// Whether new members may turn up, and members may go unnoticed.
    pub fn grows(&self) -> bool {
        !matches!(self, Self::Listed(_))
    }

    /// The members now, ancestors first.
    pub fn members(&mut self) -> Vec<i32> {
        match self {
            Self::Listed(pids) => pids.clone(),
            Self::Family { roots, builds, seen } => {
                let parents: HashMap<i32, i32> = process::all()
                    .into_iter()
                    .filter_map(|pid| Some((pid, ProcStatus::of(pid).ok()?.parent)))
                    .collect();
                let mut members: Vec<_> =
                    parents.keys().filter_map(|&pid| Some((depth(pid, &parents, seen)?, pid))).collect();
                members.sort_unstable();
                seen.extend(members.iter().map(|&(_, pid)| pid));
                let same = |pid: i32| roots.contains(&pid) || build_of(pid).is_ok_and(|build| builds.contains(&build));
                members.into_iter().map(|(_, pid)| pid).filter(|&pid| same(pid)).collect()
            }
            Self::Instances { build, .. } => {
                process::all().into_iter().filter(|&pid| build_of(pid).is_ok_and(|other| other == *build)).collect()
            }
        }
    }
}

/// How far `pid` is below a process that is known to belong to the family; `None` if it does not.
fn depth(pid: i32, parents: &HashMap<i32, i32>, seen: &HashSet<i32>) -> Option<usize> {
    let mut at = pid;
    let mut known = None;
    for depth in 0..1000 {
        if seen.contains(&at) {
            // On to the topmost of the known, so that parents come before their children.
            known = Some(depth);
        }
        match parents.get(&at) {
            Some(&parent) if parent != 0 => at = parent,
            _ => break,
        }
    }
    known
}

/// The build that a process runs.
fn build_of(pid: i32) -> Result<Id> {
    let process = Process::open(pid)?;
    match process.image.build {
        Some(build) => Ok(build),
        None => Ok(Remote::open(&process)?.read()?.build),
    }
}

/// The state that a process is in.
pub fn state_of(pid: i32) -> Result<Id> {
    let process = Process::open(pid)?;
    Ok(Remote::open(&process)?.read()?.state)
}
