//! Unit records: what `dsu-cc -c` leaves in an object's `.dsu.unit` section.
//!
//! ```text
//! +0   magic    "DSUUNIT\0"
//! +8   version  u32, little endian
//! +12  reserved u32, zero
//! +16  length   u64, bytes of payload
//! +24  payload  zstd(postcard(UnitImage)), padded with zeros to a multiple of 8
//! ```
//!
//! The header makes records self-delimiting: `ld -r` concatenates the sections of its inputs, and the
//! result can still be walked.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

const MAGIC: &[u8; 8] = b"DSUUNIT\0";
const VERSION: u32 = 1;
const HEADER: usize = 24;
/// Low: `-c` runs far more often than links, and preprocessed text compresses well at any level.
const LEVEL: i32 = 1;
/// No honest unit comes near; a corrupt length must not make us allocate without bound.
const MAX_TEXT: usize = 1 << 30;

/// One translation unit, as it was compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitImage {
    /// The source file, as named on the command line.
    pub source: String,
    /// The directory the compiler ran in, absolute.
    pub directory: String,
    /// The real compiler, as it was called.
    pub compiler: String,
    /// Flags that influence code generation and the dialect; none of the preprocessor, the linker or outputs.
    pub flags: Vec<String>,
    /// The preprocessed source with its line markers.
    pub text: String,
}

impl UnitImage {
    /// The source file, absolute and normalized.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        normalized(&Path::new(&self.directory).join(&self.source))
    }
}

/// A path without `.` and `..`, as far as the text allows: symbolic links are not looked at.
#[must_use]
pub fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                result.pop();
            }
            Component::CurDir => {}
            other => result.push(other),
        }
    }
    result
}

/// Why the contents of a `.dsu.unit` section could not be read.
#[derive(Debug, Error)]
pub enum UnitError {
    /// The bytes do not start with a record.
    #[error("not a unit record")]
    Magic,
    /// Written by another release of dsu-cc.
    #[error("unit record of version {0}, this dsu-cc reads version {VERSION}: compile the object again")]
    Version(u32),
    /// The record's length leaves the section, or its text is impossibly long.
    #[error("truncated unit record")]
    Truncated,
    /// The payload does not decompress.
    #[error("damaged unit record: {0}")]
    Compression(#[from] std::io::Error),
    /// The payload does not decode.
    #[error("damaged unit record: {0}")]
    Encoding(#[from] postcard::Error),
}

/// Encodes one record.
///
/// # Errors
/// Fails only if the compressor or the serialiser does.
pub fn encode(image: &UnitImage) -> Result<Vec<u8>, UnitError> {
    let payload = zstd::bulk::compress(&postcard::to_stdvec(image)?, LEVEL)?;
    let mut record = Vec::with_capacity(HEADER + payload.len() + 8);
    record.extend_from_slice(MAGIC);
    record.extend_from_slice(&VERSION.to_le_bytes());
    record.extend_from_slice(&0u32.to_le_bytes());
    record.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    record.extend_from_slice(&payload);
    record.resize(record.len().next_multiple_of(8), 0);
    Ok(record)
}

/// Decodes all records of a section.
///
/// # Errors
/// When a record is damaged or of another version.
pub fn decode(mut section: &[u8]) -> Result<Vec<UnitImage>, UnitError> {
    let mut images = Vec::new();
    while !section.is_empty() {
        let (image, rest) = decode_one(section)?;
        images.push(image);
        section = rest;
    }
    Ok(images)
}

fn decode_one(section: &[u8]) -> Result<(UnitImage, &[u8]), UnitError> {
    let header = section.get(..HEADER).ok_or(UnitError::Truncated)?;
    if &header[..8] != MAGIC {
        return Err(UnitError::Magic);
    }
    let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    if version != VERSION {
        return Err(UnitError::Version(version));
    }
    let mut length = [0; 8];
    length.copy_from_slice(&header[16..24]);
    let length = usize::try_from(u64::from_le_bytes(length)).map_err(|_| UnitError::Truncated)?;
    let end = HEADER.checked_add(length).ok_or(UnitError::Truncated)?;
    let payload = section.get(HEADER..end).ok_or(UnitError::Truncated)?;
    let bytes = decompress(payload)?;
    let next = end.next_multiple_of(8).min(section.len());
    Ok((postcard::from_bytes(&bytes)?, &section[next..]))
}

fn decompress(payload: &[u8]) -> Result<Vec<u8>, UnitError> {
    let size = zstd::zstd_safe::get_frame_content_size(payload).ok().flatten();
    let size = size.and_then(|s| usize::try_from(s).ok()).filter(|s| *s <= MAX_TEXT).ok_or(UnitError::Truncated)?;
    Ok(zstd::bulk::decompress(payload, size)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str) -> UnitImage {
        UnitImage {
            source: "a.c".into(),
            directory: "/src".into(),
            compiler: "cc".into(),
            flags: vec!["-O2".into()],
            text: text.into(),
        }
    }

    #[test]
    fn concatenated_records_are_walked() {
        let (a, b) = (image("int a;"), image(&"int b;\n".repeat(1000)));
        let mut section = encode(&a).unwrap();
        section.extend(encode(&b).unwrap());
        assert_eq!(section.len() % 8, 0);
        assert_eq!(decode(&section).unwrap(), vec![a, b]);
    }

    #[test]
    fn damage_is_an_error() {
        let good = encode(&image("int a;")).unwrap();
        for cut in 1..good.len() - 8 {
            assert!(decode(&good[..cut]).is_err(), "cut at {cut}");
        }
        let mut other = good.clone();
        other[8] = 9;
        assert!(matches!(decode(&other), Err(UnitError::Version(9))));
        let mut length = good;
        length[16..24].fill(0xff);
        assert!(matches!(decode(&length), Err(UnitError::Truncated)));
        assert!(matches!(decode(b"garbage garbage garbage garbage"), Err(UnitError::Magic)));
    }
}
