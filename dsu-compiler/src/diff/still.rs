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
use crate::diff::types::{Planned, Types};
use crate::facts::{Target, TypeUsage, Usage, fingerprint};
use crate::layout::{PAD, SLOP, is_beside};

/// The functions whose old code can still run.
#[derive(Clone, Debug, Default)]
pub struct Still {
    /// For each, why.
    functions: BTreeMap<FunctionRef, String>,
}

impl Still {
    /// Finds them.
    pub fn new(old: &Description, new: &Description, pairing: &Pairing) -> Self {
        let mut finder =
            Finder { old, successors: successors(old, new, pairing), found: Self::default(), todo: Vec::new() };
        for at in &old.points.path {
            finder.add(*at, || "it is on an update path: an activation may be on a stack".to_owned());
        }
        // Whoever holds a pointer to a function without successor, or calls it by name from outside, gets the old code.
        for at in old.model.address_taken() {
            if !finder.has_successor(at) {
                finder.add(at, || "it is gone or has another prototype, and pointers to it may be in data".to_owned());
            }
        }
        let outside = old.model.units.iter().any(|u| u.kept.is_some()) || !old.objects.is_empty();
        for at in old.model.functions.values().filter(|_| outside) {
            if !finder.has_successor(*at) {
                finder.add(*at, || {
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
        for (at, why) in &self.functions {
            let facts = &old.model.units[at.unit].facts;
            let f = &facts.functions[at.function];
            let file = f.definition.as_ref().map_or("", |d| d.file.as_str());
            for u in facts.field_uses.iter().filter(|u| u.inside == at.function) {
                if lost.get(u.ty.as_str()).is_some_and(|fields| fields.contains(u.field.as_str())) {
                    found.push(format!(
                        "the old version of function {} can still run after the update ({why}), and uses field {} of {} ({file}:{}), which \
                         is removed or has a new type: keep that field, or move the update point",
                        f.name, u.field, u.ty, u.line
                    ));
                }
            }
            for u in facts.type_uses.iter().filter(|u| u.inside == Some(at.function)) {
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

    /// The first use of a variable by old code that can still run, in words.
    pub fn use_of(&self, old: &Description, variable: VariableRef) -> Option<String> {
        self.functions.iter().find_map(|(at, why)| {
            let facts = &old.model.units[at.unit].facts;
            let refers = |r: &&crate::facts::Reference| {
                let Target::Variable(v) = r.target else { return false };
                r.inside == Some(at.function) && old.model.variable_of(at.unit, v) == Some(variable)
            };
            facts.references.iter().find(refers)?;
            Some(format!("function {} ({why})", facts.functions[at.function].name))
        })
    }
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

    fn add(&mut self, at: FunctionRef, why: impl FnOnce() -> String) {
        if let std::collections::btree_map::Entry::Vacant(entry) = self.found.functions.entry(at) {
            entry.insert(why());
            self.todo.push(at);
        }
    }

    /// What old code calls: directly its own unit's functions, unless it is on an update path; others through slots.
    fn follow(&mut self, at: FunctionRef) {
        let model = &self.old.model;
        let facts = &model.units[at.unit].facts;
        let on_path = self.old.points.path.contains(&at);
        for reference in facts.references.iter().filter(|r| r.inside == Some(at.function)) {
            let (Target::Function(function), Usage::Call(..)) = (reference.target, reference.usage) else { continue };
            let callee = &facts.functions[function];
            let inlined = callee.definition.is_some() && (callee.inline || callee.attributes.always_inline);
            let here = FunctionRef { unit: at.unit, function };
            let definition = match model.definition_of(at.unit, function) {
                Some(definition) => definition,
                None if callee.definition.is_some() => here,
                None => continue,
            };
            let direct = definition.unit == at.unit && !on_path && !callee.attributes.weak;
            if inlined || direct || !self.has_successor(definition) {
                let name = facts.functions[at.function].name.clone();
                let target = if inlined { here } else { definition };
                self.add(target, || format!("it is called by {name}, whose old version can still run"));
            }
        }
    }
}
