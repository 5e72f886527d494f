//! Linker sets: variables that the linker puts side by side, as they are in one section, and that the program finds by walking from
//! `__start_NAME` to `__stop_NAME`.
//!
//! The set of a running program is what it is. Entries that did not change are those of the running program, and new values of
//! entries are written there as for any variable; so a unit with entries can be replaced as long as the set stays the same. Entries
//! that are new, or gone, make no difference to a program that looks at the set only while it starts: either that can be
//! proven, as everything that walks the set has run and cannot run again, or `dsu.toml` says so. All else is refused.

use std::collections::{BTreeMap, BTreeSet};

use dsu_abi::Id;

use crate::analyse::flow::Flows;
use crate::analyse::model::{FunctionRef, Model, VariableRef};
use crate::diff::compare::Changes;
use crate::diff::data::{Basis, Data, Fate};
use crate::diff::runs::Runs;
use crate::facts::{Target, UnitFacts, Usage, Variable};
use crate::program::is_registered_static;

/// What changed in linker sets.
#[derive(Clone, Debug, Default)]
pub struct Sets {
    /// Sentences about what the running program would have to find, and does not.
    pub refusals: Vec<String>,
    /// Sentences about what it need not find.
    pub not_found: Vec<String>,
}

/// Names of variables of a unit that are entries of linker sets, unique in the unit.
pub fn names_of_entries(facts: &UnitFacts) -> Vec<String> {
    facts.variables.iter().filter(|v| is_entry(v)).map(|v| facts.local_name(v)).collect()
}

fn is_entry(v: &Variable) -> bool {
    v.linker_set().is_some() && v.definition.as_ref().is_some_and(|d| !d.system)
}

/// The sets that somebody walks.
fn walked(models: [&Model; 2]) -> BTreeSet<&str> {
    let variables = models.into_iter().flat_map(|m| &m.units).flat_map(|u| &u.facts.variables);
    variables.filter_map(Variable::bound_of_set).collect()
}

/// What an entry is that is known by its value: its type, the text of its initialiser, and what that refers to.
type Value = (String, Option<(Id, bool)>, Vec<Named>);

/// Something that an initialiser refers to, as the old program knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Function(String),
    Variable(VariableRef),
    /// It is not in the old program.
    New,
}

/// What is different about a set: entries, in words.
#[derive(Default)]
struct Difference {
    added: Vec<String>,
    gone: Vec<String>,
    changed: Vec<String>,
}

