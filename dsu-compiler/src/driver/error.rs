//! What can go wrong in the driver itself. Errors of the real compiler and linker are not here: they have printed their
//! message already, and only their exit code is passed on.

use std::path::PathBuf;

use thiserror::Error;

use crate::config::ConfigError;
use crate::elf::ElfError;
use crate::program::ProgramError;
use crate::unit::UnitError;

/// Why the driver gave up.
#[derive(Debug, Error)]
pub enum DriverError {
    /// Wrong use of one of our own options.
    #[error("{0} (see dsu-cc --dsu-help)")]
    Usage(String),
    /// The real compiler cannot be run.
    #[error("cannot run {program}: {source}; DSU_CC chooses the real compiler, default cc")]
    Run {
        /// Its name.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The real compiler is this program.
    #[error("the real compiler, {0}, is dsu-cc itself: set DSU_CC to the compiler to use")]
    Recursion(String),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file cannot be understood.
    #[error("{object}: {source}")]
    Elf {
        /// The file, or member of an archive.
        object: String,
        /// What is wrong.
        source: ElfError,
    },
    /// A unit record cannot be written.
    #[error("{0}")]
    Unit(#[from] UnitError),
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The program cannot be made updatable.
    #[error("{output}: {source}")]
    Program {
        /// The output.
        output: String,
        /// Why.
        source: ProgramError,
    },
    /// The program cannot be made updatable for a reason that the driver sees.
    #[error("{output}: {reason}")]
    Refused {
        /// The output.
        output: String,
        /// Why, and what to do.
        reason: String,
    },
    /// One of the last steps of an updatable link failed.
    #[error("{output}: {step} failed; {hint}\n{message}")]
    Step {
        /// The output.
        output: String,
        /// Which.
        step: &'static str,
        /// What to do.
        hint: &'static str,
        /// What the tool said.
        message: String,
    },
}

/// Adds a path to an I/O error.
pub fn at(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> DriverError {
    move |source| DriverError::File { path: path.into(), source }
}
