//! Reading symbols and sections of ELF files, and the two small edits the driver makes to objects itself: adding a
//! section and renaming symbols. `objcopy` could do both, at several milliseconds per object.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use object::read::{Object, ObjectSection, ObjectSymbol};
use thiserror::Error;

/// Why an ELF file could not be read or edited.
#[derive(Debug, Error)]
pub enum ElfError {
    /// Not a 64-bit little-endian ELF file.
    #[error("not a 64-bit little-endian ELF file")]
    Kind,
    /// Its structure is inconsistent.
    #[error("damaged ELF file: {0}")]
    Damaged(String),
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<object::Error> for ElfError {
    fn from(error: object::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

// Constants of the ELF specification, as the bare numbers that the edits below read and write.
/// A relocatable object.
pub const ET_REL: u16 = 1;
const ET_EXEC: u16 = 2;
/// A shared library, or an executable at any address.
pub const ET_DYN: u16 = 3;
const PT_INTERP: u32 = 3;
const SHT_PROGBITS: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const SHN_LORESERVE: usize = 0xff00;
const SHN_XINDEX: usize = 0xffff;
const STT_SECTION: u8 = 3;
const STT_FILE: u8 = 4;
const STT_TLS: u8 = 6;
/// 64 bits, little endian.
const MAGIC: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];

type Result<T> = std::result::Result<T, ElfError>;

/// What an executable's file tells about it.
#[derive(Debug, Default)]
pub struct Executable {
    /// `e_type` is ET_EXEC or ET_DYN.
    pub executable: bool,
    /// It names a dynamic loader.
    pub dynamic: bool,
    /// `e_machine`.
    pub machine: u16,
    /// Global symbols it defines.
    pub defined: HashSet<String>,
    /// It has no symbol table.
    pub stripped: bool,
    /// Dynamic symbols it defines.
    pub exported: HashSet<String>,
    /// Dynamic symbols it expects in libraries.
    pub wanted: HashSet<String>,
}

/// Reads what matters of an executable.
///
/// # Errors
/// When it is not a 64-bit little-endian ELF file, or damaged.
pub fn executable(bytes: &[u8]) -> Result<Executable> {
    let header = Header::read(bytes)?;
    let file = object::read::elf::ElfFile64::<object::LittleEndian>::parse(bytes)?;
    // The linker makes hidden symbols local.
    let defined = file.symbols().filter(|s| !s.is_undefined());
    let exported = file.dynamic_symbols().filter(|s| s.is_global() && !s.is_undefined());
    let mut room = Room::new(bytes);
    let dynamic = file.elf_program_headers().iter().any(|p| p.p_type.get(object::LittleEndian).0 == PT_INTERP);
    Ok(Executable {
        executable: matches!(header.kind, ET_EXEC | ET_DYN),
        dynamic,
        machine: header.machine,
        stripped: file.symbols().next().is_none(),
        defined: room.names(defined)?,
        exported: room.names(exported)?,
        wanted: wanted(bytes)?,
    })
}

/// The symbols that a shared library expects elsewhere.
///
/// # Errors
/// When it is not a 64-bit little-endian ELF file, or damaged.
pub fn wanted(bytes: &[u8]) -> Result<HashSet<String>> {
    let file = object::read::elf::ElfFile64::<object::LittleEndian>::parse(bytes)?;
    Room::new(bytes).names(file.dynamic_symbols().filter(|s| s.is_global() && s.is_undefined()))
}

/// The symbols that a shared library defines for others.
///
/// # Errors
/// When it is no ELF file, or a damaged one.
pub fn offered(bytes: &[u8]) -> Result<HashSet<String>> {
    let file = object::read::elf::ElfFile64::<object::LittleEndian>::parse(bytes)?;
    Room::new(bytes).names(file.dynamic_symbols().filter(|s| s.is_global() && !s.is_undefined()))
}

/// How many bytes of names are believed. They may share their ends, but in a damaged file each of very many could be as
/// long as the file.
struct Room(usize);

impl Room {
    fn new(file: &[u8]) -> Self {
        Self(file.len().saturating_mul(16))
    }

    fn name(&mut self, name: &str) -> Result<String> {
        let too_long = || ElfError::Damaged("the names of its symbols are longer than the file".into());
        self.0 = self.0.checked_sub(name.len()).ok_or_else(too_long)?;
        Ok(name.to_owned())
    }

    fn names<'a>(&mut self, symbols: impl Iterator<Item = impl ObjectSymbol<'a>>) -> Result<HashSet<String>> {
        let mut names = HashSet::new();
        for symbol in symbols {
            if let Some(name) = symbol.name().ok().filter(|name| !name.is_empty()) {
                names.insert(self.name(name)?);
            }
        }
        Ok(names)
    }
}

/// A section's contents, if it has that section.
///
/// # Errors
/// When this is not an ELF file, or damaged.
pub fn section<'a>(bytes: &'a [u8], name: &str) -> Result<Option<&'a [u8]>> {
    Header::read(bytes)?;
    let file = object::read::elf::ElfFile64::<object::LittleEndian>::parse(bytes)?;
    Ok(file.section_by_name(name).map(|s| s.data()).transpose()?)
}

