//! What becomes of the addresses of variables in the whole program: over calls, direct and through pointers, and through tables
//! that hold them.
//!
//! Facts say what each function does with its pointers ([`Flow`]); an address is harmless if everything it can reach that
//! way is known. What is not known counts as writing it and keeping it.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::analyse::model::{FunctionRef, Model, VariableRef};
use crate::analyse::targets::Targets;
use crate::facts::{Flow, Origin, Outcome, Reference, Target, Usage, Variable};
use crate::layout::place::innermost;

/// What may happen to a variable through one of its addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fate {
    /// It may be written.
    written: bool,
    /// The address may be kept longer than the calls that it is passed to.
    kept: bool,
    /// It is part of the initial value of another variable.
    stored: bool,
    /// Pointers in it may get anywhere, or be written through.
    contents: bool,
}

impl Fate {
    const LOST: Self = Self { written: true, kept: true, stored: false, contents: true };
}

/// What the program does with its variables.
pub struct Flows<'a> {
    model: &'a Model,
    known: HashMap<(usize, Origin), &'a Flow>,
    calls: PointerCalls<'a>,
    results: Results<'a>,
    /// References to each variable, with their units, by unit and variable.
    uses: Vec<Vec<Vec<(usize, &'a Reference)>>>,
    /// Words of assembler and the like, which may name variables.
    words: HashSet<&'a str>,
}

