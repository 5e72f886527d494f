//! `dsu-diff`: from two builds of a program to a patch.
//!
//! | module | what |
//! |---|---|
//! | [`pairing`] | which unit of the old program became which of the new one |
//! | [`compare`] | what changed in each unit; which units are replaced |
//! | [`types`] | types that changed shape |
//! | [`impose`] | the running program's layouts, imposed on the new program |
//! | [`data`] | what becomes of each variable of a replaced unit |
//! | [`build`] | compiling and linking the patch |
//! | [`cli`] | the command line |
//! | [`report`] | what is told to people and programs |

use dsu_abi::Id;

use crate::description::Description;
use crate::diff::compare::Changes;
use crate::diff::data::Data;
use crate::diff::pairing::Pairing;
use crate::diff::report::DiffReport;
use crate::layout::Shapes;
use crate::lineage::State;
use crate::program;

pub mod build;
pub mod cli;
pub mod compare;
pub mod data;
pub mod impose;
pub mod pairing;
pub mod report;
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
    /// The new program, with types laid out as the patch lays them out.
    pub new: Description,
    /// Types of the new program whose layout is not what the source alone would give.
    pub shapes: Shapes,
    /// The description of the new state, for the next patch.
    pub lineage: Vec<u8>,
    /// Which unit is which.
    pub pairing: Pairing,
    /// What changed.
    pub changes: Changes,
    /// What becomes of variables.
    pub data: Data,
    /// What is told.
    pub report: DiffReport,
}

impl Diff {
    /// Compares the state of a process with a new build.
    ///
    /// # Errors
    /// [`DiffError::Refused`] if the difference cannot be applied to a running program.
    pub fn new(before: State, mut new: Description) -> Result<Self, DiffError> {
        let old = before.description.clone();
        let pairing = Pairing::new(&old.model, &new.model);
        let mut changes = Changes::new(&old, &new, &pairing);
        let shapes = impose::shapes(&old.model, &new.model);
        impose::impose(&old.model, &mut new.model, &pairing, &changes.replaced, &shapes)?;
        let mut refusals = types::changed_shapes(&old.model, &new.model, &pairing);
        let mut data = Data::new(&old, &new, &pairing, &changes);
        // A variable that gets new storage takes every unit that uses it along, and those may own variables, too.
        while changes.add_users(&new.model, &data.replaced_storage) {
            impose::impose(&old.model, &mut new.model, &pairing, &changes.replaced, &shapes)?;
            data = Data::new(&old, &new, &pairing, &changes);
        }
        new.state = program::state_of(&new.model);
        refusals.extend(changes.refusals(&old, &new));
        refusals.extend(data.refusals.iter().cloned());
        let report = DiffReport::new(&old, &new, &pairing, &changes, &data);
        if !refusals.is_empty() {
            refusals.sort();
            refusals.dedup();
            return Err(DiffError::Refused(refusals));
        }
        let slots = build::slots(&old, &new, &pairing);
        // The tables of the executable that a later patch binds to do not change.
        let next = Description { slots, foreign: old.foreign.clone(), ..new.clone() };
        let lineage = before.step_to(&next)?;
        Ok(Self { old, new, shapes, lineage, pairing, changes, data, report })
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
