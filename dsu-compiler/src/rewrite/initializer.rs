//! Rewriting initialiser lists of structs with a planned layout: every element keeps the member it is for, and objects
//! that start with values for all members are of the newest version.

use crate::facts::{InitializerList, TypeKind, UnitFacts, UnsetLocal};
use crate::layout::{STAMP, Shape, Shapes, is_beside, is_ours};
use crate::rewrite::RewriteError;
use crate::rewrite::shape::{has_versions, stamp};
use crate::text::edits::Edits;
use crate::text::lexer::Lexer;

/// Rewrites all initialiser lists, and gives variables of functions that have none one that says their version.
///
/// # Errors
/// When it cannot be said which member an element is for.
pub fn lists(facts: &UnitFacts, text: &str, shapes: &Shapes, edits: &mut Edits) -> Result<(), RewriteError> {
    let system = |function: Option<usize>| {
        function.and_then(|f| facts.functions[f].definition.as_ref()).is_some_and(|d| d.system)
    };
    for list in facts.initializers.iter().filter(|l| !system(l.inside)) {
        if let Some(shape) = shapes.get(&list.ty).filter(|s| has_versions(s) || s.reordered) {
            rewrite(list, shape, text, edits)?;
        }
    }
    for local in facts.unset_locals.iter().filter(|l| !system(Some(l.inside))) {
        start(local, facts, shapes, edits);
    }
    Ok(())
}

fn rewrite(list: &InitializerList, shape: &Shape, text: &str, edits: &mut Edits) -> Result<(), RewriteError> {
    let ty = &list.ty;
    let refused = |what: String| Err(RewriteError::Use { line: list.line, what });
    if list.elided && (list.open == list.close || shape.reordered) {
        return refused(format!(
            "the layout of {ty} changed, and an initialiser of it leaves braces out: write them, or name the members"
        ));
    }
    let inside = text.get(list.open..list.close).unwrap_or("");
    if let Some(field) = list.elements.iter().find_map(|(at, member)| value_beside(*at, member.as_deref(), shape, text))
    {
        return refused(format!(
            "an initialiser of {ty} has a value for field {field}, which does not fit into the objects of the running program \
             and is in a side table: assign it behind the initialiser, or make room for it with slop in dsu.toml"
        ));
    }
    let nothing = matches!(list.elements.as_slice(), [(_, Some(_))]) && is_nothing(inside);
    if nothing && shape.reordered {
        for token in Lexer::new(inside, 0) {
            edits.replace(list.open + token.start, token.end - token.start, "");
        }
    } else if shape.reordered {
        for (at, member) in &list.elements {
            match member.as_deref() {
                None => {}
                Some("") => {
                    return refused(format!(
                        "the layout of {ty} changed, and an initialiser of it has a value for a member without a name: \
                         name the members in it"
                    ));
                }
                Some(name) => edits.insert(*at, format!(".{name} = ")),
            }
        }
    }
    if has_versions(shape) {
        let empty = list.elements.is_empty() || (nothing && shape.reordered);
        let last = Lexer::new(inside, 0).last().and_then(|t| inside.get(t.start..t.end));
        let comma = if empty || last == Some(",") { "" } else { "," };
        edits.insert(list.close, format!("{comma} .{STAMP} = {} ", stamp(shape)));
    }
    Ok(())
}

/// The field in a side table that an element of a list is for, if it is for one.
pub(crate) fn value_beside<'a>(at: usize, member: Option<&str>, shape: &'a Shape, text: &str) -> Option<&'a str> {
    let named = || {
        // `.field = value`, or as it was before there was a standard, `field: value`.
        let mut words = Lexer::new(text, at).filter_map(|t| text.get(t.start..t.end));
        words.next().filter(|w| *w != ".").or_else(|| words.next())
    };
    let name = member.or_else(named)?;
    shape.beside().map(|m| m.name.as_str()).find(|m| *m == name)
}

/// Whether a list only says that everything is zero.
fn is_nothing(inside: &str) -> bool {
    let words: String = Lexer::new(inside, 0).filter_map(|t| inside.get(t.start..t.end)).collect();
    matches!(words.trim_end_matches(','), "0" | "((void*)0)")
}

/// Whatever the memory of a new variable holds, it is not an old object, nor are the structs in it.
fn start(local: &UnsetLocal, facts: &UnitFacts, shapes: &Shapes, edits: &mut Edits) {
    // How many there are of an array of variable length is only known at run time: those start as they always did.
    if local.lengths.contains(&0) {
        return;
    }
    if let Some(value) = fresh(&local.ty, facts, shapes) {
        edits.insert(local.at, format!(" = {}", repeated(value, local.lengths.iter().rev().copied())));
    }
}

/// An initialiser list that says of a new object, and of those in it, that they are of the newest version.
fn fresh(ty: &str, facts: &UnitFacts, shapes: &Shapes) -> Option<String> {
    let definition = facts.types.iter().find(|t| t.name == ty && t.kind == TypeKind::Struct)?;
    let own = shapes.get(ty).filter(|s| has_versions(s)).map(|s| format!(".{STAMP} = {}", stamp(s)));
    let own_fields =
        definition.fields.iter().filter(|f| !f.name.is_empty() && !is_ours(&f.name) && !is_beside(definition, f));
    let inner = own_fields.filter_map(|f| {
        let (mut rest, mut lengths) = (f.ty.as_str(), Vec::new());
        while let Some((length, element)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            lengths.push(length.parse().ok().filter(|n| *n > 0)?);
            rest = element;
        }
        let name = rest.trim_start_matches("const ").trim_start_matches("volatile ");
        Some(format!(".{} = {}", f.name, repeated(fresh(name, facts, shapes)?, lengths.into_iter().rev())))
    });
    let parts: Vec<String> = own.into_iter().chain(inner).collect();
    (!parts.is_empty()).then(|| format!("{{ {} }}", parts.join(", ")))
}

/// A value for all elements of arrays of the given lengths, innermost first.
fn repeated(value: String, lengths: impl Iterator<Item = u64>) -> String {
    lengths.fold(value, |value, length| format!("{{ [0 ... {}] = {value} }}", length.saturating_sub(1)))
}
