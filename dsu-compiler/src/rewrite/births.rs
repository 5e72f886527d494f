//! New objects say their version where code makes them.
//!
//! A function that stays on the stack over updates goes on making objects the way its version does, in memory that may have
//! held an object of a newer version before. So it says the version of what it makes: 0 in the base program.
//!
//! In a patch, an object that is made with all its fields is not to be transformed when they are first used: every function
//! says that it is of the newest version.

use std::collections::BTreeSet;

use crate::analyse::allocators::{Allocators, Size};
use crate::analyse::model::Model;
use crate::analyse::points::Points;
use crate::facts::{Creation, Field, TypeDefinition, UnitFacts};
use crate::layout::room::elements;
use crate::layout::{STAMP, Shape, Shapes};
use crate::text::edits::Edits;
use crate::text::lexer::{Kind, Lexer};

/// Functions of a unit whose code may run on after an update: those on an update path, and, in such a unit, inline ones,
/// which belong to their caller's code.
pub fn lasting(model: &Model, points: &Points, unit: usize) -> BTreeSet<usize> {
    let on_path: BTreeSet<usize> = points.path.iter().filter(|at| at.unit == unit).map(|at| at.function).collect();
    if on_path.is_empty() {
        return on_path;
    }
    let functions = model.units[unit].facts.functions.iter().enumerate();
    let inline = functions.filter(|(_, f)| f.inline || f.attributes.always_inline).map(|(i, _)| i);
    inline.chain(on_path.iter().copied()).collect()
}

/// Makes functions that last say the version of what they make, in memory from allocators and in variables without a value;
/// in patches, all functions that make objects of types whose older objects lack fields.
pub fn births(
    model: &Model,
    points: &Points,
    allocators: &Allocators,
    (unit, shapes): (usize, &Shapes),
    edits: &mut Edits,
) {
    let u = &model.units[unit];
    let mut lasting = lasting(model, points, unit);
    lasting.retain(|f| u.facts.functions[*f].definition.as_ref().is_some_and(|d| !d.system));
    let grown: BTreeSet<&str> = shapes.values().filter(|s| is_grown(s)).map(|s| s.name.as_str()).collect();
    let has_grown = |ty: &str| !grown.is_empty() && holds(&u.facts, ty, 0, &|name| grown.contains(name));
    for creation in u.facts.creations.iter().filter(|c| lasting.contains(&c.inside) || has_grown(&c.ty)) {
        let system = u.facts.functions[creation.inside].definition.as_ref().is_none_or(|d| d.system);
        let Some(allocator) = allocators.get(model, unit, creation.callee).filter(|_| !system) else { continue };
        // Memory that grows keeps what it has.
        let fresh = allocator.old.is_none_or(|old| is_null(argument(creation, &u.image.text, old)));
        let Some(t) = defined_before(&u.facts, creation).filter(|_| fresh) else { continue };
        let mut stores = String::new();
        store((&u.facts, shapes), t, "dsu_new[dsu_n]", &mut stores, 0);
        if stores.is_empty() {
            continue;
        }
        let (name, count) = (&t.name, count(creation, &u.image.text, allocator.size, &t.name));
        edits.wrap(
            creation.call.0,
            creation.call.1,
            format!("({{ {name} *dsu_new = ({name} *)("),
            format!(
                "); unsigned long dsu_n = dsu_new ? {count} : 0; while (dsu_n-- > 0) {{ {stores}}} (void *)dsu_new; }})"
            ),
        );
    }
    // How many there are of an array of variable length is only known at run time: those start as they always did.
    for local in u.facts.unset_locals.iter().filter(|l| lasting.contains(&l.inside) && !l.lengths.contains(&0)) {
        // Those of types that have grown get the newest stamp with the other initialisers.
        if holds_stamp(&u.facts, &local.ty) && !has_grown(&local.ty) {
            edits.insert(local.at, " = {}");
        }
    }
}

/// The type created, if it is complete there.
fn defined_before<'a>(facts: &'a UnitFacts, creation: &Creation) -> Option<&'a TypeDefinition> {
    let usable =
        |t: &&TypeDefinition| t.name == creation.ty && !t.local && t.text.open > 0 && t.text.after <= creation.call.0;
    facts.types.iter().find(usable).filter(|t| !t.name.contains(['*', '[']))
}

/// Whether older objects of a type lack fields.
fn is_grown(shape: &Shape) -> bool {
    shape.members.iter().any(|m| m.since > 0)
}

/// Whether an object of a canonical type is, or has inside, one of a type of which `wanted` holds.
fn holds(facts: &UnitFacts, ty: &str, depth: u32, wanted: &dyn Fn(&str) -> bool) -> bool {
    let (_, element) = elements(ty);
    let inside = |t: &TypeDefinition| t.fields.iter().any(|f| holds(facts, &f.ty, depth + 1, wanted));
    depth < 32 && (wanted(element) || facts.types.iter().find(|t| t.name == element).is_some_and(inside))
}

