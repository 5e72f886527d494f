//! Making an updatable program of what a plain link took: rewrite, compile, generate, link again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use super::args::CommandLine;
use super::build::{self, Job, Outcome, first_error};
use super::cache::Cache;
use super::error::{DriverError, at};
use super::inputs::{Inputs, LinkedFile, Place};
use super::interface::{Finished, LinkInput, LinkedUnit, Report, Rewritten};
use super::link::Link;
use super::options::Class;
use super::relink::{self, Substitution};
use super::{report, scheduler, slot_calls};
use crate::config::Config;
use crate::elf::{self, Executable, ObjectSymbols};
use crate::program;
use crate::rewrite::SlotCalls;

/// What a program is linked with in addition. As needed: a program that does without pthreads stays without. The
/// compiler's static library comes before its shared one, as in every link: the program's arithmetic is not to come from
/// another one than in the plain executable.
const LIBRARIES: [&str; 8] = [
    "-Wl,--exclude-libs,libdsu.a:libgcc_eh.a",
    "-lgcc",
    "-Wl,--push-state,--as-needed",
    "-lpthread",
    "-ldl",
    "-lm",
    "-lc",
    "-Wl,--pop-state",
];

/// Functions with which a program unwinds stacks, or has the C library do so.
const UNWINDING: &[&str] =
    &["__gcc_personality_v0", "__register_frame", "backtrace", "pthread_cancel", "pthread_exit", "thrd_exit"];

/// The unwinder a program is linked with: the shared one if the program has it anyway, or will load it. Otherwise a library
/// more would cost every fork some memory mappings; patches are made known to it should it be there one day.
fn unwinder(plain: &Executable, shared: &HashSet<String>) -> &'static str {
    let unwinds = |name: &String| UNWINDING.contains(&name.as_str()) || name.starts_with("_Unwind_");
    if plain.wanted.iter().chain(shared).any(unwinds) { "-lgcc_s" } else { "-lgcc_eh" }
}

/// Replaces the plain output by an updatable one. False: on a closer look there are no update points.
///
/// # Errors
/// When the program cannot be made updatable.
pub fn make(link: &Link<'_>, inputs: Inputs, plain: Executable, config: Config) -> Result<bool, DriverError> {
    let mut maker = Maker::new(link, inputs, &plain);
    check(&maker.name, link.line, &plain)?;
    let runtime = link.tools.runtime().ok_or_else(|| DriverError::Refused {
        output: maker.name.clone(),
        reason: "libdsu.a is not beside dsu-cc; build it with: cargo build --release".to_owned(),
    })?;
    let runtime = super::runtime::reduced(&runtime, &maker.cache, link.work.path());
    maker.compile_sources()?;
    let mut input = maker.link_input(plain, config);
    let calls = slot_calls::for_units(link.tools, input.units.iter().map(|u| &u.image));
    input.units.iter_mut().zip(calls).for_each(|(unit, calls)| unit.calls = calls);
    let made = maker.make(input, &runtime)?;
    maker.cache.prune();
    Ok(made)
}

/// What the rewriter needs to know of a link in order to propose update points for it.
///
/// # Errors
/// When a source on the command line does not compile.
pub fn look_at(link: &Link<'_>, inputs: Inputs, plain: Executable) -> Result<LinkInput, DriverError> {
    let mut maker = Maker::new(link, inputs, &plain);
    maker.compile_sources()?;
    Ok(maker.link_input(plain, Config::default()))
}

/// What update points cannot do anything about.
fn check(name: &str, line: &CommandLine, plain: &Executable) -> Result<(), DriverError> {
    let refuse = |reason: &str| Err(DriverError::Refused { output: name.to_owned(), reason: reason.to_owned() });
    if let Some(symbol) = relink::wrapped(line) {
        return refuse(&format!(
            "it is linked with --wrap={symbol}, which neither calls through slots nor the code of patches would follow: link \
             without it, or remove the update points (dsu.toml, DSU_UPDATE_POINT)"
        ));
    }
    if !plain.dynamic {
        return refuse(
            "a statically linked program cannot be updated, as patches need the dynamic loader: link without -static \
             or -static-pie, or remove the update points (dsu.toml, DSU_UPDATE_POINT)",
        );
    }
    if plain.machine != object::elf::EM_X86_64.0 {
        return refuse(
            "updatable programs are supported on x86-64 only: remove the update points (dsu.toml, DSU_UPDATE_POINT)",
        );
    }
    Ok(())
}

struct Maker<'a> {
    link: &'a Link<'a>,
    name: String,
    inputs: Inputs,
    unwinder: &'static str,
    cache: Arc<Cache>,
    /// Per file: an ordinary object made here, of a source on the command line or instead of a slim LTO object.
    plain_objects: HashMap<usize, Vec<u8>>,
}

