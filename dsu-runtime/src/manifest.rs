//! The tables of a patch, checked: every reference points into the image.

use crate::elf::{Elf, segment_flags};
use crate::image::Image;
use crate::refusal::{Refusal, Result, decimal, hexadecimal};
use crate::{control, journal};
use core::marker::PhantomData;
use core::mem::offset_of;
use dsu_abi::{
    PROTOCOL, patch,
    patch::{
        ImportRecord, PatchCarry, PatchCopy, PatchFunction, PatchHeader, PatchObject, PatchType, PatchVariable,
        RequiredType,
    },
    registry::{Rel32, Table},
    status::Status,
};

/// A table in the image.
#[derive(Clone, Copy)]
pub struct Records<T> {
    address: u64,
    count: u64,
    kind: PhantomData<T>,
}

impl<T: Copy> Records<T> {
    fn new(image: &Image, field_address: u64, table: Table) -> Result<Self> {
        let address = table.resolve(field_address);
        let size = table.count.checked_mul(size_of::<T>() as u64);
        if table.count != 0 && !size.is_some_and(|size| image.holds(address, size)) {
            return Err(Refusal::damaged("a table points outside of it"));
        }
        Ok(Self { address, count: table.count, kind: PhantomData })
    }

    /// Number of records.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// The address of a record, and the record.
    pub fn get(&self, image: &Image, index: u64) -> Result<(u64, T)> {
        let address = self.address + index * size_of::<T>() as u64;
        Ok((address, image.record(address)?))
    }
}

/// The tables of a patch.
pub struct Manifest {
    /// The header.
    pub header: PatchHeader,
    /// Where it is in the image.
    pub address: u64,
    /// Name of the patch.
    pub name: &'static str,
    /// Undefined symbols and what they mean.
    pub imports: Records<ImportRecord>,
    /// Functions it defines.
    pub functions: Records<PatchFunction>,
    /// Variables it adds.
    pub variables: Records<PatchVariable>,
    /// New contents of variables.
    pub copies: Records<PatchCopy>,
    /// Types it relies on.
    pub types: Records<RequiredType>,
    /// Types it changes.
    pub changed_types: Records<PatchType>,
    /// State transformers.
    pub carries: Records<PatchCarry>,
    /// Objects of changed types, for rehearsals.
    pub objects: Records<PatchObject>,
    /// Why it cannot be undone, if so.
    pub irreversible: Option<&'static str>,
}

/// Finds the header in the image.
fn find_header(image: &Image, elf: &Elf) -> Result<u64> {
    let missing = || Refusal::new(Status::BadPatch, &["this is not a patch file (no symbol dsu_patch)"]);
    let segment = image.segment_of(elf.symbols, 24).ok_or_else(missing)?;
    let end = segment.address + segment.file_size;
    // The linker puts the strings behind the symbols; nothing else says how many symbols there are.
    let end = if elf.strings.address > elf.symbols { end.min(elf.strings.address) } else { end };
    let wanted = patch::HEADER_SYMBOL.as_bytes();
    // What is defined stands behind what is not.
    for index in (1..end.saturating_sub(elf.symbols) / 24).rev() {
        let symbol = crate::relocate::Symbol::read(image, elf, index)?;
        if symbol.section != 0 && symbol.is_named(image, elf, wanted) {
            return Ok(symbol.value);
        }
    }
    Err(missing())
}

