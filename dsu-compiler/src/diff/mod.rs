//! `dsu-diff`: from two builds of a program to a patch.
//!
//! | module | what |
//! |---|---|
//! | [`pairing`] | which unit of the old program became which of the new one |
//! | [`compare`] | what changed in each unit; which units are replaced |
//! | [`types`] | types that changed, and how they are laid out in the patch |
//! | [`side`] | which types may have fields beside their objects |
//! | [`impose`] | the running program's layouts, imposed on the new program |
//! | [`room`] | new code that does not go with the room that objects have, or with where their fields are |
//! | [`resume`] | where activations that are on a stack go on |
//! | [`runs`] | functions that can run after the commit |
//! | [`started`] | what the start of a program would do for new data |
//! | [`starts`] | what new fields of old objects begin with |
//! | [`still`] | code of the old program that can still run, and what it must not touch |
//! | [`statics`] | which static variable of a function is which, where several have one name |
//! | [`data`] | what becomes of each variable of a replaced unit |
//! | [`rows`] | which row of a table that changed its length is which |
//! | [`sets`] | linker sets: what the running program does not find of a patch |
//! | [`directives`] | the file that a person writes for a patch |
//! | [`transform`], [`carry`] | code that makes new objects and values of old ones |
//! | [`ctypes`] | canonical types as C, and conversions of numbers |
//! | [`objects`] | static objects, for rehearsals |
//! | [`append`] | units of the new program, read again with other layouts and more text |
//! | [`build`] | compiling and linking the patch |
//! | [`cli`] | the command line |
//! | [`report`] | what is told to people and programs |

use std::collections::{BTreeMap, BTreeSet};

use dsu_abi::Id;

use crate::description::Description;
use crate::diff::compare::Changes;
use crate::diff::data::{Basis, Data};
use crate::diff::directives::Directives;
use crate::diff::pairing::Pairing;
use crate::diff::report::DiffReport;
use crate::diff::sets::Sets;
use crate::diff::still::Still;
use crate::diff::transform::Additions;
use crate::diff::types::Types;
use crate::lineage::State;
use crate::program;

pub mod append;
pub mod build;
pub mod carry;
pub mod cli;
pub mod compare;
pub mod ctypes;
pub mod data;
pub mod directives;
pub mod impose;
mod link;
pub mod objects;
pub mod pairing;
pub mod report;
mod resume;
mod room;
mod rows;
mod runs;
pub mod sets;
pub mod side;
mod started;
pub mod starts;
pub mod statics;
pub mod still;
pub mod transform;
pub mod types;

/// Why no patch was made.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// It could not be made type-safe, or something in it cannot be replaced. Each entry is a sentence.
    #[error("refused:\n  {}", .0.join("\n  "))]
    Refused(Vec<String>),
    /// The compiler or linker failed.
    #[error("{0}")]
    Build(String),
    /// Files.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// A name collision.
    #[error(transparent)]
    Program(#[from] crate::program::ProgramError),
    /// The facts do not fit the text.
    #[error("unit {0}: {1}")]
    Rewrite(String, crate::rewrite::RewriteError),
    /// The layouts of the running program cannot be imposed on a unit.
    #[error("unit {0}: {1}")]
    Impose(String, crate::facts::shape::ReshapeError),
    /// libclang.
    #[error(transparent)]
    Clang(#[from] crate::clang::ClangError),
    /// The description of the new state cannot be made.
    #[error(transparent)]
    Lineage(#[from] crate::lineage::LineageError),
}

/// A state and a new program, and all that differs.
pub struct Diff {
    /// The state that the process is in.
    pub old: Description,
    /// The new build, its types laid out as in the patch, with the transformers at the end of units.
    pub new: Description,
    /// Names of the patches that the process has taken.
    pub after: Vec<String>,
    /// The description of the new state, for the next patch.
    pub lineage: Vec<u8>,
    /// Which unit is which.
    pub pairing: Pairing,
    /// What changed.
    pub changes: Changes,
    /// Types that changed.
    pub types: Types,
    /// Names of the program's own types, those that only transformers use left out.
    pub own_types: BTreeSet<String>,
    /// What becomes of variables.
    pub data: Data,
    /// Transformers.
    pub additions: Additions,
    /// What is told.
    pub report: DiffReport,
}

/// What decisions on variables rest on.
fn basis<'a>(
    old: &'a Description,
    new: &'a Description,
    pairing: &'a Pairing,
    types: &'a Types,
    directives: &'a Directives,
    still: &'a Still,
) -> Basis<'a> {
    Basis { old, new, pairing, types, directives, still }
}

