//! Who may call whom.
//!
//! A call through a pointer may reach every function whose address is taken as a pointer of that type, or of one that is
//! converted to it, and goes anywhere but straight into a library. Calls back out of libraries are not seen: a function only
//! called so has no callers here, but for who may be on the stack below it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use dsu_abi::calls;

use crate::analyse::model::{FunctionRef, Model, Unit};
use crate::analyse::targets::{Targets, pointed_by};
use crate::facts::{Callback, IndirectCall, Receiver, Reference, Target, Usage, Variable};

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
    /// Functions that leave their stack for another one, to come back later, and where they first do.
    switching: Sites,
    /// For functions that libraries call back: in which functions that may be, and where first.
    called_back: HashMap<FunctionRef, Sites>,
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
        graph.below.clone_from(&graph.callers);
        graph.called_back = CalledBack::of(model, &targets, &graph.callers, calls_back);
        for (function, sites) in &graph.called_back {
            graph.below.entry(*function).or_default().extend(sites.keys());
        }
        graph
    }

    /// Functions that can be on the stack below `function`: its callers, and theirs.
    pub fn ancestors(&self, function: FunctionRef) -> BTreeSet<FunctionRef> {
        reach(&self.below, [function])
    }

    /// Functions that can be on a stack that was left for another one: coroutines.
    pub fn suspended(&self) -> BTreeSet<FunctionRef> {
        reach(&self.below, self.switching.keys().copied())
    }

    /// Where functions may stand, during an update, that is no call of a function of the path: in calls of libraries that call
    /// one back, and where they leave their stack. The first such place of each.
    pub fn standing(&self, path: &BTreeSet<FunctionRef>) -> Sites {
        let mut found = self.switching.clone();
        for (caller, at) in path.iter().filter_map(|callee| self.called_back.get(callee)).flatten() {
            note(&mut found, *caller, *at);
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

/// Places in functions: offsets in the texts of their units.
pub type Sites = BTreeMap<FunctionRef, usize>;

/// Notes a place, if it comes before the one that is known.
fn note(sites: &mut Sites, function: FunctionRef, at: usize) {
    let first = sites.entry(function).or_insert(at);
    *first = at.min(*first);
}

/// Who may be on the stack below functions that libraries call back.
struct CalledBack<'a, C> {
    model: &'a Model,
    targets: &'a Targets<'a>,
    calls_back: C,
    known: HashMap<(usize, usize), bool>,
    /// By function: who hands it to a library function, which may call it at once.
    found: HashMap<FunctionRef, Sites>,
    /// Functions that libraries which call back what they were given before know. Units that are kept are like these, and know
    /// the functions that they name.
    kept: BTreeSet<FunctionRef>,
    /// Who calls functions of such libraries.
    entering: Sites,
    /// Who calls what nobody knows: what was looked up by name, or made of a pointer to anything.
    guessing: Sites,
    /// Functions that threads begin with.
    threads: BTreeSet<FunctionRef>,
    /// Types of functions that pointers point to in what is looked up by name.
    looked_up: HashSet<&'a str>,
}

impl<'a, C: Fn(&str) -> bool> CalledBack<'a, C> {
    /// `callers`: who calls what in the program.
    fn of(
        model: &'a Model,
        targets: &'a Targets<'a>,
        callers: &HashMap<FunctionRef, BTreeSet<FunctionRef>>,
        calls_back: C,
    ) -> HashMap<FunctionRef, Sites> {
        let mut reader = Self {
            model,
            targets,
            calls_back,
            known: HashMap::new(),
            found: HashMap::new(),
            kept: BTreeSet::new(),
            entering: Sites::new(),
            guessing: Sites::new(),
            threads: BTreeSet::new(),
            looked_up: model.units.iter().flat_map(|u| &u.facts.looked_up).map(String::as_str).collect(),
        };
        reader.named_outside();
        for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            for reference in &u.facts.references {
                reader.reference(unit, reference);
            }
            for call in &u.facts.indirect_calls {
                reader.indirect_call(unit, call);
            }
            for callback in &u.facts.callbacks {
                reader.callback(unit, callback);
            }
            for ty in &u.facts.library_pointers {
                reader.keep(ty);
            }
        }
        // What the program makes pointers to and never calls, others call: where libraries have put the pointers is not followed.
        let uncalled = targets.taken().filter(|at| !callers.contains_key(at) && !reader.threads.contains(at));
        reader.kept.extend(uncalled);
        let Self { mut found, kept, entering, guessing, .. } = reader;
        for function in kept {
            let sites = found.entry(function).or_default();
            entering.iter().for_each(|(caller, at)| note(sites, *caller, *at));
        }
        // Who is looked up by name may call whatever has a name.
        let named = model.touched.iter().filter(|_| model.looks_up_names());
        for function in named.filter_map(|symbol| model.functions.get(symbol)) {
            let sites = found.entry(*function).or_default();
            guessing.iter().for_each(|(caller, at)| note(sites, *caller, *at));
        }
        found
    }

    /// Whether a function, by index in its unit, is a library's that calls back what it was given before.
    fn is_strange(&mut self, unit: usize, function: usize) -> bool {
        let symbol = || self.model.units[unit].facts.functions[function].symbol.as_str();
        *self.known.entry((unit, function)).or_insert_with(|| (self.calls_back)(symbol()))
    }

    /// Libraries know all functions to which a pointer of this type may point.
    fn keep(&mut self, ty: &str) {
        self.kept.extend(self.targets.reached(ty).functions.into_iter().filter_map(|taken| taken.function));
    }

    /// What objects that are not rewritten name, and what is in variables that they share with the program.
    fn named_outside(&mut self) {
        let model = self.model;
        self.kept.extend(model.named_outside.iter().filter_map(|symbol| model.functions.get(symbol)));
        for u in model.units.iter().filter(|u| u.kept.is_none()) {
            let shared = |v: &&Variable| {
                let theirs = !v.internal && v.function.is_none() && !model.variables.contains_key(&v.symbol);
                theirs || model.named_outside.contains(&v.symbol)
            };
            let types = u.facts.variables.iter().filter(shared).map(pointed_by).filter(|ty| !ty.is_empty());
            types.for_each(|ty| self.keep(ty));
        }
    }

    fn reference(&mut self, unit: usize, reference: &Reference) {
        let (Target::Function(target), Some(inside)) = (reference.target, reference.inside) else { return };
        let inside = FunctionRef { unit, function: inside };
        match reference.usage {
            Usage::Call(..) if self.model.body_of(unit, target).is_none() && self.is_strange(unit, target) => {
                note(&mut self.entering, inside, reference.at);
            }
            Usage::Argument(to) if self.is_library(unit, to) => {
                if let Some(function) = self.model.body_of(unit, target) {
                    note(self.found.entry(function).or_default(), inside, reference.at);
                    if self.is_strange(unit, to) {
                        self.kept.insert(function);
                    }
                }
            }
            _ => {}
        }
    }

    fn is_library(&self, unit: usize, function: usize) -> bool {
        self.model.body_of(unit, function).is_none() && !self.model.starts_threads(unit, function)
    }

    /// A call through a pointer may be one of a library's function.
    fn indirect_call(&mut self, unit: usize, call: &IndirectCall) {
        let (inside, prototype) = (FunctionRef { unit, function: call.inside }, call.prototype.as_str());
        let reached = self.targets.reached(prototype);
        let mut theirs = reached.functions.iter().filter(|taken| taken.function.is_none());
        if theirs.any(|taken| self.is_strange(taken.named.unit, taken.named.function)) {
            note(&mut self.entering, inside, call.at);
        }
        if reached.made || self.looked_up.contains(prototype) {
            note(&mut self.guessing, inside, call.at);
        }
    }

    fn callback(&mut self, unit: usize, Callback { inside, receiver, prototype, at }: &Callback) {
        let inside = FunctionRef { unit, function: *inside };
        let (library, keeps) = match receiver {
            Receiver::Function(to) => (self.is_library(unit, *to), self.is_strange(unit, *to)),
            Receiver::Pointer(ty) => {
                let reached = self.targets.reached(ty);
                let unknown = reached.made || self.looked_up.contains(ty.as_str());
                (unknown || reached.functions.iter().any(|taken| taken.function.is_none()), unknown)
            }
            Receiver::Library => {
                note(&mut self.entering, inside, *at);
                (true, true)
            }
        };
        let called = self.targets.reached(prototype).functions.into_iter().filter_map(|taken| taken.function);
        if matches!(receiver, Receiver::Function(to) if self.model.starts_threads(unit, *to)) {
            self.threads.extend(called);
            return;
        }
        for function in called.filter(|_| library) {
            note(self.found.entry(function).or_default(), inside, *at);
            self.kept.extend(keeps.then_some(function));
        }
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
    let functions = || model.units.iter().flat_map(|u| &u.facts.functions);
    let makes_stacks = functions().any(|f| matches!(f.name.as_str(), "makecontext" | "sigaltstack"));
    if makes_stacks { ALL } else { &ALL[..1] }
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