/// Units, compiled.
struct Compiled {
    /// Per unit: its object; none where it is kept or does not compile.
    objects: Vec<Option<Vec<u8>>>,
    /// Units that do not compile, with the compiler's messages.
    failures: Vec<(usize, String)>,
}

impl<'a> Maker<'a> {
    fn new(link: &'a Link<'a>, inputs: Inputs, plain: &Executable) -> Self {
        let name = link.output.display().to_string();
        let unwinder = unwinder(plain, &inputs.shared);
        Self { link, name, inputs, unwinder, cache: Arc::new(Cache::open()), plain_objects: HashMap::new() }
    }

    /// Makes ordinary objects where the link has none to look at: of sources, and of objects with only LTO code.
    fn compile_sources(&mut self) -> Result<(), DriverError> {
        let needed = |f: &LinkedFile| matches!(f.place, Place::Source(_)) || f.slim_lto && f.images.len() == 1;
        let files: Vec<usize> = (0..self.inputs.files.len()).filter(|i| needed(&self.inputs.files[*i])).collect();
        let job = |index: &usize| {
            let image = self.inputs.files[*index].images.first()?;
            Some(Job { image, text: &image.text, flags: &image.flags })
        };
        let jobs: Vec<Job<'_>> = files.iter().filter_map(job).collect();
        let mut outcomes = build::compile(self.link.tools, &self.cache, &jobs)?.into_iter();
        for index in files {
            let outcome = if self.inputs.files[index].images.is_empty() { None } else { outcomes.next() };
            let bytes = match outcome {
                Some(Outcome::Object(bytes)) => bytes,
                Some(Outcome::Failed(message)) => return Err(self.failed("compiling a source again", message)),
                None => self.compile_other(index)?,
            };
            let file = &mut self.inputs.files[index];
            let facts =
                elf::object(&bytes).map_err(|source| DriverError::Elf { object: file.display.clone(), source })?;
            file.symbols = facts.unwrap_or_default().symbols;
            self.plain_objects.insert(index, bytes);
        }
        Ok(())
    }

    /// A source on the command line that is not C.
    fn compile_other(&self, index: usize) -> Result<Vec<u8>, DriverError> {
        let Place::Source(source) = self.inputs.files[index].place else { return Ok(Vec::new()) };
        let input = self.link.sources[source];
        let object = self.link.work.path().join(format!("source-{source}.o"));
        let keep = |class| matches!(class, Class::CodeGeneration | Class::Preprocessor | Class::Profile);
        let mut args = self.link.line.options_where(keep);
        args.extend(["-w".into(), "-c".into(), "-o".into(), object.clone().into()]);
        if let Some(language) = &input.language {
            args.extend(["-x".into(), language.into()]);
        }
        args.push(input.path.clone());
        self.run_tool("compiling a source again", &args)?;
        fs::read(&object).map_err(at(&object))
    }

    fn link_input(&self, plain: Executable, config: Config) -> LinkInput {
        let mut defined = plain.defined;
        let mut units = Vec::new();
        let (mut foreign, mut foreign_names) = (Vec::new(), Vec::new());
        for file in &self.inputs.files {
            // Where the executable does not tell what went into it, its objects do.
            if plain.stripped || file.symbols.lto || file.slim_lto || matches!(file.place, Place::Source(_)) {
                defined.extend(file.symbols.defined.iter().map(|d| d.name.clone()));
            }
            if file.images.is_empty() {
                foreign.push(file.symbols.clone());
                foreign_names.push(file.display.clone());
            }
            for (i, image) in file.images.iter().enumerate() {
                // Several records share one object; its symbols are told once.
                let symbols = if i == 0 { file.symbols.clone() } else { ObjectSymbols::default() };
                units.push(LinkedUnit {
                    image: image.clone(),
                    object: file.display.clone(),
                    symbols,
                    calls: SlotCalls::default(),
                    keep_reason: file.problem.clone(),
                });
            }
        }
        LinkInput {
            units,
            foreign,
            foreign_names,
            defined,
            exported: plain.exported,
            shared: self.inputs.shared.clone(),
            libraries: self.inputs.libraries.clone(),
            config,
            output: self.name.clone(),
            jobs: scheduler::jobs(),
            unwrapped: BTreeMap::new(),
            cache: Arc::clone(&self.cache),
        }
    }

