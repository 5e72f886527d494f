//! Who may call whom.
//!
//! A call through a pointer may reach every function of that type whose address goes anywhere but
//! straight into a library. Calls back out of libraries are not seen: a function only called so has
//! no callers here.

use std::collections::{BTreeSet, HashMap};

use dsu_abi::calls;

use crate::analyse::model::{FunctionRef, Model};
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
}

impl CallGraph {
    /// Builds the graph.
    pub fn new(model: &Model) -> Self {
        let mut graph = Self::default();
        let mut by_type: HashMap<&str, Vec<FunctionRef>> = HashMap::new();
        for at in &model.called_through_pointers() {
            by_type.entry(&model.function(*at).prototype).or_default().push(*at);
        }
        for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            for reference in &u.facts.references {
                let (Target::Function(function), Usage::Call(_, end), Some(inside)) =
                    (reference.target, reference.usage, reference.inside)
                else {
                    continue;
                };
                let caller = FunctionRef { unit, function: inside };
                match graph_target(model, unit, function) {
                    Some(callee) => {
                        graph.callers.entry(callee).or_default().insert(caller);
                        let declared = model.function(callee).attributes.noreturn
                            || u.facts.functions[function].attributes.noreturn;
                        if !declared && !is_last_call(&u.image.text, end) {
                            graph.returning.entry(caller).or_default().insert(callee);
                        }
                    }
                    None if calls::WAITING.contains(&u.facts.functions[function].name.as_str()) => {
                        graph.waiting.insert(caller);
                    }
                    None => {}
                }
            }
            for call in &u.facts.indirect_calls {
                let caller = FunctionRef { unit, function: call.inside };
                for callee in by_type.get(call.prototype.as_str()).into_iter().flatten() {
                    graph.callers.entry(*callee).or_default().insert(caller);
                    if !model.function(*callee).attributes.noreturn {
                        graph.returning.entry(caller).or_default().insert(*callee);
                    }
                }
            }
        }
        graph
    }

    /// Functions that can be on the stack below `function`: its callers, and theirs.
    pub fn ancestors(&self, function: FunctionRef) -> BTreeSet<FunctionRef> {
        reach(&self.callers, [function])
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

    /// Functions that may end up in a library call that waits.
    pub fn may_wait(&self) -> BTreeSet<FunctionRef> {
        reach(&self.callers, self.waiting.iter().copied())
    }
}

/// The definition a reference in a unit leads to, inline functions included.
pub(crate) fn graph_target(model: &Model, unit: usize, function: usize) -> Option<FunctionRef> {
    let own = || {
        let f = &model.units[unit].facts.functions[function];
        f.definition.as_ref().filter(|d| !d.system).map(|_| FunctionRef { unit, function })
    };
    model.definition_of(unit, function).or_else(own)
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
