//! What new fields of objects begin with: 0, unless all code that makes such objects gives them one and the same constant.

use std::collections::BTreeMap;

use crate::analyse::allocators::{Allocators, Size};
use crate::analyse::model::Model;
use crate::analyse::wrap::names_in;
use crate::diff::ctypes::Scope;
use crate::facts::returned::library_name;
use crate::facts::{Creation, Field, Start, TypeUsage, TypeUse};
use crate::rewrite::births::is_null;
use crate::text::lexer::{Kind, Lexer};

/// What new code gives a new field first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// This constant, as C, in every object that it makes. Where that is done first, for messages.
    Always(String, String),
    /// Not in every object the same, or nobody can tell; this is a place where it is something.
    Varies(String),
}

/// The beginnings of those of a struct's fields that new code does not simply begin with 0, by name.
pub fn of_fields<'a>(
    new: &Model,
    allocators: &Allocators,
    ty: &str,
    fields: impl Iterator<Item = &'a Field>,
) -> BTreeMap<String, Beginning> {
    let makers: Vec<(usize, &Creation)> = new
        .units
        .iter()
        .enumerate()
        .flat_map(|(unit, u)| u.facts.creations.iter().filter(|c| c.ty == ty).map(move |c| (unit, c)))
        .filter(|(unit, c)| {
            allocators.get(new, *unit, c.callee).is_some()
                || allocators.is_doubtful(new, *unit, c.callee)
                || arguments(new, *unit, c).iter().any(|a| a.contains("sizeof"))
        })
        .collect();
    let unclear = is_elsewhere(new, ty) || !makers.iter().all(|(unit, c)| is_one(new, allocators, *unit, c));
    let beginning = |field: &Field| {
        let starts: Vec<Option<(usize, &Creation, &Start)>> = makers
            .iter()
            .map(|(unit, c)| c.starts.iter().find(|s| s.field == field.name).map(|s| (*unit, *c, s)))
            .collect();
        let place = |(unit, creation, start): &(usize, &Creation, &Start)| {
            let function = &new.units[*unit].facts.functions[creation.inside];
            let file = function.definition.as_ref().map_or("", |d| d.file.as_str());
            format!("{} ({file}:{})", function.name, start.line)
        };
        let is_zero = |s: &Start| matches!(s.value.as_deref(), Some("0" | "0.0"));
        let other = starts.iter().flatten().find(|(_, _, s)| !is_zero(s))?;
        let same = starts.iter().all(|s| s.is_some_and(|(_, _, s)| s.value == other.2.value));
        let certain = same && !unclear && may_be_given(new, &field.ty);
        Some(match other.2.value.clone().filter(|_| certain && !is_cleared(new, ty, &field.name)) {
            Some(value) => Beginning::Always(value, place(other)),
            None => Beginning::Varies(place(other)),
        })
    };
    fields.filter_map(|field| Some((field.name.clone(), beginning(field)?))).collect()
}

fn arguments<'m>(new: &'m Model, unit: usize, creation: &Creation) -> Vec<&'m str> {
    let text = &new.units[unit].image.text;
    creation.arguments.iter().map(|(start, end)| text.get(*start..*end).unwrap_or("")).collect()
}

/// Whether a transformer can give a field a number.
fn may_be_given(new: &Model, ty: &str) -> bool {
    new.units.first().is_some_and(|unit| Scope::new(new, unit).number(ty).is_some())
}

/// Whether a call visibly makes a single object, and not room for several, or more room for what was there.
fn is_one(new: &Model, allocators: &Allocators, unit: usize, creation: &Creation) -> bool {
    let arguments = arguments(new, unit, creation);
    let argument = |i: usize| arguments.get(i).copied().unwrap_or("");
    let known = allocators.get(new, unit, creation.callee);
    if known.and_then(|a| a.old).is_some_and(|old| !is_null(argument(old))) {
        return false;
    }
    match known.map(|a| a.size) {
        Some(Size::Bytes(i)) => is_size(argument(i)),
        Some(Size::Product(i, j)) => {
            let one = |i: usize| argument(i).trim_matches(['(', ')', ' ']) == "1";
            one(i) && is_size(argument(j)) || one(j) && is_size(argument(i))
        }
        Some(Size::Unknown) | None => arguments.len() < 2 && arguments.iter().all(|a| is_size(a)),
    }
}