    /// The pipeline. If the rewritten text of a unit does not compile, everything starts over, without room in the structs
    /// that the unit knows. If that was not the cause, the unit is kept: the other units must not count on it.
    fn make(&self, mut input: LinkInput, runtime: &Path) -> Result<bool, DriverError> {
        let mut failed = HashSet::new();
        loop {
            let rewritten = program::rewrite(&input).map_err(|e| self.program_error(e))?;
            if rewritten.report.update_points.is_empty() {
                return Ok(false);
            }
            let Compiled { objects, failures } = self.compile_units(&input, &rewritten)?;
            if failures.is_empty() {
                self.finish(&input, rewritten, objects, runtime)?;
                return Ok(true);
            }
            for (unit, message) in failures {
                let error = first_error(&message).to_owned();
                self.link.work.note(&format!("unit-{unit}.error"), || message);
                let structs = rewritten.plan.structs_with_room(unit);
                if failed.insert(unit) && !structs.is_empty() {
                    let reason = format!("{} does not compile with it: {error}", input.units[unit].image.source);
                    input.unwrapped.extend(structs.into_iter().map(|name| (name, reason.clone())));
                } else {
                    input.units[unit].keep_reason = Some(format!("its rewritten text does not compile: {error}"));
                }
            }
        }
    }

    /// Compiles the rewritten texts.
    fn compile_units(&self, input: &LinkInput, rewritten: &Rewritten) -> Result<Compiled, DriverError> {
        let mut compiled = Compiled { objects: vec![None; input.units.len()], failures: Vec::new() };
        let mut jobs = Vec::new();
        let mut units = Vec::new();
        for (index, (unit, new)) in input.units.iter().zip(&rewritten.units).enumerate() {
            self.link.work.note(&format!("unit-{index}.original.i"), || unit.image.text.clone());
            let Some(text) = &new.text else { continue };
            self.link.work.note(&format!("unit-{index}.i"), || text.clone());
            self.link.work.note(&format!("unit-{index}.flags"), || new.flags.join("\n"));
            jobs.push(Job { image: &unit.image, text, flags: &new.flags });
            units.push(index);
        }
        for (index, outcome) in units.into_iter().zip(build::compile(self.link.tools, &self.cache, &jobs)?) {
            match outcome {
                Outcome::Object(bytes) => compiled.objects[index] = Some(bytes),
                Outcome::Failed(message) => compiled.failures.push((index, message)),
            }
        }
        Ok(compiled)
    }

    /// Generates what ties the units together, and links.
    fn finish(
        &self,
        input: &LinkInput,
        rewritten: Rewritten,
        objects: Vec<Option<Vec<u8>>>,
        runtime: &Path,
    ) -> Result<(), DriverError> {
        let mut symbols = Vec::new();
        for (unit, object) in input.units.iter().zip(&objects) {
            symbols.push(match object {
                None => unit.symbols.clone(),
                Some(bytes) => {
                    let facts = elf::object(bytes)
                        .map_err(|source| DriverError::Elf { object: unit.object.clone(), source })?;
                    facts.unwrap_or_default().symbols
                }
            });
        }
        let finished = program::finish(rewritten, &symbols, &input.foreign).map_err(|e| self.program_error(e))?;
        let mut substitution = self.substitute(&finished, objects)?;
        substitution.first.push(self.program_object(&finished)?);
        substitution.last.push(runtime.into());
        substitution.last.extend(LIBRARIES.map(OsString::from));
        substitution.last.push(self.unwinder.into());
        self.final_link(&substitution)?;
        self.say(finished.report);
        Ok(())
    }

    /// Writes the objects that differ from the user's own, and says where they go.
    fn substitute(&self, finished: &Finished, objects: Vec<Option<Vec<u8>>>) -> Result<Substitution, DriverError> {
        let mut substitution = Substitution::default();
        let mut objects = objects.into_iter();
        let mut renames = finished.renames.iter();
        for (index, file) in self.inputs.files.iter().enumerate() {
            let mut object = None;
            let mut file_renames = Vec::new();
            for _ in &file.images {
                object = object.or(objects.next().flatten());
                file_renames.extend(renames.next().into_iter().flatten().cloned());
            }
            let moved = self.is_moved(file);
            if object.is_none() && file_renames.is_empty() && !moved && !self.plain_objects.contains_key(&index) {
                continue;
            }
            let mut bytes = match object.or_else(|| self.plain_objects.get(&index).cloned()) {
                Some(bytes) => bytes,
                None => self.inputs.bytes(file)?,
            };
            if !file_renames.is_empty() {
                elf::rename_symbols(&mut bytes, &file_renames)
                    .map_err(|source| DriverError::Elf { object: file.display.clone(), source })?;
            }
            let path = self.link.work.write(&object_name(index, file), &bytes)?;
            match &file.place {
                Place::File(original) => {
                    substitution.files.insert(original.clone(), path);
                }
                Place::Source(source) => {
                    substitution.sources.insert(*source, path);
                }
                Place::Member { archive, .. } => substitution.archives.entry(archive.clone()).or_default().push(path),
            }
        }
        Ok(substitution)
    }

