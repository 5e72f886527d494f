//! Proposing update points: endless loops that come to a call that waits.

use crate::analyse::callgraph::CallGraph;
use crate::analyse::model::Model;
use crate::analyse::points::is_blocking_call;
use crate::driver::interface::{LinkInput, Suggestion};
use crate::facts::{Loop, Reference, Target, Usage};
use crate::program::ProgramError;

/// Library calls that wait until there is something to do.
const READINESS: &[&str] =
    &["epoll_pwait", "epoll_wait", "poll", "ppoll", "pselect", "pthread_cond_wait", "select", "sigsuspend", "pause"];

/// Proposes update points for a program.
///
/// # Errors
/// When libclang is missing.
pub fn suggest(input: &LinkInput) -> Result<Vec<Suggestion>, ProgramError> {
    let model = Model::new(input)?;
    let graph = CallGraph::new(&model);
    let may_wait = graph.may_wait();
    let mut found = Vec::new();
    for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
        for l in &u.facts.loops {
            let waits = |r: &Reference| {
                let Target::Function(callee) = r.target else { return false };
                let name = u.facts.functions[callee].name.as_str();
                let below = model.definition_of(unit, callee).is_some_and(|at| may_wait.contains(&at));
                is_blocking_call(&model, unit, r) && dsu_abi::calls::WAITING.contains(&name) || below
            };
            // A loop that waits for something to become ready sleeps there, and works in the rest of its calls.
            let is_ready = |r: &Reference| {
                let Target::Function(callee) = r.target else { return false };
                READINESS.contains(&u.facts.functions[callee].name.as_str()) && is_blocking_call(&model, unit, r)
            };
            let mut quiescent = calls_in(&u.facts.references, l, is_ready);
            if quiescent.is_empty() {
                quiescent = calls_in(&u.facts.references, l, waits);
            }
            if (l.endless || l.until_told) && !quiescent.is_empty() {
                found.push(suggestion(&model, unit, l, quiescent));
            }
        }
    }
    Ok(found)
}

fn calls_in(references: &[Reference], l: &Loop, wanted: impl Fn(&Reference) -> bool) -> Vec<usize> {
    let in_loop = |r: &Reference| {
        r.inside == Some(l.function) && (l.start..l.end).contains(&r.at) && matches!(r.usage, Usage::Call(..))
    };
    let functions = references.iter().filter(|r| in_loop(r) && wanted(r)).filter_map(|r| match r.target {
        Target::Function(f) => Some(f),
        Target::Variable(_) => None,
    });
    let mut list: Vec<usize> = Vec::new();
    for f in functions {
        if !list.contains(&f) {
            list.push(f);
        }
    }
    list
}

fn suggestion(model: &Model, unit: usize, l: &Loop, quiescent: Vec<usize>) -> Suggestion {
    let facts = &model.units[unit].facts;
    let function = &facts.functions[l.function];
    let own: Vec<&Loop> = facts.loops.iter().filter(|x| x.function == l.function).collect();
    let ordinal = own.iter().position(|x| x.start == l.start).unwrap_or(0) as u32 + 1;
    let endless = own.iter().filter(|x| x.endless).count();
    let same_name = model.definitions().filter(|at| model.function(*at).name == function.name).count();
    let file = function.definition.as_ref().map_or_else(String::new, |d| d.file.clone());
    let names: Vec<String> = quiescent.iter().map(|f| facts.functions[*f].name.clone()).collect();
    Suggestion {
        name: if ordinal == 1 { function.name.clone() } else { format!("{}-{ordinal}", function.name) },
        function: function.name.clone(),
        file: (same_name > 1).then(|| model.units[unit].name.clone()),
        place: format!("{file}:{}", l.line),
        loop_ordinal: (own.len() > 1 && endless > 1).then_some(ordinal),
        why: format!("{} loop that waits in {}", if l.endless { "an endless" } else { "a" }, names.join(", ")),
        quiescent: names,
    }
}
