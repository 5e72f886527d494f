//! Lineage: from an executable and the patches a process has taken to the description of the state it is in.
//!
//! A fresh build says what a process is like only as long as no patch has changed the layout of a type. So every patch
//! carries, in section `.dsu.lineage`, the description of the state it leads to, compressed against the one before:
//!
//! ```text
//! +0   magic    "DSULINE\0"
//! +8   version  u32, little endian
//! +12  named    u32, length of the patch's name
//! +16  length   u64, bytes of the description's payload
//! +24  before   16 bytes, identity of the payload of the description before
//! +40  name     of the patch
//!      payload  zstd of the payload, with the payload before as its prefix
//! ```

use std::io::{Read as _, Write as _};

use dsu_abi::{Id, section};
use thiserror::Error;

use crate::description::{Description, DescriptionError};
use crate::facts::content::truncate;

const MAGIC: &[u8; 8] = b"DSULINE\0";
const VERSION: u32 = 2;
const HEADER: usize = 40;
const LEVEL: i32 = 3;
/// Memory that compressor and decompressor may use for looking back, as a power of two.
const LARGEST_WINDOW: u32 = 30;
/// No honest program comes near.
const MAX_SIZE: u64 = 8 << 30;

/// Why a lineage cannot be followed.
#[derive(Debug, Error)]
pub enum LineageError {
    /// No such section.
    #[error("it has no section .dsu.lineage: not a patch, or one of an older dsu-diff")]
    Missing,
    /// Not a step.
    #[error("section .dsu.lineage is damaged")]
    Damaged,
    /// Another version.
    #[error("section .dsu.lineage has version {0}, this dsu-diff reads version {VERSION}")]
    Version(u32),
    /// Made against something else.
    #[error(
        "it was not made against the program and patches before it, in this order: name the very executable and patches that \
         the process runs (two builds of the same source are not enough here), oldest first"
    )]
    Elsewhere,
    /// The payload does not decompress.
    #[error("section .dsu.lineage is damaged: {0}")]
    Compression(#[from] std::io::Error),
    /// The payload does not decode.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// Not an ELF file.
    #[error("not an ELF file: {0}")]
    Elf(#[from] object::Error),
}

/// A state of a program, with the bytes that the next step is compressed against.
#[derive(Clone, Debug)]
pub struct State {
    /// What is known of it.
    pub description: Description,
    /// Names of the patches that led to it, oldest first.
    pub taken: Vec<String>,
    payload: Vec<u8>,
}

impl State {
    /// The state of a process that has taken no patch.
    ///
    /// # Errors
    /// When the executable has no description, or a damaged one.
    pub fn of_executable(file: &[u8]) -> Result<Self, DescriptionError> {
        Self::of_payload(Description::payload_of_executable(file)?)
    }

    /// The state that a description, as [`Description::payload`] wrote it, is of.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn of_payload(payload: Vec<u8>) -> Result<Self, DescriptionError> {
        Ok(Self { description: Description::of_payload(&payload)?, taken: Vec::new(), payload })
    }

    /// The state after one more patch, whose bytes of section `.dsu.lineage` are given.
    ///
    /// # Errors
    /// When the bytes are damaged, or the patch does not follow this state.
    pub fn after(&self, step: &[u8]) -> Result<Self, LineageError> {
        let header = step.get(..HEADER).ok_or(LineageError::Damaged)?;
        let word = |at: usize| header[at..].first_chunk().copied().map(u32::from_le_bytes).unwrap_or(0);
        if &header[..8] != MAGIC {
            return Err(LineageError::Damaged);
        }
        if word(8) != VERSION {
            return Err(LineageError::Version(word(8)));
        }
        let length = header[16..].first_chunk().copied().map(u64::from_le_bytes).unwrap_or(u64::MAX);
        if length > MAX_SIZE {
            return Err(LineageError::Damaged);
        }
        if header[24..HEADER] != identity(&self.payload).0 {
            return Err(LineageError::Elsewhere);
        }
        let (name, packed) = step[HEADER..].split_at_checked(word(12) as usize).ok_or(LineageError::Damaged)?;
        let mut taken = self.taken.clone();
        taken.push(String::from_utf8_lossy(name).into_owned());
        let mut decoder = zstd::Decoder::with_ref_prefix(packed, &self.payload)?;
        decoder.window_log_max(LARGEST_WINDOW)?;
        let mut payload = Vec::new();
        decoder.take(length).read_to_end(&mut payload)?;
        Ok(Self { description: Description::of_payload(&payload)?, taken, payload })
    }

    /// What a patch of this name from this state to `next` carries.
    ///
    /// # Errors
    /// Only if compressor or serialiser fail.
    pub fn step_to(&self, name: &str, next: &Description) -> Result<Vec<u8>, LineageError> {
        let payload = next.payload()?;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&identity(&self.payload).0);
        bytes.extend_from_slice(name.as_bytes());
        let mut encoder = zstd::Encoder::with_ref_prefix(bytes, LEVEL, &self.payload)?;
        // The window must reach back over the whole prefix.
        let reach = (self.payload.len() + payload.len()).next_power_of_two().trailing_zeros();
        encoder.window_log(reach.clamp(20, LARGEST_WINDOW))?;
        encoder.long_distance_matching(true)?;
        encoder.write_all(&payload)?;
        Ok(encoder.finish()?)
    }
}

fn identity(payload: &[u8]) -> Id {
    truncate(blake3::hash(payload))
}

/// The bytes of section `.dsu.lineage` of a patch file.
///
/// # Errors
/// When it is no ELF file, or has no such section.
pub fn step_of_patch(file: &[u8]) -> Result<Vec<u8>, LineageError> {
    use object::{Object, ObjectSection};
    let elf = object::File::parse(file)?;
    let section = elf.section_by_name(section::LINEAGE).ok_or(LineageError::Missing)?;
    Ok(section.data()?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(output: &str) -> State {
        let description = Description { output: output.repeat(1000), ..Description::default() };
        let payload = description.payload().unwrap_or_default();
        State { description, taken: Vec::new(), payload }
    }

    #[test]
    fn steps_lead_from_state_to_state() -> Result<(), LineageError> {
        let (first, second) = (state("one"), state("two"));
        let step = first.step_to("p1", &second.description)?;
        let reached = first.after(&step)?;
        assert_eq!(reached.payload, second.payload);
        assert_eq!(reached.taken, ["p1"]);
        let again = reached.step_to("p2", &second.description)?;
        assert!(again.len() < 200, "{} bytes for no change", again.len());
        Ok(())
    }

    #[test]
    fn a_step_from_elsewhere_is_refused() -> Result<(), LineageError> {
        let (first, second) = (state("one"), state("two"));
        let step = first.step_to("p1", &second.description)?;
        assert!(matches!(second.after(&step), Err(LineageError::Elsewhere)));
        assert!(matches!(first.after(&step[..20]), Err(LineageError::Damaged)));
        assert!(first.after(&step[..step.len() - 5]).is_err());
        Ok(())
    }
}
