//! Leaving out what the rest of the program need not know of a unit.

use std::collections::{HashMap, HashSet};

use crate::facts::{Origin, Outcome, Receiver, Reference, Source, Target, UnitFacts, Usage};
use crate::layout::place::innermost;

/// Drops flows that say no more than the usage of their reference: it says enough of variables that hold no pointers. And those
/// from calls of functions of the unit that return nothing that is followed.
pub(super) fn plain_flows(facts: &mut UnitFacts) {
    let inside: HashMap<usize, usize> = facts.references.iter().filter_map(|r| Some((r.at, r.inside?))).collect();
    let returns = facts.flows.iter().filter(|f| f.outcomes.iter().any(|o| matches!(o, Outcome::Returned { .. })));
    let giving: HashSet<usize> = returns
        .filter_map(|flow| match flow.origin {
            Origin::Reference(at) => inside.get(&at).copied(),
            Origin::Parameter(function, _) => Some(function),
        })
        .collect();
    let telling = |r: &Reference| match r.target {
        Target::Variable(v) => {
            let handed_on = matches!(r.usage, Usage::Escape | Usage::Keep | Usage::KeepElement);
            let v = &facts.variables[v];
            handed_on || v.nameless || innermost(&v.ty).0.starts_with('*')
        }
        Target::Function(f) => {
            let called = matches!(r.usage, Usage::Call(..));
            called && (facts.functions[f].definition.is_none() || giving.contains(&f))
        }
    };
    let wanted: HashSet<usize> = facts.references.iter().filter(|r| telling(r)).map(|r| r.at).collect();
    facts.flows.retain(|flow| match flow.origin {
        Origin::Reference(at) => wanted.contains(&at),
        Origin::Parameter(..) => true,
    });
}

/// Drops functions and variables that the unit only declares: headers are full of them. Those known `before` come first.
pub(super) fn unused(facts: &mut UnitFacts, before: &UnitFacts) {
    // What functions of the unit are given is seen in them.
    let ours = |f: usize| facts.functions[f].definition.as_ref().is_some_and(|d| !d.system);
    facts.callbacks.retain(|c| !matches!(c.receiver, Receiver::Function(f) if ours(f)));
    let mut used_functions = vec![false; facts.functions.len()];
    let mut used_variables = vec![false; facts.variables.len()];
    for reference in &facts.references {
        match reference.target {
            Target::Function(i) => used_functions[i] = true,
            Target::Variable(i) => used_variables[i] = true,
        }
        if let Usage::Argument(i) = reference.usage {
            used_functions[i] = true;
        }
    }
    for callback in &facts.callbacks {
        if let Receiver::Function(i) = callback.receiver {
            used_functions[i] = true;
        }
    }
    for cleanup in &facts.cleanups {
        used_functions[cleanup.callee] = true;
    }
    for (i, f) in facts.functions.iter().enumerate() {
        used_functions[i] |= f.definition.is_some() || f.attributes.alias.is_some();
    }
    for (i, v) in facts.variables.iter().enumerate() {
        used_variables[i] |= v.definition.is_some() || v.alias.is_some();
    }
    let known: HashMap<&str, usize> = before.functions.iter().enumerate().map(|(i, f)| (f.name.as_str(), i)).collect();
    let function_ranks: Vec<usize> =
        facts.functions.iter().map(|f| known.get(f.name.as_str()).copied().unwrap_or(usize::MAX)).collect();
    let known: HashMap<String, usize> =
        before.variables.iter().enumerate().map(|(i, v)| (before.local_name(v), i)).collect();
    let variable_ranks: Vec<usize> =
        facts.variables.iter().map(|v| known.get(&facts.local_name(v)).copied().unwrap_or(usize::MAX)).collect();
    let functions = renumber(&mut facts.functions, &used_functions, &function_ranks);
    let variables = renumber(&mut facts.variables, &used_variables, &variable_ranks);
    for reference in &mut facts.references {
        reference.target = match reference.target {
            Target::Function(i) => Target::Function(functions[i]),
            Target::Variable(i) => Target::Variable(variables[i]),
        };
        reference.inside = reference.inside.map(|i| functions[i]);
        if let Usage::Argument(i) = &mut reference.usage {
            *i = functions[*i];
        }
    }
    for call in &mut facts.indirect_calls {
        call.inside = functions[call.inside];
    }
    for callback in &mut facts.callbacks {
        callback.inside = functions[callback.inside];
        if let Receiver::Function(i) = &mut callback.receiver {
            *i = functions[*i];
        }
    }
    for cleanup in &mut facts.cleanups {
        (cleanup.inside, cleanup.callee) = (functions[cleanup.inside], functions[cleanup.callee]);
    }
    for flow in &mut facts.flows {
        if let Origin::Parameter(function, _) = &mut flow.origin {
            *function = functions[*function];
        }
        for outcome in &mut flow.outcomes {
            if let Outcome::Passed { callee, .. } = outcome {
                *callee = functions[*callee];
            }
        }
    }
    for field_use in &mut facts.field_uses {
        field_use.inside = functions[field_use.inside];
    }
    for list in &mut facts.initializers {
        list.inside = list.inside.map(|i| functions[i]);
    }
    for local in &mut facts.unset_locals {
        local.inside = functions[local.inside];
    }
    for l in &mut facts.loops {
        l.function = functions[l.function];
    }
    for creation in &mut facts.creations {
        creation.inside = functions[creation.inside];
        creation.callee = functions[creation.callee];
    }
    for release in &mut facts.releases {
        release.inside = functions[release.inside];
        release.callee = functions[release.callee];
    }
    for type_use in &mut facts.type_uses {
        type_use.inside = type_use.inside.map(|i| functions[i]);
    }
    for handed in &mut facts.handed {
        handed.function = functions[handed.function];
        handed.to.iter_mut().for_each(|(callee, _)| *callee = functions[*callee]);
        handed.always.iter_mut().for_each(|call| call.callee = functions[call.callee]);
    }
    for returned in &mut facts.returned {
        returned.function = functions[returned.function];
        renumber_sources(&mut returned.sources, &functions);
    }
    let sites = facts.functions.iter_mut().flat_map(|f| &mut f.declarations);
    for site in sites.chain(facts.variables.iter_mut().flat_map(|v| &mut v.declarations)) {
        site.function = site.function.map(|i| functions[i]);
    }
    for variable in &mut facts.variables {
        variable.function = variable.function.map(|i| functions[i]);
    }
}

fn renumber_sources(sources: &mut [Source], functions: &[usize]) {
    for source in sources {
        if let Source::Call { callee, arguments } = source {
            *callee = functions[*callee];
            arguments.iter_mut().for_each(|a| renumber_sources(&mut a.sources, functions));
        }
    }
}

/// Keeps the marked elements, in order of their ranks; returns the new index of each old one.
fn renumber<T>(list: &mut Vec<T>, keep: &[bool], ranks: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..list.len()).filter(|i| keep[*i]).collect();
    order.sort_by_key(|i| (ranks[*i], *i));
    let mut numbers = vec![usize::MAX; list.len()];
    for (new, old) in order.iter().enumerate() {
        numbers[*old] = new;
    }
    let mut kept: Vec<(usize, T)> = std::mem::take(list)
        .into_iter()
        .zip(&numbers)
        .filter(|(_, number)| **number != usize::MAX)
        .map(|(item, number)| (*number, item))
        .collect();
    kept.sort_by_key(|(number, _)| *number);
    list.extend(kept.into_iter().map(|(_, item)| item));
    numbers
}
