//! Reading a patch file: ELF headers and the dynamic section, all bounds checked.

use crate::refusal::{Refusal, Result};
use crate::sys::{PAGE, page_down, page_up};
use dsu_abi::status::Status;

/// Largest address in an image: more than any patch needs, and safe against overflow.
const LIMIT: u64 = 1 << 31;

/// Most that thread-local variables may take: every thread has its own.
const TLS_LIMIT: u64 = 64 << 20;

/// `p_flags`.
pub mod segment_flags {
    /// Executable.
    pub const X: u32 = 1;
    /// Writable.
    pub const W: u32 = 2;
}

/// A loaded part of the file.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Where in the file.
    pub offset: u64,
    /// Where in the image.
    pub address: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in the image.
    pub size: u64,
    /// [`segment_flags`].
    pub flags: u32,
}

impl Segment {
    /// First address after it.
    pub fn end(&self) -> u64 {
        self.address + self.size
    }
}

/// A range of the image.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    /// First address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// The initial values of thread-local variables.
#[derive(Clone, Copy, Debug)]
pub struct TlsSegment {
    /// Where in the image.
    pub address: u64,
    /// Bytes that are initialised.
    pub file_size: u64,
    /// Bytes of a thread's block.
    pub size: u64,
    /// Alignment of the block, a power of two.
    pub align: u64,
}

/// What the loader needs to know of a patch file.
#[derive(Debug, Default)]
pub struct Elf {
    /// Loaded segments, ascending and on different pages.
    pub segments: Vec<Segment>,
    /// Read-only after relocation.
    pub relro: Range,
    /// Thread-local variables.
    pub tls: Option<TlsSegment>,
    /// `.eh_frame_hdr`.
    pub frame_header: Option<Range>,
    /// Dynamic symbols: address; their number is bounded by what is mapped.
    pub symbols: u64,
    /// Strings of the dynamic symbols.
    pub strings: Range,
    /// Relocations with addends.
    pub rela: Range,
    /// Relocations of procedure linkage.
    pub plt_rela: Range,
    /// Packed relative relocations.
    pub relr: Range,
    /// Needed libraries: offsets in the strings.
    pub needed: Vec<u64>,
}

/// Reads `N` bytes at `offset`.
pub fn array<const N: usize>(bytes: &[u8], offset: u64) -> Option<[u8; N]> {
    let start = usize::try_from(offset).ok()?;
    bytes.get(start..start.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], offset: u64) -> Result<u16> {
    array(bytes, offset).map(u16::from_le_bytes).ok_or_else(truncated)
}

fn u32_at(bytes: &[u8], offset: u64) -> Result<u32> {
    array(bytes, offset).map(u32::from_le_bytes).ok_or_else(truncated)
}

fn u64_at(bytes: &[u8], offset: u64) -> Result<u64> {
    array(bytes, offset).map(u64::from_le_bytes).ok_or_else(truncated)
}

fn truncated() -> Refusal {
    Refusal::damaged("it is truncated")
}

const DYNAMIC: u32 = 2;
const PROGRAM_HEADER_SIZE: u64 = 56;

/// Reads the headers of `file`.
pub fn parse(file: &[u8]) -> Result<Elf> {
    if file.len() < 64 || !file.starts_with(b"\x7fELF\x02\x01\x01") {
        return Err(Refusal::new(Status::BadPatch, &["this is not a patch file (no 64-bit little-endian ELF header)"]));
    }
    if u16_at(file, 16)? != 3 || u16_at(file, 18)? != 62 {
        return Err(Refusal::new(
            Status::BadPatch,
            &["this is not a patch file for this machine (no x86-64 shared object)"],
        ));
    }
    let (table, entry_size, count) = (u64_at(file, 32)?, u16_at(file, 54)?, u16_at(file, 56)?);
    if u64::from(entry_size) != PROGRAM_HEADER_SIZE || count > 64 || table > file.len() as u64 {
        return Err(Refusal::damaged("its program headers make no sense"));
    }
    let mut elf = Elf::default();
    let mut dynamic = None;
    for index in 0..u64::from(count) {
        read_program_header(file, table + index * PROGRAM_HEADER_SIZE, &mut elf, &mut dynamic)?;
    }
    check_segments(&elf)?;
    let dynamic = dynamic.ok_or_else(|| Refusal::damaged("it has no dynamic section"))?;
    read_dynamic(file, dynamic, &mut elf)?;
    Ok(elf)
}

