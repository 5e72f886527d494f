//! From the comparison to the patch file: rewrite the replaced units, compile them with the flags they
//! were built with, bind what they refer to, link.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use dsu_abi::calls;
use dsu_abi::patch::import_kind;

use crate::analyse::allocators::Allocators;
use crate::analyse::flow::Flows;
use crate::analyse::model::{FunctionRef, Model, VariableRef};
use crate::description::Description;
use crate::diff::compare::old_function;
use crate::diff::data::Fate;
use crate::diff::pairing::Pairing;
use crate::diff::transform::{self, Carry};
use crate::diff::types::Planned;
use crate::diff::{Diff, DiffError, link, objects};
use crate::driver::scheduler;
use crate::elf::{self, ObjectSymbols};
use crate::emit::patch::{ChangedType, CopyEntry, Import, Manifest, ObjectsEntry, PatchFunctionEntry};
use crate::emit::registry::{UnitEntry, VariableEntry};
use crate::facts::fingerprint;
use crate::layout;
use crate::program;
use crate::rewrite::{self, Job, Purpose, SlotCalls, Uses};

/// How to build a patch.
pub struct Options {
    /// The file to write.
    pub output: PathBuf,
    /// The patch's name.
    pub name: String,
    /// Leave debug information out.
    pub strip_debug: bool,
    /// The report, for section `.dsu.report`.
    pub report: Vec<u8>,
    /// Where intermediate files stay, if they are to stay.
    pub save: Option<PathBuf>,
}

/// Builds the patch.
///
/// # Errors
/// When a unit does not compile, or refers to something a running program cannot offer.
pub fn build(diff: &Diff, options: &Options) -> Result<(), DiffError> {
    let scratch = tempfile::Builder::new().prefix("dsu-diff").tempdir().map_err(|e| io("temporary directory", e))?;
    let directory = options.save.as_deref().unwrap_or(scratch.path());
    std::fs::create_dir_all(directory).map_err(|e| io(directory.display(), e))?;
    let builder = Builder::new(diff);
    let units: Vec<usize> = diff.changes.replaced.iter().copied().collect();
    let texts = builder.texts()?;
    let objects = compile(diff, directory, &units, &texts)?;
    let symbols = objects.iter().map(|o| read_symbols(o)).collect::<Result<Vec<_>, _>>()?;
    let mut manifest = builder.manifest(&units, &texts, &symbols, options)?;
    manifest.sort();
    link::link(diff, directory, &objects, &manifest, options)
}

/// The texts of the replaced units as the patch has them.
///
/// # Errors
/// When the facts of a unit do not fit its text.
pub fn texts(diff: &Diff) -> Result<Vec<String>, DiffError> {
    Ok(Builder::new(diff).texts()?.into_iter().map(|(text, _)| text).collect())
}

/// An error of the system, of `what`.
pub fn io(what: impl std::fmt::Display, error: std::io::Error) -> DiffError {
    DiffError::Io(what.to_string(), error)
}

/// Slots of the new program, per unit, and those that static functions had in the old state already.
pub fn slots(old: &Description, new: &Description, pairing: &Pairing) -> Vec<BTreeSet<usize>> {
    let mut slots = program::slots(&new.model, &new.points);
    for at in new.model.definitions() {
        let before = old_function(&old.model, &new.model, pairing, at);
        let movable = new.model.definition_of(at.unit, at.function) == Some(at);
        if movable && before.is_some_and(|o| old.slots[o.unit].contains(&o.function)) {
            slots[at.unit].insert(at.function);
        }
    }
    slots
}

struct Builder<'a> {
    diff: &'a Diff,
    /// Slots of the new program, per unit, and those static functions that had one in the old program.
    slots: Vec<BTreeSet<usize>>,
    /// Functions by label.
    functions: HashMap<String, FunctionRef>,
    /// Functions of the new program that give fresh memory.
    allocators: Allocators,
    /// What the new program does with its variables.
    flows: Flows<'a>,
}

