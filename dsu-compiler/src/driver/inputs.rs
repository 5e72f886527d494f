//! The files that went into a link: read by the linker's trace, with their symbols and unit records.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use object::read::archive::ArchiveFile;

use super::error::{DriverError, at};
use super::trace::Entry;
use crate::elf::{self, ET_DYN, ET_REL, ObjectFacts, ObjectSymbols};
use crate::unit::{self, UnitImage};

/// An object file or archive member that is part of the executable, or a source it is made from.
#[derive(Debug)]
pub struct LinkedFile {
    /// Where it is.
    pub place: Place,
    /// Its name, for people.
    pub display: String,
    /// Its symbols. Empty for sources.
    pub symbols: ObjectSymbols,
    /// Its unit records.
    pub images: Vec<UnitImage>,
    /// Compiled with `-flto`: no code inside, and the symbols not to be trusted.
    pub slim_lto: bool,
    /// A reason not to touch it.
    pub problem: Option<String>,
}

/// Where a linked file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File(String),
    /// In an archive.
    Member {
        /// The archive, as the linker names it.
        archive: String,
        /// Which of its members, counted from 0.
        index: usize,
    },
    /// The source with this index among all sources on the command line.
    Source(usize),
}

/// An archive's members.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Name and, in a thin archive, path of every member.
    members: Vec<(String, Option<PathBuf>)>,
}