/// Statements that say the version of an object and of all objects inside it.
fn store((facts, shapes): (&UnitFacts, &Shapes), t: &TypeDefinition, object: &str, text: &mut String, depth: usize) {
    let inside = |f: &&Field| f.name.is_empty() && holds_stamp(facts, &f.ty);
    if t.fields.iter().any(|f| inside(&f)) {
        // Fresh memory says nothing: it may as well be cleared.
        text.push_str(&format!("__builtin_memset((void *)&{object}, 0, sizeof {object}); "));
        return;
    }
    for field in &t.fields {
        let member = format!("{object}.{}", field.name);
        if field.name == STAMP {
            let grown = shapes.get(&t.name).filter(|s| is_grown(s));
            let stamp = grown.map_or_else(|| "0".to_owned(), |s| format!("(unsigned long)dsu_stamp_{}", s.label));
            text.push_str(&format!("*(unsigned long *)&{member} = {stamp}; "));
            continue;
        }
        if field.name.is_empty() || !holds_stamp(facts, &field.ty) {
            continue;
        }
        let (count, element) = elements(&field.ty);
        match facts.types.iter().find(|t| t.name == element) {
            None => text.push_str(&format!("__builtin_memset((void *)&{member}, 0, sizeof {member}); ")),
            Some(inner) if count == 1 && field.ty.ends_with(element) && !field.ty.contains('[') => {
                store((facts, shapes), inner, &member, text, depth + 1);
            }
            Some(inner) => {
                let index = format!("dsu_n{depth}");
                text.push_str(&format!("unsigned long {index} = {count}; while ({index}-- > 0) {{ "));
                store((facts, shapes), inner, &format!("(({element} *){member})[{index}]"), text, depth + 1);
                text.push_str("} ");
            }
        }
    }
}

/// Whether a type has objects with a stamp in it.
fn holds_stamp(facts: &UnitFacts, ty: &str) -> bool {
    let (_, element) = elements(ty);
    if element.starts_with(['*', 'f']) && !facts.types.iter().any(|t| t.name == element) {
        return false;
    }
    if element.contains('{') {
        return facts.types.iter().any(|t| element.contains(&t.name) && t.fields.iter().any(|f| f.name == STAMP));
    }
    let found = facts.types.iter().find(|t| t.name == element);
    found.is_some_and(|t| t.fields.iter().any(|f| f.name == STAMP || holds_stamp(facts, &f.ty)))
}

fn argument<'t>(creation: &Creation, text: &'t str, index: usize) -> &'t str {
    creation.arguments.get(index).and_then(|(start, end)| text.get(*start..*end)).unwrap_or("")
}

/// Whether an argument says that there is no memory yet.
pub fn is_null(argument: &str) -> bool {
    let squeezed: String = argument.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')')).collect();
    matches!(squeezed.as_str(), "0" | "void*0" | "NULL" | "nullptr")
}

/// How many objects there is room for in what an allocator gives: an expression. What the arguments say is only repeated
/// if that has no effect; else it is one.
pub fn count(creation: &Creation, text: &str, size: Size, ty: &str) -> String {
    let pure = |index: usize| repeatable(argument(creation, text, index));
    let bytes = match size {
        Size::Unknown => None,
        Size::Bytes(i) => pure(i),
        Size::Product(i, j) => pure(i).zip(pure(j)).map(|(a, b)| format!("({a}) * ({b})")),
    };
    bytes.map_or_else(|| "1".to_owned(), |bytes| format!("(unsigned long)({bytes}) / sizeof({ty})"))
}

/// An expression on one line, if it may be evaluated twice: no calls, no assignments.
fn repeatable(expression: &str) -> Option<String> {
    let mut words: Vec<&str> = Vec::new();
    for token in Lexer::new(expression, 0) {
        if token.kind == Kind::Directive {
            continue;
        }
        let word = expression.get(token.start..token.end)?;
        let called = word == "("
            && words.last().is_some_and(|w| w.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ')' | ']')))
            && !words.last().is_some_and(|w| matches!(*w, "sizeof" | "__typeof__" | "typeof" | "_Alignof"));
        if called || matches!(word, "=" | "++" | "--" | "{" | ";") {
            return None;
        }
        words.push(word);
    }
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        assert!(is_null("((void *)0)") && is_null(" 0 ") && !is_null("p"));
        assert_eq!(repeatable("n *\n sizeof(struct a)").as_deref(), Some("n * sizeof ( struct a )"));
        assert_eq!(repeatable("n++ * 4"), None);
        assert_eq!(repeatable("f(n)"), None);
        assert_eq!(repeatable("(a)->n + sizeof *p").as_deref(), Some("( a ) -> n + sizeof * p"));
    }
}
