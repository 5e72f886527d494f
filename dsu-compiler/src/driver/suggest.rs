//! `--suggest-update-points`.

use std::fs;
use std::path::Path;

use super::args::{CommandLine, InputKind};
use super::error::DriverError;
use super::inputs::Inputs;
use super::link::Link;
use super::{report, updatable};
use crate::analyse;
use crate::elf::{self, Executable};

/// Prints update points for what was just linked.
///
/// # Errors
/// When the program cannot be analysed.
pub fn print(link: &Link<'_>, inputs: Inputs, plain: Executable) -> Result<(), DriverError> {
    let output = link.line.output().map_or_else(|| "this program".into(), |o| o.to_string_lossy().into_owned());
    let input = updatable::look_at(link, inputs, plain)?;
    let list = analyse::suggest(&input).map_err(|source| DriverError::Program { output: output.clone(), source })?;
    print!("{}", report::suggestions(&output, &list));
    Ok(())
}

/// Whether the request is about an existing executable, and which.
#[must_use]
pub fn executable(line: &CommandLine) -> Option<&Path> {
    let mut inputs = line.inputs();
    let (Some(only), None) = (inputs.next(), inputs.next()) else { return None };
    let path = Path::new(&only.path);
    let program = only.kind == InputKind::Linkable
        && fs::read(path).is_ok_and(|bytes| elf::executable(&bytes).is_ok_and(|e| e.executable));
    program.then_some(path)
}
