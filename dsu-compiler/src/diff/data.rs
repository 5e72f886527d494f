//! What becomes of each variable of a replaced unit.
//!
//! Data is expensive to replace and code is not: wherever possible the patch binds to the variable in
//! place. A new initial value matters only for constants and for variables that nothing writes.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyse::model::{Model, VariableRef};
use crate::description::Description;
use crate::diff::compare::Changes;
use crate::diff::pairing::Pairing;
use crate::facts::{UnitFacts, Variable, fingerprint};
use crate::program::registered_variables;

/// What the patch does with a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Bind to the running program's variable.
    Bind(VariableRef),
    /// Bind, and overwrite it with the new initial value.
    Overwrite(VariableRef),
    /// The patch brings it.
    New,
    /// The patch brings it in place of the old one, which it outgrew.
    Grown(VariableRef),
    /// A constant known by its value: the patch has its own.
    Private,
}

/// What becomes of all variables.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// For each variable that replaced units define or refer to.
    pub fates: BTreeMap<VariableRef, Fate>,
    /// Variables that get new storage: every unit that uses one must be replaced.
    pub replaced_storage: BTreeSet<VariableRef>,
    /// Variables whose initialiser changed although the running value is kept.
    pub kept_values: Vec<String>,
    /// Sentences about variables that cannot be carried over.
    pub refusals: Vec<String>,
}

impl Data {
    /// Decides on every variable of the replaced units.
    pub fn new(old: &Description, new: &Description, pairing: &Pairing, changes: &Changes) -> Self {
        let mut data = Self::default();
        let decider = Decider {
            old: &old.model,
            new: &new.model,
            pairing,
            old_registered: registered_variables(&old.model),
            new_registered: registered_variables(&new.model),
        };
        for &unit in &changes.replaced {
            for variable in 0..new.model.units[unit].facts.variables.len() {
                let at = VariableRef { unit, variable };
                let Some(home) = new.model.variable_of(unit, variable) else { continue };
                // A variable of another unit is bound wherever it lives; it changes only with its own unit.
                let fate = if changes.replaced.contains(&home.unit) || home == at {
                    decider.decide(home, &mut data)
                } else {
                    decider.elsewhere(home)
                };
                if let Some(fate) = fate {
                    data.fates.insert(home, fate);
                }
            }
        }
        data.kept_values.sort();
        data.kept_values.dedup();
        data
    }

    /// Fate of a variable as a unit refers to it.
    pub fn fate(&self, model: &Model, unit: usize, variable: usize) -> Option<Fate> {
        self.fates.get(&model.variable_of(unit, variable)?).copied()
    }
}

struct Decider<'a> {
    old: &'a Model,
    new: &'a Model,
    pairing: &'a Pairing,
    old_registered: BTreeSet<VariableRef>,
    new_registered: BTreeSet<VariableRef>,
}

