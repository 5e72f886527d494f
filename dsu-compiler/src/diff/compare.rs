//! What changed in each unit, and which units are replaced.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyse::model::{FunctionRef, Model, Unit, VariableRef};
use crate::description::Description;
use crate::diff::pairing::Pairing;
use crate::diff::types::Types;
use crate::facts::words::{defines_symbols, of_text};
use crate::facts::{Function, Target, UnitFacts, content, fingerprint};

/// What changed in one unit, by name.
#[derive(Clone, Debug, Default)]
pub struct UnitChanges {
    /// Functions whose own text changed.
    pub bodies: Vec<String>,
    /// Functions whose text is the same, but not what it depends on (types, constants, inline functions).
    pub affected: Vec<String>,
    /// Functions with another prototype.
    pub prototypes: Vec<String>,
    /// Functions that were not there.
    pub added: Vec<String>,
    /// Functions that are gone.
    pub removed: Vec<String>,
    /// Variables with another type or initialiser.
    pub variables: Vec<String>,
    /// Variables that were not there.
    pub variables_added: Vec<String>,
    /// Variables that are gone.
    pub variables_removed: Vec<String>,
    /// Top-level assembler changed.
    pub assembler: bool,
}

impl UnitChanges {
    fn is_empty(&self) -> bool {
        let Self {
            bodies,
            affected,
            prototypes,
            added,
            removed,
            variables,
            variables_added,
            variables_removed,
            assembler,
        } = self;
        let lists = [bodies, affected, prototypes, added, removed, variables, variables_added, variables_removed];
        lists.iter().all(|l| l.is_empty()) && !assembler
    }
}

/// What changed in the program.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Units of the new program that the patch contains.
    pub replaced: BTreeSet<usize>,
    /// For each of them, what changed.
    pub units: BTreeMap<usize, UnitChanges>,
    /// Kept units that changed: they cannot be replaced.
    kept: Vec<usize>,
}

impl Changes {
    /// Compares all units.
    pub fn new(old: &Description, new: &Description, pairing: &Pairing) -> Self {
        let mut changes = Self::default();
        for (index, unit) in new.model.units.iter().enumerate() {
            let before = pairing.old_of[index].map(|o| &old.model.units[o]);
            if unit.kept.is_some() || before.is_some_and(|b| b.kept.is_some()) {
                if before.map(|b| content::of_text(&b.image.text)) != Some(content::of_text(&unit.image.text)) {
                    changes.kept.push(index);
                }
                continue;
            }
            let nothing = UnitFacts::default();
            let before = before.map_or(&nothing, |b| &b.facts);
            let renamed = pairing.old_of[index].is_some_and(|o| old.model.units[o].name != unit.name);
            if renamed && unit.facts.variables.iter().chain(&before.variables).any(|v| v.internal && v.reachable) {
                // The process knows its statics by the old name of the unit; a replaced unit gives them the new one.
                changes.replaced.insert(index);
            }
            if before.content == unit.facts.content {
                continue;
            }
            let unit_changes = compare(before, &unit.facts);
            if !unit_changes.is_empty() {
                changes.replaced.insert(index);
                changes.units.insert(index, unit_changes);
            }
        }
        changes.add_uncollected(old, new);
        changes.add_callers(old, new);
        changes.add_rebound(old, new, pairing);
        changes
    }

    /// A changed type needs a unit that knows it, for its transformer, even if no code uses the type.
    pub fn add_types(&mut self, model: &Model, types: &Types) {
        for planned in types.planned.values().filter(|p| p.to_transform().next().is_some()) {
            let defines = |u: &usize| {
                let unit = &model.units[*u];
                unit.kept.is_none() && unit.facts.types.iter().any(|t| t.name == planned.name && !t.local)
            };
            if !self.replaced.iter().any(defines) {
                self.replaced.extend((0..model.units.len()).find(defines));
            }
        }
    }

    /// A unit with something that the linker removed from the old program as unused, and the new one uses.
    fn add_uncollected(&mut self, old: &Description, new: &Description) {
        let functions = new.model.functions.iter().filter(|(s, _)| !old.model.functions.contains_key(*s));
        self.replaced.extend(functions.map(|(_, at)| at.unit));
        let variables = new.model.variables.iter().filter(|(s, _)| !old.model.variables.contains_key(*s));
        self.replaced.extend(variables.map(|(_, at)| at.unit));
    }

