//! Code of the old program that can still run after the commit, and what it must not touch then.
//!
//! New code is reached through slots. Old code runs on in activations that are on a stack while a thread stands at an
//! update point, and in functions that have no successor (removed, or with another prototype): whatever still calls
//! those, or holds a pointer to one, gets the old code. What old code calls directly, inside its unit, is old code, too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::analyse::model::{FunctionRef, VariableRef};
use crate::description::Description;
use crate::diff::compare::old_function;
use crate::diff::pairing::Pairing;
use crate::diff::resume;
use crate::diff::types::{Planned, Types};
use crate::facts::{Reference, Target, TypeUsage, Usage, fingerprint};
use crate::layout::{PAD, SLOP, is_beside};

/// The functions whose old code can still run.
#[derive(Clone, Debug, Default)]
pub struct Still {
    functions: BTreeMap<FunctionRef, Live>,
}

/// Old code that can still run.
#[derive(Clone, Debug)]
struct Live {
    /// Offset of its first byte.
    from: usize,
    why: String,
}

impl Still {
    /// Finds them.
    pub fn new(old: &Description, new: &Description, pairing: &Pairing) -> Self {
        let mut finder =
            Finder { old, successors: successors(old, new, pairing), found: Self::default(), todo: Vec::new() };
        let resumed = resume::places(old);
        for at in &old.points.path {
            let from = resumed.get(at).copied().unwrap_or(0);
            finder.add(*at, from, || "it is on an update path: an activation may be on a stack".to_owned());
        }
        // Whoever holds a pointer to a function without successor, or calls it by name from outside, gets the old code.
        for at in old.model.address_taken() {
            if !finder.has_successor(at) {
                finder
                    .add(at, 0, || "it is gone or has another prototype, and pointers to it may be in data".to_owned());
            }
        }
        let outside = old.model.units.iter().any(|u| u.kept.is_some()) || !old.objects.is_empty();
        for at in old.model.functions.values().filter(|_| outside) {
            if !finder.has_successor(*at) {
                finder.add(*at, 0, || {
                    "it is gone or has another prototype, and code that dsu-cc did not rewrite may call it".to_owned()
                });
            }
        }
        while let Some(at) = finder.todo.pop() {
            finder.follow(at);
        }
        finder.found
    }

    /// Sentences about old code that would touch what the new code does not keep: removed and retyped fields.
    pub fn check_types(&self, old: &Description, types: &Types) -> Vec<String> {
        let lost: HashMap<&str, BTreeSet<&str>> =
            types.planned.values().map(|p| (p.name.as_str(), p.lost())).filter(|(_, l)| !l.is_empty()).collect();
        let padded: BTreeSet<&str> =
            types.planned.values().filter(|p| uses_padding(p)).map(|p| p.name.as_str()).collect();
        let mut found = Vec::new();
        for (at, Live { from, why }) in &self.functions {
            let facts = &old.model.units[at.unit].facts;
            let f = &facts.functions[at.function];
            let file = f.definition.as_ref().map_or("", |d| d.file.as_str());
            let mut uses: BTreeMap<(&str, &str), BTreeSet<u32>> = BTreeMap::new();
            for u in facts.field_uses.iter().filter(|u| u.inside == at.function) {
                // What was read or written before does not matter; an address that was taken then is used later.
                let runs = u.at >= *from || u.addressed;
                if runs && lost.get(u.ty.as_str()).is_some_and(|fields| fields.contains(u.field.as_str())) {
                    uses.entry((&u.field, &u.ty)).or_default().insert(u.line);
                }
            }
            for ((field, ty), lines) in uses {
                found.push(format!(
                    "the old version of function {} can still run after the update ({why}), and uses field {field} of {ty} ({file}:{}), which \
                     is removed or has a new type: keep that field, move the update point, or if it only has another name now, say so (`#pragma dsu rename`)",
                    f.name,
                    some_of(&lines)
                ));
            }
            for u in facts.type_uses.iter().filter(|u| u.inside == Some(at.function)) {
                // Wherever it stands: what is done with a number may be done later.
                if let TypeUsage::Offset(field) | TypeUsage::Container(field) = &u.usage {
                    if lost.get(u.ty.as_str()).is_some_and(|fields| fields.contains(field.as_str())) {
                        found.push(format!(
                            "the old version of function {} can still run after the update ({why}), and uses the offset of field {field} \
                             of {} ({file}:{}), which is removed or has a new type: keep that field, or move the update point",
                            f.name, u.ty, u.line
                        ));
                    }
                }
                let copies = matches!(u.usage, TypeUsage::Assigned | TypeUsage::Value | TypeUsage::Local { .. });
                if copies && padded.contains(u.ty.as_str()) {
                    found.push(format!(
                        "the old version of function {} can still run after the update ({why}), and copies {} as a whole ({file}:{}), \
                         without the new field that would be in its padding: give the type more slop in dsu.toml, or copy by pointer",
                        f.name, u.ty, u.line
                    ));
                }
            }
        }
        found
    }

