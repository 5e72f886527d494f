//! The manifest of a patch file, for checks that need not touch any process.
//!
//! The file is not trusted: every offset is checked, and what does not make sense is an error with
//! a reason.

use crate::{Error, Result, memory::from_bytes};
use dsu_abi::{
    Id, PROTOCOL,
    patch::{self, HEADER_SYMBOL, MAGIC, PatchHeader},
    registry::{Rel32, UnitRecord},
    section,
};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, read::elf::ElfFile64};
use std::{
    mem::{offset_of, size_of},
    path::{Path, PathBuf},
};

/// Larger files are refused before they are read.
const LIMIT: u64 = 1 << 30;

/// As `libdsu` has it.
const MOST_SEGMENTS: usize = 64;

/// As `libdsu` has it, the end included.
const LONGEST_NAME: usize = 4096;

/// A patch: its bytes and the interesting part of its manifest.
#[derive(Debug)]
pub struct PatchFile {
    /// Where it was read from.
    pub path: PathBuf,
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub patch: Id,
    /// The state it applies to.
    pub from: Id,
    /// The state it leads to.
    pub to: Id,
    /// The units it replaces.
    pub units: Vec<String>,
    /// How many functions it defines.
    pub functions: u64,
    /// The patches that it is made to follow, if it says.
    pub after: String,
}

impl PatchFile {
    /// Reads and checks the file at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let unreadable = |source| Error::PatchUnreadable { path: path.to_owned(), source };
        let not_a_patch = |reason: String| Error::NotAPatch { path: path.to_owned(), reason };
        let meta = std::fs::metadata(path).map_err(unreadable)?;
        if !meta.is_file() {
            return Err(not_a_patch("it is not a regular file".into()));
        }
        if meta.len() > LIMIT {
            return Err(not_a_patch("it is larger than 1 GiB".into()));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let manifest = Manifest::read(&bytes);
        match manifest {
            Ok(Manifest { name, patch, from, to, units, functions, after }) => {
                Ok(Self { path: path.to_owned(), bytes, name, patch, from, to, units, functions, after })
            }
            Err(Reject::Protocol(theirs)) => {
                Err(Error::Protocol { what: format!("patch {}", path.display()), theirs, ours: PROTOCOL })
            }
            Err(Reject::Reason(reason)) => Err(not_a_patch(reason)),
        }
    }
}

struct Manifest {
    name: String,
    patch: Id,
    from: Id,
    to: Id,
    units: Vec<String>,
    functions: u64,
    after: String,
}

enum Reject {
    Protocol(u32),
    Reason(String),
}

impl<T: Into<String>> From<T> for Reject {
    fn from(reason: T) -> Self {
        Reject::Reason(reason.into())
    }
}

impl Manifest {
    fn read(bytes: &[u8]) -> Result<Self, Reject> {
        if bytes.is_empty() {
            return Err("it is empty".into());
        }
        if !bytes.starts_with(b"\x7fELF") {
            return Err("it is not an ELF file".into());
        }
        let elf = ElfFile64::<object::LittleEndian>::parse(bytes)
            .map_err(|error| format!("it is damaged or truncated ({error})"))?;
        let address = elf
            .dynamic_symbols()
            .find(|symbol| symbol.name() == Ok(HEADER_SYMBOL) && symbol.is_definition())
            .map(|symbol| symbol.address())
            .or_else(|| elf.section_by_name(section::PATCH).map(|section| section.address()))
            .ok_or("it has no section .dsu.patch")?;
        let segments: Vec<(u64, &[u8])> = elf
            .segments()
            .take(MOST_SEGMENTS + 1)
            .filter_map(|segment| Some((segment.address(), segment.data().ok()?)))
            .collect();
        if segments.len() > MOST_SEGMENTS {
            return Err("it has more segments than a patch has".into());
        }
        // What the loader would map at an address, to the end of the segment's file contents.
        let at = |address: u64| -> Option<&[u8]> {
            segments.iter().find_map(|(start, data)| {
                data.get(usize::try_from(address.checked_sub(*start)?).ok()?..).filter(|rest| !rest.is_empty())
            })
        };
        let text = |field: u64, reference: Rel32| -> Result<String, Reject> {
            let bytes = reference.resolve(field).and_then(at).ok_or("a name in its manifest is out of bounds")?;
            let bytes = &bytes[..bytes.len().min(LONGEST_NAME)];
            let end = bytes.iter().position(|&b| b == 0).ok_or("a name in its manifest has no end")?;
            Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
        };
        let header: PatchHeader = at(address).and_then(from_bytes).ok_or("its manifest is out of bounds")?;
        if header.magic != MAGIC {
            return Err("its manifest does not begin as one".into());
        }
        if header.protocol != PROTOCOL {
            return Err(Reject::Protocol(header.protocol));
        }
        if header.size as usize != size_of::<PatchHeader>() {
            return Err("its manifest has the wrong size".into());
        }
        let field = |offset: usize| address.wrapping_add(offset as u64);
        let name = text(field(offset_of!(PatchHeader, name)), header.name)?;
        let after = match header.after {
            Rel32(0) => String::new(),
            after => text(field(offset_of!(PatchHeader, after)), after)?,
        };
        let first = header.units.resolve(field(offset_of!(PatchHeader, units)));
        let (mut units, mut length) = (Vec::new(), 0);
        for index in 0..header.units.count {
            let record = index
                .checked_mul(size_of::<UnitRecord>() as u64)
                .map(|offset| first.wrapping_add(offset))
                .ok_or("its table of units is out of bounds")?;
            let unit: UnitRecord = at(record).and_then(from_bytes).ok_or("its table of units is out of bounds")?;
            let name = text(record.wrapping_add(offset_of!(UnitRecord, name) as u64), unit.name)?;
            // Each record and each name has its own place in the file.
            length += size_of::<UnitRecord>() + name.len();
            if length > bytes.len() {
                return Err("its table of units is longer than the file".into());
            }
            units.push(name);
        }
        let offset = |data: &[u8]| data.as_ptr() as u64 - bytes.as_ptr() as u64;
        let place = at(field(offset_of!(PatchHeader, checksum))).map(offset);
        let parts = segments.iter().map(|(_, data)| (offset(data), data.len() as u64));
        let sum = || place.and_then(|place| patch::checksum(bytes, parts, place));
        if header.checksum != 0 && sum() != Some(header.checksum) {
            return Err("it is damaged: its checksum is wrong; copy it again, or make it again with dsu-diff".into());
        }
        Ok(Self {
            name,
            patch: header.patch,
            from: header.from,
            to: header.to,
            units,
            functions: header.functions.count,
            after,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_refused_with_a_reason() {
        let cases: [(&[u8], &str); 3] =
            [(b"", "empty"), (b"#!/bin/sh\n", "not an ELF file"), (b"\x7fELF\x02\x01\x01", "damaged or truncated")];
        for (bytes, expected) in cases {
            match Manifest::read(bytes) {
                Err(Reject::Reason(reason)) => assert!(reason.contains(expected), "{reason}"),
                _ => panic!("{expected}: accepted"),
            }
        }
        let own = std::fs::read("/proc/self/exe").expect("our own executable");
        match Manifest::read(&own) {
            Err(Reject::Reason(reason)) => assert!(reason.contains(".dsu.patch"), "{reason}"),
            _ => panic!("accepted a test program"),
        }
    }
}
