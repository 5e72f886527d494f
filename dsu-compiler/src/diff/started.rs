//! What the start of a program would do for new data, and an update does not: the code that fills them in has run.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyse::flow::Flows;
use crate::analyse::model::{FunctionRef, Model, VariableRef};
use crate::diff::ctypes::array;
use crate::diff::data::{Basis, Data, Fate};
use crate::diff::runs::Runs;
use crate::facts::{Target, Usage};
use crate::layout::place::innermost;

/// Sentences about new variables that are written only where nobody comes by any more. `runs`: the functions of the new program
/// that can run.
pub fn variables(new: &Model, data: &Data, runs: &Runs<'_>) -> Vec<String> {
    let fresh = data.fates.iter().filter(|(_, fate)| matches!(fate, Fate::New)).map(|(at, _)| *at).collect();
    let told = |(at, uses): (VariableRef, Uses)| {
        // What is also set later is not missed.
        let by = uses.started.filter(|_| uses.read && !uses.written)?;
        let v = new.variable(at);
        let initialized = v.definition.as_ref().is_some_and(|d| d.initializer.is_some());
        Some(format!(
            "{} is new and starts with {}: {}, which sets it while the program starts, does not run again; a state transformer can \
             do what it would have done",
            new.units[at.unit].facts.local_name(v),
            if initialized { "its initial value" } else { "0" },
            place(new, by)
        ))
    };
    uses(new, &fresh, runs).into_iter().filter_map(told).collect()
}

/// Sentences about arrays that grew, where something is made of their elements while the program starts.
pub fn arrays(basis: &Basis<'_>, data: &Data) -> Vec<String> {
    let (old, new) = (basis.old, basis.new);
    let grown = grown(basis, data, |fate| if let Fate::Moved(was) = fate { Some(*was) } else { None });
    if grown.is_empty() {
        return Vec::new();
    }
    let (_, runs) = Runs::of_both(old, new, basis.pairing);
    let told = |(at, uses): (VariableRef, Uses)| {
        let by = uses.started.filter(|_| uses.read)?;
        let name = new.model.units[at.unit].facts.local_name(new.model.variable(at));
        Some(format!(
            "variable {name} has more elements: {}, which writes it while the program starts, does not run again, and the new ones \
             are only as initialised; if that is right, say `#pragma dsu merge {name}` in a file given with --transform; else do in \
             a state transformer there, too, what is missing",
            place(&new.model, by)
        ))
    };
    uses(&new.model, &grown, &runs).into_iter().filter_map(told).collect()
}

/// Sentences about tables that grew and that nothing writes, where the start of the program does something with what is in their
/// rows: registers it, numbers it, calls it.
pub fn rows(basis: &Basis<'_>, data: &Data) -> Vec<String> {
    let (old, new) = (basis.old, basis.new);
    let grown = grown(basis, data, |fate| if let Fate::Grown(was) = fate { Some(*was) } else { None });
    if grown.is_empty() {
        return Vec::new();
    }
    let (_, runs) = Runs::of_both(old, new, basis.pairing);
    let flows = Flows::new(&new.model);
    let told = |at: VariableRef| {
        let mut started = flows.uses_of(at).filter_map(|(unit, reference)| {
            let function = FunctionRef { unit, function: reference.inside? };
            Some((unit, reference, function)).filter(|_| !runs.can(function))
        });
        let (_, _, by) = started.find(|(unit, reference, function)| {
            flows.hands_on_contents(*unit, reference) || calls_rows(&new.model, at, *function)
        })?;
        let name = new.model.units[at.unit].facts.local_name(new.model.variable(at));
        Some(format!(
            "table {name} has more rows: {}, which does something with what is in them while the program starts, does not run again; if \
             new rows need nothing of that, say `#pragma dsu new {name}` in a file given with --transform; else do in a state \
             transformer there, too, what is missing",
            place(&new.model, by)
        ))
    };
    grown.into_iter().filter_map(told).collect()
}

/// Arrays that have more elements than before, and of which nobody decided what becomes of them. `was`: the old variable, for
/// those that matter.
fn grown(basis: &Basis<'_>, data: &Data, was: impl Fn(&Fate) -> Option<VariableRef>) -> BTreeSet<VariableRef> {
    let (old, new) = (&basis.old.model, &basis.new.model);
    let longer = |(at, fate): (&VariableRef, &Fate)| {
        let (before, after) = (array(&old.variable(was(fate)?).ty)?.0, array(&new.variable(*at).ty)?.0);
        (after > before && basis.directives.choice(new, *at).is_none()).then_some(*at)
    };
    data.fates.iter().filter_map(longer).collect()
}

/// Whether a function calls functions of a type to which rows of a table point.
fn calls_rows(model: &Model, table: VariableRef, by: FunctionRef) -> bool {
    let row = innermost(&model.variable(table).ty).0;
    let types = &model.units[table.unit].facts.types;
    let fields = types.iter().filter(|t| t.name == row).flat_map(|t| &t.fields).map(|f| innermost(&f.ty).0);
    let pointers: Vec<&str> = fields.chain([row]).filter_map(|ty| ty.strip_prefix('*')).collect();
    let calls = &model.units[by.unit].facts.indirect_calls;
    calls.iter().any(|call| call.inside == by.function && pointers.contains(&call.prototype.as_str()))
}

fn place(model: &Model, at: FunctionRef) -> String {
    let f = model.function(at);
    let (file, line) = f.definition.as_ref().map_or(("", 0), |d| (d.file.as_str(), d.line));
    format!("{} ({file}:{line})", f.name)
}

/// What a program does with variables. `runs`: its functions that can run.
fn uses(model: &Model, wanted: &BTreeSet<VariableRef>, runs: &Runs<'_>) -> BTreeMap<VariableRef, Uses> {
    let mut found: BTreeMap<VariableRef, Uses> = BTreeMap::new();
    for (unit, u) in model.units.iter().enumerate() {
        for reference in &u.facts.references {
            let (Target::Variable(variable), Some(function)) = (reference.target, reference.inside) else { continue };
            let Some(at) = model.variable_of(unit, variable).filter(|at| wanted.contains(at)) else { continue };
            let (function, uses) = (FunctionRef { unit, function }, found.entry(at).or_default());
            let can = runs.can(function);
            match reference.usage {
                Usage::Read | Usage::Point | Usage::Keep | Usage::KeepElement | Usage::Compare => uses.read |= can,
                _ if can => uses.written = true,
                _ => uses.started = uses.started.or(Some(function)),
            }
        }
    }
    found
}

/// What the new program does with a variable.
#[derive(Default)]
struct Uses {
    /// It is read by a function that can run.
    read: bool,
    /// It is written by one.
    written: bool,
    /// A function that writes it and cannot run any more.
    started: Option<FunctionRef>,
}
