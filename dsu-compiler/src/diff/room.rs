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

/// Sentences about new code that counts on fields being where the new source has them, in structs that are laid out in the patch
/// as they are in the running program: what it writes out would be the message, or the file, of before; what it casts to the
/// struct that its first field is would be another field.
pub fn misread(types: &Types, new: &Model) -> Vec<String> {
    let mut definitions = Definitions::new();
    for t in new.units.iter().flat_map(|u| &u.facts.types) {
        definitions.entry(&t.name).or_insert(t);
    }
    let moved: Vec<Moved<'_>> =
        types.shapes.values().filter(|s| !s.natural).filter_map(|s| Moved::new(s, &definitions)).collect();
    if moved.is_empty() {
        return Vec::new();
    }
    let allocators = Allocators::new(new);
    let uses = Uses::new(new, &allocators);
    let sentence = |m: &Moved<'_>| {
        let t = m.source;
        // Room in the new program is room that nothing speaks against, or that a person has asked for.
        let room = t.fields.iter().any(|f| f.name == STAMP);
        let shown = || shown(&uses, m, &definitions).filter(|_| !room);
        let objection = cast(&uses, m, &definitions).or_else(|| handed(&uses, m));
        let (objection, way_out) = match objection {
            Some(objection) => (objection, String::new()),
            None => (
                shown()?,
                format!(
                    ", or, if it does no harm, say `[types.\"{}\"] wrap = true` in dsu.toml and link the new program again",
                    t.name
                ),
            ),
        };
        Some(format!(
            "{} ({}:{}) changed shape, and objects keep the layout they have: {}, and new code counts on that: {objection}; keep fields \
             where they are, or restart the program for this change{way_out}",
            t.name,
            t.file,
            t.line,
            m.how()
        ))
    };
    moved.iter().filter_map(sentence).collect()
}

type Definitions<'a> = BTreeMap<&'a str, &'a TypeDefinition>;

/// A type that the patch lays out in another way than its source.
struct Moved<'a> {
    source: &'a TypeDefinition,
    /// Fields that are elsewhere in the patch, with their offset in the source, in bits.
    fields: Vec<(&'a Field, u64)>,
    /// Bytes in the patch.
    size: u64,
}

impl<'a> Moved<'a> {
    fn new(shape: &Shape, definitions: &Definitions<'a>) -> Option<Self> {
        let source = *definitions.get(shape.name.as_str())?;
        let at = |f: &Field| shape.members.iter().find(|m| m.name == f.name).map(|m| m.offset);
        let own = source.fields.iter().filter(|f| !is_ours(&f.name) && !f.name.is_empty());
        let fields: Vec<_> = own
            .filter_map(|f| Some((f, u64::try_from(f.offset).ok()?)))
            .filter(|(f, offset)| at(f) != Some(*offset))
            .collect();
        (!fields.is_empty() || shape.size != source.size).then_some(Self { source, fields, size: shape.size })
    }

    fn how(&self) -> String {
        match self.fields.first() {
            Some((f, _)) => format!("field {} stands elsewhere in the patch than in the new source", f.name),
            None => format!("it has {} bytes in the patch, and {} in the new source", self.size, self.source.size),
        }
    }

    /// A field that the source has in the first so many bytes.
    fn within(&self, size: u64) -> Option<&Field> {
        self.fields.iter().find(|(_, offset)| *offset < size.saturating_mul(8)).map(|(f, _)| *f)
    }
}

/// Who else sees the bytes of a type, or of one that has it inside.
fn shown(uses: &Uses<'_>, m: &Moved<'_>, definitions: &Definitions<'_>) -> Option<String> {
    let counts = |usage: &TypeUsage| match usage {
        TypeUsage::Passed { callee, .. } => !compares(callee),
        // Constants hold in the patch, too, or it does not compile; sizes of others say nothing about this layout.
        TypeUsage::Asserted | TypeUsage::Sham { .. } | TypeUsage::Cast(_) => false,
        _ => true,
    };
    let name = m.source.name.as_str();
    let (outer, objection) =
        holders(name, definitions).into_iter().find_map(|outer| Some((outer, uses.against_room(outer, counts)?)))?;
    Some(if outer == name { objection } else { format!("it is part of {outer}, of which holds: {objection}") })
}

/// A cast between this type, or one that begins with it, and another struct, which finds other fields there.
fn cast(uses: &Uses<'_>, m: &Moved<'_>, definitions: &Definitions<'_>) -> Option<String> {
    let name = m.source.name.as_str();
    uses.casts().find_map(|(unit, ty, other, place)| {
        // What the other one begins with goes along with it.
        if ty != name && !uses.begins_with(unit, ty, name) || other == name || uses.begins_with(unit, other, name) {
            return None;
        }
        let size = definitions.get(other).map_or(u64::MAX, |t| t.size);
        let field = m.within(size)?;
        Some(format!("{ty} is cast to or from {other} ({place}), which would not find field {}", field.name))
    })
}

/// Where a type begins with a struct in the new source alone: whoever gets it as a pointer to anything may take it for that.
fn handed(uses: &Uses<'_>, m: &Moved<'_>) -> Option<String> {
    let inside = |f: &Field| names_in(&f.ty).any(|(name, by_value)| by_value && uses.knows(name));
    let first = m.within(1).filter(|f| inside(f))?;
    let handed = uses.handed(&m.source.name)?;
    Some(format!("it begins with field {} there, and {handed}", first.name))
}

/// Whether a function only looks whether bytes are the same.
fn compares(function: &str) -> bool {
    matches!(library_name(function), "memcmp" | "bcmp")
}

/// A type, and all that have it inside.
fn holders<'a>(name: &'a str, definitions: &Definitions<'a>) -> Vec<&'a str> {
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
