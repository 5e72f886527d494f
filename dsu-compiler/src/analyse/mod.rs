//! Whole-program analysis.
use crate::driver::interface::{LinkInput, Suggestion};

/// Places that would make good update points.
#[must_use]
pub fn suggest(_input: &LinkInput) -> Vec<Suggestion> {
    Vec::new()
}
