//! Rewriting a whole program at its link: analyse, rewrite each unit, and, once the units are
//! compiled, generate what ties them together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use dsu_abi::{Id, calls};
use thiserror::Error;

use crate::analyse::allocators::Allocators;
use crate::analyse::callgraph::CallGraph;
use crate::analyse::flow::Flows;
use crate::analyse::model::{FunctionRef, Model, VariableRef};
use crate::analyse::points::{Points, pointless_threads, strangers};
use crate::analyse::wrap;
use crate::clang::Library;
use crate::description::{Description, DescriptionError};
use crate::driver::interface::{Finished, LinkInput, Report, Rewritten, RewrittenUnit, UnitReport, UpdatePointReport};
use crate::driver::scheduler;
use crate::elf::ObjectSymbols;
use crate::emit::registry::{FunctionEntry, PointEntry, Registry, TypeEntry, UnitEntry, VariableEntry};
use crate::facts::shape::read_again;
use crate::facts::{TypeDefinition, Variable, content, fingerprint};
use crate::layout::room::{self, Room};
use crate::rewrite::{self, Job, Purpose, SlotCalls, Uses};

/// Stack for the parser: deep expressions recurse deeply in libclang.
const STACK: usize = 256 << 20;

/// What `finish` needs to know of `rewrite`.
#[derive(Debug, Default)]
pub struct Plan {
    model: Model,
    points: Points,
    slots: Vec<BTreeSet<usize>>,
    stubs: BTreeSet<FunctionRef>,
    variables: BTreeSet<VariableRef>,
    exported: HashSet<String>,
    objects: Vec<(String, Id)>,
    /// Linker sets that are only looked at while the program starts.
    start_sets: BTreeSet<String>,
    /// Structs whose objects have no room for later.
    no_room: BTreeMap<String, wrap::NoRoom>,
    /// Symbols of the toolchain's own libraries: a patch is linked with those itself.
    toolchain: HashSet<String>,
    output: String,
}

impl Plan {
    /// Structs that a unit defines and that have room for later.
    pub fn structs_with_room(&self, unit: usize) -> Vec<String> {
        room::shapes_of(&self.model.units[unit].facts).into_keys().collect()
    }
}

