//! What new fields of objects begin with: 0, unless all code that makes such objects gives them one and the same constant.

use std::collections::BTreeMap;

use crate::analyse::allocators::Allocators;
use crate::analyse::model::Model;
use crate::facts::{Creation, Field, Start};
use crate::layout::place::innermost;

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
            allocators.get(new, *unit, c.callee).is_some() || allocators.is_doubtful(new, *unit, c.callee)
        })
        .collect();
    let elsewhere = is_elsewhere(new, ty);
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
        let pointer = field.ty.trim_start_matches("const ").starts_with('*');
        Some(match other.2.value.clone().filter(|_| same && !elsewhere && !pointer) {
            Some(value) => Beginning::Always(value, place(other)),
            None => Beginning::Varies(place(other)),
        })
    };
    fields.filter_map(|field| Some((field.name.clone(), beginning(field)?))).collect()
}

/// Whether there are objects of a type that no call makes: in variables, or inside others.
fn is_elsewhere(new: &Model, ty: &str) -> bool {
    new.units.iter().any(|u| {
        let inside = |ty_: &str| innermost(ty_).0 == ty;
        u.facts.variables.iter().any(|v| v.definition.is_some() && inside(&v.ty))
            || u.facts.types.iter().any(|t| t.fields.iter().any(|f| inside(&f.ty)))
    })
}
