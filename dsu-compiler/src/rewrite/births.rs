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
use crate::layout::{BLOCK, STAMP, Shape, Shapes, is_beside};
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
        // What others see may be objects that live.
        if allocator.shared {
            continue;
        }
        // Memory that grows keeps what it has.
        let fresh = allocator.old.is_none_or(|old| is_null(argument(creation, &u.image.text, old)));
        let Some(t) = defined_before(&u.facts, creation).filter(|_| fresh) else { continue };
        let mut stores = String::new();
        store((&u.facts, shapes), t, "dsu_new[dsu_n]", &mut stores, 0);
        if stores.is_empty() {
            continue;
        }
        let (name, count) = (&t.name, count(creation, &u.image.text, allocator.size, has_grown(&t.name), edits));
        edits.wrap(
            creation.call.0,
            creation.call.1,
            format!("({{ unsigned long dsu_a = 0, dsu_b = 0; {name} *dsu_new = ({name} *)("),
            format!(
                "); unsigned long dsu_n = !dsu_new ? 0 : {count}; while (dsu_n-- > 0) {{ {stores}}} (void *)dsu_new; }})"
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
        if field.name == BLOCK {
            text.push_str(&format!("*(unsigned long *)&{member} = 0; "));
            continue;
        }
        if field.name.is_empty() || is_beside(t, field) || !holds_stamp(facts, &field.ty) {
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

/// How many objects there are in what an allocator gives: an expression. The arguments that say how much memory that is are
/// kept in variables: written twice, they would have their effects twice, and their names may stand for something else.
///
/// Zero may be stored wherever an object could be. Where the stamp is not zero and what is behind the first object may be
/// something else, that is left as it is.
fn count(creation: &Creation, text: &str, size: Size, grown: bool, edits: &mut Edits) -> String {
    let one = "sizeof *dsu_new";
    let mut keep = |index: usize, name: &'static str| {
        let (start, end) = *creation.arguments.get(index)?;
        edits.wrap(start, end, format!("({name} = ("), "))");
        Some(name)
    };
    let counted = match size {
        Size::Unknown => None,
        Size::Bytes(i) if !grown || is_multiple(argument(creation, text, i)) => {
            keep(i, "dsu_a").map(|bytes| format!("{bytes} / {one}"))
        }
        Size::Bytes(i) => keep(i, "dsu_a").map(|bytes| format!("{bytes} >= {one}")),
        Size::Product(i, j) => keep(i, "dsu_a").zip(keep(j, "dsu_b")).map(|(a, b)| match grown {
            false => format!("{a} * {b} / {one}"),
            true => format!("{b} == {one} ? {a} : {a} == {one} ? {b} : {a} * {b} >= {one}"),
        }),
    };
    counted.unwrap_or_else(|| "1".to_owned())
}

/// Whether a number of bytes is visibly that of a number of objects.
fn is_multiple(expression: &str) -> bool {
    let tokens = Lexer::new(expression, 0).filter(|t| t.kind != Kind::Directive);
    let words: Vec<&str> = tokens.filter_map(|t| expression.get(t.start..t.end)).collect();
    words.contains(&"sizeof") && !words.contains(&"+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        assert!(is_null("((void *)0)") && is_null(" 0 ") && !is_null("p"));
        assert!(is_multiple("n *\n sizeof(struct a)") && is_multiple("sizeof *a"));
        assert!(!is_multiple("sizeof(struct a) + n") && !is_multiple("size"));
    }
}