/// Why a program cannot be made updatable.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// libclang.
    #[error(transparent)]
    Clang(#[from] crate::clang::ClangError),
    /// An update point cannot be placed.
    #[error("update point in function {0}: {1}")]
    Point(String, String),
    /// Two names with one key.
    #[error("the names {0} and {1} have the same key in the registry: rename one of them")]
    Collision(String, String),
    /// The description cannot be made.
    #[error("program description: {0}")]
    Description(#[from] DescriptionError),
}

/// Rewrites all units of a link.
///
/// # Errors
/// When the program cannot be made updatable as configured.
pub fn rewrite(input: &LinkInput) -> Result<Rewritten, ProgramError> {
    let mut model = Model::new(input)?;
    let natural: Vec<_> = model.units.iter().map(|u| (u.facts.types.clone(), u.facts.variables.clone())).collect();
    let mut excluded = input.unwrapped.clone();
    loop {
        let allocators = Allocators::new(&model);
        let wrapping = wrap::decide(&model, &allocators, input, &excluded);
        let intractable = give_room(&mut model, &wrapping.wrapped, input.jobs)?;
        if !intractable.is_empty() {
            excluded.extend(intractable);
            restore(&mut model, &natural);
            continue;
        }
        let graph = CallGraph::new(&model, |name| {
            let kept = model.units.iter().filter(|u| u.kept.is_some());
            input.may_call_back(name) || kept.flat_map(|u| &u.defines).any(|(defined, _)| defined == name)
        });
        let points = Points::new(&model, &graph, &input.config)?;
        let slots = slots(&model, &points);
        let variables = registered_variables(&model);
        let mut units = Vec::new();
        let mut stubs = BTreeSet::new();
        let mut failed = Vec::new();
        for (unit, slots) in slots.iter().enumerate() {
            let calls = input.units[unit].calls;
            match rewrite_unit(&model, &points, unit, slots, &variables, &allocators, calls) {
                Ok((rewritten, uses)) => {
                    stubs.extend(uses.stubs);
                    units.push(rewritten);
                }
                Err(error) => failed.push((unit, error.to_string())),
            }
        }
        if failed.is_empty() {
            let mut report = report(&model, &points, &slots, &input.output);
            report.notes.extend(wrapping.notes);
            report.warnings.extend(strangers(&model, &points));
            report.warnings.extend(pointless_threads(&model, &points).into_iter().filter(|_| !points.list.is_empty()));
            report.types = wrapping.report;
            let (exported, output, objects) = (input.exported.clone(), input.output.clone(), objects(input));
            let (toolchain, start_sets) = (toolchain(input), input.config.sets.start_only.clone());
            let no_room = wrapping.no_room;
            let plan = Plan {
                model,
                points,
                slots,
                stubs,
                variables,
                exported,
                objects,
                start_sets,
                no_room,
                toolchain,
                output,
            };
            return Ok(Rewritten { units, report, plan });
        }
        // A unit that cannot be rewritten is kept, and then the others must not count on it.
        for (unit, reason) in failed {
            model.units[unit].kept = Some(reason);
            model.functions.retain(|_, at| at.unit != unit);
            model.aliases.retain(|_, at| at.unit != unit);
            model.variables.retain(|_, at| at.unit != unit);
        }
        model.note_touched(input);
        restore(&mut model, &natural);
    }
}

/// Gives structs room: from here on, the facts say how things are laid out in the program. Structs that a unit cannot
/// be had with are returned, with the reason.
fn give_room(model: &mut Model, room: &Room, jobs: usize) -> Result<Vec<(String, String)>, ProgramError> {
    let mut intricate = Vec::new();
    for (unit, u) in model.units.iter_mut().enumerate().filter(|(_, u)| u.kept.is_none()) {
        if room::give(&mut u.facts, room).is_err() {
            intricate.push(unit);
        }
    }
    let library = if intricate.is_empty() { return Ok(Vec::new()) } else { Library::load()? };
    let read = scheduler::parallel_deep(jobs, STACK, &intricate, |_, unit| {
        library.enter();
        let u = &model.units[*unit];
        read_again(&u.image, &u.facts, &room::additions(&u.facts, room))
    });
    let mut excluded = Vec::new();
    for (unit, facts) in intricate.into_iter().zip(read) {
        let u = &mut model.units[unit];
        match facts {
            Ok(facts) => u.facts = facts,
            Err(error) => {
                let reason = format!("unit {} cannot be had with it: {error}", u.name);
                let known = u.facts.types.iter().filter(|t| room.contains_key(&t.name));
                excluded.extend(known.map(|t| (t.name.clone(), reason.clone())));
            }
        }
    }
    Ok(excluded)
}

/// Takes the layouts of the source alone again.
fn restore(model: &mut Model, natural: &[(Vec<TypeDefinition>, Vec<Variable>)]) {
    for (u, (types, variables)) in model.units.iter_mut().zip(natural) {
        u.facts.types.clone_from(types);
        u.facts.variables.clone_from(variables);
    }
}

/// The last component of an object's path: `crt1.o`, `libgcc.a(_muldc3.o)`.
fn base_name(name: &str) -> &str {
    let path = name.split('(').next().unwrap_or(name);
    &name[path.rfind('/').map_or(0, |at| at + 1)..]
}

/// Whether an object is one of the toolchain's own: start files, the libraries every link gets, and what dsu-cc puts into the
/// plain link of a program with annotations.
pub(crate) fn is_toolchain(name: &str) -> bool {
    const TOOLCHAIN: &[&str] =
        &["crt", "Scrt", "gcrt", "rcrt", "libgcc", "libc_nonshared", "libpthread_nonshared", "dsu_fallback.o"];
    TOOLCHAIN.iter().any(|t| base_name(name).starts_with(t))
}

/// The objects of a link that dsu-cc did not compile and that are not the toolchain's own.
fn objects(input: &LinkInput) -> Vec<(String, Id)> {
    let named = input.foreign_names.iter().zip(&input.foreign).filter(|(name, _)| !is_toolchain(name));
    let mut list: Vec<(String, Id)> =
        named.map(|(name, object)| (base_name(name).to_owned(), object.content)).collect();
    list.sort();
    list
}

fn toolchain(input: &LinkInput) -> HashSet<String> {
    let named = input.foreign_names.iter().zip(&input.foreign).filter(|(name, _)| is_toolchain(name));
    named.flat_map(|(_, object)| &object.defined).map(|d| d.name.clone()).collect()
}

fn rewrite_unit(
    model: &Model,
    points: &Points,
    unit: usize,
    slots: &BTreeSet<usize>,
    variables: &BTreeSet<VariableRef>,
    allocators: &Allocators,
    calls: SlotCalls,
) -> Result<(RewrittenUnit, Uses), rewrite::RewriteError> {
    let u = &model.units[unit];
    let flags = rewritten_flags(&u.image.flags);
    if u.kept.is_some() {
        return Ok((RewrittenUnit { text: None, flags }, Uses::default()));
    }
    let labelled: BTreeSet<usize> = variables
        .iter()
        .filter(|v| v.unit == unit)
        .map(|v| v.variable)
        .filter(|v| u.facts.variables[*v].internal)
        .collect();
    let job = Job {
        model,
        points,
        unit,
        purpose: Purpose::Base,
        slots,
        bound: &BTreeSet::new(),
        labelled: &labelled,
        shapes: &room::shapes_of(&u.facts),
        allocators,
        calls,
    };
    let (text, uses) = rewrite::rewrite(&job)?;
    Ok((RewrittenUnit { text: Some(text), flags }, uses))
}

/// Flags to compile rewritten text with: the user's diagnostics were given when the unit was compiled.
pub fn rewritten_flags(flags: &[String]) -> Vec<String> {
    let diagnostic = |f: &str| {
        f.starts_with("-pedantic") || (f.starts_with("-W") && !f.starts_with("-Wa,") && !f.starts_with("-Wp,"))
    };
    flags.iter().filter(|f| !diagnostic(f)).cloned().collect()
}

/// Functions that get a slot, per unit: external ones, and static ones that are called from an
/// update path or whose address is taken.
pub fn slots(model: &Model, points: &Points) -> Vec<BTreeSet<usize>> {
    let mut slots = vec![BTreeSet::new(); model.units.len()];
    for at in model.functions.values() {
        slots[at.unit].insert(at.function);
    }
    for at in model.address_taken() {
        slots[at.unit].insert(at.function);
    }
    for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
        for reference in &u.facts.references {
            let crate::facts::Target::Function(function) = reference.target else { continue };
            let on_path = reference.inside.is_some_and(|f| points.path.contains(&FunctionRef { unit, function: f }));
            // An inline function belongs to its caller's code, on an update path too.
            let callee = &u.facts.functions[function];
            let apart = on_path && !callee.inline && !callee.attributes.always_inline;
            if let Some(at) = model.definition_of(unit, function).filter(|at| apart && at.unit == unit) {
                slots[unit].insert(at.function);
            }
        }
    }
    slots
}

