//! Rewriting a whole program.
use thiserror::Error;

use crate::driver::interface::{Finished, LinkInput, ObjectSymbols, Report, Rewritten, RewrittenUnit};

/// What `finish` needs to know of `rewrite`.
#[derive(Debug, Default)]
pub struct Plan;

/// Why a program cannot be made updatable.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// To be replaced.
    #[error("{0}")]
    Other(String),
}

/// Rewrites all units of a link.
///
/// # Errors
/// When the program cannot be made updatable as configured.
pub fn rewrite(input: &LinkInput) -> Result<Rewritten, ProgramError> {
    let units = input
        .units
        .iter()
        .map(|u| RewrittenUnit {
            text: u.keep_reason.is_none().then(|| u.image.text.clone()),
            flags: u.image.flags.clone(),
        })
        .collect();
    Ok(Rewritten { units, report: Report::default(), plan: Plan })
}

/// Generates what the final link needs.
///
/// # Errors
/// When the compiled units do not fit together.
pub fn finish(
    rewritten: Rewritten,
    units: &[ObjectSymbols],
    _foreign: &[ObjectSymbols],
) -> Result<Finished, ProgramError> {
    Ok(Finished {
        assembly: String::new(),
        renames: vec![Vec::new(); units.len()],
        description: Vec::new(),
        report: rewritten.report,
    })
}
