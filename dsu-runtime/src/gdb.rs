//! gdb's JIT interface: debuggers learn of a patch by an ELF file in memory.
//!
//! gdb takes the addresses in that file as they are, so the patch file is rebased to where the
//! patch was loaded: section addresses, symbol values, and the addresses in the debug information,
//! which the relocations that `-Wl,--emit-relocs` left point out. A patch without debug
//! information, or without those relocations, is not announced.

use crate::elf::array;
use crate::journal::{self, Entry};
use crate::sys::Mapping;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// `struct jit_code_entry`, as gdb documents it.
#[repr(C)]
struct CodeEntry {
    next: *mut CodeEntry,
    previous: *mut CodeEntry,
    file: u64,
    size: u64,
}

/// `struct jit_descriptor`.
#[repr(C)]
struct Descriptor {
    version: u32,
    action: AtomicU32,
    relevant: AtomicPtr<CodeEntry>,
    first: AtomicPtr<CodeEntry>,
}

const REGISTER: u32 = 1;

unsafe extern "C" {
    /// Defined in `c/thread.c`, weakly: the program may have a just-in-time compiler of its own.
    static __jit_debug_descriptor: Descriptor;
    fn __jit_debug_register_code();
}

/// Tells debuggers of the newest patch, if its file, the first `size` bytes of `buffer`, has debug information.
///
/// The buffer is kept for that, else it is unmapped.
pub fn announce(buffer: Mapping, size: u64) {
    let Some(entry) = journal::entries().next() else { return };
    // SAFETY: the runtime's own buffer, used by nobody else any more.
    let file = unsafe { core::slice::from_raw_parts_mut(buffer.address() as *mut u8, size as usize) };
    if rebase(file, entry).is_none() {
        return;
    }
    // SAFETY: the descriptor lives as long as the process.
    let descriptor = unsafe { &__jit_debug_descriptor };
    let first = descriptor.first.load(Ordering::Acquire);
    let new = CodeEntry { next: first, previous: core::ptr::null_mut(), file: buffer.address(), size };
    let new = Box::into_raw(Box::new(new));
    buffer.leak();
    // SAFETY: entries are never freed. Another just-in-time compiler in the program may use the list at the same time;
    // gdb's interface has no lock for that.
    unsafe {
        if let Some(first) = first.as_mut() {
            first.previous = new;
        }
        descriptor.first.store(new, Ordering::Release);
        descriptor.relevant.store(new, Ordering::Release);
        descriptor.action.store(REGISTER, Ordering::Release);
        __jit_debug_register_code();
        descriptor.action.store(0, Ordering::Release);
    }
}

/// A section header.
#[derive(Clone, Copy)]
struct Section {
    /// Where its header is in the file.
    at: u64,
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
}

const RELA: u32 = 4;
const NOBITS: u32 = 8;
const SYMTAB: u32 = 2;
const DYNSYM: u32 = 11;
const ALLOC: u64 = 2;
const COMPRESSED: u64 = 0x800;
const STT_TLS: u8 = 6;
/// Direct 64-bit address.
const R_X86_64_64: u32 = 1;

fn u32_at(file: &[u8], offset: u64) -> Option<u32> {
    array(file, offset).map(u32::from_le_bytes)
}

fn u64_at(file: &[u8], offset: u64) -> Option<u64> {
    array(file, offset).map(u64::from_le_bytes)
}

fn u16_at(file: &[u8], offset: u64) -> Option<u16> {
    array(file, offset).map(u16::from_le_bytes)
}

/// Adds `bias` to the word at `offset`.
fn add(file: &mut [u8], offset: u64, bias: u64) -> Option<()> {
    let value = u64_at(file, offset)?.wrapping_add(bias);
    let start = usize::try_from(offset).ok()?;
    file.get_mut(start..start.checked_add(8)?)?.copy_from_slice(&value.to_le_bytes());
    Some(())
}

fn sections(file: &[u8]) -> Option<Vec<Section>> {
    let (table, entry_size, count) = (u64_at(file, 40)?, u16_at(file, 58)?, u16_at(file, 60)?);
    if entry_size != 64 {
        return None;
    }
    let read = |index: u64| {
        let at = table.checked_add(index * 64)?;
        Some(Section {
            at,
            name: u32_at(file, at)?,
            kind: u32_at(file, at + 4)?,
            flags: u64_at(file, at + 8)?,
            address: u64_at(file, at + 16)?,
            offset: u64_at(file, at + 24)?,
            size: u64_at(file, at + 32)?,
            link: u32_at(file, at + 40)?,
            info: u32_at(file, at + 44)?,
        })
    };
    let sections = (0..u64::from(count)).map(read).collect::<Option<Vec<Section>>>()?;
    // Contents do not overlap, or working through all of them could take for ever.
    let mut sizes = sections.iter().filter(|section| section.kind != NOBITS).map(|section| section.size);
    let total = sizes.try_fold(0_u64, u64::checked_add)?;
    (total <= file.len() as u64).then_some(sections)
}

