//! The executable file of a process: where its control block is, and its symbols.

use dsu_abi::{Id, section};
use object::{Object, ObjectSection, ObjectSymbol, ReadCache, ReadRef, SymbolKind, elf, read::elf::ElfFile64};
use std::{
    collections::HashMap,
    fs::File,
    os::unix::fs::MetadataExt,
    sync::{Arc, Mutex, OnceLock},
};

/// Identity of a file's contents, as far as the file system tells.
type FileKey = (u64, u64, i64, i64, u64);

/// What we need to know of an executable.
#[derive(Debug)]
pub struct Image {
    /// Where the program begins, as the file says.
    pub entry: u64,
    /// Where the control block is, as the file says; `None` if it has none.
    pub control: Option<u64>,
    /// The build id in the control block.
    pub build: Option<Id>,
    file: File,
    symbols: OnceLock<Vec<Symbol>>,
}

/// A function of an executable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol {
    /// Where it begins.
    pub address: u64,
    /// Its length in bytes.
    pub size: u64,
    /// Its name.
    pub name: String,
}

/// Why a file could not be read.
#[derive(Debug)]
pub struct ImageError {
    /// It is not a 64-bit ELF file at all.
    pub not_elf64: bool,
    /// In words.
    pub reason: String,
}

impl ImageError {
    fn new(reason: impl std::fmt::Display) -> Self {
        Self { not_elf64: false, reason: reason.to_string() }
    }
}

impl Image {
    /// As [`Self::read`], if `file` was not read before.
    pub fn load(file: File) -> Result<Arc<Self>, ImageError> {
        static KNOWN: Mutex<Option<HashMap<FileKey, Arc<Image>>>> = Mutex::new(None);
        let meta = file.metadata().map_err(ImageError::new)?;
        let key = (meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size());
        let known = || KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(image) = known().as_ref().and_then(|map| map.get(&key)) {
            return Ok(image.clone());
        }
        let image = Arc::new(Self::read(file)?);
        known().get_or_insert_default().insert(key, image.clone());
        Ok(image)
    }

    /// Reads `file`.
    pub fn read(file: File) -> Result<Self, ImageError> {
        let cache = ReadCache::new(file);
        let ident = (&cache).read_bytes_at(0, 20).map_err(|()| ImageError::new("it is empty or cannot be read"))?;
        if ident[..4] != *b"\x7fELF" {
            return Err(ImageError { not_elf64: true, reason: "it is not an ELF file".into() });
        }
        if ident[4] != elf::ELFCLASS64.0 || ident[18..20] != [62, 0] {
            return Err(ImageError { not_elf64: true, reason: "it is not a 64-bit x86 program".into() });
        }
        let (entry, control, build) = {
            let elf = ElfFile64::<object::Endianness, _>::parse(&cache).map_err(ImageError::new)?;
            let control = elf.section_by_name(section::CONTROL);
            let build = control
                .as_ref()
                .and_then(|section| section.data_range(section.address() + 24, 16).ok()??.try_into().ok())
                .map(Id);
            (elf.entry(), control.map(|section| section.address()), build)
        };
        Ok(Self { entry, control, build, file: cache.into_inner(), symbols: OnceLock::new() })
    }

    /// The functions in the symbol table, by address; empty if the file is stripped.
    pub fn symbols(&self) -> &[Symbol] {
        self.symbols.get_or_init(|| {
            let Ok(file) = self.file.try_clone() else { return Vec::new() };
            let cache = ReadCache::new(file);
            let Ok(elf) = ElfFile64::<object::Endianness, _>::parse(&cache) else { return Vec::new() };
            // Names in two tables, which may share their ends; in a damaged file, each could be much longer.
            let mut room = 4 * self.file.metadata().map_or(0, |meta| meta.len());
            let mut symbols: Vec<_> = elf
                .symbols()
                .chain(elf.dynamic_symbols())
                .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
                .filter_map(|symbol| {
                    let name = symbol.name().ok().filter(|name| !name.is_empty())?;
                    room = room.checked_sub(name.len() as u64)?;
                    let name = name.to_owned();
                    Some(Symbol { address: symbol.address(), size: symbol.size(), name })
                })
                .collect();
            symbols.sort();
            symbols.dedup_by(|a, b| a.address == b.address);
            symbols
        })
    }
}