    /// Whether a file is linked by itself instead of from its archive. All members that the program takes from an
    /// archive with units are, in their order: then nothing of the archive is needed any more.
    fn is_moved(&self, file: &LinkedFile) -> bool {
        let Place::Member { archive, .. } = &file.place else { return false };
        let same = |f: &&LinkedFile| matches!(&f.place, Place::Member { archive: a, .. } if a == archive);
        let has_units = self.inputs.files.iter().filter(same).any(|f| !f.images.is_empty());
        // Of several members with one name, the linker must choose again itself.
        has_units && file.problem.as_ref().is_none_or(|p| !p.contains("several members"))
    }

    /// The object with control block, registry, stubs and program description.
    fn program_object(&self, finished: &Finished) -> Result<PathBuf, DriverError> {
        let source = self.link.work.write("program.s", finished.assembly.as_bytes())?;
        let object = self.link.work.path().join("program.o");
        let args = ["-c".into(), "-x".into(), "assembler".into(), source.into(), "-o".into(), object.clone().into()];
        self.run_tool("assembling the program's tables", &args)?;
        let bytes = fs::read(&object).map_err(at(&object))?;
        let bytes = elf::with_section(bytes, dsu_abi::section::PROGRAM, &finished.description, 0)
            .map_err(|source| DriverError::Elf { object: object.display().to_string(), source })?;
        self.link.work.write("program.o", &bytes)
    }

    /// Links to a new file beside the output, which then takes its place: a running program keeps its file.
    fn final_link(&self, substitution: &Substitution) -> Result<(), DriverError> {
        let directory = self.link.output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = self.link.output.file_name().unwrap_or_default().to_string_lossy();
        let temporary = directory.join(format!(".{name}.dsu{}", std::process::id()));
        let args = relink::compose(self.link.line, substitution, &temporary);
        self.link.work.note_command("link.sh", &self.link.tools.name(), &args);
        let linked = self
            .run_tool("linking the updatable program", &args)
            .and_then(|()| fs::rename(&temporary, &self.link.output).map_err(at(&self.link.output)));
        if linked.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        linked
    }

    fn run_tool(&self, step: &'static str, args: &[OsString]) -> Result<(), DriverError> {
        let (mut command, _response) = self.link.tools.with_args(args)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = command.output().map_err(|e| self.link.tools.cannot_run(e))?;
        if output.status.success() {
            return Ok(());
        }
        Err(self.failed(step, String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn failed(&self, step: &'static str, message: String) -> DriverError {
        let hint = "dsu-cc --dsu-save=DIR keeps the files of this link in DIR, for a report of the problem";
        DriverError::Step { output: self.name.clone(), step, hint, message: message.trim_end().to_owned() }
    }

    fn program_error(&self, source: program::ProgramError) -> DriverError {
        DriverError::Program { output: self.name.clone(), source }
    }

    /// Tells what was left out, and the whole report to those who asked.
    fn say(&self, mut report: Report) {
        report.output.clone_from(&self.name);
        let lto = self.inputs.files.iter().filter(|f| f.slim_lto).count();
        if lto > 0 {
            report.notes.push(format!("{lto} objects were made with -flto; updatable units are compiled without it"));
        }
        let mut plain = Vec::new();
        for file in self.inputs.files.iter().filter(|f| f.images.is_empty()) {
            match &file.problem {
                Some(problem) => report.notes.push(format!("{}: {problem}", file.display)),
                None if ["/usr/", "/lib", "/opt/"].iter().any(|d| file.display.starts_with(d)) => {}
                None if program::is_toolchain(&file.display) => {}
                None => plain.push(file.display.as_str()),
            }
        }
        if !plain.is_empty() {
            report.notes.push(format!("not compiled by dsu-cc, and not updatable: {}", plain.join(", ")));
        }
        if let Some(format) = self.link.line.own.report {
            report::print(&report, format);
        } else {
            for unit in &report.units {
                if let Some(reason) = &unit.kept {
                    eprintln!("dsu-cc: {}: {} stays as it is and cannot be updated: {reason}", self.name, unit.source);
                }
            }
            report.warnings.iter().for_each(|warning| eprintln!("dsu-cc: {}: warning: {warning}", self.name));
        }
        self.link.work.note("report.json", || serde_json::to_string_pretty(&report).unwrap_or_default());
    }
}

/// A name for an object in the work directory.
fn object_name(index: usize, file: &LinkedFile) -> String {
    let name = file.display.trim_end_matches(')').rsplit(['/', '(']).next().unwrap_or_default();
    let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
    format!("{index}-{stem}.o")
}