/// The global symbols of one object file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectSymbols {
    /// Global and weak symbols it defines.
    pub defined: Vec<DefinedSymbol>,
    /// Symbols it refers to and does not define.
    pub undefined: Vec<String>,
    /// Identity of its code and data.
    pub content: dsu_abi::Id,
    /// It holds an intermediate language (`-flto`): what is linked of it has other symbols.
    pub lto: bool,
}

/// A global symbol defined in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinedSymbol {
    /// Its name.
    pub name: String,
    /// A thread-local variable.
    pub tls: bool,
    /// A weak definition.
    pub weak: bool,
    /// A common symbol (tentative definition, `-fcommon`).
    pub common: bool,
}

/// What a relocatable object holds.
#[derive(Debug, Default)]
pub struct ObjectFacts {
    /// The `.dsu.unit` section's bytes.
    pub units: Option<Vec<u8>>,
    /// Its symbols.
    pub symbols: ObjectSymbols,
    /// Only an intermediate language inside (`-flto`): neither code nor useful symbols.
    pub slim_lto: bool,
}

/// Reads a relocatable object; `None` if the file is something else.
///
/// # Errors
/// When it is a damaged object.
pub fn object(bytes: &[u8]) -> Result<Option<ObjectFacts>> {
    let Ok(header) = Header::read(bytes) else { return Ok(None) };
    if header.kind != ET_REL {
        return Ok(None);
    }
    let file = object::read::elf::ElfFile64::<object::LittleEndian>::parse(bytes)?;
    let units = file.section_by_name(dsu_abi::section::UNIT).map(|s| s.data()).transpose()?.map(<[u8]>::to_vec);
    let mut facts = ObjectFacts { units, ..ObjectFacts::default() };
    facts.symbols.content = content(&file);
    facts.symbols.lto = file.sections().any(|s| s.name().is_ok_and(|n| n.starts_with(".gnu.lto_")));
    let mut room = Room::new(bytes);
    for symbol in file.symbols() {
        let Ok(name) = symbol.name() else { continue };
        if name.is_empty() || symbol.is_local() {
            continue;
        }
        facts.slim_lto |= name == "__gnu_lto_slim";
        if symbol.is_undefined() {
            facts.symbols.undefined.push(room.name(name)?);
            continue;
        }
        facts.symbols.defined.push(DefinedSymbol {
            name: room.name(name)?,
            tls: symbol.elf_symbol().st_info.0 & 0xf == STT_TLS,
            weak: symbol.is_weak(),
            common: symbol.is_common(),
        });
    }
    Ok(Some(facts))
}

/// Identity of what is loaded of an object: debug information names places, not behaviour.
fn content(file: &object::read::elf::ElfFile64<'_, object::LittleEndian>) -> dsu_abi::Id {
    let mut hasher = blake3::Hasher::new();
    for section in file.sections() {
        let object::SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if sh_flags.0 & object::elf::SHF_ALLOC.0 != 0 {
            hasher.update(section.name_bytes().unwrap_or_default()).update(section.data().unwrap_or_default());
        }
    }
    crate::facts::content::truncate(hasher.finalize())
}

