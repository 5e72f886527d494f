//! The program description: what `dsu-diff` needs to know of an executable, in section `.dsu.program`.
//!
//! ```text
//! +0   magic    "DSUPROG\0"
//! +8   version  u32, little endian
//! +12  reserved u32, zero
//! +16  length   u64, bytes of the payload when decompressed
//! +24  payload  zstd(postcard(Description)), one window over all units: they share their headers
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use dsu_abi::Id;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::analyse::model::{FunctionRef, Model, Unit, VariableRef};
use crate::analyse::points::{CallRef, Place, Point, Points};
use crate::analyse::wrap::NoRoom;
use crate::facts::check::{self, Misfit};

const MAGIC: &[u8; 8] = b"DSUPROG\0";
const VERSION: u32 = 18;
const HEADER: usize = 24;
/// Long enough that the headers one unit includes are still in the window at the next.
const WINDOW_LOG: u32 = 27;
/// No honest program comes near.
const MAX_SIZE: u64 = 8 << 30;

/// A program, as `dsu-cc` linked it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Description {
    /// Identity of its content.
    pub state: Id,
    /// The output, as named on the command line.
    pub output: String,
    /// Its units and what they define.
    pub model: Model,
    /// Its update points.
    pub points: Points,
    /// Symbols outside the rewritten units that the registry lists.
    pub foreign: Vec<String>,
    /// Functions that have a slot, per unit: those that had one in an earlier state of the process keep it.
    pub slots: Vec<BTreeSet<usize>>,
    /// Objects that dsu-cc did not compile, the toolchain's own left out: file name, and identity of the content.
    pub objects: Vec<(String, Id)>,
    /// Linker sets that are only looked at while the program starts, as `dsu.toml` says.
    pub start_sets: BTreeSet<String>,
    /// Types whose objects have no room for later, and why.
    pub no_room: BTreeMap<String, NoRoom>,
}