    /// A unit that calls a function that the program did not define before, or does not define any more, must be
    /// replaced, too: what it calls by the same name is another function now.
    fn add_rebound(&mut self, old: &Description, new: &Description, pairing: &Pairing) {
        let replaced = self.replaced.clone();
        for (unit, u) in new.model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            if pairing.old_of[unit].is_none_or(|o| old.model.units[o].kept.is_some()) {
                continue;
            }
            let rebound = |r: &crate::facts::Reference| {
                let Target::Function(function) = r.target else { return false };
                let f = &u.facts.functions[function];
                if f.internal || f.definition.is_some() {
                    return false;
                }
                match (old.model.functions.get(&f.symbol), new.model.functions.get(&f.symbol)) {
                    (None, Some(now)) => replaced.contains(&now.unit),
                    (Some(_), None) => !new.model.units.iter().any(|n| n.defines.iter().any(|(s, _)| *s == f.symbol)),
                    _ => false,
                }
            };
            if u.facts.references.iter().any(rebound) {
                self.replaced.insert(unit);
            }
        }
    }

    /// A unit that calls a function under its new prototype must be replaced, too.
    fn add_callers(&mut self, old: &Description, new: &Description) {
        for (unit, u) in new.model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            for reference in &u.facts.references {
                let Target::Function(function) = reference.target else { continue };
                let Some(now) = new.model.definition_of(unit, function) else { continue };
                let f = new.model.function(now);
                let before = old.model.functions.get(&f.symbol).map(|at| old.model.function(*at));
                if !f.internal && before.is_some_and(|b| fingerprint(&b.prototype) != fingerprint(&f.prototype)) {
                    self.replaced.insert(unit);
                }
            }
        }
    }

    /// Adds the units that use one of `variables`; says whether there were any.
    pub fn add_users(&mut self, model: &Model, variables: &BTreeSet<VariableRef>) -> bool {
        let before = self.replaced.len();
        for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            let uses = |r: &crate::facts::Reference| match r.target {
                Target::Variable(v) => model.variable_of(unit, v).is_some_and(|at| variables.contains(&at)),
                Target::Function(_) => false,
            };
            if u.facts.references.iter().any(uses) {
                self.replaced.insert(unit);
            }
        }
        self.replaced.len() > before
    }

    /// Sentences about changes that no patch can carry.
    pub fn refusals(&self, old: &Description, new: &Description) -> Vec<String> {
        let mut found = Vec::new();
        for &unit in &self.kept {
            let u = &new.model.units[unit];
            let reason = u
                .kept
                .clone()
                .or_else(|| old.model.units.iter().find(|o| o.name == u.name).and_then(|o| o.kept.clone()));
            found.push(format!(
                "unit {} changed, but it was kept as it is and cannot be replaced ({})",
                u.name,
                reason.unwrap_or_else(|| "no reason recorded".into())
            ));
        }
        found.extend(changed_objects(old, new));
        for &unit in &self.replaced {
            let u = &new.model.units[unit];
            if let Some(v) = u.facts.variables.iter().find(|v| v.alias.is_some()) {
                found.push(format!(
                    "unit {} has a variable that is an alias ({}): it cannot be replaced",
                    u.name, v.name
                ));
            }
            let strange = |text: &&String| defines_symbols(text) && !stays(text, u, [&old.model, &new.model]);
            if let Some(text) = u.facts.assembler.iter().find(strange) {
                let text: String = text.chars().take(60).collect();
                found.push(format!(
                    "unit {} has top-level assembler that defines symbols ({text}): it cannot be replaced; move the \
                     assembler to a unit of its own",
                    u.name
                ));
            }
        }
        found
    }
}

/// Whether a patch can do without assembler of a unit: it is in the running program word for word, and has nothing to do with
/// functions and variables that C code knows.
fn stays(assembler: &str, unit: &Unit, [old, new]: [&Model; 2]) -> bool {
    let before = old.units.iter().find(|u| u.name == unit.name);
    let same = before.is_some_and(|u| u.facts.assembler.iter().any(|text| text == assembler));
    let functions = unit.facts.functions.iter().flat_map(|f| [&f.name, &f.symbol]);
    let variables = unit.facts.variables.iter().filter(|v| v.bound_of_set().is_none());
    let known: BTreeSet<&String> = functions.chain(variables.flat_map(|v| [&v.name, &v.symbol])).collect();
    let defined = |m: &Model, word: &String| m.functions.contains_key(word) || m.variables.contains_key(word);
    let free = |word: &String| !known.contains(word) && !defined(old, word) && !defined(new, word);
    same && of_text(assembler).iter().all(free)
}