impl Difference {
    fn text(&self) -> String {
        let part = |what: &str, names: &Vec<String>| {
            let more = if names.len() > 4 { format!(" and {} more", names.len() - 3) } else { String::new() };
            let shown = if names.len() > 4 { 3 } else { names.len() };
            (!names.is_empty()).then(|| format!("{what}: {}{more}", names[..shown].join(", ")))
        };
        let parts = [part("new", &self.added), part("gone", &self.gone), part("changed", &self.changed)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

impl Sets {
    /// Compares the sets of the replaced units.
    pub fn new(basis: &Basis<'_>, changes: &Changes, data: &Data) -> Self {
        let mut sets = Self::default();
        let mut looker = Looker { basis, changes, data, runs: None };
        for set in walked([&basis.old.model, &basis.new.model]) {
            let difference = looker.difference(set);
            if difference.added.is_empty() && difference.gone.is_empty() {
                if !difference.changed.is_empty() && basis.new.start_sets.contains(set) {
                    sets.not_found.push(format!(
                        "linker set {set} ({}): it is only looked at at start, as dsu.toml says; what was made of the old values stays",
                        difference.text()
                    ));
                }
                continue;
            }
            let reason = if basis.new.start_sets.contains(set) {
                Ok("as dsu.toml says")
            } else {
                looker.has_been_walked(set).map(|()| "as nothing that can still run walks it")
            };
            match reason {
                Ok(reason) => sets.not_found.push(format!(
                    "linker set {set} ({}): it is only looked at at start, {reason}; the running program keeps what it found then",
                    difference.text()
                )),
                Err(reason) => sets.refusals.push(format!(
                    "linker set {set} changed ({}), and the running program cannot be given another one: {reason}. If the program \
                     looks at the set only while it starts, say so in dsu.toml and link the new program again: [sets] start-only = \
                     [\"{set}\"]",
                    difference.text()
                )),
            }
        }
        sets
    }
}

struct Looker<'a> {
    basis: &'a Basis<'a>,
    changes: &'a Changes,
    data: &'a Data,
    /// What can run, in the old program and in the new one; found out when it is wanted.
    runs: Option<(Runs<'a>, Runs<'a>)>,
}

impl<'a> Looker<'a> {
    fn difference(&self, set: &str) -> Difference {
        let (old, new) = (&self.basis.old.model, &self.basis.new.model);
        let (olds, news) = self.entries(set);
        let mut difference = Difference::default();
        // Those that patches bind to, first: they are told one by one.
        let mut successors: BTreeMap<VariableRef, VariableRef> = BTreeMap::new();
        for &at in news.iter().filter(|at| is_registered(new, **at)) {
            match self.data.fates.get(&at) {
                Some(Fate::Bind(was) | Fate::Overwrite(was)) => {
                    successors.insert(*was, at);
                    if new.variable(at).value() != old.variable(*was).value() {
                        difference.changed.push(describe(new, at));
                    }
                }
                _ => difference.added.push(describe(new, at)),
            }
        }
        let gone = olds.iter().filter(|at| is_registered(old, **at) && !successors.contains_key(at));
        difference.gone.extend(gone.map(|at| describe(old, *at)));
        let mut values: BTreeMap<Value, Vec<VariableRef>> = BTreeMap::new();
        for &at in olds.iter().filter(|at| !is_registered(old, **at)) {
            values.entry(value(old, at, Some)).or_default().push(at);
        }
        for &at in news.iter().filter(|at| !is_registered(new, **at)) {
            let known = |target: VariableRef| match self.data.fates.get(&target) {
                Some(Fate::Bind(was) | Fate::Overwrite(was)) => Some(*was),
                _ => None,
            };
            match values.get_mut(&value(new, at, known)).and_then(Vec::pop) {
                Some(_) => {}
                None => difference.added.push(describe(new, at)),
            }
        }
        difference.gone.extend(values.into_values().flatten().map(|at| describe(old, at)));
        difference
    }

    /// The entries of units that are replaced or gone, and of those that replace them.
    fn entries(&self, set: &str) -> (Vec<VariableRef>, Vec<VariableRef>) {
        let (old, new, pairing) = (&self.basis.old.model, &self.basis.new.model, self.basis.pairing);
        let stay: BTreeSet<usize> = pairing
            .old_of
            .iter()
            .enumerate()
            .filter_map(|(unit, was)| was.filter(|_| !self.changes.replaced.contains(&unit)))
            .collect();
        let of = |model: &Model, unit: usize| -> Vec<VariableRef> {
            let variables = model.units[unit].facts.variables.iter().enumerate();
            let entries = variables.filter(|(_, v)| is_entry(v) && v.linker_set() == Some(set) && is_emitted(v));
            entries.map(|(variable, _)| VariableRef { unit, variable }).collect()
        };
        let olds = (0..old.units.len()).filter(|unit| !stay.contains(unit)).flat_map(|unit| of(old, unit)).collect();
        let news = self.changes.replaced.iter().flat_map(|unit| of(new, *unit)).collect();
        (olds, news)
    }

    /// Whether everything that walks a set has run, and cannot run again; otherwise why that is not known.
    fn has_been_walked(&mut self, set: &str) -> Result<(), String> {
        let (old, new) = (self.basis.old, self.basis.new);
        for program in [old, new] {
            if let Some(unit) = program.model.units.iter().find(|u| u.kept.is_some()) {
                return Err(format!("unit {} was kept as it is, and may walk it", unit.name));
            }
            if let Some((object, _)) = program.objects.first() {
                return Err(format!("object {object} was not compiled by dsu-cc, and may walk it"));
            }
        }
        let pairing = self.basis.pairing;
        let (before, after) = self.runs.get_or_insert_with(|| Runs::of_both(old, new, pairing));
        walkers_done(&old.model, set, before)?;
        walkers_done(&new.model, set, after)
    }
}

/// Whether nothing that can run uses the bounds of a set, and nobody keeps them.
fn walkers_done(model: &Model, set: &str, runs: &Runs<'_>) -> Result<(), String> {
    let flows = Flows::new(model);
    for (unit, u) in model.units.iter().enumerate() {
        for reference in &u.facts.references {
            let Target::Variable(variable) = reference.target else { continue };
            let v = &u.facts.variables[variable];
            if v.bound_of_set() != Some(set) {
                continue;
            }
            let place = model.place_of(unit, reference);
            let Some(function) = reference.inside else { return Err(format!("{place} keeps the address {}", v.name)) };
            let passing = matches!(reference.usage, Usage::Read | Usage::Point | Usage::Compare);
            if !passing && !flows.stays_inside(unit, reference) {
                return Err(format!("{place} passes on or keeps {}", v.name));
            }
            if runs.can(FunctionRef { unit, function }) {
                return Err(format!("{place} walks it, and can run again"));
            }
        }
    }
    Ok(())
}

/// Whether the unit has a variable of its own for an entry at all.
fn is_emitted(v: &Variable) -> bool {
    v.reachable || !v.internal
}

/// Whether patches can bind to an entry.
fn is_registered(model: &Model, at: VariableRef) -> bool {
    let v = model.variable(at);
    if v.internal { is_registered_static(v) } else { model.variables.get(&v.symbol) == Some(&at) }
}

/// What an entry without a name of its own is; `known` says which variable of the old program another one is.
fn value(model: &Model, at: VariableRef, known: impl Fn(VariableRef) -> Option<VariableRef>) -> Value {
    let facts = &model.units[at.unit].facts;
    let v = model.variable(at);
    let range = v.definition.as_ref().and_then(|d| d.initializer).unwrap_or((0, 0));
    let named = |target: Target| match target {
        Target::Function(f) => Named::Function(facts.functions[f].symbol.clone()),
        Target::Variable(variable) => {
            let known = model.variable_of(at.unit, variable).and_then(&known);
            known.map_or(Named::New, Named::Variable)
        }
    };
    let inside = facts.references.iter().filter(|r| (range.0..range.1).contains(&r.at));
    (v.ty.clone(), v.value(), inside.map(|r| named(r.target)).collect())
}

fn describe(model: &Model, at: VariableRef) -> String {
    let v = model.variable(at);
    let place = v.definition.as_ref().map(|d| format!(" ({}:{})", d.file, d.line)).unwrap_or_default();
    format!("{}{place}", model.units[at.unit].facts.local_name(v))
}
