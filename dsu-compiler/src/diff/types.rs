//! Types that changed: which did, and how each is laid out in the patch.
//!
//! Types are program-wide by name. A type on whose layout all units agree, before and after, is planned
//! ([`crate::layout::place`]); one that means different things in different units must not change. Every type that both
//! programs have is laid out in the patch as in the running program, changed or not: the new build may have given it
//! other room for later.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::analyse::allocators::Allocators;
use crate::analyse::model::Model;
use crate::analyse::wrap::NoRoom;
use crate::description::Description;
use crate::diff::directives::Directives;
use crate::diff::pairing::Pairing;
use crate::diff::starts::{self, Beginning};
use crate::facts::{Field, TypeDefinition, TypeKind, TypeUsage};
use crate::layout::natural::{Part, align_up, natural};
use crate::layout::place::{self, Change, Refusal, Renames, Sizes, place};
use crate::layout::{Member, Shape, Shapes, is_ours, label_of};
use crate::program::types_of;

/// A type that changed and is laid out so that old objects stay good.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Canonical name.
    pub name: String,
    /// The same as part of identifiers.
    pub label: String,
    /// As it is in the running program.
    pub old: TypeDefinition,
    /// As it is laid out in the patch.
    pub new: TypeDefinition,
    /// What changed.
    pub changes: Vec<Change>,
    /// Its fields stand in another order than the source says.
    pub reordered: bool,
    /// What new code begins its new fields with, where that is not 0.
    pub beginnings: BTreeMap<String, Beginning>,
}

impl Planned {
    /// Fields that objects from before the patch do not have, with what they were before.
    pub fn to_transform(&self) -> impl Iterator<Item = (Option<&Field>, &Field)> {
        self.changes.iter().filter(|_| self.new.kind == TypeKind::Struct).filter_map(|c| match c {
            Change::Added(now) => Some((None, now)),
            Change::Retyped(was, now) => Some((Some(was), now)),
            Change::Removed(_) | Change::Renamed(..) | Change::Widened(..) => None,
        })
    }

    /// Fields of the running program that new code does not have, by name.
    pub fn lost(&self) -> BTreeSet<&str> {
        let lost = |c: &Change| match c {
            Change::Removed(was) | Change::Retyped(was, _) => Some(was.name.clone()),
            Change::Added(_) | Change::Renamed(..) | Change::Widened(..) => None,
        };
        let names: BTreeSet<String> = self.changes.iter().filter_map(lost).collect();
        self.old.fields.iter().map(|f| f.name.as_str()).filter(|n| names.contains(*n)).collect()
    }

    /// Offset of an object's stamp in bytes.
    pub fn stamp_offset(&self) -> Option<u64> {
        let stamp = self.new.fields.iter().find(|f| f.name == crate::layout::STAMP)?;
        u64::try_from(stamp.offset / 8).ok()
    }
}

/// What became of the program's types.
#[derive(Clone, Debug, Default)]
pub struct Types {
    /// Layouts that the new source alone would not give.
    pub shapes: Shapes,
    /// Types that changed, by name.
    pub planned: BTreeMap<String, Planned>,
    /// Names of types that changed, and of those that have one inside.
    pub holders: BTreeSet<String>,
    /// Sentences about those that cannot.
    pub refusals: Vec<String>,
}

/// A type by name: its definition if all units agree on it.
type ByName<'a> = BTreeMap<&'a str, Option<&'a TypeDefinition>>;

fn by_name(model: &Model) -> ByName<'_> {
    let mut found: ByName<'_> = BTreeMap::new();
    for t in model.units.iter().flat_map(|u| &u.facts.types) {
        let known = found.entry(&t.name).or_insert(Some(t));
        if known.is_some_and(|k| k.layout() != t.layout()) {
            *known = None;
        }
    }
    found
}