/// Rebases the file of a patch to where it was loaded.
fn rebase(file: &mut [u8], entry: &Entry) -> Option<()> {
    let sections = sections(file)?;
    let names = sections.get(usize::from(u16_at(file, 62)?))?.offset;
    let is_named = |file: &[u8], section: &Section, name: &[u8]| {
        let start = usize::try_from(names.wrapping_add(u64::from(section.name))).ok();
        start.and_then(|start| file.get(start..)).is_some_and(|text| text.starts_with(name))
    };
    let debug = sections.iter().find(|section| is_named(file, section, b".debug_info\0"))?;
    if debug.flags & COMPRESSED != 0 || !sections.iter().any(|section| is_named(file, section, b".rela.debug_info\0")) {
        return None;
    }
    for section in sections.iter().filter(|section| section.kind == RELA) {
        rebase_debug(file, &sections, section, entry.bias)?;
    }
    for section in &sections {
        if section.flags & ALLOC != 0 {
            restore(file, section, entry);
            add(file, section.at + 16, entry.bias)?;
        }
    }
    // The table of dynamic symbols is loaded: only now it is back.
    for section in sections.iter().filter(|section| matches!(section.kind, SYMTAB | DYNSYM)) {
        rebase_symbols(file, section, entry.bias)?;
    }
    let (headers, count) = (u64_at(file, 32)?, u16_at(file, 56)?);
    for index in 0..u64::from(count) {
        add(file, headers.checked_add(index * 56)?.checked_add(16)?, entry.bias)?;
    }
    Some(())
}

/// Rebases the addresses in a section that is not loaded, by its relocations.
fn rebase_debug(file: &mut [u8], sections: &[Section], relocations: &Section, bias: u64) -> Option<()> {
    let place = *sections.get(relocations.info as usize)?;
    if relocations.flags & ALLOC != 0 || place.flags & ALLOC != 0 || relocations.info == 0 {
        return Some(());
    }
    let symbols = *sections.get(relocations.link as usize)?;
    for index in 0..relocations.size / 24 {
        let at = relocations.offset.checked_add(index * 24)?;
        let (offset, info) = (u64_at(file, at)?, u64_at(file, at + 8)?);
        if info as u32 != R_X86_64_64 || offset.checked_add(8)? > place.size {
            continue;
        }
        let symbol_section = u16_at(file, symbols.offset.checked_add((info >> 32) * 24)?.checked_add(6)?)?;
        if sections.get(usize::from(symbol_section)).is_some_and(|section| section.flags & ALLOC != 0)
            && symbol_section != 0
        {
            add(file, place.offset.checked_add(offset)?, bias)?;
        }
    }
    Some(())
}

fn rebase_symbols(file: &mut [u8], section: &Section, bias: u64) -> Option<()> {
    const RESERVED: u16 = 0xff00;
    for index in 1..section.size / 24 {
        let at = section.offset.checked_add(index * 24)?;
        let (info, defined) = (array::<1>(file, at + 4)?, u16_at(file, at + 6)?);
        if defined != 0 && defined < RESERVED && info[0] & 15 != STT_TLS {
            add(file, at + 8, bias)?;
        }
    }
    Some(())
}

/// Brings the contents of a loaded section back into the file, whose pages were moved into the image.
fn restore(file: &mut [u8], section: &Section, entry: &Entry) -> Option<()> {
    let in_segment = |segment: &&crate::elf::Segment| {
        section.address >= segment.address
            && section.address - segment.address <= segment.size
            && section.size <= segment.end() - section.address
    };
    if section.kind == NOBITS || section.size == 0 || !entry.segments.iter().any(|segment| in_segment(&segment)) {
        return None;
    }
    let start = usize::try_from(section.offset).ok()?;
    let bytes = file.get_mut(start..start.checked_add(usize::try_from(section.size).ok()?)?)?;
    let source = entry.bias.wrapping_add(section.address) as *const u8;
    // SAFETY: in a segment of the image, all of which are readable.
    unsafe { core::ptr::copy_nonoverlapping(source, bytes.as_mut_ptr(), bytes.len()) };
    Some(())
}
