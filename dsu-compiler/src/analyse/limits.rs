//! Functions that compare the size of a struct with what it could exceed with room.

use std::collections::HashSet;

use crate::analyse::model::{FunctionRef, Model};
use crate::text::lexer::{Kind, Lexer};

/// Whether a function, of this name in a unit, compares what may be the size of a struct of `size` bytes with a number that only
/// the size with room could exceed, or with the size of something else. Which of its parameters is the size is not known.
pub fn has(model: &Model, unit: usize, callee: &str, size: u64) -> bool {
    let Some(function) = model.function_named(unit, callee) else { return false };
    let at = model.body_of(unit, function).unwrap_or(FunctionRef { unit, function });
    let text = model.units[at.unit].image.text.as_str();
    let Some(definition) = model.function(at).definition.as_ref().filter(|d| !d.system) else { return false };
    let Some(text) = text.get(definition.start..definition.end) else { return false };
    let words = |from: usize, to: usize| -> Vec<&str> {
        let tokens = Lexer::new(text, from).take_while(|t| t.start < to).filter(|t| t.kind != Kind::Directive);
        tokens.map(|t| &text[t.start..t.end]).filter(|w| !["(", ")"].contains(w)).collect()
    };
    let body = definition.body - definition.start;
    let head: HashSet<&str> = words(0, body).into_iter().collect();
    let body = words(body, text.len());
    body.iter().enumerate().filter(|(_, w)| ["<", ">"].contains(w)).any(|(i, _)| {
        let right = body.get(i + 1..).unwrap_or(&[]).iter().find(|w| **w != "=");
        let (Some(left), Some(right)) = (i.checked_sub(1).and_then(|l| body.get(l)), right) else { return false };
        (head.contains(left) && is_limit(right, size)) || (head.contains(right) && is_limit(left, size))
    })
}

/// Whether a word is, or begins, what a struct of `size` bytes may exceed with room.
fn is_limit(word: &str, size: u64) -> bool {
    let digits = word.trim_end_matches(['u', 'U', 'l', 'L']);
    let number = digits.strip_prefix("0x").map_or_else(|| digits.parse().ok(), |d| u64::from_str_radix(d, 16).ok());
    word == "sizeof" || number.is_some_and(|n| n.saturating_add(1) >= size && n <= size.saturating_mul(2) + 256)
}