impl Types {
    /// Plans all types of the new program.
    pub fn new(old: &Description, new: &Model, pairing: &Pairing, directives: &Directives) -> Self {
        let (old, no_room) = (&old.model, &old.no_room);
        let (before, after) = (by_name(old), by_name(new));
        let mut types = Self { refusals: directives.unknown_fields(&before, &after), ..Self::default() };
        let known = before.iter().filter_map(|(name, t)| t.map(|t| ((*name).to_owned(), (t.size, t.align))));
        let mut sizes: Sizes = known.collect();
        let mut room = NewTypes { before: &before, after: &after, sizes: &mut sizes, shapes: &mut types.shapes };
        for name in after.keys() {
            room.add(name, 0);
        }
        for (name, now) in &after {
            match (before.get(name), now) {
                (Some(Some(was)), Some(now)) => types.plan(was, now, directives, &sizes, (old, new, no_room)),
                (Some(_), _) => types.disagreement(name, old, new, pairing),
                (None, _) => {}
            }
        }
        types.find_holders(&after);
        types.find_beginnings(new);
        types
    }

    fn find_beginnings(&mut self, new: &Model) {
        let allocators = LazyCell::new(|| Allocators::new(new));
        for planned in self.planned.values_mut() {
            let added = || planned.to_transform().filter(|(was, _)| was.is_none()).map(|(_, now)| now);
            if added().next().is_some() {
                planned.beginnings = starts::of_fields(new, &allocators, &planned.name, added());
            }
        }
    }

    fn find_holders(&mut self, all: &ByName<'_>) {
        self.holders = self.planned.keys().cloned().collect();
        loop {
            let holds =
                |t: &TypeDefinition| t.kind != TypeKind::Enum && t.fields.iter().any(|f| self.holds_changed(&f.ty));
            let more: Vec<String> = all
                .iter()
                .filter(|(name, t)| !self.holders.contains(**name) && t.is_some_and(holds))
                .map(|(name, _)| (*name).to_owned())
                .collect();
            if more.is_empty() {
                return;
            }
            self.holders.extend(more);
        }
    }

    /// Whether an object of this canonical type is, or has inside, one of a type that changed.
    pub fn holds_changed(&self, ty: &str) -> bool {
        let name = place::innermost(ty).0;
        if name.contains('{') {
            return self.holders.iter().any(|h| name.contains(h.as_str()));
        }
        self.holders.contains(name)
    }

    /// How many objects there are in one of a canonical type that have fields which older objects do not.
    pub fn versioned(&self, ty: &str, all: &[&TypeDefinition]) -> u64 {
        let (name, count) = place::innermost(ty);
        let own = self.shapes.get(name).is_some_and(|s| s.members.iter().any(|m| m.since > 0));
        let inside = |t: &&TypeDefinition| t.fields.iter().map(|f| self.versioned(&f.ty, all)).sum::<u64>();
        // A struct cannot contain itself.
        let definition = all.iter().find(|t| t.name == name && t.kind == TypeKind::Struct);
        count.saturating_mul(u64::from(own) + definition.map_or(0, inside))
    }

    fn plan(
        &mut self,
        was: &TypeDefinition,
        now: &TypeDefinition,
        directives: &Directives,
        sizes: &Sizes,
        programs: Programs<'_>,
    ) {
        let none = Renames::new();
        let renames = directives.renames.get(&was.name).unwrap_or(&none);
        let version = 1 + was.fields.iter().map(|f| f.since).max().unwrap_or(0);
        let (shape, changes) = match place(was, now, renames, sizes, version) {
            Ok(plan) => plan,
            Err(refusal) => {
                self.refusals.push(refused(&refusal, was, now, programs));
                return;
            }
        };
        if now.kind == TypeKind::Enum {
            return;
        }
        if !changes.is_empty() && now.local {
            self.refusals.push(format!(
                "{} ({}:{}) is defined inside a function and changed its shape: give it another name, or restart the program for \
                 this change",
                now.name, now.file, now.line
            ));
            return;
        }
        let definition = shape.definition(now);
        let reordered = shape.reordered;
        let ours = shape.members.iter().any(Member::is_ours);
        if (ours || !shape.natural) && !now.attributed && !now.local {
            self.shapes.insert(shape.name.clone(), shape);
        }
        if !changes.is_empty() {
            let (name, label) = (was.name.clone(), label_of(&was.name));
            let planned = Planned {
                label,
                old: was.clone(),
                new: definition,
                changes,
                reordered,
                name: name.clone(),
                beginnings: BTreeMap::new(),
            };
            self.planned.insert(name, planned);
        }
    }

