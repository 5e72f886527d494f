//! The program description: what `dsu-diff` needs to know of an executable, in section `.dsu.program`.
//!
//! ```text
//! +0   magic    "DSUPROG\0"
//! +8   version  u32, little endian
//! +12  reserved u32, zero
//! +16  length   u64, bytes of the payload when decompressed
//! +24  payload  zstd(postcard(Description)), one window over all units: they share their headers
//! ```

use std::collections::BTreeSet;
use std::io::{Read, Write};

use dsu_abi::Id;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::analyse::model::Model;
use crate::analyse::points::Points;

const MAGIC: &[u8; 8] = b"DSUPROG\0";
const VERSION: u32 = 8;
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
        Ok(postcard::from_bytes(payload)?)
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