/// Whether an expression is the size of something, perhaps with more behind it, and not of several.
fn is_size(expression: &str) -> bool {
    let tokens = Lexer::new(expression, 0).filter(|t| t.kind != Kind::Directive);
    let words: Vec<&str> = tokens.filter_map(|t| expression.get(t.start..t.end)).collect();
    let sizes = words.iter().filter(|w| **w == "sizeof").count();
    let operand = |w: &str| w == ")" || w.starts_with(|c: char| c.is_alphanumeric() || c == '_') && w != "sizeof";
    let times = words.windows(2).any(|pair| operand(pair[0]) && pair[1] == "*");
    sizes == 1 && !times && !words.iter().any(|w| matches!(*w, "<" | "<<" | "?"))
}

/// Whether there are objects of a type that no known call makes: in variables, inside others, or in memory that was had as
/// something else.
fn is_elsewhere(new: &Model, ty: &str) -> bool {
    let inside = |outer: &str| names_in(outer).any(|(name, by_value)| by_value && name == ty);
    new.units.iter().any(|u| {
        // Uses of its size, and the calls among them that are known to make objects, by function and by what it calls.
        let mut counts: BTreeMap<(Option<usize>, &str), (usize, usize)> = BTreeMap::new();
        for t in u.facts.type_uses.iter().filter(|t| t.ty == ty) {
            if let TypeUsage::Sized(by) = &t.usage {
                counts.entry((t.inside, by)).or_default().0 += usize::from(!is_clearing(by) && !is_copying(by));
            }
        }
        for c in u.facts.creations.iter().filter(|c| c.ty == ty) {
            counts.entry((Some(c.inside), &u.facts.functions[c.callee].name)).or_default().1 += 1;
        }
        counts.values().any(|(sizes, made)| sizes > made)
            || u.facts.variables.iter().any(|v| v.definition.is_some() && inside(&v.ty))
            || u.facts.types.iter().any(|t| t.fields.iter().any(|f| inside(&f.ty)))
            || u.facts.type_uses.iter().any(|t| t.ty == ty && matches!(t.usage, TypeUsage::Local(_)))
    })
}

/// Whether new code clears objects other than those that it has just made, and that it gives a field a value then: what is
/// cleared has the field as objects from before have it.
fn is_cleared(new: &Model, ty: &str, field: &str) -> bool {
    new.units.iter().any(|u| {
        let clears = |t: &&TypeUse| {
            t.ty == ty
                && match &t.usage {
                    TypeUsage::Passed { callee, sized } => is_clearing(callee) || *sized && !is_copying(callee),
                    _ => false,
                }
        };
        let mut counts: BTreeMap<Option<usize>, (usize, usize)> = BTreeMap::new();
        for t in u.facts.type_uses.iter().filter(clears) {
            counts.entry(t.inside).or_default().0 += 1;
        }
        for c in u.facts.creations.iter().filter(|c| c.ty == ty && c.cleared) {
            let begun = c.starts.iter().any(|s| s.field == field && s.value.is_some());
            counts.entry(Some(c.inside)).or_default().1 += usize::from(begun);
        }
        counts.values().any(|(cleared, begun)| cleared > begun)
    })
}

fn is_clearing(function: &str) -> bool {
    matches!(library_name(function), "memset" | "bzero" | "explicit_bzero")
}

fn is_copying(function: &str) -> bool {
    matches!(library_name(function), "memcpy" | "memmove" | "mempcpy")
}

#[cfg(test)]
mod tests {
    use super::is_size;

    #[test]
    fn sizes() {
        assert!(is_size("sizeof *c") && is_size("sizeof(struct c)") && is_size("sizeof(*c) + length"));
        assert!(
            !is_size("n * sizeof *c") && !is_size("sizeof(*c) * n") && !is_size("size") && !is_size("sizeof(*c) << 2")
        );
    }
}