    /// A type on which units disagree, in the old program or the new one: each unit must go on meaning what it meant.
    fn disagreement(&mut self, name: &str, old: &Model, new: &Model, pairing: &Pairing) {
        for (unit, u) in new.units.iter().enumerate() {
            for after in u.facts.types.iter().filter(|t| t.name == name) {
                let here = pairing.old_of[unit].into_iter();
                let same = |t: &&TypeDefinition| t.name == name;
                let mut known: Vec<&TypeDefinition> =
                    here.flat_map(|o| &old.units[o].facts.types).filter(same).collect();
                if known.is_empty() {
                    known = old.units.iter().flat_map(|u| &u.facts.types).filter(same).collect();
                }
                if known.iter().all(|t| source_layout(t) != source_layout(after)) {
                    self.refusals.push(format!(
                        "{name} ({}:{}) means different things in different units of the program{}, and changed its shape: give each \
                         a name of its own first",
                        after.file,
                        after.line,
                        disagreeing(name, old).or_else(|| disagreeing(name, new)).unwrap_or_default()
                    ));
                    return;
                }
            }
        }
    }

    /// What must hold once the new program is read with the planned layouts: every type that both programs have is laid
    /// out alike, those aside that changed as planned.
    pub fn verify(&self, old: &Model, new: &Model) -> Vec<String> {
        let (before, after) = (by_name(old), by_name(new));
        let differs = |(name, now): (&&str, &Option<&TypeDefinition>)| {
            let (was, now) = ((*before.get(*name)?)?, (*now)?);
            let wanted = self.planned.get(*name).map_or(was, |p| &p.new);
            (now.layout() != wanted.layout()).then(|| {
                format!(
                    "{name} ({}:{}) cannot be laid out in the patch as it is in the running program ({} bytes became {}): restart the \
                     program for this change",
                    now.file, now.line, wanted.size, now.size
                )
            })
        };
        after.iter().filter_map(differs).collect()
    }
}

impl Types {
    /// Sentences about code that counts on the order of fields where the patch does not keep to it.
    pub fn check_offsets(&self, new: &Model) -> Vec<String> {
        let mut found = Vec::new();
        for unit in &new.units {
            for u in &unit.facts.type_uses {
                let TypeUsage::Offset(field) = &u.usage else { continue };
                let Some(planned) = self.planned.get(&u.ty) else { continue };
                if planned.reordered || planned.to_transform().next().is_some() {
                    let inside = u.inside.and_then(|f| unit.facts.functions.get(f));
                    let file =
                        inside.and_then(|f| f.definition.as_ref()).map_or(unit.name.as_str(), |d| d.file.as_str());
                    found.push(format!(
                        "{} computes with the offset of field {field} in {} ({file}:{}): in the patch its fields stand in another order \
                         than in the source; name the fields one by one, or restart the program for this change",
                        inside.map_or("an initialiser", |f| f.name.as_str()),
                        u.ty,
                        u.line
                    ));
                }
            }
        }
        found
    }
}

/// Two units of a program that do not agree on a type, in words. Where both have it from one file, an object may be left over
/// from before that was changed.
fn disagreeing(name: &str, model: &Model) -> Option<String> {
    let mut known =
        model.units.iter().flat_map(|u| u.facts.types.iter().map(move |t| (u, t))).filter(|(_, t)| t.name == name);
    let (first, one) = known.next()?;
    let (second, other) = known.find(|(_, t)| t.layout() != one.layout())?;
    let stale = if one.file == other.file { "; is an object left over from before that file was changed?" } else { "" };
    Some(format!(" ({}: {} bytes, {}: {} bytes{stale})", first.name, one.size, second.name, other.size))
}