impl Archive {
    fn read(path: &str) -> Option<Self> {
        let mut magic = [0; 8];
        File::open(path).ok()?.read_exact(&mut magic).ok()?;
        if &magic != b"!<arch>\n" && &magic != b"!<thin>\n" {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        let directory = Path::new(path).parent().unwrap_or(Path::new(""));
        let file = ArchiveFile::parse(bytes.as_slice()).ok()?;
        let thin = file.is_thin();
        let members = file
            .members()
            .map_while(Result::ok)
            .map(|member| {
                let name = String::from_utf8_lossy(member.name()).into_owned();
                let path = thin.then(|| directory.join(&name));
                (name, path)
            })
            .collect();
        Some(Self { path: path.into(), bytes, members })
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether it has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The contents of a member.
    ///
    /// # Errors
    /// When the archive is damaged, or thin and its file cannot be read.
    pub fn member(&self, index: usize) -> Result<Vec<u8>, DriverError> {
        let error = |message: &str| DriverError::Elf {
            object: self.path.display().to_string(),
            source: elf::ElfError::Damaged(message.to_owned()),
        };
        if let Some((_, Some(path))) = self.members.get(index) {
            return fs::read(path).map_err(at(path));
        }
        let file = ArchiveFile::parse(self.bytes.as_slice()).map_err(|e| error(&e.to_string()))?;
        let member = file.members().map_while(Result::ok).nth(index).ok_or_else(|| error("no such member"))?;
        Ok(member.data(self.bytes.as_slice()).map_err(|e| error(&e.to_string()))?.to_vec())
    }

    /// The members a trace may mean by a name.
    fn find(&self, name: &str) -> Vec<usize> {
        let fits = |(_, (n, path)): &(usize, &(String, Option<PathBuf>))| {
            n == name || path.as_deref().is_some_and(|p| p == Path::new(name))
        };
        self.members.iter().enumerate().filter(fits).map(|(index, _)| index).collect()
    }
}

/// Everything that went into a link.
#[derive(Debug, Default)]
pub struct Inputs {
    /// In link order.
    pub files: Vec<LinkedFile>,
    /// The archives of which members were taken.
    pub archives: HashMap<String, Archive>,
    /// Symbols that shared libraries of the link expect elsewhere.
    pub shared: HashSet<String>,
    /// Symbols that shared libraries of the link define, the C library's aside.
    pub libraries: HashSet<String>,
}

impl Inputs {
    /// Reads what the trace names. `sources` is how many sources there are on the command line, `explicit` the names
    /// of the other files there.
    ///
    /// # Errors
    /// When a file cannot be read or understood.
    pub fn collect(trace: &[Entry], sources: usize, explicit: &HashSet<String>) -> Result<Self, DriverError> {
        let mut inputs = Self::default();
        let mut seen = HashSet::new();
        let mut next_source = 0..sources;
        let mentions = inputs.resolve(trace, explicit);
        for entry in &mentions {
            match entry {
                Entry::Vanished => inputs.files.extend(next_source.next().map(source)),
                Entry::File(path) if seen.insert((path.as_str(), 0)) => inputs.add_file(path)?,
                Entry::File(_) => {}
                Entry::Member { archive, member } => {
                    let Some(read) = inputs.archives.get(archive) else { continue };
                    let candidates = read.find(member);
                    let mentioned = || mentions.iter().filter(|e| *e == entry).count();
                    let unsure = candidates.len() > 1 && mentioned() != candidates.len();
                    for index in candidates {
                        if seen.insert((archive.as_str(), index + 1)) {
                            inputs.add_member(archive, index, unsure)?;
                        }
                    }
                }
            }
        }
        inputs.files.extend(next_source.map(source));
        Ok(inputs)
    }

    /// Reads the archives, and finds the members of thin ones, which GNU ld writes like plain files.
    fn resolve(&mut self, trace: &[Entry], explicit: &HashSet<String>) -> Vec<Entry> {
        let mut thin: HashMap<PathBuf, String> = HashMap::new();
        let mut mentions = Vec::new();
        for entry in trace {
            let archive = match entry {
                Entry::File(path) if path.ends_with(".so") => None,
                Entry::File(path) | Entry::Member { archive: path, .. } => Some(path),
                Entry::Vanished => None,
            };
            if let Some(path) = archive.filter(|p| !self.archives.contains_key(*p)) {
                if let Some(archive) = Archive::read(path) {
                    let members = archive.members.iter().filter_map(|(_, p)| p.clone());
                    thin.extend(members.map(|member| (member, path.clone())));
                    self.archives.insert(path.clone(), archive);
                }
            }
            mentions.push(match entry {
                Entry::File(path) if !explicit.contains(path) => match thin.get(Path::new(path)) {
                    Some(archive) => Entry::Member { archive: archive.clone(), member: path.clone() },
                    None => entry.clone(),
                },
                _ => entry.clone(),
            });
        }
        mentions
    }

    fn add_file(&mut self, path: &str) -> Result<(), DriverError> {
        if self.archives.contains_key(path) {
            return Ok(());
        }
        match file_type(Path::new(path)) {
            Some(ET_REL) => {
                let bytes = fs::read(path).map_err(at(path))?;
                self.files.extend(linked_file(&bytes, Place::File(path.to_owned()), path.to_owned())?);
            }
            Some(ET_DYN) => {
                let bytes = fs::read(path).map_err(at(path))?;
                let damaged = |source| DriverError::Elf { object: path.to_owned(), source };
                self.shared.extend(elf::wanted(&bytes).map_err(damaged)?);
                if !is_c_library(path) {
                    self.libraries.extend(elf::offered(&bytes).map_err(damaged)?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_member(&mut self, archive: &str, index: usize, unsure: bool) -> Result<(), DriverError> {
        let Some(read) = self.archives.get(archive) else { return Ok(()) };
        let name = Path::new(&read.members[index].0).file_name().unwrap_or_default().to_string_lossy();
        let display = format!("{archive}({name})");
        let bytes = read.member(index)?;
        let mut file = linked_file(&bytes, Place::Member { archive: archive.to_owned(), index }, display)?;
        if let (true, Some(file)) = (unsure, &mut file) {
            file.problem =
                Some(format!("{archive} has several members {name}, and the linker does not say which it took"));
        }
        self.files.extend(file);
        Ok(())
    }

    /// The bytes of a linked file.
    ///
    /// # Errors
    /// When it cannot be read again.
    pub fn bytes(&self, file: &LinkedFile) -> Result<Vec<u8>, DriverError> {
        match &file.place {
            Place::File(path) => fs::read(path).map_err(at(path)),
            Place::Member { archive, index } => match self.archives.get(archive) {
                Some(archive) => archive.member(*index),
                None => Ok(Vec::new()),
            },
            Place::Source(_) => Ok(Vec::new()),
        }
    }
}

fn source(index: usize) -> LinkedFile {
    LinkedFile {
        place: Place::Source(index),
        display: String::new(),
        symbols: ObjectSymbols::default(),
        images: Vec::new(),
        slim_lto: false,
        problem: None,
    }
}

/// Whether a shared library is part of the C library, or the compiler's own.
fn is_c_library(path: &str) -> bool {
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split(['.', '-']).next().unwrap_or("");
    matches!(stem, "libc" | "libm" | "libmvec" | "libpthread" | "librt" | "libdl" | "libutil" | "libgcc_s" | "ld")
}

/// What kind of ELF file a file is, by its first bytes.
fn file_type(path: &Path) -> Option<u16> {
    let mut start = [0; 18];
    File::open(path).and_then(|mut f| f.read_exact(&mut start)).ok()?;
    start.starts_with(b"\x7fELF").then(|| u16::from_le_bytes([start[16], start[17]]))
}

fn linked_file(bytes: &[u8], place: Place, display: String) -> Result<Option<LinkedFile>, DriverError> {
    let facts = elf::object(bytes).map_err(|source| DriverError::Elf { object: display.clone(), source })?;
    let Some(ObjectFacts { units, symbols, slim_lto }) = facts else { return Ok(None) };
    let (images, mut problem) = match units.as_deref().map(unit::decode) {
        None => (Vec::new(), None),
        Some(Ok(images)) => (images, None),
        Some(Err(error)) => (Vec::new(), Some(error.to_string())),
    };
    if images.len() > 1 {
        problem = Some(format!("{} units are joined in one object by ld -r", images.len()));
    }
    Ok(Some(LinkedFile { place, display, symbols, images, slim_lto, problem }))
}