impl<'a> Builder<'a> {
    fn new(diff: &'a Diff) -> Self {
        let slots = slots(&diff.old, &diff.new, &diff.pairing);
        let all =
            slots.iter().enumerate().flat_map(|(unit, s)| s.iter().map(move |f| FunctionRef { unit, function: *f }));
        let functions = all.map(|at| (diff.new.model.function_label(at), at)).collect();
        let (allocators, flows) = (Allocators::new(&diff.new.model), Flows::new(&diff.new.model));
        Self { diff, slots, functions, allocators, flows }
    }

    fn model(&self) -> &'a Model {
        &self.diff.new.model
    }

    fn bound(&self, unit: usize) -> BTreeSet<usize> {
        let variables = 0..self.model().units[unit].facts.variables.len();
        variables
            .filter(|v| matches!(self.diff.data.fate(self.model(), unit, *v), Some(Fate::Bind(_) | Fate::Overwrite(_))))
            .collect()
    }

    /// Variables of the unit that the manifest names: new ones, and new contents.
    fn labelled(&self, unit: usize) -> BTreeSet<usize> {
        let own = |at: &VariableRef| at.unit == unit;
        let named = |fate: &Fate| !matches!(fate, Fate::Bind(_) | Fate::Private);
        self.diff.data.fates.iter().filter(|(at, fate)| own(at) && named(fate)).map(|(at, _)| at.variable).collect()
    }

    fn texts(&self) -> Result<Vec<(String, Uses)>, DiffError> {
        self.diff.changes.replaced.iter().map(|unit| self.rewrite(*unit)).collect()
    }

    fn rewrite(&self, unit: usize) -> Result<(String, Uses), DiffError> {
        let job = Job {
            model: self.model(),
            points: &self.diff.new.points,
            unit,
            purpose: Purpose::Patch,
            slots: &self.slots[unit],
            bound: &self.bound(unit),
            labelled: &self.labelled(unit),
            shapes: &self.diff.types.shapes,
            allocators: &self.allocators,
            // Slots are in another module.
            calls: SlotCalls::Pointer,
        };
        rewrite::rewrite(&job).map_err(|e| DiffError::Rewrite(self.model().units[unit].name.clone(), e))
    }

    fn manifest(
        &self,
        units: &[usize],
        texts: &[(String, Uses)],
        symbols: &[ObjectSymbols],
        options: &Options,
    ) -> Result<Manifest, DiffError> {
        let diff = self.diff;
        let mut manifest = Manifest {
            patch: diff.id(),
            from: diff.old.state,
            to: diff.new.state,
            name: options.name.clone(),
            ..Manifest::default()
        };
        let mut stubs: BTreeSet<FunctionRef> = texts.iter().flat_map(|(_, uses)| uses.stubs.iter().copied()).collect();
        let (mut imports, named) = self.imports(symbols)?;
        stubs.extend(named);
        // Functions of the patch get a stub if a caller by name or a pointer may want one later.
        let slots: BTreeSet<FunctionRef> = texts
            .iter()
            .flat_map(|(_, uses)| uses.slots.iter().copied())
            .chain(stubs.iter().copied())
            .chain(imports.iter().filter(|i| i.kind == import_kind::SLOT).filter_map(|i| self.slot_of(&i.symbol)))
            .collect();
        imports.retain(|i| i.kind != import_kind::SLOT);
        imports.extend(slots.iter().map(|at| self.slot_import(*at)));
        imports.retain(|i| !i.symbol.starts_with("dsu_stub_"));
        imports.extend(
            stubs.iter().map(|at| self.stub_import(*at, format!("dsu_stub_{}", self.model().function_label(*at)))),
        );
        imports.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        imports.dedup_by(|a, b| a.symbol == b.symbol);
        manifest.stubs = stubs.iter().map(|at| self.model().function_label(*at)).collect();
        manifest.imports = imports;
        for &unit in units {
            for &function in &self.slots[unit] {
                let at = FunctionRef { unit, function };
                manifest.functions.push(self.function_entry(at, stubs.contains(&at)));
            }
            let u = &self.model().units[unit];
            manifest.units.push(UnitEntry { name: u.name.clone(), content: u.facts.content, kept: false });
        }
        self.variables(&mut manifest);
        manifest.types = self.types(units);
        manifest.changed_types = self.diff.types.planned.values().map(|p| self.changed_type(p)).collect();
        let carry = |c: &Carry| (c.name.clone(), c.symbol.clone());
        manifest.carries = self.diff.additions.carries.iter().map(carry).collect();
        manifest.irreversible = self.diff.report.irreversible.clone();
        manifest.after.clone_from(&self.diff.after);
        manifest.objects = self.objects(&manifest.imports);
        Ok(manifest)
    }

    /// Objects with a transformer in variables that the patch and the process share. A rehearsal writes to them: what is
    /// constant is left out.
    fn objects(&self, imports: &[Import]) -> Vec<ObjectsEntry> {
        let old = &self.diff.old.model;
        let is_transformed = |ty: &str| self.diff.additions.transformed.contains_key(ty);
        let layouts = program::types_of(old).into_iter().collect();
        let shared: BTreeSet<&str> = imports
            .iter()
            .filter(|i| i.kind & !import_kind::WRITTEN == import_kind::VARIABLE)
            .map(|i| i.name.as_str())
            .collect();
        let mut found = Vec::new();
        for fate in self.diff.data.fates.values() {
            let Fate::Bind(at) = fate else { continue };
            let (variable, name) = (old.variable(*at), old.variable_name(*at));
            if shared.contains(name.as_str()) && !variable.constant {
                let known = (variable, fingerprint(&variable.ty));
                found.extend(objects::of_variable(&name, known, &layouts, (&self.diff.types, &is_transformed)));
            }
        }
        found
    }

    fn changed_type(&self, planned: &Planned) -> ChangedType {
        let written = self.diff.additions.transformed.get(&planned.name);
        ChangedType {
            name: planned.name.clone(),
            old_layout: planned.old.layout(),
            new_layout: planned.new.layout(),
            size: planned.new.size,
            transform: written.map(|_| transform::transformer_symbol(&planned.label)),
            stamp_offset: planned.stamp_offset().and_then(|o| u32::try_from(o).ok()),
            repeatable: written == Some(&false),
            side_table: layout::side_table(&planned.new)
                .and_then(|(at, block)| Some((u32::try_from(block).ok()?, u32::try_from(at).ok()?))),
        }
    }

    fn slot_of(&self, symbol: &str) -> Option<FunctionRef> {
        self.functions.get(symbol.strip_prefix("dsu_slot_")?).copied()
    }

    fn old_name(&self, at: FunctionRef) -> String {
        let old = old_function(&self.diff.old.model, self.model(), &self.diff.pairing, at);
        old.map_or_else(|| self.model().function_name(at), |o| self.diff.old.model.function_name(o))
    }

    fn function_import(&self, at: FunctionRef, symbol: String, kind: u32, fallback: Option<String>) -> Import {
        Import {
            symbol,
            kind,
            name: self.old_name(at),
            new_name: Some(self.model().function_name(at)),
            fingerprint: fingerprint(&self.model().function(at).prototype),
            fallback,
        }
    }

    fn slot_import(&self, at: FunctionRef) -> Import {
        let label = self.model().function_label(at);
        let fallback = self.diff.changes.replaced.contains(&at.unit).then(|| format!("dsu_newslot_{label}"));
        self.function_import(at, format!("dsu_slot_{label}"), import_kind::SLOT, fallback)
    }

    fn stub_import(&self, at: FunctionRef, symbol: String) -> Import {
        let fallback = Some(format!("dsu_newstub_{}", self.model().function_label(at)));
        self.function_import(at, symbol, import_kind::STUB, fallback)
    }

    fn function_entry(&self, at: FunctionRef, stub: bool) -> PatchFunctionEntry {
        let f = self.model().function(at);
        PatchFunctionEntry {
            name: self.model().function_name(at),
            old_name: self.old_name(at),
            fingerprint: fingerprint(&f.prototype),
            label: self.model().function_label(at),
            stub,
            path: self.diff.new.points.path.contains(&at),
            internal: f.internal,
        }
    }

    /// Imports for the undefined symbols of the objects, and functions referred to by name.
    fn imports(&self, objects: &[ObjectSymbols]) -> Result<(Vec<Import>, BTreeSet<FunctionRef>), DiffError> {
        let defined: BTreeSet<&str> = objects.iter().flat_map(|o| &o.defined).map(|d| d.name.as_str()).collect();
        let wanted: BTreeSet<&str> =
            objects.iter().flat_map(|o| &o.undefined).map(String::as_str).filter(|s| !defined.contains(s)).collect();
        let bound: HashMap<String, (VariableRef, VariableRef)> = self.bound_variables();
        let (mut imports, mut named, mut missing) = (Vec::new(), BTreeSet::new(), Vec::new());
        for symbol in wanted {
            if let Some(at) = self.slot_of(symbol) {
                imports.push(self.slot_import(at));
            } else if symbol.starts_with("dsu_stub_") {
                // Entered with the stubs of the texts.
            } else if let Some(stamp) =
                symbol.strip_prefix("dsu_stamp_").and_then(|label| self.type_import(symbol, label, import_kind::STAMP))
            {
                imports.push(stamp);
            } else if let Some(table) = symbol
                .strip_prefix("dsu_table_")
                .and_then(|label| self.type_import(symbol, label, import_kind::SIDE_TABLE))
            {
                imports.push(table);
            } else if let Some(old) = symbol.strip_prefix("dsu_old_").and_then(|label| self.moved(label)) {
                imports.push(self.old_variable(symbol, old));
            } else if let Some((at, old)) = symbol.strip_prefix("dsu_g_").and_then(|label| bound.get(label)) {
                imports.push(self.variable_import(symbol, *at, *old));
            } else if let Some(at) = self.model().functions.get(symbol) {
                imports.push(self.stub_import(*at, symbol.to_owned()));
                named.insert(*at);
            } else if let Some((old, at)) =
                self.diff.old.model.variables.get(symbol).zip(self.model().variables.get(symbol))
            {
                imports.push(self.variable_import(symbol, *at, *old));
            } else if self.is_foreign(symbol) {
                imports.push(Import {
                    symbol: symbol.to_owned(),
                    kind: import_kind::FOREIGN,
                    name: symbol.to_owned(),
                    new_name: None,
                    fingerprint: 0,
                    fallback: None,
                });
            } else if self.is_static_in_new(symbol) {
                missing.push(format!(
                    "the new code uses {symbol}, which is linked into the new executable from an object or static library \
                     that is not part of the running program: link it into the old program, or use a shared library"
                ));
            }
        }
        imports.extend(self.renamed_variables(&imports));
        if missing.is_empty() { Ok((imports, named)) } else { Err(DiffError::Refused(missing)) }
    }

    /// Variables of the process that go by another name from now on, and that the patch does not happen to refer to: the next
    /// patch looks for the new names.
    fn renamed_variables(&self, imports: &[Import]) -> Vec<Import> {
        let known: BTreeSet<&str> = imports.iter().map(|i| i.symbol.as_str()).collect();
        let renamed = self.diff.data.fates.iter().filter_map(|(at, fate)| {
            let (Fate::Bind(old) | Fate::Overwrite(old)) = fate else { return None };
            let ours = self.diff.changes.replaced.contains(&at.unit);
            let moved = self.model().variable_name(*at) != self.diff.old.model.variable_name(*old);
            (ours && moved)
                .then(|| self.variable_import(&format!("dsu_g_{}", self.model().variable_label(*at)), *at, *old))
        });
        renamed.filter(|import| !known.contains(import.symbol.as_str())).collect()
    }

    fn bound_variables(&self) -> HashMap<String, (VariableRef, VariableRef)> {
        let mut bound = HashMap::new();
        for (at, fate) in &self.diff.data.fates {
            if let Fate::Bind(old) | Fate::Overwrite(old) = fate {
                bound.insert(self.model().variable_label(*at), (*at, *old));
            }
        }
        // A unit refers to a variable by the label of its own declaration.
        for &unit in &self.diff.changes.replaced {
            for variable in self.bound(unit) {
                let here = VariableRef { unit, variable };
                let home = self.model().variable_of(unit, variable).unwrap_or(here);
                if let Some(Fate::Bind(old) | Fate::Overwrite(old)) = self.diff.data.fates.get(&home) {
                    bound.entry(self.model().variable_label(here)).or_insert((home, *old));
                }
            }
        }
        bound
    }

    fn variable_import(&self, symbol: &str, at: VariableRef, old: VariableRef) -> Import {
        let v = self.diff.old.model.variable(old);
        Import {
            symbol: symbol.to_owned(),
            kind: if v.thread_local { import_kind::TLS } else { import_kind::VARIABLE }
                | if self.flows.never_written(at) { 0 } else { import_kind::WRITTEN },
            name: self.diff.old.model.variable_name(old),
            new_name: Some(self.model().variable_name(at)),
            fingerprint: fingerprint(&v.ty),
            fallback: None,
        }
    }

    /// The newest stamp, or the side table, of the type of that label.
    fn type_import(&self, symbol: &str, label: &str, kind: u32) -> Option<Import> {
        let shape = self.diff.types.shapes.values().find(|s| s.label == label)?;
        Some(Import {
            symbol: symbol.to_owned(),
            kind,
            name: shape.name.clone(),
            new_name: None,
            fingerprint: 0,
            fallback: None,
        })
    }

    /// The old storage of the variable of that label that the patch moves.
    fn moved(&self, label: &str) -> Option<VariableRef> {
        self.diff.data.fates.iter().find_map(|(at, fate)| match fate {
            Fate::Moved(old) if self.model().variable_label(*at) == label => Some(*old),
            _ => None,
        })
    }

    fn old_variable(&self, symbol: &str, old: VariableRef) -> Import {
        let v = self.diff.old.model.variable(old);
        Import {
            symbol: symbol.to_owned(),
            kind: import_kind::VARIABLE,
            name: self.diff.old.model.variable_name(old),
            new_name: None,
            fingerprint: fingerprint(&v.ty),
            fallback: None,
        }
    }

    fn is_foreign(&self, symbol: &str) -> bool {
        let runtime = calls::ENTRY_POINTS.contains(&symbol) || symbol.starts_with(calls::WRAPPER_PREFIX);
        runtime || self.diff.old.foreign.iter().any(|f| f == symbol)
    }

    fn is_static_in_new(&self, symbol: &str) -> bool {
        self.diff.new.foreign.iter().any(|f| f == symbol)
    }

    fn variables(&self, manifest: &mut Manifest) {
        for (at, fate) in &self.diff.data.fates {
            let v = self.model().variable(*at);
            let symbol = format!("dsu_v_{}", self.model().variable_label(*at));
            match fate {
                Fate::New | Fate::Grown(_) | Fate::Moved(_) | Fate::Afresh(_)
                    if self.diff.changes.replaced.contains(&at.unit) =>
                {
                    manifest.variables.push(VariableEntry {
                        name: self.model().variable_name(*at),
                        fingerprint: fingerprint(&v.ty),
                        size: v.size,
                        symbol,
                        thread_local: v.thread_local,
                        internal: v.internal,
                        written: !self.flows.never_written(*at),
                    });
                }
                Fate::Overwrite(old) => manifest.copies.push(CopyEntry {
                    name: self.diff.old.model.variable_name(*old),
                    fingerprint: fingerprint(&v.ty),
                    size: v.size,
                    symbol,
                }),
                _ => {}
            }
        }
    }

    /// Types the replaced units define: the process must not know them otherwise.
    fn types(&self, units: &[usize]) -> Vec<(String, u64)> {
        let names: BTreeSet<&str> =
            units.iter().flat_map(|u| &self.model().units[*u].facts.types).map(|t| t.name.as_str()).collect();
        let all: BTreeMap<String, u64> =
            program::types_of(self.model()).into_iter().map(|(name, t)| (name, t.layout())).collect();
        // The old layouts that transformers see are no types of the program: the next patch has others of these names.
        let wanted = |name: &str| {
            names.contains(name) && self.diff.own_types.contains(name) && !self.diff.types.planned.contains_key(name)
        };
        all.into_iter().filter(|(name, _)| wanted(name)).collect()
    }
}

