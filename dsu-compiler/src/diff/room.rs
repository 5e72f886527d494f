//! What new code does with structs whose layout in the patch is not that of its source: with room that would have kept
//! `dsu-cc` from giving them any, or with fields where the running program has them.

use std::collections::BTreeMap;

use crate::analyse::allocators::Allocators;
use crate::analyse::model::Model;
use crate::analyse::wrap::{Uses, names_in};
use crate::diff::types::Types;
use crate::facts::returned::library_name;
use crate::facts::{Field, TypeDefinition, TypeKind, TypeUsage};
use crate::layout::{STAMP, Shape, is_ours};

/// Sentences about new code that room would show in, or that makes objects without it. `new`: as its own build is laid out.
pub fn refusals(types: &Types, old: &Model, new: &Model) -> Vec<String> {
    let has_room = |t: &TypeDefinition| t.kind == TypeKind::Struct && t.fields.iter().any(|f| f.name == STAMP);
    let all = |model: &Model, name: &str| {
        let mut found = model.units.iter().flat_map(|u| &u.facts.types).filter(|t| t.name == name).peekable();
        found.peek().is_some() && found.all(has_room)
    };
    let mut names: Vec<&str> =
        old.units.iter().flat_map(|u| &u.facts.types).filter(|t| has_room(t)).map(|t| t.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !all(new, name));
    if names.is_empty() {
        return Vec::new();
    }
    let allocators = [Allocators::new(old), Allocators::new(new)];
    let (before, after) = (Uses::new(old, &allocators[0]), Uses::new(new, &allocators[1]));
    let refused = |name: &str| {
        let versions = types.shapes.get(name).is_some_and(|s| s.members.iter().any(|m| m.since > 0));
        // Without new fields nobody looks at the stamp of what is taken for an object.
        let counts = |usage: &TypeUsage| match usage {
            TypeUsage::Passed { .. } | TypeUsage::Kept(_) | TypeUsage::Short => true,
            _ => versions,
        };
        let objection = after.against_room(name, counts)?;
        // A person has decided that before, then.
        if before.against_room(name, counts).is_some() {
            return None;
        }
        Some(format!(
            "{name} has room for later in the running program, which new code does not go with: {objection}; if it does no harm, say \
             `[types.\"{name}\"] wrap = true` in dsu.toml and link the new program again; else write that otherwise, or restart the \
             program for this change"
        ))
    };
    names.into_iter().filter_map(refused).collect()
}

/// Sentences about structs whose bytes new code shows to others, or sees in another way, and that are laid out in the patch as
/// they are in the running program, and not as the new source says: what is written would be the message, or the file, of before.
pub fn misread(types: &Types, new: &Model) -> Vec<String> {
    let mut definitions: BTreeMap<&str, &TypeDefinition> = BTreeMap::new();
    for t in new.units.iter().flat_map(|u| &u.facts.types) {
        definitions.entry(&t.name).or_insert(t);
    }
    let differs = |shape: &Shape| {
        let source = definitions.get(shape.name.as_str())?;
        let own = || source.fields.iter().filter(|f| !is_ours(&f.name));
        // Room in the new program is room that nothing speaks against, or that a person has asked for.
        if source.fields.iter().any(|f| f.name == STAMP) {
            return None;
        }
        let at = |f: &Field| shape.members.iter().find(|m| m.name == f.name).and_then(|m| i64::try_from(m.offset).ok());
        let moved = own().find(|f| !f.name.is_empty() && at(f) != Some(f.offset));
        let how = match moved {
            Some(f) => format!("field {} stands elsewhere in the running program than in the new source", f.name),
            None if shape.size != source.size => {
                format!("it has {} bytes in the running program, and {} in the new source", shape.size, source.size)
            }
            None => return None,
        };
        Some((*source, how))
    };
    let shapes: Vec<(&TypeDefinition, String)> =
        types.shapes.values().filter(|s| !s.natural).filter_map(differs).collect();
    if shapes.is_empty() {
        return Vec::new();
    }
    let allocators = Allocators::new(new);
    let uses = Uses::new(new, &allocators);
    let counts = |usage: &TypeUsage| match usage {
        TypeUsage::Passed { callee, .. } => !compares(callee),
        // Constants hold in the patch, too, or it does not compile; sizes of others say nothing about this layout.
        TypeUsage::Asserted | TypeUsage::Sham { .. } | TypeUsage::Kept(_) => false,
        _ => true,
    };
    let sentence = |(t, how): (&TypeDefinition, String)| {
        let (name, place) = (&t.name, format!("{}:{}", t.file, t.line));
        let (outer, objection) = holders(name, &definitions)
            .into_iter()
            .find_map(|outer| Some((outer, uses.against_room(outer, counts)?)))?;
        let part = if outer == name { String::new() } else { format!("it is part of {outer}, of which holds: ") };
        Some(format!(
            "{name} ({place}) changed shape, and objects keep the layout they have: {how}, and others may see that: {part}{objection}; \
             keep fields where they are, restart the program for this change, or, if it does no harm, say \
             `[types.\"{name}\"] wrap = true` in dsu.toml and link the new program again"
        ))
    };
    shapes.into_iter().filter_map(sentence).collect()
}

/// Whether a function only looks whether bytes are the same.
fn compares(function: &str) -> bool {
    matches!(library_name(function), "memcmp" | "bcmp")
}

/// A type, and all that have it inside.
fn holders<'a>(name: &'a str, definitions: &BTreeMap<&'a str, &'a TypeDefinition>) -> Vec<&'a str> {
    let mut found = vec![name];
    let mut next = 0;
    while let Some(inner) = found.get(next).copied() {
        next += 1;
        let holds = |t: &TypeDefinition| {
            t.fields.iter().flat_map(|f| names_in(&f.ty)).any(|(name, by_value)| by_value && name == inner)
        };
        let more: Vec<&str> =
            definitions.iter().filter(|(n, t)| !found.contains(n) && holds(t)).map(|(n, _)| *n).collect();
        found.extend(more);
    }
    found
}
