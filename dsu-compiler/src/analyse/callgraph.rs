//! Who may call whom.
//!
//! A call through a pointer may reach every function whose address is taken as a pointer of that type, or of one that is
//! converted to it, and goes anywhere but straight into a library. Calls back out of libraries are not seen: a function only
//! called so has no callers here, but for who may be on the stack below it.

use std::collections::{BTreeSet, HashMap, HashSet};

use dsu_abi::calls;

use crate::analyse::model::{FunctionRef, Model, Unit};
use crate::analyse::targets::Targets;
use crate::facts::{Callback, Receiver, Target, Usage};

/// The call graph of a program.
#[derive(Default)]
pub struct CallGraph {
    /// All calls but those that end the program.
    returning: HashMap<FunctionRef, BTreeSet<FunctionRef>>,
    /// All calls, backwards.
    callers: HashMap<FunctionRef, BTreeSet<FunctionRef>>,
    /// Functions that call a library function that waits.
    waiting: BTreeSet<FunctionRef>,
    /// The same, and for functions that a library calls back, who may be waiting in that library then.
    below: HashMap<FunctionRef, BTreeSet<FunctionRef>>,
    /// Functions that leave their stack for another one, to come back later.
    switching: BTreeSet<FunctionRef>,
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
                graph.switching.insert(call.caller);
            }
        });
        graph.below.clone_from(&graph.callers);
        for (function, below) in called_back(model, &targets, calls_back) {
            graph.below.entry(function).or_default().extend(below);
        }
        graph
    }

    /// Functions that can be on the stack below `function`: its callers, and theirs.
    pub fn ancestors(&self, function: FunctionRef) -> BTreeSet<FunctionRef> {
        reach(&self.below, [function])
    }

    /// Functions that can be on a stack that was left for another one: coroutines.
    pub fn suspended(&self) -> BTreeSet<FunctionRef> {
        reach(&self.below, self.switching.iter().copied())
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

/// Who may be on the stack below functions that libraries call back: who hands one to a library function, which may call it at
/// once; and who calls functions of a library that calls back what it was given in an earlier call. Units that are kept are
/// like libraries, and call functions of the program by name.
fn called_back(
    model: &Model,
    targets: &Targets<'_>,
    calls_back: impl Fn(&str) -> bool,
) -> HashMap<FunctionRef, BTreeSet<FunctionRef>> {
    let mut found: HashMap<FunctionRef, BTreeSet<FunctionRef>> = HashMap::new();
    let mut kept: BTreeSet<FunctionRef> =
        model.named_outside.iter().filter_map(|symbol| model.functions.get(symbol)).copied().collect();
    let mut entering = BTreeSet::new();
    let mut known: HashMap<(usize, usize), bool> = HashMap::new();
    for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
        let mut strange = |function: usize| {
            *known.entry((unit, function)).or_insert_with(|| calls_back(&u.facts.functions[function].symbol))
        };
        let library = |f: usize| model.program_body_of(unit, f).is_none() && !model.starts_threads(unit, f);
        for reference in &u.facts.references {
            let (Target::Function(target), Some(inside)) = (reference.target, reference.inside) else { continue };
            let inside = FunctionRef { unit, function: inside };
            match reference.usage {
                Usage::Call(..) if model.program_body_of(unit, target).is_none() && strange(target) => {
                    entering.insert(inside);
                }
                Usage::Argument(to) if library(to) => {
                    if let Some(at) = model.body_of(unit, target) {
                        found.entry(at).or_default().insert(inside);
                        kept.extend(strange(to).then_some(at));
                    }
                }
                _ => {}
            }
        }
        for Callback { inside, receiver, prototype } in &u.facts.callbacks {
            let (library, keeps) = match receiver {
                Receiver::Function(to) => (library(*to), strange(*to)),
                Receiver::Pointer(ty) => {
                    let reached = targets.reached(ty);
                    let library = reached.made || reached.functions.iter().any(|taken| taken.function.is_none());
                    (library, reached.made)
                }
                Receiver::Library => (true, true),
            };
            let called = targets.reached(prototype).functions.into_iter().filter_map(|taken| taken.function);
            for at in called.filter(|_| library) {
                found.entry(at).or_default().insert(FunctionRef { unit, function: *inside });
                kept.extend(keeps.then_some(at));
            }
        }
    }
    for at in kept {
        found.entry(at).or_default().extend(&entering);
    }
    found
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
    let chosen: HashSet<&str> = model.units.iter().flat_map(symbols).collect();
    for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
        for reference in &u.facts.references {
            let (Target::Function(function), Usage::Call(_, end), Some(inside)) =
                (reference.target, reference.usage, reference.inside)
            else {
                continue;
            };
            let f = &u.facts.functions[function];
            let mut callees: Vec<FunctionRef> = model.program_body_of(unit, function).into_iter().collect();
            // What an `ifunc` resolver chose, which may give a pointer to anything.
            if callees.is_empty() && chosen.contains(f.symbol.as_str()) {
                callees = through(&f.prototype).into_iter().chain(through("")).collect();
            }
            let waits = callees.is_empty() && calls::WAITING.contains(&f.name.as_str());
            let last = f.attributes.noreturn || is_last_call(&u.image.text, end);
            let switches = callees.is_empty() && f.name == "swapcontext";
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
            let callees = model.program_body_of(unit, cleanup.callee).into_iter().collect();
            look(Call { caller, at, callees, last: false, waits: false, switches: false });
        }
    }
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