    /// Old code that can still run and uses a variable by its name, in words.
    pub fn use_of(&self, old: &Description, variable: VariableRef) -> Option<String> {
        self.refers(old, variable, |r, from| r.at >= from)
    }

    /// Old code that can still run and uses a variable, by its name or by an address that it took before, in words.
    pub fn use_or_address_of(&self, old: &Description, variable: VariableRef) -> Option<String> {
        // What was read or written before does not matter.
        self.refers(old, variable, |r, from| r.at >= from || !matches!(r.usage, Usage::Read | Usage::Write))
    }

    fn refers(
        &self,
        old: &Description,
        variable: VariableRef,
        counts: impl Fn(&Reference, usize) -> bool,
    ) -> Option<String> {
        self.functions.iter().find_map(|(at, Live { from, .. })| {
            let facts = &old.model.units[at.unit].facts;
            let refers = |r: &&Reference| {
                let Target::Variable(v) = r.target else { return false };
                let here = r.inside == Some(at.function) && old.model.variable_of(at.unit, v) == Some(variable);
                here && counts(r, *from)
            };
            facts.references.iter().find(refers)?;
            self.describe(old, *at)
        })
    }

    /// A function whose old code can still run, in words.
    pub fn describe(&self, old: &Description, at: FunctionRef) -> Option<String> {
        let Live { why, .. } = self.functions.get(&at)?;
        Some(format!("function {} ({why})", old.model.function(at).name))
    }
}

/// Lines in words: the first few.
fn some_of(lines: &BTreeSet<u32>) -> String {
    let first: Vec<String> = lines.iter().take(3).map(u32::to_string).collect();
    let more = lines.len() - first.len();
    first.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// Whether a new field lies where nothing was declared: copies that old code makes leave it out.
fn uses_padding(planned: &Planned) -> bool {
    let declared = |f: &&crate::facts::Field| f.name == SLOP || f.name.starts_with(PAD);
    let ours: Vec<(i64, i64)> =
        planned.old.fields.iter().filter(declared).map(|f| (f.offset, f.offset + f.size as i64 * 8)).collect();
    planned.to_transform().any(|(_, field)| {
        let inside = |f: &&crate::facts::Field| f.name == field.name && !is_beside(&planned.new, f);
        let placed = planned.new.fields.iter().find(inside);
        placed.is_some_and(|p| !ours.iter().any(|(start, end)| (*start..*end).contains(&p.offset)))
    })
}

/// For each old function the new one that takes its place in slots: of the same prototype.
fn successors(old: &Description, new: &Description, pairing: &Pairing) -> HashMap<FunctionRef, FunctionRef> {
    let mut found = HashMap::new();
    for at in new.model.definitions() {
        if let Some(before) = old_function(&old.model, &new.model, pairing, at) {
            let same = |m: &crate::analyse::model::Model, at| fingerprint(&m.function(at).prototype);
            if same(&old.model, before) == same(&new.model, at) {
                found.insert(before, at);
            }
        }
    }
    found
}

struct Finder<'a> {
    old: &'a Description,
    successors: HashMap<FunctionRef, FunctionRef>,
    found: Still,
    todo: Vec<FunctionRef>,
}

impl Finder<'_> {
    fn has_successor(&self, at: FunctionRef) -> bool {
        self.successors.contains_key(&at)
    }

    fn add(&mut self, at: FunctionRef, from: usize, why: impl FnOnce() -> String) {
        if self.found.functions.get(&at).is_none_or(|known| from < known.from) {
            self.found.functions.insert(at, Live { from, why: why() });
            self.todo.push(at);
        }
    }

    /// What old code calls: directly its own unit's functions, unless it is on an update path; others through slots.
    fn follow(&mut self, at: FunctionRef) {
        let model = &self.old.model;
        let facts = &model.units[at.unit].facts;
        let on_path = self.old.points.path.contains(&at);
        let from = self.found.functions.get(&at).map_or(0, |live| live.from);
        let called =
            facts.references.iter().filter(|r| r.inside == Some(at.function) && r.at >= from).filter_map(|r| {
                let (Target::Function(function), Usage::Call(..)) = (r.target, r.usage) else { return None };
                Some((function, on_path))
            });
        // Attributes name functions as they are, not by their slots.
        let cleanups = facts.cleanups.iter().filter(|c| c.inside == at.function).map(|c| (c.callee, false));
        for (function, slots) in called.chain(cleanups) {
            let callee = &facts.functions[function];
            let inlined = callee.definition.is_some() && (callee.inline || callee.attributes.always_inline);
            let here = FunctionRef { unit: at.unit, function };
            let Some(definition) = model.body_of(at.unit, function) else { continue };
            // Another name with internal linkage goes where it went, whatever calls it.
            let slots = slots && (callee.attributes.alias.is_none() || !callee.internal);
            let direct = definition.unit == at.unit && !slots && !callee.attributes.weak;
            if inlined || direct || !self.has_successor(definition) {
                let name = facts.functions[at.function].name.clone();
                let target = if inlined { here } else { definition };
                self.add(target, 0, || format!("it is called by {name}, whose old version can still run"));
            }
        }
    }
}