/// The fields of an ELF header that the edits need.
struct Header {
    kind: u16,
    machine: u16,
    sections: usize,
    count: usize,
    names: usize,
}

const HEADER_SIZE: usize = 64;
const SECTION_SIZE: usize = 64;
const SYMBOL_SIZE: usize = 24;
// Offsets in Elf64_Ehdr.
const E_SHOFF: usize = 40;
const E_SHNUM: usize = 60;
const E_SHSTRNDX: usize = 62;
// Offsets in Elf64_Shdr.
const SH_TYPE: usize = 4;
const SH_FLAGS: usize = 8;
const SH_OFFSET: usize = 24;
const SH_SIZE: usize = 32;
const SH_LINK: usize = 40;
const SH_ALIGN: usize = 48;

impl Header {
    fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.len() < HEADER_SIZE || bytes[..6] != MAGIC {
            return Err(ElfError::Kind);
        }
        let sections = usize_at(bytes, E_SHOFF)?;
        let first = bytes.get(sections..).filter(|s| s.len() >= SECTION_SIZE);
        let mut count = usize::from(u16_at(bytes, E_SHNUM)?);
        let mut names = usize::from(u16_at(bytes, E_SHSTRNDX)?);
        // Objects with 65280 sections or more keep the true numbers in the first section header.
        if let Some(first) = first {
            if count == 0 {
                count = usize_at(first, SH_SIZE)?;
            }
            if names == SHN_XINDEX {
                names = u32_at(first, SH_LINK)? as usize;
            }
        }
        Ok(Self { kind: u16_at(bytes, 16)?, machine: u16_at(bytes, 18)?, sections, count, names })
    }

    fn table<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let size = self.count.checked_mul(SECTION_SIZE).ok_or_else(damaged)?;
        range(bytes, self.sections, size)
    }
}

fn damaged() -> ElfError {
    ElfError::Damaged("a table leaves the file".into())
}

fn range(bytes: &[u8], start: usize, size: usize) -> Result<&[u8]> {
    let end = start.checked_add(size).ok_or_else(damaged)?;
    bytes.get(start..end).ok_or_else(damaged)
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N]> {
    range(bytes, offset, N)?.try_into().map_err(|_| damaged())
}

