//! What new code does with structs whose objects have room in the running program, though it would have kept `dsu-cc` from
//! giving them any.

use crate::analyse::allocators::Allocators;
use crate::analyse::model::Model;
use crate::analyse::wrap::Uses;
use crate::diff::types::Types;
use crate::facts::{TypeDefinition, TypeKind, TypeUsage};
use crate::layout::STAMP;

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