impl<'a> Flows<'a> {
    /// Reads what the units say.
    pub fn new(model: &'a Model) -> Self {
        let units = model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none());
        let known = units.flat_map(|(unit, u)| u.facts.flows.iter().map(move |flow| ((unit, flow.origin), flow)));
        let mut uses: Vec<Vec<Vec<_>>> =
            model.units.iter().map(|u| vec![Vec::new(); u.facts.variables.len()]).collect();
        for (unit, u) in model.units.iter().enumerate() {
            for reference in &u.facts.references {
                let Target::Variable(variable) = reference.target else { continue };
                if let Some(at) = model.variable_of(unit, variable) {
                    uses[at.unit][at.variable].push((unit, reference));
                }
            }
        }
        let words: HashSet<&str> = model.units.iter().flat_map(|u| &u.facts.words).map(String::as_str).collect();
        Self {
            model,
            known: known.collect(),
            calls: PointerCalls::new(model),
            results: Results::new(model, &words),
            uses,
            words,
        }
    }

    /// All references to a variable, with their units.
    pub fn uses_of(&self, at: VariableRef) -> impl Iterator<Item = (usize, &'a Reference)> {
        self.uses[at.unit][at.variable].iter().copied()
    }

    /// Whether nothing in the program writes a variable after it was initialised.
    pub fn never_written(&self, at: VariableRef) -> bool {
        self.unwritten(at, &mut BTreeSet::new())
    }

    /// The same, while it is asked of the variables `seen`.
    fn unwritten(&self, at: VariableRef, seen: &mut BTreeSet<VariableRef>) -> bool {
        let v = self.model.variable(at);
        if v.volatile || v.aliased || self.is_named(at) || self.writes_nameless(at) {
            return false;
        }
        if v.constant {
            return true;
        }
        if !seen.insert(at) {
            return false;
        }
        let unwritten = !self.model.used_outside(at)
            && self.uses_of(at).all(|(unit, reference)| match reference.usage {
                Usage::Write | Usage::Lend => false,
                // A pointer to constant memory, too: `strchr` gives one back that is not.
                Usage::Escape | Usage::Keep | Usage::KeepElement => {
                    let fate = self.of_reference(unit, reference);
                    !fate.written && !fate.kept && (!fate.stored || self.holds_still(unit, reference, seen).is_some())
                }
                _ => true,
            });
        seen.remove(&at);
        unwritten
    }

    /// Whether something may depend on which row of a table a pointer points to, rather than on what is there: pointers to
    /// such rows are compared, counted from, or made numbers of.
    pub fn tells_rows(&self, at: VariableRef) -> bool {
        let row = innermost(&self.model.variable(at).ty).0;
        self.model.units.iter().any(|u| u.facts.compared.iter().any(|ty| ty == row))
            || self.uses_of(at).any(|(_, r)| r.usage == Usage::Compare)
    }

    /// Whether a text names a variable that is not followed: assembler in functions, and pragmas.
    fn is_named(&self, at: VariableRef) -> bool {
        let v = self.model.variable(at);
        self.words.contains(v.name.as_str()) || v.function.is_none() && self.words.contains(v.symbol.as_str())
    }

    /// Whether objects without names in the initial value of a variable may be written, or pointers to them get anywhere: they
    /// are a part of its value, and those of a new value are other ones.
    pub fn writes_nameless(&self, at: VariableRef) -> bool {
        let written = || self.uses_of(at).any(|(unit, r)| self.of_reference(unit, r).contents);
        self.model.variable(at).nameless && written()
    }

    /// Whether what pointers in a variable point to is written, or goes anywhere, by way of a reference that is followed.
    pub fn hands_on_contents(&self, unit: usize, reference: &Reference) -> bool {
        self.known.contains_key(&(unit, Origin::Reference(reference.at))) && self.of_reference(unit, reference).contents
    }

    /// Where the address of a constant or never-written table is kept beyond the expression it stands in, if that can do
    /// harm when the table is replaced: pointers to single rows may be kept if they stay good (`rows_stay`). Initial values
    /// of other tables do no harm if they are made anew with it: [`Flows::holders`].
    pub fn address_kept(&self, at: VariableRef, rows_stay: bool) -> Option<String> {
        if self.is_named(at) {
            return Some("assembler, or by a pragma".to_owned());
        }
        let harmful = |unit: usize, reference: &Reference| match reference.usage {
            Usage::Read | Usage::Point | Usage::Compare => false,
            Usage::KeepElement if rows_stay => false,
            _ => {
                let fate = self.of_reference(unit, reference);
                fate.kept || fate.stored && self.holds_still(unit, reference, &mut BTreeSet::from([at])).is_none()
            }
        };
        let (unit, reference) = self.uses_of(at).find(|(unit, r)| harmful(*unit, r))?;
        Some(self.model.place_of(unit, reference))
    }

    /// Variables that have the address of this one in their initial values, and are known to keep it to themselves.
    pub fn holders(&self, at: VariableRef) -> BTreeSet<VariableRef> {
        let stored = self.uses_of(at).filter(|(unit, r)| self.of_reference(*unit, r).stored);
        stored.filter_map(|(unit, r)| self.holds_still(unit, r, &mut BTreeSet::from([at]))).collect()
    }

    /// Functions that get the address of a variable, or a pointer that is loaded from it, from a function they call.
    pub fn receivers(&self, at: VariableRef) -> BTreeSet<FunctionRef> {
        self.uses_of(at).flat_map(|(unit, r)| self.trace((unit, Origin::Reference(r.at))).1).collect()
    }

    /// Whether the address of a variable is handed to other functions, or to whoever: a function that keeps it to itself
    /// goes on with the old table to its end. What the table points to is asked about where that is replaced. Pointers to
    /// single rows may be handed on if they stay good.
    pub fn is_handed_on(&self, at: VariableRef, rows_stay: bool) -> bool {
        let handed = |usage| match usage {
            Usage::Keep | Usage::Escape => true,
            Usage::KeepElement => !rows_stay,
            _ => false,
        };
        let mut kept = self.uses_of(at).filter(|(_, r)| handed(r.usage));
        kept.any(|(unit, r)| !self.stays_inside(unit, r))
    }

    /// Whether what a reference points to does not leave its function; pointers that are loaded from there may.
    pub fn stays_inside(&self, unit: usize, reference: &Reference) -> bool {
        let inside = |outcome: &Outcome| match outcome {
            Outcome::Written | Outcome::Counted | Outcome::ContentsLost => true,
            Outcome::Passed { contents, .. } | Outcome::Called { contents, .. } | Outcome::Returned { contents } => {
                *contents
            }
            Outcome::Stored | Outcome::Lost => false,
        };
        let flow = self.known.get(&(unit, Origin::Reference(reference.at)));
        flow.is_some_and(|flow| flow.outcomes.iter().all(inside))
    }

    /// Where the address of a variable, or of a part of it, may be kept longer than the calls that it is passed to.
    pub fn address_escapes(&self, at: VariableRef) -> Option<String> {
        let v = self.model.variable(at);
        if self.model.used_outside(at) {
            return Some("code that dsu-cc did not rewrite".to_owned());
        }
        if v.volatile || v.aliased {
            return Some("its declaration (volatile, or an alias)".to_owned());
        }
        if self.is_named(at) {
            return Some("assembler, or by a pragma".to_owned());
        }
        let kept = |unit: usize, reference: &Reference| match reference.usage {
            Usage::Read | Usage::Write | Usage::Lend | Usage::Point | Usage::Compare => false,
            _ => {
                let fate = self.of_reference(unit, reference);
                fate.kept || fate.stored
            }
        };
        let (unit, reference) = self.uses_of(at).find(|(unit, r)| kept(*unit, r))?;
        Some(self.model.place_of(unit, reference))
    }

    /// The table whose initial value a reference is part of, if nothing writes it, and what is loaded from it is only read.
    fn holds_still(&self, unit: usize, reference: &Reference, seen: &mut BTreeSet<VariableRef>) -> Option<VariableRef> {
        let holder = self.holder(unit, reference)?;
        let pointers = is_pointers(&self.model.variable(holder).ty);
        let still = pointers
            && !self.model.variable(holder).thread_local
            && !self.model.used_outside(holder)
            && self.unwritten(holder, seen)
            && self.uses_of(holder).all(|(unit, r)| {
                let fate = self.of_reference(unit, r);
                !fate.contents && !fate.kept && !fate.stored
            });
        still.then_some(holder)
    }

    /// The variable whose initial value a reference is part of.
    fn holder(&self, unit: usize, reference: &Reference) -> Option<VariableRef> {
        let around = |v: &Variable| {
            let initializer = v.definition.as_ref().and_then(|d| d.initializer);
            initializer.is_some_and(|(start, end)| (start..end).contains(&reference.at))
        };
        let variable = self.model.units[unit].facts.variables.iter().position(around)?;
        self.model.variable_of(unit, variable)
    }

    fn of_reference(&self, unit: usize, reference: &Reference) -> Fate {
        self.follow((unit, Origin::Reference(reference.at)))
    }

    fn follow(&self, from: (usize, Origin)) -> Fate {
        self.trace(from).0
    }

    /// What may happen to a pointer from here on, and the functions that get it from those they call.
    fn trace(&self, from: (usize, Origin)) -> (Fate, BTreeSet<FunctionRef>) {
        let mut fate = Fate::default();
        let mut receivers = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut todo = vec![(from, false)];
        while let Some((place, contents)) = todo.pop() {
            if !seen.insert((place, contents)) {
                continue;
            }
            let Some(flow) = self.known.get(&place) else {
                if contents {
                    fate.contents = true;
                    continue;
                }
                return (Fate::LOST, receivers);
            };
            for outcome in &flow.outcomes {
                let parameter = |f: FunctionRef, index| (f.unit, Origin::Parameter(f.function, index));
                let through = match outcome {
                    Outcome::Passed { callee, index, contents } => {
                        let function = self.model.program_body_of(place.0, *callee);
                        Some((function.map(|f| vec![parameter(f, *index)]), *contents))
                    }
                    Outcome::Called { prototype, index, contents } => {
                        let reached = self.calls.reached(prototype);
                        Some((reached.map(|all| all.into_iter().map(|f| parameter(f, *index)).collect()), *contents))
                    }
                    Outcome::Returned { contents } => {
                        let calls = self.results.of(place);
                        receivers.extend(calls.iter().flat_map(|calls| calls.iter().map(|call| call.inside)));
                        let origin = |call: &ResultOf| (call.inside.unit, Origin::Reference(call.at));
                        Some((calls.map(|calls| calls.iter().map(origin).collect()), *contents))
                    }
                    _ => None,
                };
                match (through, outcome) {
                    // Pointers loaded from pointers that were loaded are not followed.
                    (Some((_, true)), _) if contents => {}
                    (Some((Some(places), inside)), _) => {
                        todo.extend(places.into_iter().map(|place| (place, contents || inside)));
                    }
                    (Some((None, inside)), _) if contents || inside => fate.contents = true,
                    (_, Outcome::ContentsLost) if contents => {}
                    (_, Outcome::ContentsLost) => fate.contents = true,
                    _ if contents => fate.contents = true,
                    (_, Outcome::Written) => fate.written = true,
                    // While nothing keeps one, all pointers are to rows of the same table.
                    (_, Outcome::Counted) => {}
                    (_, Outcome::Stored) => fate.stored = true,
                    _ => return (Fate::LOST, receivers),
                }
            }
        }
        (fate, receivers)
    }
}