fn u16_at(bytes: &[u8], offset: usize) -> Result<u16> {
    Ok(u16::from_le_bytes(array(bytes, offset)?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(array(bytes, offset)?))
}

fn usize_at(bytes: &[u8], offset: usize) -> Result<usize> {
    usize::try_from(u64::from_le_bytes(array(bytes, offset)?)).map_err(|_| damaged())
}

fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

/// What to write to a file to add a section: a tail to append, and a header to overwrite the old one with.
struct Addition {
    tail: Vec<u8>,
    header: [u8; HEADER_SIZE],
}

/// Appends section data, a new table of section names and a new section header table. The old tables stay as dead
/// bytes: nothing that is in use moves, and until the header is overwritten the file is the old one.
fn addition(bytes: &[u8], name: &str, data: &[u8], flags: u64) -> Result<Addition> {
    let header = Header::read(bytes)?;
    let table = header.table(bytes)?;
    if header.count + 1 >= SHN_LORESERVE || header.names >= header.count {
        return Err(ElfError::Damaged("too many sections to add one".into()));
    }
    let names_header = header.names * SECTION_SIZE;
    let old_names = range(bytes, usize_at(table, names_header + SH_OFFSET)?, usize_at(table, names_header + SH_SIZE)?)?;

    let base = bytes.len();
    let mut tail = Vec::with_capacity(data.len() + old_names.len() + table.len() + 256);
    let align = |tail: &mut Vec<u8>| tail.resize((base + tail.len()).next_multiple_of(8) - base, 0);
    align(&mut tail);
    let data_offset = base + tail.len();
    tail.extend_from_slice(data);
    let names_offset = base + tail.len();
    tail.extend_from_slice(old_names);
    tail.extend_from_slice(name.as_bytes());
    tail.push(0);
    let names_size = base + tail.len() - names_offset;
    align(&mut tail);
    let table_offset = base + tail.len();

    let mut new_table = table.to_vec();
    put(&mut new_table, names_header + SH_OFFSET, &(names_offset as u64).to_le_bytes());
    put(&mut new_table, names_header + SH_SIZE, &(names_size as u64).to_le_bytes());
    let mut section = [0; SECTION_SIZE];
    let name_index = u32::try_from(old_names.len()).map_err(|_| damaged())?;
    put(&mut section, 0, &name_index.to_le_bytes());
    put(&mut section, SH_TYPE, &SHT_PROGBITS.to_le_bytes());
    put(&mut section, SH_FLAGS, &flags.to_le_bytes());
    put(&mut section, SH_OFFSET, &(data_offset as u64).to_le_bytes());
    put(&mut section, SH_SIZE, &(data.len() as u64).to_le_bytes());
    put(&mut section, SH_ALIGN, &8u64.to_le_bytes());
    new_table.extend_from_slice(&section);
    tail.extend_from_slice(&new_table);

    let mut new_header: [u8; HEADER_SIZE] = array(bytes, 0)?;
    put(&mut new_header, E_SHOFF, &(table_offset as u64).to_le_bytes());
    let count = u16::try_from(header.count + 1).map_err(|_| damaged())?;
    put(&mut new_header, E_SHNUM, &count.to_le_bytes());
    Ok(Addition { tail, header: new_header })
}

/// Adds a section to an object file, in place. A crash in between leaves the old object with a few dead bytes.
///
/// # Errors
/// When the file is not an ELF object or cannot be written.
pub fn add_section(file: &File, bytes: &[u8], name: &str, data: &[u8], flags: u64) -> Result<()> {
    let addition = addition(bytes, name, data, flags)?;
    file.write_all_at(&addition.tail, bytes.len() as u64)?;
    file.write_all_at(&addition.header, 0)?;
    Ok(())
}

/// Adds a section to an object in memory.
///
/// # Errors
/// When it is not an ELF object.
pub fn with_section(mut bytes: Vec<u8>, name: &str, data: &[u8], flags: u64) -> Result<Vec<u8>> {
    let addition = addition(&bytes, name, data, flags)?;
    bytes.write_all(&addition.tail)?;
    bytes[..HEADER_SIZE].copy_from_slice(&addition.header);
    Ok(bytes)
}

/// Renames symbols of an object, definitions and references alike, as `objcopy --redefine-sym` does. Names that do
/// not occur are no error.
///
/// # Errors
/// When it is not an ELF object.
pub fn rename_symbols(bytes: &mut Vec<u8>, renames: &[(String, String)]) -> Result<()> {
    let header = Header::read(bytes)?;
    let renames: HashMap<&str, &str> = renames.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
    let is_symbols =
        |i: &usize| u32_at(bytes, header.sections + i * SECTION_SIZE + SH_TYPE).is_ok_and(|kind| kind == SHT_SYMTAB);
    header.table(bytes)?;
    let Some(index) = (0..header.count).find(is_symbols) else { return Ok(()) };
    let symbols_header = header.sections + index * SECTION_SIZE;
    let strings_index = u32_at(bytes, symbols_header + SH_LINK)? as usize;
    if strings_index >= header.count {
        return Err(damaged());
    }
    let strings_header = header.sections + strings_index * SECTION_SIZE;
    let mut strings =
        range(bytes, usize_at(bytes, strings_header + SH_OFFSET)?, usize_at(bytes, strings_header + SH_SIZE)?)?
            .to_vec();
    let (start, size) = (usize_at(bytes, symbols_header + SH_OFFSET)?, usize_at(bytes, symbols_header + SH_SIZE)?);
    range(bytes, start, size)?;

    let mut placed: HashMap<&str, u32> = HashMap::new();
    for symbol in (start..start + size / SYMBOL_SIZE * SYMBOL_SIZE).step_by(SYMBOL_SIZE) {
        if matches!(bytes[symbol + 4] & 0xf, STT_FILE | STT_SECTION) {
            continue;
        }
        let name = string_at(&strings, u32_at(bytes, symbol)? as usize)?;
        let Some(&new) = renames.get(name) else { continue };
        let place = match placed.get(new) {
            Some(&place) => place,
            None => {
                let place = u32::try_from(strings.len()).map_err(|_| damaged())?;
                strings.extend_from_slice(new.as_bytes());
                strings.push(0);
                placed.insert(new, place);
                place
            }
        };
        put(bytes, symbol, &place.to_le_bytes());
    }
    if !placed.is_empty() {
        let offset = bytes.len() as u64;
        put(bytes, strings_header + SH_OFFSET, &offset.to_le_bytes());
        put(bytes, strings_header + SH_SIZE, &(strings.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&strings);
    }
    Ok(())
}

fn string_at(strings: &[u8], offset: usize) -> Result<&str> {
    let rest = strings.get(offset..).ok_or_else(damaged)?;
    let end = rest.iter().position(|b| *b == 0).ok_or_else(damaged)?;
    Ok(std::str::from_utf8(&rest[..end]).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn compile(source: &str) -> (tempfile::TempDir, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.c"), source).unwrap();
        let status = Command::new("cc").args(["-c", "-g", "a.c"]).current_dir(dir.path()).status().unwrap();
        assert!(status.success());
        let bytes = std::fs::read(dir.path().join("a.o")).unwrap();
        (dir, bytes)
    }

    #[test]
    fn added_section_is_read_back_and_links() {
        let (dir, bytes) = compile("int main(void) { return 7; }");
        let with = with_section(bytes.clone(), dsu_abi::section::UNIT, b"hello", 0x8000_0000).unwrap();
        let facts = object(&with).unwrap().unwrap();
        assert_eq!(facts.units.as_deref(), Some(&b"hello"[..]));
        let path = dir.path().join("a.o");
        let file = File::options().write(true).open(&path).unwrap();
        add_section(&file, &bytes, dsu_abi::section::UNIT, b"hello", 0x8000_0000).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), with);
        let status = Command::new("cc").args(["a.o", "-o", "x"]).current_dir(dir.path()).status().unwrap();
        assert!(status.success());
        let linked = std::fs::read(dir.path().join("x")).unwrap();
        assert_eq!(section(&linked, dsu_abi::section::UNIT).unwrap(), None, "excluded by the linker");
        let facts = executable(&linked).unwrap();
        assert!(facts.executable && facts.dynamic && facts.defined.contains("main"));
        assert_eq!(Command::new(dir.path().join("x")).status().unwrap().code(), Some(7));
    }

    #[test]
    fn symbols_are_renamed() {
        let (dir, mut bytes) = compile("int g(void); int f(void) { return g(); } int k(void) { return f(); }");
        rename_symbols(
            &mut bytes,
            &[("f".into(), "f_renamed".into()), ("g".into(), "h".into()), ("no".into(), "x".into())],
        )
        .unwrap();
        let symbols = object(&bytes).unwrap().unwrap().symbols;
        assert_eq!(symbols.defined.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["f_renamed", "k"]);
        assert_eq!(symbols.undefined, ["h"]);
        std::fs::write(dir.path().join("a.o"), &bytes).unwrap();
        std::fs::write(dir.path().join("m.c"), "int k(void); int h(void) { return 3; } int main(void) { return k(); }")
            .unwrap();
        let status = Command::new("cc").args(["a.o", "m.c", "-o", "x"]).current_dir(dir.path()).status().unwrap();
        assert!(status.success());
        assert_eq!(Command::new(dir.path().join("x")).status().unwrap().code(), Some(3));
    }

    #[test]
    fn damaged_files_are_errors() {
        let (_dir, bytes) = compile("int f(void) { return 1; }");
        assert!(object(b"not an object").unwrap().is_none());
        for cut in (0..bytes.len()).step_by(7) {
            let _ = object(&bytes[..cut]);
            let _ = with_section(bytes[..cut].to_vec(), "s", b"d", 0);
            let _ = rename_symbols(&mut bytes[..cut].to_vec(), &[("f".into(), "g".into())]);
        }
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 0xff;
            let _ = object(&bad);
            let _ = with_section(bad.clone(), "s", b"d", 0);
            let _ = rename_symbols(&mut bad, &[("f".into(), "g".into())]);
        }
    }
}