/// Whether a static variable is one that a patch may bind to.
pub fn is_registered_static(v: &Variable) -> bool {
    let ours = v.definition.as_ref().is_some_and(|d| !d.system) && v.internal && v.reachable;
    // A constant scalar whose address nobody takes is known by its value. Addresses of labels mean something only to the code
    // they were taken in.
    ours && !(v.constant && v.scalar && !v.addressed) && !v.labels
}

/// Variables that a patch may bind to.
pub fn registered_variables(model: &Model) -> BTreeSet<VariableRef> {
    let mut found: BTreeSet<VariableRef> = model.variables.values().copied().collect();
    for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
        for (variable, v) in u.facts.variables.iter().enumerate() {
            if is_registered_static(v) {
                found.insert(VariableRef { unit, variable });
            }
        }
    }
    found
}

fn report(model: &Model, points: &Points, slots: &[BTreeSet<usize>], output: &str) -> Report {
    let indirect: usize = slots.iter().map(BTreeSet::len).sum();
    let all = model.definitions().filter(|at| model.function(*at).reachable).count();
    Report {
        output: output.to_owned(),
        units: model
            .units
            .iter()
            .map(|u| UnitReport {
                source: u.image.source.clone(),
                object: u.object.clone(),
                functions: u.facts.functions.iter().filter(|f| f.definition.is_some() && f.reachable).count(),
                kept: u.kept.clone(),
            })
            .collect(),
        functions_indirect: indirect,
        functions_direct: all.saturating_sub(indirect),
        update_points: points
            .list
            .iter()
            .map(|p| UpdatePointReport {
                name: p.name.clone(),
                function: model.function_name(p.function),
                file: p.file.clone(),
                line: p.line,
                quiescent: p.quiescent.iter().map(|q| quiescent_name(model, q)).collect(),
                path_functions: p.path.len(),
            })
            .collect(),
        ..Report::default()
    }
}