/// A layout without members of ours.
fn source_layout(t: &TypeDefinition) -> u64 {
    let fields = t.fields.iter().filter(|f| !is_ours(&f.name)).cloned().collect();
    TypeDefinition { fields, ..t.clone() }.layout()
}

/// Types that only the new program has: what they are like when the types inside them are as in the running program.
struct NewTypes<'a> {
    before: &'a ByName<'a>,
    after: &'a ByName<'a>,
    sizes: &'a mut Sizes,
    shapes: &'a mut Shapes,
}

impl NewTypes<'_> {
    fn add(&mut self, name: &str, depth: u32) {
        let known = self.before.contains_key(name) || self.sizes.contains_key(name);
        let Some(t) = self.after.get(name).copied().flatten().filter(|_| !known && depth < 64) else { return };
        for field in &t.fields {
            self.add(place::innermost(&field.ty).0, depth + 1);
        }
        if t.kind != TypeKind::Struct || t.attributed || t.local {
            self.sizes.insert(name.to_owned(), (t.size, t.align));
            return;
        }
        let fields: Vec<Field> = t.fields.iter().map(|f| place::effective(f, self.sizes)).collect();
        let laid_out = natural(&fields.iter().map(Part::of_field).collect::<Vec<_>>());
        let size = align_up(laid_out.end, laid_out.align * 8) / 8;
        self.sizes.insert(name.to_owned(), (size, laid_out.align));
        if !fields.iter().any(|f| is_ours(&f.name)) {
            return;
        }
        let members = fields.iter().zip(&laid_out.offsets).filter(|(f, _)| !(f.name.is_empty() && f.bits.is_some()));
        let shape = Shape {
            name: name.to_owned(),
            label: label_of(name),
            kind: t.kind,
            size,
            align: laid_out.align,
            members: members.map(|(f, offset)| Member { offset: *offset, ..place::member(f, 0, 0) }).collect(),
            reordered: false,
            natural: true,
        };
        self.shapes.insert(name.to_owned(), shape);
    }
}

/// The old program and the new one, and why types of the old one have no room.
type Programs<'a> = (&'a Model, &'a Model, &'a BTreeMap<String, NoRoom>);

/// Why a type cannot change, in words, with what to do.
fn refused(refusal: &Refusal, was: &TypeDefinition, now: &TypeDefinition, (old, new, no_room): Programs<'_>) -> String {
    let users = users(new, now).or_else(|| users(old, was)).unwrap_or_default();
    let advice = match refusal {
        Refusal::Full { size, .. } => format!(
            "build the program with `[types.\"{}\"] slop = {}` in dsu.toml to have room next time; for this change, restart it",
            now.name,
            (64 + size).next_multiple_of(8)
        ),
        Refusal::NoStamp(_) => {
            let known = no_room.get(&now.name);
            let why = known.map(|n| format!("{}; ", n.reason)).unwrap_or_default();
            let room = match known {
                Some(n) if !n.soft => String::new(),
                Some(n) if !n.only_small => {
                    format!(
                        "if that does no harm, `[types.\"{}\"] wrap = true` in dsu.toml makes room next time; ",
                        now.name
                    )
                }
                _ => format!("`[types.\"{}\"] wrap = true` in dsu.toml makes room next time; ", now.name),
            };
            format!("{why}{room}for this change, restart the program")
        }
        _ => "keep the layout, or restart the program for this change".to_owned(),
    };
    format!("{} changed shape: {}{users}; {refusal}; {advice}", now.name, differences(was, now))
}