/// Sentences about objects that dsu-cc did not compile and that changed, or that took over functions of units.
fn changed_objects(old: &Description, new: &Description) -> Vec<String> {
    let mut found = Vec::new();
    for name in old.objects.iter().map(|(name, _)| name).collect::<BTreeSet<_>>() {
        let contents = |d: &Description| d.objects.iter().filter(|o| o.0 == *name).map(|o| o.1).collect::<Vec<_>>();
        if contents(old) != contents(new) {
            found.push(format!(
                "object {name} changed, and dsu-cc did not compile it (assembler, another language or compiler): it cannot be \
                 replaced; build it with dsu-cc if it is C, or restart the program for this change"
            ));
        }
    }
    for (symbol, at) in &old.model.functions {
        if !new.model.functions.contains_key(symbol) && new.foreign.contains(symbol) {
            found.push(format!(
                "function {symbol} of unit {} now comes from an object that dsu-cc did not compile: build the whole program \
                 with dsu-cc (make clean first)",
                old.model.units[at.unit].name
            ));
        }
    }
    found
}

fn compare(before: &UnitFacts, after: &UnitFacts) -> UnitChanges {
    let mut changes = UnitChanges { assembler: before.assembler != after.assembler, ..UnitChanges::default() };
    let old = defined(before);
    let new = defined(after);
    for (name, f) in &new {
        let Some(o) = old.get(name) else {
            changes.added.push(f.name.clone());
            continue;
        };
        let (Some(was), Some(is)) = (&o.definition, &f.definition) else { continue };
        if fingerprint(&o.prototype) != fingerprint(&f.prototype) {
            changes.prototypes.push(f.name.clone());
        } else if was.content != is.content {
            changes.bodies.push(f.name.clone());
        } else if was.closure != is.closure {
            changes.affected.push(f.name.clone());
        }
    }
    changes.removed.extend(old.iter().filter(|(name, _)| !new.contains_key(*name)).map(|(_, f)| f.name.clone()));
    compare_variables(before, after, &mut changes);
    changes
}

fn compare_variables(before: &UnitFacts, after: &UnitFacts, changes: &mut UnitChanges) {
    let (old, new) = (variables(before), variables(after));
    for (name, v) in &new {
        match old.get(name) {
            None => changes.variables_added.push(name.clone()),
            Some(o) => {
                if o.ty != v.ty || o.thread_local != v.thread_local || o.value() != v.value() {
                    changes.variables.push(name.clone());
                }
            }
        }
    }
    changes.variables_removed.extend(old.keys().filter(|name| !new.contains_key(*name)).cloned());
}

/// Functions a unit defines and must emit. Static functions of one unit have unique names.
fn defined(facts: &UnitFacts) -> BTreeMap<&str, &Function> {
    let relevant = |f: &&Function| f.reachable && f.definition.as_ref().is_some_and(|d| !d.system);
    facts.functions.iter().filter(relevant).map(|f| (f.name.as_str(), f)).collect()
}

/// Variables a unit defines, by a name that is unique in the unit.
fn variables(facts: &UnitFacts) -> BTreeMap<String, &crate::facts::Variable> {
    facts
        .variables
        .iter()
        .filter(|v| (v.reachable || !v.internal) && v.definition.as_ref().is_some_and(|d| !d.system))
        .map(|v| (facts.local_name(v), v))
        .collect()
}

/// The old version of a function of the new program, if the old program had one: of the same name, whether it
/// became static or external meanwhile; or, for a static function that moved, the one in the only other unit that
/// had one of that name and prototype and lost it.
pub fn old_function(old: &Model, new: &Model, pairing: &Pairing, at: FunctionRef) -> Option<FunctionRef> {
    let f = new.function(at);
    let still_external = new.functions.contains_key(&f.symbol) && f.internal;
    if let Some(found) = old.functions.get(&f.symbol).filter(|_| !still_external) {
        if !f.internal || pairing.old_of[at.unit] == Some(found.unit) {
            return Some(*found);
        }
    }
    let same = |unit: usize| Some(FunctionRef { unit, function: pairing.old_static(unit, &f.name)? });
    if let Some(found) = pairing.old_of[at.unit].and_then(same) {
        return Some(found);
    }
    let lost = |o: &FunctionRef| {
        pairing.new_of(o.unit).is_none_or(|n| {
            !new.units[n].facts.functions.iter().any(|x| x.internal && x.name == f.name && x.definition.is_some())
        })
    };
    let fits = |o: &FunctionRef| fingerprint(&old.function(*o).prototype) == fingerprint(&f.prototype);
    // What is a look into a table comes first: headers bring inline functions by the hundred into each unit, which none had.
    let mut found = (0..old.units.len()).filter_map(same).filter(lost).filter(fits);
    let only = found.next()?;
    found.next().is_none().then_some(only)
}