fn quiescent_name(model: &Model, quiescent: &crate::analyse::points::Quiescent) -> String {
    let names: Vec<&str> = quiescent.chain.iter().map(|c| model.reference_name(c.unit, c.reference)).collect();
    names.join(" > ")
}

/// Generates what the final link needs.
///
/// # Errors
/// When the compiled units do not fit together.
pub fn finish(
    rewritten: Rewritten,
    units: &[ObjectSymbols],
    foreign: &[ObjectSymbols],
) -> Result<Finished, ProgramError> {
    let Rewritten { mut report, plan, .. } = rewritten;
    let by_name = by_name(&plan, units, foreign);
    let renames = renames(&plan, &by_name);
    let foreign_symbols = foreign_symbols(&plan, units, foreign);
    let state = state_of(&plan.model);
    let registry = Registry {
        build: state,
        functions: function_entries(&plan, &by_name),
        variables: variable_entries(&plan, units),
        foreign: foreign_symbols.clone(),
        types: type_entries(&plan.model),
        points: point_entries(&plan),
        units: plan
            .model
            .units
            .iter()
            .map(|u| UnitEntry { name: u.name.clone(), content: u.facts.content, kept: u.kept.is_some() })
            .collect(),
    };
    report.stubs = plan.stubs.iter().map(|at| plan.model.function_name(*at)).collect();
    report.by_name_stubs = by_name.keys().map(|at| plan.model.function_name(*at)).collect();
    let assembly = registry.assemble()?;
    let description = Description {
        state,
        output: plan.output,
        model: plan.model,
        points: plan.points,
        foreign: foreign_symbols,
        slots: plan.slots,
        objects: plan.objects,
        start_sets: plan.start_sets,
        no_room: plan.no_room,
    };
    Ok(Finished { assembly, renames, description: description.encode()?, report })
}