impl Diff {
    /// Compares the state of a process with a new build, for a patch of this name.
    ///
    /// # Errors
    /// [`DiffError::Refused`] if the difference cannot be applied to a running program.
    pub fn new(before: State, mut new: Description, directives: &Directives, name: &str) -> Result<Self, DiffError> {
        let old = before.description.clone();
        let pairing = Pairing::new(&old.model, &new.model);
        let types = Types::new(&old, &new.model, &pairing, directives);
        let mut refusals = types.refusals.clone();
        refusals.extend(side::refusals(&types, &old.model, &new.model));
        refusals.extend(room::refusals(&types, &old.model, &new.model));
        refusals.extend(room::misread(&types, &new.model));
        let mut changes = Changes::new(&old, &new, &pairing);
        changes.add_types(&new.model, &types);
        if refusals.is_empty() {
            impose::impose(&old.model, &mut new.model, &pairing, &changes.replaced, &types)?;
            refusals.extend(types.verify(&old.model, &new.model));
        }
        let still = Still::new(&old, &new, &pairing);
        if !types.planned.is_empty() {
            refusals.extend(still.check_types(&old, &types));
        }
        refusals.extend(types.check_offsets(&new.model));
        let mut data = Data::new(&basis(&old, &new, &pairing, &types, directives, &still), &changes);
        // A variable that gets new storage takes every unit that uses it along, and those may own variables, too.
        while changes.add_users(&new.model, &data.replaced_storage) {
            impose::impose(&old.model, &mut new.model, &pairing, &changes.replaced, &types)?;
            data = Data::new(&basis(&old, &new, &pairing, &types, directives, &still), &changes);
        }
        new.state = program::state_of(&new.model);
        refusals.extend(changes.refusals(&old, &new));
        refusals.extend(data.refusals.iter().cloned());
        refusals.extend(started::arrays(&basis(&old, &new, &pairing, &types, directives, &still), &data));
        refusals.extend(started::rows(&basis(&old, &new, &pairing, &types, directives, &still), &data));
        refusals.extend(Sets::new(&basis(&old, &new, &pairing, &types, directives, &still), &changes, &data).refusals);
        let mut additions = Additions::new(&new.model, &types, directives, changes.replaced.iter());
        carry::add(&old, &new, &types, &data, &mut additions);
        additions.order_carries();
        refusals.extend(additions.refusals.iter().cloned());
        if !refusals.is_empty() {
            refusals.sort();
            refusals.dedup();
            return Err(DiffError::Refused(refusals));
        }
        // The tables of the executable that a later patch binds to do not change.
        let slots = build::slots(&old, &new, &pairing);
        let mut no_room = new.no_room.clone();
        no_room.extend(old.no_room.clone());
        let after = Description { slots, foreign: old.foreign.clone(), no_room, ..new.clone() };
        let lineage = before.step_to(name, &after)?;
        let lengths: BTreeMap<usize, usize> =
            additions.texts.keys().map(|unit| (*unit, new.model.units[*unit].image.text.len())).collect();
        let own_types = new.model.units.iter().flat_map(|u| &u.facts.types).map(|t| t.name.clone()).collect();
        append::append(&mut new.model, &additions.texts, &types.shapes)?;
        // What a person wrote must not copy objects, either.
        let copying = side::refusals(&types, &old.model, &new.model);
        if !copying.is_empty() {
            return Err(DiffError::Refused(copying));
        }
        // What the transformers use must be bound, too.
        let basis = basis(&old, &new, &pairing, &types, directives, &still);
        data = Data::new(&basis, &changes);
        data.forget_added(&new.model, &lengths);
        let sets = Sets::new(&basis, &changes, &data);
        let report = DiffReport::new(&basis, &changes, &data, &sets, &additions);
        Ok(Self { old, new, after: before.taken, lineage, pairing, changes, types, own_types, data, additions, report })
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.replaced.is_empty()
    }

    /// Identity of the patch: of where it leads from and to.
    pub fn id(&self) -> Id {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"dsu patch 1").update(&self.old.state.0).update(&self.new.state.0);
        for unit in &self.changes.replaced {
            let image = &self.new.model.units[*unit].image;
            hasher.update(image.text.as_bytes()).update(image.flags.join("\0").as_bytes());
        }
        crate::facts::content::truncate(hasher.finalize())
    }
}