fn read_program_header(file: &[u8], at: u64, elf: &mut Elf, dynamic: &mut Option<Range>) -> Result<()> {
    let (kind, flags) = (u32_at(file, at)?, u32_at(file, at + 4)?);
    let (offset, address) = (u64_at(file, at + 8)?, u64_at(file, at + 16)?);
    let (file_size, size, align) = (u64_at(file, at + 32)?, u64_at(file, at + 40)?, u64_at(file, at + 48)?);
    if !matches!(kind, libc::PT_LOAD | DYNAMIC | libc::PT_TLS | libc::PT_GNU_EH_FRAME | libc::PT_GNU_RELRO) {
        return Ok(());
    }
    let length = file.len() as u64;
    if address >= LIMIT || size >= LIMIT || file_size > size || offset > length || file_size > length - offset {
        return Err(truncated());
    }
    match kind {
        libc::PT_LOAD if size != 0 => elf.segments.push(Segment { offset, address, file_size, size, flags }),
        DYNAMIC => *dynamic = Some(Range { address: offset, size: file_size }),
        libc::PT_TLS => {
            let align = align.max(1);
            if !align.is_power_of_two() || align > PAGE {
                return Err(Refusal::damaged("its thread-local variables have a strange alignment"));
            }
            if size > TLS_LIMIT {
                return Err(Refusal::new(Status::BadPatch, &["its thread-local variables take more than 64 MiB"]));
            }
            elf.tls = Some(TlsSegment { address, file_size, size, align });
        }
        libc::PT_GNU_EH_FRAME => elf.frame_header = Some(Range { address, size: file_size }),
        libc::PT_GNU_RELRO => elf.relro = Range { address, size },
        _ => {}
    }
    Ok(())
}

fn check_segments(elf: &Elf) -> Result<()> {
    let apart = elf.segments.windows(2).all(|pair| page_up(pair[0].end()) <= page_down(pair[1].address));
    if elf.segments.is_empty() || !apart {
        return Err(Refusal::damaged("its segments overlap"));
    }
    let both = segment_flags::W | segment_flags::X;
    if elf.segments.iter().any(|segment| segment.flags & both == both) {
        return Err(Refusal::new(Status::BadPatch, &["the patch has a segment that is both writable and executable"]));
    }
    // The read-only part must be whole pages of one writable segment, or absent.
    let relro = elf.relro;
    let holds = |segment: &Segment| {
        segment.flags & segment_flags::W != 0
            && segment.address <= relro.address
            && relro.address + relro.size <= page_up(segment.end())
    };
    if relro.size != 0 && !elf.segments.iter().any(holds) {
        return Err(Refusal::damaged("its read-only part lies outside its data"));
    }
    Ok(())
}

fn read_dynamic(file: &[u8], dynamic: Range, elf: &mut Elf) -> Result<()> {
    const NEEDED: u64 = 1;
    const STRTAB: u64 = 5;
    const SYMTAB: u64 = 6;
    const RELA: u64 = 7;
    const RELASZ: u64 = 8;
    const STRSZ: u64 = 10;
    const REL: u64 = 17;
    const PLTREL: u64 = 20;
    const TEXTREL: u64 = 22;
    const JMPREL: u64 = 23;
    const PLTRELSZ: u64 = 2;
    const RELRSZ: u64 = 35;
    const RELR: u64 = 36;
    for index in 0..dynamic.size / 16 {
        let at = dynamic.address + index * 16;
        let (tag, value) = (u64_at(file, at)?, u64_at(file, at + 8)?);
        match tag {
            0 => break,
            NEEDED => elf.needed.push(value),
            STRTAB => elf.strings.address = value,
            STRSZ => elf.strings.size = value,
            SYMTAB => elf.symbols = value,
            RELA => elf.rela.address = value,
            RELASZ => elf.rela.size = value,
            JMPREL => elf.plt_rela.address = value,
            PLTRELSZ => elf.plt_rela.size = value,
            RELR => elf.relr.address = value,
            RELRSZ => elf.relr.size = value,
            TEXTREL | REL => return Err(Refusal::new(Status::BadPatch, &["the patch is not position independent"])),
            PLTREL if value != RELA => return Err(Refusal::damaged("its relocations are of an unknown form")),
            _ => {}
        }
    }
    if elf.symbols == 0 || elf.strings.size == 0 || elf.needed.len() > 1024 {
        return Err(Refusal::damaged("its dynamic section makes no sense"));
    }
    Ok(())
}