/// Flags that choose how position independent code is made; a patch has its own.
fn is_model_flag(flag: &str) -> bool {
    const EXACT: &[&str] = &[
        "-fpie",
        "-fPIE",
        "-fno-pie",
        "-fno-PIE",
        "-fpic",
        "-fno-pic",
        "-fno-PIC",
        "-fcommon",
        "-fno-plt",
        "-pie",
        "-no-pie",
        "-fkeep-static-functions",
        "-fkeep-inline-functions",
    ];
    const PREFIX: &[&str] =
        &["-fvisibility", "-ftls-model", "-mtls-dialect", "-mcmodel", "-flto", "-fprofile", "--coverage"];
    EXACT.contains(&flag) || PREFIX.iter().any(|p| flag.starts_with(p))
}

fn compile(
    diff: &Diff,
    directory: &Path,
    units: &[usize],
    texts: &[(String, Uses)],
) -> Result<Vec<PathBuf>, DiffError> {
    let jobs: Vec<(usize, &str)> = units.iter().copied().zip(texts.iter().map(|(t, _)| t.as_str())).collect();
    let results = scheduler::parallel(scheduler::jobs(), &jobs, |index, (unit, text)| {
        let u = &diff.new.model.units[*unit];
        let (source, object) = (directory.join(format!("unit{index}.i")), directory.join(format!("unit{index}.o")));
        std::fs::write(&source, text).map_err(|e| io(source.display(), e))?;
        let mut words = u.image.compiler.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or("cc"));
        command.args(words);
        command.args(program::rewritten_flags(&u.image.flags).iter().filter(|f| !is_model_flag(f)));
        command.args([
            "-fPIC",
            "-fvisibility=hidden",
            "-fno-common",
            "-ffunction-sections",
            "-fdata-sections",
            "-gz=none",
        ]);
        // What the unit's own build has warned of is not repeated; what a person wrote for the patch is checked.
        if !diff.additions.texts.contains_key(unit) {
            command.arg("-w");
        }
        command.args(["-x", "cpp-output", "-c"]).arg(&source).arg("-o").arg(&object);
        if Path::new(&u.image.directory).is_dir() {
            command.current_dir(&u.image.directory);
        }
        run(command, &format!("the new {} does not compile as part of a patch", u.name))?;
        Ok(object)
    });
    results.into_iter().collect()
}

/// Runs a command of the build.
///
/// # Errors
/// When it fails: with what it printed, under the heading `what`.
pub fn run(mut command: Command, what: &str) -> Result<(), DiffError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| io(program, e))?;
    if output.status.success() {
        return Ok(());
    }
    Err(DiffError::Build(format!("{what}:\n{}", String::from_utf8_lossy(&output.stderr))))
}

fn read_symbols(object: &Path) -> Result<ObjectSymbols, DiffError> {
    let bytes = std::fs::read(object).map_err(|e| io(object.display(), e))?;
    let display = object.display().to_string();
    let facts = elf::object(&bytes).map_err(|e| DiffError::Build(format!("{display}: {e}")))?;
    facts.map(|f| f.symbols).ok_or_else(|| DiffError::Build(format!("{display}: not an object file")))
}