/// Functions that calls through pointers may reach.
struct PointerCalls<'a> {
    targets: Targets<'a>,
    /// Units are kept as they are: what they hand out is not known.
    foreign: bool,
}

impl<'a> PointerCalls<'a> {
    fn new(model: &'a Model) -> Self {
        Self { targets: Targets::new(model), foreign: model.units.iter().any(|u| u.kept.is_some()) }
    }

    /// The functions that a call through a pointer to this type may reach, if all are known.
    fn reached(&self, prototype: &'a str) -> Option<Vec<FunctionRef>> {
        // Something must be called: if nothing is known, that is not all.
        let found = self.targets.plainly_reached(prototype).filter(|found| !self.foreign && !found.is_empty())?;
        Some(found.into_iter().collect())
    }
}

/// A call whose result is used.
struct ResultOf {
    /// The function that calls.
    inside: FunctionRef,
    /// Offset of the callee's name.
    at: usize,
}

/// A function, as calls find it: by symbol, or within its unit.
#[derive(PartialEq, Eq, Hash)]
enum Name<'a> {
    Symbol(&'a str),
    Internal(usize, usize),
}

impl<'a> Name<'a> {
    fn of(model: &'a Model, at: FunctionRef) -> Self {
        let f = model.function(at);
        if f.internal { Self::Internal(at.unit, at.function) } else { Self::Symbol(&f.symbol) }
    }
}