/// Field by field, what is different.
fn differences(before: &TypeDefinition, after: &TypeDefinition) -> String {
    let mut parts = Vec::new();
    for field in place::own_fields(after) {
        match before.fields.iter().find(|f| f.name == field.name) {
            None => parts.push(format!("field {} added ({}:{})", label(field), after.file, field.line)),
            Some(f) if f.ty != field.ty || f.bits != field.bits => parts.push(format!(
                "field {} retyped from {} to {} ({}:{})",
                label(field),
                f.described(),
                field.described(),
                after.file,
                field.line
            )),
            Some(_) => {}
        }
    }
    for field in place::own_fields(before) {
        if !after.fields.iter().any(|f| f.name == field.name) {
            parts.push(format!("field {} removed ({}:{})", label(field), before.file, field.line));
        }
    }
    if parts.is_empty() {
        parts.push(format!(
            "size {} became {}, alignment {} became {}",
            before.size, after.size, before.align, after.align
        ));
    }
    parts.join(", ")
}

/// Who uses a type's fields: the first three places.
fn users(model: &Model, ty: &TypeDefinition) -> Option<String> {
    let mut places = Vec::new();
    for unit in &model.units {
        for field_use in unit.facts.field_uses.iter().filter(|u| u.ty == ty.name) {
            let function = &unit.facts.functions[field_use.inside];
            let file = function.definition.as_ref().map_or("", |d| d.file.as_str());
            if !places.iter().any(|p: &String| p.starts_with(&format!("{} ", function.name))) {
                places.push(format!("{} (field {}, {file}:{})", function.name, field_use.field, field_use.line));
            }
        }
    }
    let more = places.len().saturating_sub(3);
    places.truncate(3);
    let rest = if more > 0 { format!(" and {more} more functions") } else { String::new() };
    (!places.is_empty()).then(|| format!("; used by {}{rest}", places.join(", ")))
}

fn label(field: &Field) -> &str {
    if field.name.is_empty() { "(unnamed)" } else { &field.name }
}

/// A sentence for each enumeration constant whose value changed or that is gone: stored values keep their old meaning.
pub fn changed_constants(old: &Model, new: &Model) -> Vec<String> {
    let old_types: HashMap<String, &TypeDefinition> = types_of(old).into_iter().collect();
    let mut found = Vec::new();
    for (name, after) in types_of(new).into_iter().filter(|(_, t)| t.kind == TypeKind::Enum) {
        let Some(before) = old_types.get(&name) else { continue };
        // Only where it matters: this looks at the whole program.
        let stored = LazyCell::new(|| stored_in(new, &after.name));
        for was in &before.fields {
            match after.fields.iter().find(|f| f.name == was.name) {
                Some(constant) if constant.offset != was.offset => found.push(format!(
                    "{} of {name} was {} and is {} ({}:{}): values stored before the update keep the old meaning{}",
                    constant.name, was.offset, constant.offset, after.file, constant.line, *stored
                )),
                Some(_) => {}
                None if after.fields.iter().any(|f| f.offset == was.offset) => {}
                None => found.push(format!(
                    "{} of {name} ({}) is gone ({}:{}): values stored before the update may still have it{}",
                    was.name, was.offset, after.file, after.line, *stored
                )),
            }
        }
    }
    found
}

/// The fields and variables that store values of an enum.
fn stored_in(model: &Model, name: &str) -> String {
    let mut places = BTreeSet::new();
    for unit in &model.units {
        for t in unit.facts.types.iter().filter(|t| t.kind != TypeKind::Enum) {
            let fields = t.fields.iter().filter(|f| place::innermost(&f.ty).0 == name);
            places.extend(fields.map(|f| format!("{}.{}", t.name, f.name)));
        }
        let variables = unit.facts.variables.iter().filter(|v| place::innermost(&v.ty).0 == name);
        places.extend(variables.map(|v| unit.facts.local_name(v)));
    }
    if places.is_empty() {
        return String::new();
    }
    let more = places.len().saturating_sub(6);
    let list: Vec<String> = places.into_iter().take(6).collect();
    format!(" (in {}{})", list.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
}
