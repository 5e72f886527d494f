//! The running program's layouts, imposed on the new program.
//!
//! The new build was laid out by itself: its structs got room by the policy of its own link. In the process they are
//! laid out as they were when it started, and as patches have changed them since. What the facts of the new program
//! say of sizes and offsets must be what the patch makes of them.

use std::collections::BTreeSet;

use crate::analyse::model::{Model, Unit};
use crate::clang::Library;
use crate::diff::DiffError;
use crate::diff::pairing::Pairing;
use crate::diff::types::Types;
use crate::driver::scheduler;
use crate::facts::shape::{placed, reshape};
use crate::facts::{TypeDefinition, UnitFacts, Variable};
use crate::layout::Shape;

/// Stack for the parser.
const STACK: usize = 64 << 20;

/// Changes the facts of the new program to what the layouts are in the process.
///
/// # Errors
/// When a layout cannot be imposed on a unit.
pub fn impose(
    old: &Model,
    new: &mut Model,
    pairing: &Pairing,
    replaced: &BTreeSet<usize>,
    types: &Types,
) -> Result<(), DiffError> {
    let library = Library::load()?;
    let units: Vec<(usize, &Unit)> = new.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()).collect();
    let facts = scheduler::parallel_deep(scheduler::jobs(), STACK, &units, |_, (unit, u)| {
        if !replaced.contains(unit) {
            return Ok::<_, DiffError>(pairing.old_of[*unit].map(|o| like(&u.facts, &old.units[o].facts, types)));
        }
        library.enter();
        let concerned = u.facts.types.iter().any(|t| Shape::of(t).as_ref() != types.shapes.get(&t.name));
        if !concerned {
            return Ok(None);
        }
        let imposed = reshape(&u.image, &u.facts, &types.shapes).map_err(|e| DiffError::Impose(u.name.clone(), e))?;
        Ok(Some(imposed))
    });
    let indices: Vec<usize> = units.iter().map(|(unit, _)| *unit).collect();
    for (unit, facts) in indices.into_iter().zip(facts) {
        if let Some(facts) = facts? {
            new.units[unit].facts = facts;
        }
    }
    Ok(())
}

/// Facts of a unit that stays, with the layouts that the process has, and those of types that changed: a unit that does
/// not use such a type need not be replaced.
fn like(facts: &UnitFacts, old: &UnitFacts, types: &Types) -> UnitFacts {
    let mut facts = facts.clone();
    for ty in &mut facts.types {
        let planned = types.planned.get(&ty.name).map(|p| &p.new);
        if let Some(known) = planned.or_else(|| old.types.iter().find(|t| t.name == ty.name && t.kind == ty.kind)) {
            let fields = known.fields.iter().map(|f| placed(ty, f)).collect();
            let (text, line, file) = (ty.text, ty.line, std::mem::take(&mut ty.file));
            *ty = TypeDefinition { text, line, file, fields, ..known.clone() };
        }
    }
    let names: Vec<String> = facts.variables.iter().map(|v| facts.local_name(v)).collect();
    let known = |v: &Variable, name: &str| {
        old.variables.iter().find(|o| o.internal == v.internal && old.local_name(o) == name).cloned()
    };
    for (v, name) in facts.variables.iter_mut().zip(names) {
        if let Some(o) = known(v, &name) {
            (v.ty, v.size, v.element) = (o.ty, o.size, o.element);
        }
    }
    facts
}