/// Functions that somebody refers to by their own symbol: for those the symbol becomes the stub.
/// The values are the symbols: the function's own, and aliases of it.
fn by_name(plan: &Plan, units: &[ObjectSymbols], foreign: &[ObjectSymbols]) -> BTreeMap<FunctionRef, Vec<String>> {
    let mut wanted: HashSet<&str> = plan.exported.iter().map(String::as_str).collect();
    wanted.extend(units.iter().chain(foreign).flat_map(|o| &o.undefined).map(String::as_str));
    let mut found: BTreeMap<FunctionRef, Vec<String>> = BTreeMap::new();
    for (symbol, at) in &plan.model.functions {
        if wanted.contains(symbol.as_str()) {
            found.entry(*at).or_default().push(symbol.clone());
        }
    }
    // An alias would go on naming the first version: it, too, must be a stub.
    for (unit, u) in plan.model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
        for f in &u.facts.functions {
            let Some(target) = &f.attributes.alias else { continue };
            let target = u.facts.functions.iter().position(|t| t.symbol == *target || t.name == *target);
            let Some(at) = target.and_then(|t| plan.model.definition_of(unit, t)) else { continue };
            if plan.slots[at.unit].contains(&at.function) && !f.internal {
                found.entry(at).or_default().push(f.symbol.clone());
            }
        }
    }
    found
}

/// Gives way to stubs: in the object that defines it, the symbol gets another name.
fn renames(plan: &Plan, by_name: &BTreeMap<FunctionRef, Vec<String>>) -> Vec<Vec<(String, String)>> {
    let mut renames = vec![Vec::new(); plan.model.units.len()];
    for (at, symbols) in by_name {
        for symbol in symbols {
            renames[at.unit].push((symbol.clone(), format!("dsu_impl_{symbol}")));
        }
    }
    renames
}

/// Symbols that units refer to and that neither a rewritten unit nor a shared library defines.
fn foreign_symbols(plan: &Plan, units: &[ObjectSymbols], foreign: &[ObjectSymbols]) -> Vec<String> {
    let mut wanted: HashSet<&str> = HashSet::new();
    for (u, symbols) in plan.model.units.iter().zip(units).filter(|(u, _)| u.kept.is_none()) {
        wanted.extend(symbols.undefined.iter().map(String::as_str));
        // Inline functions with external linkage, and others that are called by name.
        wanted.extend(u.defines.iter().map(|(n, _)| n.as_str()));
    }
    let kept = plan.model.units.iter().zip(units).filter(|(u, _)| u.kept.is_some()).map(|(_, s)| s);
    let rewritten = plan.model.units.iter().zip(units).filter(|(u, _)| u.kept.is_none()).map(|(_, s)| s);
    let mut defined: HashSet<&str> = HashSet::new();
    for symbols in foreign.iter().chain(kept).chain(rewritten) {
        defined.extend(symbols.defined.iter().filter(|d| !d.tls).map(|d| d.name.as_str()));
    }
    // The linker defines these, if there is such a section.
    let variables = || plan.model.units.iter().flat_map(|u| &u.facts.variables);
    let entries = variables().filter(|v| v.definition.is_some());
    let sets: HashSet<&str> = entries.filter_map(Variable::linker_set).collect();
    let bounds = variables().filter(|v| v.bound_of_set().is_some_and(|set| sets.contains(set)));
    defined.extend(bounds.map(|v| v.symbol.as_str()));
    let ours = |name: &str| plan.model.functions.contains_key(name) || plan.model.variables.contains_key(name);
    let mut list: Vec<String> = wanted
        .into_iter()
        .filter(|name| {
            defined.contains(name)
                && !plan.toolchain.contains(*name)
                && !ours(name)
                && !name.starts_with("dsu_")
                && *name != "main"
        })
        .map(str::to_owned)
        .collect();
    list.extend(calls::ENTRY_POINTS.iter().map(|s| (*s).to_owned()));
    list.extend(calls::BLOCKING.iter().map(|s| format!("{}{s}", calls::WRAPPER_PREFIX)));
    list.sort();
    list.dedup();
    list
}

