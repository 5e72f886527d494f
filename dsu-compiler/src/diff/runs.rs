//! Which functions can run after the commit.
//!
//! What a process runs begins where activations stand during an update, in functions that somebody has a pointer to, and in
//! destructors. What only constructors call, or `main` before its loop, has run, and does not run again.

use std::collections::BTreeSet;

use crate::analyse::model::{FunctionRef, Model};
use crate::description::Description;
use crate::diff::compare::old_function;
use crate::diff::pairing::Pairing;
use crate::diff::resume;
use crate::facts::{Target, Usage};

/// Functions that can run.
pub struct Runs<'a> {
    model: &'a Model,
    /// Those that may be on a stack during the update: they go on, and only what they still do counts.
    standing: BTreeSet<FunctionRef>,
    /// Those that can be called.
    called: BTreeSet<FunctionRef>,
    todo: Vec<FunctionRef>,
}

impl<'a> Runs<'a> {
    /// Those of the old program, and those of the new one.
    pub fn of_both(old: &'a Description, new: &'a Description, pairing: &Pairing) -> (Self, Self) {
        let mut before = Self::new(old);
        let places = resume::places(old);
        for at in &old.points.path {
            before.standing.insert(*at);
            before.follow_from(*at, places.get(at).copied().unwrap_or(0));
        }
        before.follow();
        let mut after = Self::new(new);
        // What old code calls, it finds in its new version.
        for at in new.model.definitions() {
            if old_function(&old.model, &new.model, pairing, at).is_some_and(|was| before.called.contains(&was)) {
                after.add(at);
            }
        }
        after.follow();
        (before, after)
    }

    fn new(program: &'a Description) -> Self {
        let model = &program.model;
        let mut runs = Self { model, standing: BTreeSet::new(), called: BTreeSet::new(), todo: Vec::new() };
        let mut begin = model.address_taken();
        begin.extend(model.definitions().filter(|at| is_destructor(model, *at)));
        let outside =
            !program.objects.is_empty() || model.units.iter().any(|u| u.kept.is_some()) || model.looks_up_names();
        begin.extend(model.functions.values().filter(|_| outside));
        begin.into_iter().for_each(|at| runs.add(at));
        runs
    }

    fn add(&mut self, at: FunctionRef) {
        if self.called.insert(at) {
            self.todo.push(at);
        }
    }

    fn follow(&mut self) {
        while let Some(at) = self.todo.pop() {
            self.follow_from(at, 0);
        }
    }

    /// Adds what a function calls from an offset of its unit's text on.
    fn follow_from(&mut self, at: FunctionRef, from: usize) {
        let facts = &self.model.units[at.unit].facts;
        let Some(definition) = &facts.functions[at.function].definition else { return };
        let first = facts.references.partition_point(|r| r.at < from.max(definition.start));
        let here = facts.references.iter().skip(first).take_while(|r| r.at < definition.end);
        for reference in here.filter(|r| r.inside == Some(at.function)) {
            let (Target::Function(function), Usage::Call(..)) = (reference.target, reference.usage) else { continue };
            if let Some(callee) = self.model.body_of(at.unit, function) {
                self.add(callee);
            }
        }
        for cleanup in facts.cleanups.iter().filter(|c| c.inside == at.function) {
            if let Some(callee) = self.model.body_of(at.unit, cleanup.callee) {
                self.add(callee);
            }
        }
    }

    /// Whether a function can run.
    pub fn can(&self, at: FunctionRef) -> bool {
        self.standing.contains(&at) || self.called.contains(&at)
    }
}

/// Whether a function runs when the program ends.
fn is_destructor(model: &Model, at: FunctionRef) -> bool {
    let f = model.function(at);
    let text = &model.units[at.unit].image.text;
    let declarations = f.declarations.iter().map(|site| (site.start, site.after));
    let mut places = declarations.chain(f.definition.iter().map(|d| (d.start, d.body)));
    f.attributes.constructor && places.any(|(start, end)| text.get(start..end).is_none_or(|t| t.contains("destructor")))
}
