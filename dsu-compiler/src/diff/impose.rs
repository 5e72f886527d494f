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
use crate::driver::scheduler;
use crate::facts::shape::reshape;
use crate::facts::{TypeDefinition, UnitFacts, Variable};
use crate::layout::{Shape, Shapes, is_ours};
use crate::program::types_of;

/// Stack for the parser.
const STACK: usize = 64 << 20;

/// Layouts of types that are the same in both programs: those of the process; of new types: those of the new build.
pub fn shapes(old: &Model, new: &Model) -> Shapes {
    let mut known: Shapes = shapes_of(old);
    for (name, ty) in types_of(new) {
        if let Some(shape) = known.get_mut(&name) {
            let source = ty.fields.iter().map(|f| f.name.as_str()).filter(|f| !is_ours(f));
            shape.reordered = !source.eq(shape.members.iter().map(|m| m.name.as_str()).filter(|m| !is_ours(m)));
        }
    }
    let old_names: BTreeSet<String> = types_of(old).into_iter().map(|(name, _)| name).collect();
    let fresh = shapes_of(new).into_iter().filter(|(name, _)| !old_names.contains(name));
    fresh.chain(known).collect()
}

fn shapes_of(model: &Model) -> Shapes {
    types_of(model).into_iter().filter_map(|(name, ty)| Some((name, Shape::of(ty)?))).collect()
}

/// Changes the facts of the new program to what the layouts are in the process.
///
/// # Errors
/// When a layout cannot be imposed on a unit.
pub fn impose(
    old: &Model,
    new: &mut Model,
    pairing: &Pairing,
    replaced: &BTreeSet<usize>,
    shapes: &Shapes,
) -> Result<(), DiffError> {
    let library = Library::load()?;
    let units: Vec<(usize, &Unit)> = new.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()).collect();
    let facts = scheduler::parallel_deep(scheduler::jobs(), STACK, &units, |_, (unit, u)| {
        if !replaced.contains(unit) {
            return Ok::<_, DiffError>(pairing.old_of[*unit].map(|o| like(&u.facts, &old.units[o].facts)));
        }
        library.enter();
        let concerned = u.facts.types.iter().any(|t| Shape::of(t) != shapes.get(&t.name).cloned());
        if !concerned {
            return Ok(None);
        }
        let imposed = reshape(&u.image, &u.facts, shapes).map_err(|e| DiffError::Impose(u.name.clone(), e))?;
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

/// Facts of a unit that stays, with the layouts that the process has.
fn like(facts: &UnitFacts, old: &UnitFacts) -> UnitFacts {
    let mut facts = facts.clone();
    for ty in &mut facts.types {
        if let Some(known) = old.types.iter().find(|t| t.name == ty.name && t.kind == ty.kind) {
            let text = (ty.text, ty.line, std::mem::take(&mut ty.file));
            *ty = TypeDefinition { text: text.0, line: text.1, file: text.2, ..known.clone() };
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