impl Decider<'_> {
    fn elsewhere(&self, home: VariableRef) -> Option<Fate> {
        self.old_variable(home).map(Fate::Bind)
    }

    fn decide(&self, at: VariableRef, data: &mut Data) -> Option<Fate> {
        let v = self.new.variable(at);
        let system = v.definition.as_ref().is_none_or(|d| d.system);
        if !self.new_registered.contains(&at) || system {
            return (!system).then_some(Fate::Private);
        }
        if let Some(problem) = self.ambiguous(at) {
            data.refusals.push(problem);
        }
        let Some(old_at) = self.old_variable(at) else { return Some(Fate::New) };
        let o = self.old.variable(old_at);
        if o.constant && !v.constant && !self.new.never_written(at) {
            data.refusals.push(format!(
                "variable {} was constant and is written now: the running program has it in memory that cannot be \
                 written; give the new variable another name, or restart the program for this change",
                self.describe(at)
            ));
            return Some(Fate::New);
        }
        let unwritten = self.old.never_written(old_at) && self.new.never_written(at);
        if fingerprint(&o.ty) == fingerprint(&v.ty) && o.thread_local == v.thread_local {
            if o.value() == v.value() {
                return Some(Fate::Bind(old_at));
            }
            if unwritten && !v.thread_local {
                return Some(Fate::Overwrite(old_at));
            }
            data.kept_values.push(self.describe(at));
            return Some(Fate::Bind(old_at));
        }
        if unwritten && o.element.is_some() && o.element == v.element && !v.thread_local {
            if let Some(place) = self.old.address_kept(old_at).or_else(|| self.new.address_kept(at)) {
                data.refusals.push(format!(
                    "table {} changed its length, and its address is kept or passed on in {place}: pointers into the old table \
                     would live on; give the new table another name, or restart the program for this change",
                    self.describe(at)
                ));
            }
            data.replaced_storage.insert(at);
            return Some(Fate::Grown(old_at));
        }
        data.refusals.push(format!(
            "variable {} changed its type from {}{} to {}{}: its running value cannot be carried over by this version of \
             dsu-diff; keep the type, give the new variable another name, or restart the program for this change",
            self.describe(at),
            o.storage(),
            o.ty,
            v.storage(),
            v.ty
        ));
        Some(Fate::New)
    }

    /// A function with several static variables of one name has them told apart by their order: if their number
    /// changed, nobody knows which is which.
    fn ambiguous(&self, at: VariableRef) -> Option<String> {
        let v = self.new.variable(at);
        let function = &self.new.units[at.unit].facts.functions[v.function?].name;
        let count = |facts: &UnitFacts| {
            let same =
                |o: &&Variable| o.name == v.name && o.function.is_some_and(|f| facts.functions[f].name == *function);
            facts.variables.iter().filter(same).count()
        };
        let before = count(&self.old.units[self.pairing.old_of[at.unit]?].facts);
        let after = count(&self.new.units[at.unit].facts);
        (before > 0 && before != after && before.max(after) > 1).then(|| {
            format!(
                "function {function} had {before} static variables named {} and has {after}: which keeps which value cannot be \
                 told; give the new ones names of their own",
                self.describe(at)
            )
        })
    }

    fn describe(&self, at: VariableRef) -> String {
        let v = self.new.variable(at);
        let place = v.definition.as_ref().map(|d| format!(" ({}:{})", d.file, d.line)).unwrap_or_default();
        format!("{}{place}", self.new.units[at.unit].facts.local_name(v))
    }

    /// The old program's variable: of the same name, in the paired unit; or a static that moved here
    /// from the only other unit that had one of that name and type and lost it.
    fn old_variable(&self, at: VariableRef) -> Option<VariableRef> {
        let v = self.new.variable(at);
        if v.function.is_none() {
            // It may have become static, or external, without moving.
            let still_external = v.internal && self.new.variables.contains_key(&v.symbol);
            let external = self.old.variables.get(&v.symbol).filter(|_| !still_external).copied();
            if let Some(found) = external.filter(|o| !v.internal || self.pairing.old_of[at.unit] == Some(o.unit)) {
                return Some(found);
            }
        }
        let name = self.new.units[at.unit].facts.local_name(v);
        let find = |unit: usize| {
            let facts = &self.old.units[unit].facts;
            let same = |o: &Variable| o.internal && o.definition.is_some() && facts.local_name(o) == name;
            let at = VariableRef { unit, variable: facts.variables.iter().position(same)? };
            self.old_registered.contains(&at).then_some(at)
        };
        if let Some(found) = self.pairing.old_of[at.unit].and_then(find) {
            return Some(found);
        }
        let lost = |unit: &usize| {
            self.pairing.new_of(*unit).is_none_or(|n| {
                let facts = &self.new.units[n].facts;
                !facts.variables.iter().any(|x| x.internal && x.definition.is_some() && facts.local_name(x) == name)
            })
        };
        let units = (0..self.old.units.len()).filter(lost);
        let mut found = units.filter_map(find).filter(|o| fingerprint(&self.old.variable(*o).ty) == fingerprint(&v.ty));
        let only = found.next()?;
        found.next().is_none().then_some(only)
    }
}
