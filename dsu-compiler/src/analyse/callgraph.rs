//! Who may call whom.
//!
//! A call through a pointer may reach every function whose address is taken as a pointer of that type, or of one that is
//! converted to it, and goes anywhere but straight into a library. Calls back out of libraries are not seen: a function only
//! called so has no callers here, but for who may be on the stack below it.

use std::collections::{BTreeSet, HashMap, HashSet};

use dsu_abi::calls;

use crate::analyse::model::{FunctionRef, Model, Unit};
use crate::analyse::outside::{Entered, Outside, Sites, note};
use crate::analyse::targets::Targets;
use crate::facts::{Target, Usage};

/// The call graph of a program.
#[derive(Default)]
pub struct CallGraph {
    /// All calls but those that end the program.
    returning: HashMap<FunctionRef, BTreeSet<FunctionRef>>,
    /// All calls, backwards.
    callers: HashMap<FunctionRef, BTreeSet<FunctionRef>>,
    /// Functions that call a library function that waits.
    waiting: BTreeSet<FunctionRef>,
    /// Functions that leave their stack for another one, to come back later, and where they first do.
    switching: Sites,
    /// Calls out of libraries and the like.
    outside: Outside,
}

impl CallGraph {
    /// Builds the graph. `calls_back`: whether a function of this name, of a library, may call what it was given before.
    pub fn new(model: &Model, calls_back: impl Fn(&str) -> bool) -> Self {
        let mut graph = Self::default();
        let targets = Targets::new(model);
        each_call(model, &targets, |call| {
            for callee in &call.callees {
                graph.callers.entry(*callee).or_default().insert(call.caller);
                if !call.last && !model.function(*callee).attributes.noreturn {
                    graph.returning.entry(call.caller).or_default().insert(*callee);
                }
            }
            if call.waits {
                graph.waiting.insert(call.caller);
            }
            if call.switches {
                note(&mut graph.switching, call.caller, call.at);
            }
        });
        graph.outside = Outside::new(model, &targets, |function| graph.callers.contains_key(&function), calls_back);
        graph
    }

    /// Functions that can be on the stack below `function`: its callers, and theirs.
    pub fn ancestors(&self, function: FunctionRef) -> BTreeSet<FunctionRef> {
        self.below([function])
    }

    /// Functions that can be on a stack that was left for another one: coroutines.
    pub fn suspended(&self) -> BTreeSet<FunctionRef> {
        self.below(self.switching.keys().copied())
    }

    /// Functions that can be on a stack with these: their callers, whoever may be waiting in a library that calls them back,
    /// and who is below those.
    fn below(&self, functions: impl IntoIterator<Item = FunctionRef>) -> BTreeSet<FunctionRef> {
        let mut todo: Vec<FunctionRef> = functions.into_iter().collect();
        let mut seen: BTreeSet<FunctionRef> = todo.iter().copied().collect();
        let mut entered = Entered::default();
        while let Some(at) = todo.pop() {
            let callers = self.callers.get(&at).into_iter().flatten();
            for next in callers.chain(self.outside.below(at, &mut entered)) {
                if seen.insert(*next) {
                    todo.push(*next);
                }
            }
        }
        seen
    }

    /// Where functions may stand, during an update, that is no call of a function of the path: in calls of libraries that call
    /// one back, and where they leave their stack. The first such place of each.
    pub fn standing(&self, path: &BTreeSet<FunctionRef>) -> Sites {
        let mut found = self.switching.clone();
        let mut entered = Entered::default();
        for callee in path {
            for (caller, at) in self.outside.sites(*callee, &mut entered) {
                note(&mut found, *caller, *at);
            }
        }
        found
    }

    /// Functions on the way from `function` to a library call that waits.
    pub fn ways_to_wait(&self, function: FunctionRef) -> BTreeSet<FunctionRef> {
        let reached = reach(&self.returning, [function]);
        let mut backwards: HashMap<FunctionRef, BTreeSet<FunctionRef>> = HashMap::new();
        for caller in &reached {
            for callee in self.returning.get(caller).into_iter().flatten() {
                backwards.entry(*callee).or_default().insert(*caller);
            }
        }
        reach(&backwards, self.waiting.intersection(&reached).copied())
    }

    /// How many calls it takes from each function to one of these and on: 1 for themselves. No more than `most`, and not
    /// through functions that end the program.
    pub fn distances(
        &self,
        to: &BTreeSet<FunctionRef>,
        most: usize,
        ends: impl Fn(&FunctionRef) -> bool,
    ) -> HashMap<FunctionRef, usize> {
        let mut backwards: HashMap<FunctionRef, Vec<FunctionRef>> = HashMap::new();
        for (caller, callees) in &self.returning {
            callees.iter().for_each(|callee| backwards.entry(*callee).or_default().push(*caller));
        }
        let mut found: HashMap<FunctionRef, usize> = HashMap::new();
        let mut level: Vec<FunctionRef> = to.iter().copied().filter(|at| !ends(at)).collect();
        for distance in 1..=most {
            level.retain(|at| !found.contains_key(at));
            found.extend(level.iter().map(|at| (*at, distance)));
            let next: BTreeSet<FunctionRef> =
                level.iter().flat_map(|at| backwards.get(at).into_iter().flatten()).copied().collect();
            level = next.into_iter().filter(|at| !found.contains_key(at) && !ends(at)).collect();
        }
        found
    }

