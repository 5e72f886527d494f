//! Rewriting accesses to fields that objects of older versions lack: the object is brought up to date first.
//!
//! `p->f` becomes `dsu_at_LABEL(p)->f`, and `x.f` becomes `dsu_at_LABEL(&(x))->f`. A struct that is no object, such as the
//! result of a call, is copied into one that lasts as long as the block: `dsu_at_LABEL((dsu_type_LABEL[1]){ call() })->f`.
//!
//! A field that is not in the object but in a block beside it is one of that block: `p->f` becomes
//! `dsu_beside_LABEL(p)->f`, which is an object like any other.

use std::collections::BTreeSet;

use crate::facts::{FieldUse, Function, Release, UnitFacts};
use crate::layout::{Shape, Shapes};
use crate::rewrite::RewriteError;
use crate::text::edits::Edits;
use crate::text::lexer::{Kind, Lexer, Token};

/// Rewrites all accesses to fields that not all objects have.
///
/// # Errors
/// When the facts do not fit the text.
pub fn accesses(facts: &UnitFacts, text: &str, shapes: &Shapes, edits: &mut Edits) -> Result<(), RewriteError> {
    let mut addressing = BTreeSet::new();
    for access in &facts.field_uses {
        let Some(shape) = shapes.get(&access.ty) else { continue };
        let beside = shape.beside().any(|m| m.name == access.field);
        let function = &facts.functions[access.inside];
        if !is_checked(access, shape) && !beside || function.definition.as_ref().is_some_and(|d| d.system) {
            continue;
        }
        if beside && access.constant {
            return Err(RewriteError::Use {
                line: access.line,
                what: format!(
                    "field {} of {} does not fit into the objects of the running program and is in a side table: its address \
                     is no constant, and no offset leads to it",
                    access.field, access.ty
                ),
            });
        }
        let helper = match (beside, is_transformed(access, function, shape, text)) {
            (false, true) => continue,
            (true, true) => "dsu_made",
            (true, false) => "dsu_beside",
            (false, false) => "dsu_at",
        };
        migrate(access, shape, helper, text, edits)?;
        if !access.arrow {
            addressing.insert(access.inside);
        }
    }
    // A variable whose address is taken cannot be `register`.
    for function in addressing {
        if let Some(d) = &facts.functions[function].definition {
            forget_register(text.get(..d.end).unwrap_or(""), d.start, edits);
        }
    }
    Ok(())
}

/// Gives the block of a side table back where its object is freed, according to `frees`.
pub fn releases(facts: &UnitFacts, shapes: &Shapes, frees: impl Fn(&Release) -> bool, edits: &mut Edits) {
    for release in &facts.releases {
        if let Some(shape) = shapes.get(&release.ty).filter(|s| s.has_side_table() && frees(release)) {
            let (start, end) = release.argument;
            edits.wrap(start, end, format!("dsu_gone_{}(", shape.label), ")");
        }
    }
}

/// Whether the object is the one that a transformer is just making.
fn is_transformed(access: &FieldUse, function: &Function, shape: &Shape, text: &str) -> bool {
    let parameters = function.definition.as_ref().map(|d| d.parameters.as_slice());
    let object = parameters.and_then(|p| p.first()).map(String::as_str);
    access.arrow
        && function.name.strip_prefix("dsu_transform_") == Some(shape.label.as_str())
        && text.get(access.base.0..access.base.1).map(str::trim) == object
}

/// Whether an access must look at the object's version.
fn is_checked(access: &FieldUse, shape: &Shape) -> bool {
    // Of unnamed members, one stands for all.
    !access.abstract_only && shape.members.iter().any(|m| m.name == access.field && m.since > 0)
}

fn migrate(access: &FieldUse, shape: &Shape, helper: &str, text: &str, edits: &mut Edits) -> Result<(), RewriteError> {
    let ((start, end), label) = (access.base, &shape.label);
    let (open, close) = match (access.arrow, access.rvalue) {
        (true, _) => (String::new(), ""),
        (false, false) => ("&(".to_owned(), ")"),
        (false, true) => (format!("(dsu_type_{label}[1]){{ "), " }"),
    };
    // Qualifiers go on counting: a read of a volatile object stays one.
    let qualified = match access.qualifiers {
        (false, false) => None,
        (true, false) => Some("const"),
        (false, true) => Some("volatile"),
        (true, true) => Some("const volatile"),
    };
    let result = if helper == "dsu_at" { format!("dsu_type_{label}") } else { format!("struct dsu_side_{label}") };
    let (cast, cast_end) = qualified.map_or((String::new(), ""), |q| (format!("(({q} {result} *)"), ")"));
    edits.wrap(start, end, format!("{cast}{helper}_{label}({open}"), format!("{close}){cast_end}"));
    if !access.arrow {
        let misplaced = || RewriteError::Misplaced(access.field.clone(), access.at);
        let between = Lexer::new(text.get(..access.at).ok_or_else(misplaced)?, end);
        let dot = between.filter(|t| text.get(t.start..t.end) == Some(".")).last().ok_or_else(misplaced)?;
        edits.replace(dot.start, 1, "->");
    }
    Ok(())
}

/// Takes `register` away from the declarations of a function, those of variables in a given register excepted.
fn forget_register(text: &str, start: usize, edits: &mut Edits) {
    let tokens: Vec<Token> = Lexer::new(text, start).collect();
    let word = |t: &Token| text.get(t.start..t.end).unwrap_or("");
    for (n, token) in tokens.iter().enumerate().filter(|(_, t)| t.kind == Kind::Identifier && word(t) == "register") {
        let declaration = tokens[n..].iter().map(word).take_while(|w| !matches!(*w, ";" | "{"));
        if !declaration.into_iter().any(|w| matches!(w, "asm" | "__asm__" | "__asm")) {
            edits.replace(token.start, token.end - token.start, "");
        }
    }
}
