//! Rewriting what depends on the layout of structs: their definitions, accesses to fields, initialiser lists.

use crate::facts::{TypeDefinition, TypeKind, UnitFacts};
use crate::layout::{SLOP, STAMP, Shape, Shapes};
use crate::rewrite::RewriteError;
use crate::text::edits::Edits;
use crate::text::lexer::Lexer;

/// Rewrites the definitions of all types that have a shape.
///
/// # Errors
/// When a definition stands where it cannot be rewritten.
pub fn definitions(facts: &UnitFacts, text: &str, shapes: &Shapes, edits: &mut Edits) -> Result<(), RewriteError> {
    for t in facts.types.iter().filter(|t| t.kind != TypeKind::Enum) {
        let Some(shape) = shapes.get(&t.name) else { continue };
        if t.local {
            return Err(refused(t, "it is defined inside a function"));
        }
        if t.text.open == 0 {
            return Err(refused(t, "its definition is not where the parser says"));
        }
        if shape.natural {
            room(t, shape, text, edits);
        }
    }
    Ok(())
}

fn refused(t: &TypeDefinition, reason: &str) -> RewriteError {
    RewriteError::Layout { ty: t.name.clone(), file: t.file.clone(), line: t.line, reason: reason.to_owned() }
}

/// Adds the stamp and room for later behind the program's own members.
fn room(t: &TypeDefinition, shape: &Shape, text: &str, edits: &mut Edits) {
    let inside = text.get(..t.text.close).unwrap_or("");
    // The `;` of the last member may be left out.
    let last = Lexer::new(inside, t.text.open).last().map(|token| text.as_bytes()[token.start]);
    let mut members = String::from(if last.is_none_or(|b| b == b';') { "" } else { ";" });
    if shape.members.iter().any(|m| m.name == STAMP) {
        members += &format!(" unsigned long {STAMP};");
    }
    if let Some(slop) = shape.members.iter().find(|m| m.name == SLOP) {
        members += &format!(" unsigned char {SLOP}[{}];", slop.size);
    }
    edits.insert(t.text.close, members);
}