/// Why a description cannot be read.
#[derive(Debug, Error)]
pub enum DescriptionError {
    /// No such section.
    #[error("not an updatable program: it has no section .dsu.program (build it with dsu-cc, with update points)")]
    Missing,
    /// Not a description.
    #[error("section .dsu.program is damaged")]
    Damaged,
    /// Another version.
    #[error("section .dsu.program has version {0}, this dsu-diff reads version {VERSION}: build the program again")]
    Version(u32),
    /// The payload does not decompress.
    #[error("section .dsu.program is damaged: {0}")]
    Compression(#[from] std::io::Error),
    /// The payload does not decode.
    #[error("section .dsu.program is damaged: {0}")]
    Encoding(#[from] postcard::Error),
    /// Its parts do not belong together.
    #[error("section .dsu.program is damaged: {0}")]
    Misfit(String),
    /// Not an ELF file.
    #[error("not an ELF file: {0}")]
    Elf(#[from] object::Error),
}

impl Description {
    /// The bytes of the section.
    ///
    /// # Errors
    /// Only if compressor or serialiser fail.
    pub fn encode(&self) -> Result<Vec<u8>, DescriptionError> {
        let payload = self.payload()?;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0u32.to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        let mut encoder = zstd::Encoder::new(bytes, 3)?;
        encoder.window_log(WINDOW_LOG)?;
        encoder.long_distance_matching(true)?;
        encoder.write_all(&payload)?;
        Ok(encoder.finish()?)
    }

    /// The description as bytes, not compressed: what a lineage step is compressed against.
    ///
    /// # Errors
    /// Only if the serialiser fails.
    pub fn payload(&self) -> Result<Vec<u8>, DescriptionError> {
        Ok(postcard::to_stdvec(self)?)
    }

    /// Reads what [`payload`](Self::payload) wrote.
    ///
    /// # Errors
    /// When it is not a description.
    pub fn of_payload(payload: &[u8]) -> Result<Self, DescriptionError> {
        let description: Self = postcard::from_bytes(payload)?;
        description.check()?;
        Ok(description)
    }

    /// Checks that every index and every place in a text leads somewhere: nothing that uses a description looks again.
    fn check(&self) -> Result<(), DescriptionError> {
        // All fields, so that none is forgotten when one is added.
        let Self { state: _, output: _, model, points, foreign: _, slots, objects: _, start_sets: _, no_room: _ } =
            self;
        let Model { units, functions, aliases, variables, touched: _, named_outside: _, allocators: _ } = model;
        let misfit = |what: &str| Err(DescriptionError::Misfit(what.to_owned()));
        for unit in units {
            let Unit { name, object: _, image, facts, kept: _, defines: _ } = unit;
            check::check(facts, &image.text)
                .map_err(|Misfit(what)| DescriptionError::Misfit(format!("unit {name} has {what}")))?;
        }
        let facts = |unit: usize| units.get(unit).map(|unit| &unit.facts);
        let function = |at: &FunctionRef| facts(at.unit).is_some_and(|facts| at.function < facts.functions.len());
        let variable = |at: &VariableRef| facts(at.unit).is_some_and(|facts| at.variable < facts.variables.len());
        let call = |at: &CallRef| facts(at.unit).is_some_and(|facts| at.reference < facts.references.len());
        let Points { list, path, below, standing } = points;
        let mut named = functions
            .values()
            .chain(aliases.values())
            .chain(path)
            .chain(below)
            .chain(standing.keys())
            .chain(list.iter().flat_map(|point| &point.path));
        if !named.all(function) || !variables.values().all(variable) {
            return misfit("a function or variable that is not there");
        }
        let a_loop = |point: &Point| match point.place {
            Place::Loop(index) => facts(point.function.unit).is_some_and(|facts| index < facts.loops.len()),
            Place::Entry | Place::Annotation => true,
        };
        let quiescent = |point: &Point| point.quiescent.iter().all(|q| !q.chain.is_empty() && q.chain.iter().all(call));
        if !list.iter().all(|point| function(&point.function) && a_loop(point) && quiescent(point)) {
            return misfit("an update point that is not there");
        }
        let slot = |(unit, slots): (usize, &BTreeSet<usize>)| {
            slots.iter().all(|s| function(&FunctionRef { unit, function: *s }))
        };
        if slots.len() != units.len() || !slots.iter().enumerate().all(slot) {
            return misfit("slots of functions that are not there");
        }
        Ok(())
    }

    /// The payload in the bytes of the section.
    ///
    /// # Errors
    /// When they are not a description of this version.
    fn decompress(bytes: &[u8]) -> Result<Vec<u8>, DescriptionError> {
        let header = bytes.get(..HEADER).ok_or(DescriptionError::Damaged)?;
        let word = |at: usize| header[at..].first_chunk().copied().map(u32::from_le_bytes).unwrap_or(0);
        if &header[..8] != MAGIC {
            return Err(DescriptionError::Damaged);
        }
        if word(8) != VERSION {
            return Err(DescriptionError::Version(word(8)));
        }
        let length = header[16..].first_chunk().copied().map(u64::from_le_bytes).unwrap_or(0);
        if length > MAX_SIZE {
            return Err(DescriptionError::Damaged);
        }
        let mut decoder = zstd::Decoder::new(&bytes[HEADER..])?;
        decoder.window_log_max(WINDOW_LOG)?;
        let mut payload = Vec::new();
        decoder.take(length).read_to_end(&mut payload)?;
        Ok(payload)
    }

    /// Reads the payload of the description out of an executable.
    ///
    /// # Errors
    /// When the file has none, or a damaged one.
    pub fn payload_of_executable(file: &[u8]) -> Result<Vec<u8>, DescriptionError> {
        use object::{Object, ObjectSection};
        let elf = object::File::parse(file)?;
        let section = elf.section_by_name(dsu_abi::section::PROGRAM).ok_or(DescriptionError::Missing)?;
        Self::decompress(section.data()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Argument, Reference, Returned, Source, Target, UnitFacts, Usage, Variable};
    use crate::unit::UnitImage;

    /// Why the description of a program with these facts is refused.
    fn refused(facts: UnitFacts, change: impl FnOnce(&mut Description)) -> Option<String> {
        let text = "int caf\u{e9};".to_owned();
        let (source, directory, compiler) = ("a.c".to_owned(), "/".to_owned(), "cc".to_owned());
        let image = UnitImage { source, directory, compiler, flags: Vec::new(), text };
        let (name, object, defines) = ("a.c".to_owned(), "a.o".to_owned(), Vec::new());
        let unit = Unit { name, object, image, facts, kept: None, defines };
        let model = Model { units: vec![unit], ..Model::default() };
        let mut description = Description { model, slots: vec![BTreeSet::new()], ..Description::default() };
        change(&mut description);
        Description::of_payload(&description.payload().ok()?).err().map(|error| error.to_string())
    }

    fn reference(at: usize, target: Target) -> UnitFacts {
        let references = vec![Reference { at, target, usage: Usage::Read, inside: None }];
        UnitFacts { references, variables: vec![variable()], ..UnitFacts::default() }
    }

    fn variable() -> Variable {
        let (name, symbol, ty) = ("v".into(), "v".into(), "int".into());
        Variable { name, symbol, reachable: true, ordinal: 1, ty, size: 4, scalar: true, ..Variable::default() }
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        assert_eq!(refused(reference(4, Target::Variable(0)), |_| {}), None);
        let outside = "section .dsu.program is damaged: unit a.c has a place outside of the text";
        assert_eq!(refused(reference(11, Target::Variable(0)), |_| {}).as_deref(), Some(outside));
        assert_eq!(
            refused(reference(8, Target::Variable(0)), |_| {}).as_deref(),
            Some(outside),
            "inside of a character"
        );
        assert!(refused(reference(4, Target::Variable(1)), |_| {}).is_some());
        assert!(refused(reference(4, Target::Function(0)), |_| {}).is_some());
        let nowhere = FunctionRef { unit: 0, function: 0 };
        assert!(refused(UnitFacts::default(), |d| d.points.path.extend([nowhere])).is_some());
        assert!(refused(UnitFacts::default(), |d| d.model.functions.extend([("f".into(), nowhere)])).is_some());
        assert!(refused(UnitFacts::default(), |d| d.slots[0].extend([0])).is_some());
        assert!(refused(UnitFacts::default(), |d| d.slots.clear()).is_some());
    }

    #[test]
    fn nesting_has_an_end() {
        let mut sources = Vec::new();
        for _ in 0..10_000 {
            sources = vec![Source::Call { callee: 0, arguments: vec![Argument { sources, ..Argument::default() }] }];
        }
        let returned = vec![Returned { function: 0, sources, filled: false }];
        // Writing, comparing and dropping such a thing recurses, too: on a stack that is large enough for it.
        let test = || refused(UnitFacts { returned, ..UnitFacts::default() }, |_| {});
        let says = std::thread::Builder::new().stack_size(1 << 28).spawn(test).unwrap().join().unwrap();
        assert!(says.is_some_and(|says| says.starts_with("section .dsu.program is damaged")));
    }
}