/// Where what functions return goes.
struct Results<'a> {
    model: &'a Model,
    /// The function that each reference is in, by unit and offset.
    inside: HashMap<(usize, usize), usize>,
    /// Calls by name, of functions that are called in no other way.
    calls: HashMap<Name<'a>, Vec<ResultOf>>,
}

impl<'a> Results<'a> {
    /// `words` may name functions without a reference.
    fn new(model: &'a Model, words: &HashSet<&str>) -> Self {
        let mut inside = HashMap::new();
        let mut calls: HashMap<Name<'_>, Vec<ResultOf>> = HashMap::new();
        let mut unclear = HashSet::new();
        for (unit, u) in model.units.iter().enumerate() {
            for reference in &u.facts.references {
                inside.extend(reference.inside.map(|function| ((unit, reference.at), function)));
                let Target::Function(function) = reference.target else { continue };
                let name = Name::of(model, FunctionRef { unit, function });
                match (reference.usage, reference.inside) {
                    (Usage::Call(..), Some(function)) => {
                        let call = ResultOf { inside: FunctionRef { unit, function }, at: reference.at };
                        calls.entry(name).or_default().push(call);
                    }
                    _ => drop(unclear.insert(name)),
                }
            }
            for alias in u.facts.functions.iter().filter_map(|f| f.attributes.alias.as_deref()) {
                let own = u.facts.functions.iter().position(|f| f.symbol == alias && f.internal);
                unclear.insert(own.map_or(Name::Symbol(alias), |function| Name::Internal(unit, function)));
            }
        }
        let foreign = model.units.iter().any(|u| u.kept.is_some());
        calls.retain(|name, _| {
            let outside = match name {
                Name::Symbol(symbol) => foreign || model.touched.contains(*symbol) || words.contains(symbol),
                Name::Internal(unit, function) => {
                    let f = &model.units[*unit].facts.functions[*function];
                    words.contains(f.name.as_str()) || words.contains(f.symbol.as_str())
                }
            };
            !outside && !unclear.contains(name)
        });
        Self { model, inside, calls }
    }

    /// Where the result of the function is used that this place is in, if all of that is known.
    fn of(&self, (unit, origin): (usize, Origin)) -> Option<&[ResultOf]> {
        let function = match origin {
            Origin::Reference(at) => *self.inside.get(&(unit, at))?,
            Origin::Parameter(function, _) => function,
        };
        let name = Name::of(self.model, FunctionRef { unit, function });
        let named = |text: &String| text.contains(&self.model.units[unit].facts.functions[function].name);
        let assembler = self.model.units.iter().flat_map(|u| &u.facts.assembler).any(named);
        self.calls.get(&name).filter(|_| !assembler).map(Vec::as_slice)
    }
}

/// Whether a type is a pointer to data, or an array of them.
fn is_pointers(ty: &str) -> bool {
    let (element, _) = innermost(ty);
    element.starts_with('*') && !element.starts_with("*fn")
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
