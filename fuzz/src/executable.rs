//! What the inputs are about: two builds of a program, and patches between them.

use anyhow::{Context as _, Result};
use dsu_abi::{
    Id,
    patch::{HEADER_SYMBOL, ImportRecord, PatchCopy, PatchHeader, PatchObject, PatchType, RequiredType, import_kind},
};
use dsu_compiler::lineage::State;
use object::{Object, ObjectSegment, ObjectSymbol, read::elf::ElfFile64};
use std::{collections::BTreeMap, fs, mem::offset_of, path::Path};

/// A variable of the program.
pub struct Variable {
    /// Key of its name.
    pub key: u64,
    /// Fingerprint of its type.
    pub fingerprint: u64,
    /// Bytes.
    pub size: u64,
    /// Whether it is thread-local.
    pub thread_local: bool,
}

/// The program that the fuzzers play.
#[derive(Default)]
pub struct Context {
    /// The state that all patches to start from apply to.
    pub state: Id,
    /// Keys and fingerprints of the functions they import, sorted.
    pub functions: Vec<(u64, u64)>,
    /// The variables they import, sorted.
    pub variables: Vec<Variable>,
    /// Keys of the other symbols they import, sorted.
    pub foreign: Vec<u64>,
    /// The types they rely on, by key: layout and size.
    pub types: BTreeMap<u64, (u64, u64)>,
    /// The old build and the new one.
    pub builds: Option<(State, State)>,
}

impl Context {
    /// Reads what [`crate::seeds::make`] left in `directory`.
    ///
    /// # Errors
    /// When it is not there.
    pub fn read(directory: &Path) -> Result<Self> {
        let read =
            |name: &str| fs::read(directory.join(name)).with_context(|| format!("{name} in {}", directory.display()));
        let mut context = Self {
            builds: Some((State::of_executable(&read("old")?)?, State::of_executable(&read("new")?)?)),
            ..Self::default()
        };
        let (mut variables, mut sizes) = (BTreeMap::new(), BTreeMap::new());
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "dsu") {
                context
                    .add_patch(&fs::read(&path)?, &mut variables, &mut sizes)
                    .context("a patch without a manifest")?;
            }
        }
        context.functions.sort_unstable();
        context.functions.dedup();
        context.foreign.sort_unstable();
        context.foreign.dedup();
        let variable = |(key, (fingerprint, thread_local))| {
            let size = sizes.get(&key).copied().unwrap_or(64);
            Variable { key, fingerprint, size, thread_local }
        };
        context.variables = variables.into_iter().map(variable).collect();
        Ok(context)
    }

    /// Adds what a patch expects of the program.
    fn add_patch(
        &mut self,
        file: &[u8],
        variables: &mut BTreeMap<u64, (u64, bool)>,
        sizes: &mut BTreeMap<u64, u64>,
    ) -> Option<()> {
        let elf = ElfFile64::<object::LittleEndian>::parse(file).ok()?;
        let header_at = elf.dynamic_symbols().find(|symbol| symbol.name() == Ok(HEADER_SYMBOL))?.address();
        let at = |address: u64, size: usize| {
            elf.segments().find_map(|segment| {
                let start = usize::try_from(address.checked_sub(segment.address())?).ok()?;
                segment.data().ok()?.get(start..start.checked_add(size)?)
            })
        };
        let header: PatchHeader = record(at(header_at, size_of::<PatchHeader>())?)?;
        self.state = header.from;
        macro_rules! table {
            ($name:ident, $record:ty) => {{
                let first = header.$name.resolve(header_at + offset_of!(PatchHeader, $name) as u64);
                let size = size_of::<$record>();
                let read = |index| record::<$record>(at(first + index * size as u64, size)?);
                (0..header.$name.count).map(read).collect::<Option<Vec<_>>>()?
            }};
        }
        for import in table!(imports, ImportRecord) {
            match import.kind & !import_kind::WRITTEN {
                import_kind::SLOT | import_kind::STUB => self.functions.push((import.key, import.fingerprint)),
                import_kind::FOREIGN => self.foreign.push(import.key),
                import_kind::STAMP => {}
                kind => drop(variables.insert(import.key, (import.fingerprint, kind == import_kind::TLS))),
            }
        }
        for copy in table!(copies, PatchCopy) {
            variables.insert(copy.key, (copy.fingerprint, false));
            sizes.insert(copy.key, copy.size);
        }
        for required in table!(types, RequiredType) {
            self.types.entry(required.key).or_insert((required.layout, 0));
        }
        for changed in table!(changed_types, PatchType) {
            self.types.insert(changed.key, (changed.old_layout, changed.size));
        }
        for object in table!(objects, PatchObject) {
            variables.entry(object.variable).or_insert((object.fingerprint, false));
            let (_, size) = self.types.get(&object.changed)?;
            let end = object.offset + object.count.saturating_sub(1) * object.stride + size;
            let known = sizes.entry(object.variable).or_default();
            *known = end.max(*known);
        }
        Some(())
    }
}

/// A record of the contract.
fn record<T: Copy>(bytes: &[u8]) -> Option<T> {
    // SAFETY: the length is checked; the records of `dsu-abi` are valid for any bytes, and need not be aligned here.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}