/// Identity of a program's state: what its units say, wherever and however they were compiled.
pub fn state_of(model: &Model) -> Id {
    let mut units: Vec<(String, Id)> = model
        .units
        .iter()
        .map(|u| {
            let content = if u.kept.is_some() { content::of_text(&u.image.text) } else { u.facts.content };
            (u.name.clone(), content)
        })
        .collect();
    units.sort();
    let mut hasher = blake3::Hasher::new();
    for (name, content) in units {
        hasher.update(name.as_bytes()).update(&[0]).update(&content.0);
    }
    // What was laid out otherwise is another state, though the text be the same.
    for (name, ty) in types_of(model) {
        hasher.update(name.as_bytes()).update(&[0]).update(&ty.layout().to_le_bytes());
    }
    content::truncate(hasher.finalize())
}

fn function_entries(plan: &Plan, by_name: &BTreeMap<FunctionRef, Vec<String>>) -> Vec<FunctionEntry> {
    let mut entries = Vec::new();
    for (unit, slots) in plan.slots.iter().enumerate() {
        for &function in slots {
            let at = FunctionRef { unit, function };
            let f = plan.model.function(at);
            entries.push(FunctionEntry {
                name: plan.model.function_name(at),
                fingerprint: fingerprint(&f.prototype),
                label: plan.model.function_label(at),
                slot: true,
                stub: plan.stubs.contains(&at),
                by_name: by_name.get(&at).cloned().unwrap_or_default(),
                path: plan.points.path.contains(&at),
                internal: f.internal,
            });
        }
    }
    entries
}

fn variable_entries(plan: &Plan, units: &[ObjectSymbols]) -> Vec<VariableEntry> {
    // The compiler may have dropped a static with the function that is never emitted.
    let labels: HashSet<&str> = units.iter().flat_map(|o| &o.defined).map(|d| d.name.as_str()).collect();
    let flows = Flows::new(&plan.model);
    let entry = |at: &VariableRef| {
        let v = plan.model.variable(*at);
        VariableEntry {
            name: plan.model.variable_name(*at),
            fingerprint: fingerprint(&v.ty),
            symbol: if v.internal { format!("dsu_v_{}", plan.model.variable_label(*at)) } else { v.symbol.clone() },
            size: v.size,
            thread_local: v.thread_local,
            internal: v.internal,
            written: !flows.never_written(*at),
        }
    };
    plan.variables.iter().map(entry).filter(|e| !e.internal || labels.contains(e.symbol.as_str())).collect()
}

/// Types of the program by name; where units disagree on one, by name and unit.
pub fn types_of(model: &Model) -> Vec<(String, &crate::facts::TypeDefinition)> {
    let mut by_name: BTreeMap<&str, Vec<(usize, &crate::facts::TypeDefinition)>> = BTreeMap::new();
    for (unit, u) in model.units.iter().enumerate() {
        for t in &u.facts.types {
            by_name.entry(&t.name).or_default().push((unit, t));
        }
    }
    let mut list = Vec::new();
    for (name, definitions) in by_name {
        let layouts: HashSet<u64> = definitions.iter().map(|(_, t)| t.layout()).collect();
        if layouts.len() == 1 {
            list.extend(definitions.first().map(|(_, t)| (name.to_owned(), *t)));
            continue;
        }
        let mut seen: HashMap<usize, u32> = HashMap::new();
        for (unit, t) in definitions {
            let count = seen.entry(unit).or_insert(0);
            *count += 1;
            let again = if *count > 1 { format!("#{count}") } else { String::new() };
            list.push((format!("{name}{again}@{}", model.units[unit].name), t));
        }
    }
    list
}

fn type_entries(model: &Model) -> Vec<TypeEntry> {
    types_of(model).into_iter().map(|(name, t)| TypeEntry { name, layout: t.layout(), size: t.size }).collect()
}

fn point_entries(plan: &Plan) -> Vec<PointEntry> {
    let entry = |p: &crate::analyse::points::Point| PointEntry {
        name: p.name.clone(),
        function: plan.model.function_name(p.function),
        file: p.file.clone(),
        line: p.line,
    };
    plan.points.list.iter().map(entry).collect()
}
