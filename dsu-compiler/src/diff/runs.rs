//! Which functions can run after the commit.
//!
//! What a process runs begins in functions that stand on a stack during an update, in functions that somebody has a pointer to, and in
//! destructors. What only constructors call has run, and does not run again.

use std::collections::BTreeSet;

use crate::analyse::model::{FunctionRef, Model};
use crate::description::Description;
use crate::diff::compare::old_function;
use crate::diff::pairing::Pairing;
use crate::facts::{Target, Usage};

/// Functions that can run.
pub struct Runs<'a> {
    model: &'a Model,
    found: BTreeSet<FunctionRef>,
    todo: Vec<FunctionRef>,
}

impl<'a> Runs<'a> {
    /// Those of the old program, and those of the new one.
    pub fn of_both(old: &'a Description, new: &'a Description, pairing: &Pairing) -> (Self, Self) {
        let before = Self::new(old);
        let mut after = Self::new(new);
        // What old code calls, it finds in its new version.
        for at in new.model.definitions() {
            if old_function(&old.model, &new.model, pairing, at).is_some_and(|was| before.can(was)) {
                after.add(at);
            }
        }
        after.follow();
        (before, after)
    }

    fn new(program: &'a Description) -> Self {
        let model = &program.model;
        let mut runs = Self { model, found: BTreeSet::new(), todo: Vec::new() };
        let mut begin = program.points.path.clone();
        begin.extend(model.address_taken());
        begin.extend(model.definitions().filter(|at| is_destructor(model, *at)));
        let outside =
            !program.objects.is_empty() || model.units.iter().any(|u| u.kept.is_some()) || model.looks_up_names();
        begin.extend(model.functions.values().filter(|_| outside));
        begin.into_iter().for_each(|at| runs.add(at));
        runs.follow();
        runs
    }

    fn add(&mut self, at: FunctionRef) {
        if self.found.insert(at) {
            self.todo.push(at);
        }
    }

    fn follow(&mut self) {
        while let Some(at) = self.todo.pop() {
            let facts = &self.model.units[at.unit].facts;
            for reference in facts.references.iter().filter(|r| r.inside == Some(at.function)) {
                let (Target::Function(function), Usage::Call(..)) = (reference.target, reference.usage) else {
                    continue;
                };
                if let Some(callee) = self.model.body_of(at.unit, function) {
                    self.add(callee);
                }
            }
        }
    }

    /// Whether a function can run.
    pub fn can(&self, at: FunctionRef) -> bool {
        self.found.contains(&at)
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