    /// Functions that can be reached from those that nobody calls (`main`, callbacks, what threads run) without the calls
    /// that are at an offset of a function for which `without` holds.
    pub fn reached(&self, model: &Model, without: impl Fn(usize, usize, usize) -> bool) -> HashSet<FunctionRef> {
        let mut edges: HashMap<FunctionRef, BTreeSet<FunctionRef>> = HashMap::new();
        each_call(model, &Targets::new(model), |call| {
            if !without(call.caller.unit, call.caller.function, call.at) {
                edges.entry(call.caller).or_default().extend(call.callees);
            }
        });
        let roots = model.definitions().filter(|at| self.callers.get(at).is_none_or(BTreeSet::is_empty));
        reach(&edges, roots).into_iter().collect()
    }
}

/// A call in the program's text.
struct Call {
    caller: FunctionRef,
    /// Its offset.
    at: usize,
    /// The functions of the program that it may reach.
    callees: Vec<FunctionRef>,
    /// It does not return, or the program ends right behind it.
    last: bool,
    /// It is a library call that waits.
    waits: bool,
    /// It is a library call that goes on on another stack.
    switches: bool,
}

/// Looks at all calls of a program.
fn each_call<'a>(model: &'a Model, targets: &Targets<'a>, mut look: impl FnMut(Call)) {
    let mut known: HashMap<&str, Vec<FunctionRef>> = HashMap::new();
    let mut through = |prototype: &'a str| {
        known.entry(prototype).or_insert_with(|| targets.reached(prototype).called().collect()).clone()
    };
    let symbols = |u: &'a Unit| u.facts.functions.iter().filter(|f| f.attributes.ifunc).map(|f| f.symbol.as_str());
    let switching = switches_stacks(model);
    let chosen: HashSet<&str> = model.units.iter().flat_map(symbols).collect();
    for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
        for reference in &u.facts.references {
            let (Target::Function(function), Usage::Call(_, end), Some(inside)) =
                (reference.target, reference.usage, reference.inside)
            else {
                continue;
            };
            let f = &u.facts.functions[function];
            let ours = model.program_body_of(unit, function).is_some();
            let mut callees: Vec<FunctionRef> = model.body_of(unit, function).into_iter().collect();
            // What an `ifunc` resolver chose, which may give a pointer to anything.
            if callees.is_empty() && chosen.contains(f.symbol.as_str()) {
                callees = through(&f.prototype).into_iter().chain(through("")).collect();
            }
            let waits = !ours && calls::WAITING.contains(&f.name.as_str());
            let last = f.attributes.noreturn || is_last_call(&u.image.text, end);
            let switches = !ours && switching.contains(&f.name.as_str());
            look(Call {
                caller: FunctionRef { unit, function: inside },
                at: reference.at,
                callees,
                last,
                waits,
                switches,
            });
        }
        for call in &u.facts.indirect_calls {
            let caller = FunctionRef { unit, function: call.inside };
            look(Call {
                caller,
                at: call.at,
                callees: through(&call.prototype),
                last: false,
                waits: false,
                switches: false,
            });
        }
        for cleanup in &u.facts.cleanups {
            let caller = FunctionRef { unit, function: cleanup.inside };
            let at = u.facts.functions[cleanup.inside].definition.as_ref().map_or(0, |d| d.body);
            let callees = model.body_of(unit, cleanup.callee).into_iter().collect();
            look(Call { caller, at, callees, last: false, waits: false, switches: false });
        }
    }
}

/// Library functions that go on on another stack. Those that jump do so where the program makes stacks of its own.
fn switches_stacks(model: &Model) -> &'static [&'static str] {
    const ALL: &[&str] = &["swapcontext", "siglongjmp", "longjmp", "_longjmp", "__builtin_longjmp"];
    if model.knows(&["makecontext", "sigaltstack"]) { ALL } else { &ALL[..1] }
}

/// Whether a call is followed by one that ends the program: then it does not matter where it sleeps.
fn is_last_call(text: &str, end: usize) -> bool {
    let rest = text.get(end..).unwrap_or("").trim_start_matches([')', ' ', '\n']);
    let Some(rest) = rest.strip_prefix([',', ';']) else { return false };
    let rest = rest.trim_start_matches(['(', ' ', '\n']);
    let name: &str = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
    matches!(name, "__builtin_unreachable" | "__builtin_trap" | "abort" | "exit" | "_exit" | "_Exit")
}

/// Whether a library function of this name may put its caller to sleep.
pub fn is_blocking(name: &str) -> bool {
    calls::BLOCKING.contains(&name)
}

fn reach(
    edges: &HashMap<FunctionRef, BTreeSet<FunctionRef>>,
    from: impl IntoIterator<Item = FunctionRef>,
) -> BTreeSet<FunctionRef> {
    let mut todo: Vec<FunctionRef> = from.into_iter().collect();
    let mut seen: BTreeSet<FunctionRef> = todo.iter().copied().collect();
    while let Some(at) = todo.pop() {
        for next in edges.get(&at).into_iter().flatten() {
            if seen.insert(*next) {
                todo.push(*next);
            }
        }
    }
    seen
}

#[cfg(test)]
#[path = "callgraph_tests.rs"]
mod tests;