impl Manifest {
    /// Reads the header, and refuses what the process must not take: another version, another state.
    pub fn read(image: &Image, elf: &Elf) -> Result<Self> {
        let address = find_header(image, elf)?;
        let header: PatchHeader = image.record(address)?;
        if header.magic != patch::MAGIC || header.size as usize != size_of::<PatchHeader>() {
            return Err(Refusal::damaged("its header makes no sense"));
        }
        if header.protocol != PROTOCOL {
            let (theirs, ours) = (decimal(header.protocol.into()), decimal(PROTOCOL.into()));
            let text = ["the patch is of format version ", &theirs, ", the program's runtime is of version ", &ours];
            return Err(Refusal::new(Status::BadPatch, &text));
        }
        let at = |offset: usize| address + offset as u64;
        let name = header.name.resolve(at(offset_of!(PatchHeader, name))).map_or(Ok("?"), |name| image.text(name))?;
        let optional = |offset, field: Rel32| field.resolve(at(offset)).map(|text| image.text(text)).transpose();
        let state = control::state();
        if header.from != state {
            // After a way back by another patch, one that was taken before may be for this state again.
            if journal::holds(header.patch) {
                return Err(Refusal::new(Status::AlreadyApplied, &["patch ", name, " is already applied"]));
            }
            let after = optional(offset_of!(PatchHeader, after), header.after)?;
            return Err(wrong_state(name, &header, after));
        }
        // Read by `dsu-push --lineage`.
        Records::<u8>::new(image, at(offset_of!(PatchHeader, lineage)), header.lineage)?;
        Ok(Self {
            header,
            address,
            name,
            imports: Records::new(image, at(offset_of!(PatchHeader, imports)), header.imports)?,
            functions: Records::new(image, at(offset_of!(PatchHeader, functions)), header.functions)?,
            variables: Records::new(image, at(offset_of!(PatchHeader, variables)), header.variables)?,
            copies: Records::new(image, at(offset_of!(PatchHeader, copies)), header.copies)?,
            types: Records::new(image, at(offset_of!(PatchHeader, types)), header.types)?,
            changed_types: Records::new(image, at(offset_of!(PatchHeader, changed_types)), header.changed_types)?,
            carries: Records::new(image, at(offset_of!(PatchHeader, carries)), header.carries)?,
            objects: Records::new(image, at(offset_of!(PatchHeader, objects)), header.objects)?,
            irreversible: optional(offset_of!(PatchHeader, irreversible), header.irreversible)?,
        })
    }

    /// Refuses a file that is not as `dsu-diff` made it.
    pub fn verify(&self, file: &[u8], image: &Image) -> Result<()> {
        let field = self.address + offset_of!(PatchHeader, checksum) as u64;
        let field = image.segment_of(field, 8).map(|s| s.offset + (field - s.address));
        let segments = image.segments().iter().map(|s| (s.offset, s.file_size));
        match field.and_then(|field| patch::checksum(file, segments, field)) {
            _ if self.header.checksum == 0 => Ok(()),
            Some(sum) if sum == self.header.checksum => Ok(()),
            _ => Err(Refusal::damaged("its checksum is wrong; copy it again, or make it again with dsu-diff")),
        }
    }
}

/// The patch is for another state: how the patch and the process came to theirs.
fn wrong_state(name: &str, header: &PatchHeader, after: Option<&str>) -> Refusal {
    let (from, state) = (hexadecimal(&header.from), hexadecimal(&control::state()));
    let mut names: Vec<_> = journal::entries().map(|entry| crate::registry::text_at(entry.public.name)).collect();
    names.reverse();
    let path = |names: &str| if names.is_empty() { String::new() } else { [" (after ", names, ")"].concat() };
    let (theirs, ours) = (path(after.unwrap_or_default()), path(&names.join(", ")));
    let text = ["patch ", name, " is for state ", &from, &theirs, ", but the process is in state ", &state, &ours];
    Refusal::new(Status::WrongState, &text)
}

/// The text that the field at `record + offset` refers to.
pub fn text(image: &Image, record: u64, offset: usize, field: Rel32) -> Result<&'static str> {
    match field.resolve(record + offset as u64) {
        Some(address) => image.text(address),
        None => Err(Refusal::damaged("a name is missing")),
    }
}

/// The memory address of the `size` bytes in a segment with `flags` that the field at `record + offset` refers to.
pub fn target(image: &Image, record: u64, offset: usize, field: Rel32, size: u64, flags: u32) -> Result<Option<u64>> {
    let Some(address) = field.resolve(record + offset as u64) else { return Ok(None) };
    if !image.contains(address, size, flags) {
        return Err(Refusal::damaged("its tables point outside of it"));
    }
    if size == 8 && flags & segment_flags::W != 0 && address % 8 != 0 {
        return Err(Refusal::damaged("a slot is not aligned"));
    }
    Ok(Some(image.at(address)))
}
