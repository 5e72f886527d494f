//! The program: its units with their facts, and which definition each name refers to.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::analyse::remembered::Remembered;
use crate::clang::{ClangError, Library};
use crate::driver::interface::LinkInput;
use crate::driver::scheduler;
use crate::elf::ObjectSymbols;
use crate::facts::{Function, Reference, Target, UnitFacts, Usage, Variable, extract};
use crate::program::ProgramError;
use crate::unit::UnitImage;

/// Deeply nested expressions recurse deeply, here and in libclang.
const STACK: usize = 256 << 20;

/// Library functions that make threads.
const THREADS: &[&str] = &["pthread_create", "thrd_create"];

/// Functions that find functions and variables by names which are not known here.
const LOOKUPS: &[&str] = &["dlopen", "dlmopen", "dlsym", "dlvsym"];

/// A function of the program: unit and index in its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FunctionRef {
    /// Index of the unit.
    pub unit: usize,
    /// Index of the function in the unit's facts.
    pub function: usize,
}

/// A variable of the program: unit and index in its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VariableRef {
    /// Index of the unit.
    pub unit: usize,
    /// Index of the variable in the unit's facts.
    pub variable: usize,
}

/// A unit of the program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unit {
    /// Its path relative to the directory common to all units.
    pub name: String,
    /// The object it came in, for people.
    pub object: String,
    /// Its text and flags.
    pub image: UnitImage,
    /// What it says.
    pub facts: UnitFacts,
    /// Why it is kept as it is, if it is.
    pub kept: Option<String>,
    /// Global symbols its plain object defines: (name, weak).
    pub defines: Vec<(String, bool)>,
}

/// The program.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Model {
    /// Its units, in link order.
    pub units: Vec<Unit>,
    /// For each external function symbol, its definition in a rewritten unit.
    pub functions: BTreeMap<String, FunctionRef>,
    /// For each external symbol that is another name of a function: where it is declared so.
    pub aliases: BTreeMap<String, FunctionRef>,
    /// For each external variable symbol, its definition in a rewritten unit.
    pub variables: BTreeMap<String, VariableRef>,
    /// Symbols of variables and functions that something outside the rewritten units may use: assembler, other languages,
    /// libraries, units kept as they are.
    pub touched: BTreeSet<String>,
    /// Those of them that are known to be named there: by units kept as they are, other languages, libraries of the link.
    pub named_outside: BTreeSet<String>,
    /// Functions that the configuration says give fresh memory.
    pub allocators: BTreeSet<String>,
}

impl Model {
    /// Reads the facts of all units of a link, in parallel, and resolves names.
    ///
    /// # Errors
    /// When libclang is missing.
    pub fn new(input: &LinkInput) -> Result<Self, ProgramError> {
        let library = Library::load()?;
        let facts = extract_all(input, &library);
        let names = unit_names(input.units.iter().map(|u| &u.image));
        let mut units: Vec<Unit> = Vec::with_capacity(input.units.len());
        for ((linked, facts), name) in input.units.iter().zip(facts).zip(names) {
            let mut kept = linked.keep_reason.clone();
            let facts = match facts {
                Ok(facts) => facts,
                Err(error) => {
                    kept = kept.or_else(|| Some(error.to_string()));
                    UnitFacts::default()
                }
            };
            kept = kept.or_else(|| reason_to_keep(&facts)).or_else(|| unknown_layout(&linked.image));
            let defines = linked.symbols.defined.iter().map(|d| (d.name.clone(), d.weak)).collect();
            units.push(Unit { name, object: linked.object.clone(), image: linked.image.clone(), facts, kept, defines });
        }
        let allocators = input.config.types.allocators.iter().cloned().collect();
        let mut model = Self { units, allocators, ..Self::default() };
        model.resolve(&input.defined, &input.foreign);
        model.note_touched(input);
        Ok(model)
    }

    /// Notes what may be used from outside of the rewritten units.
    pub fn note_touched(&mut self, input: &LinkInput) {
        let kept = self.units.iter().zip(&input.units).filter(|(u, _)| u.kept.is_some()).map(|(_, l)| &l.symbols);
        let objects = || input.foreign.iter().chain(kept.clone());
        // A weak definition gives way to one of ours.
        let weak = objects().flat_map(|o| &o.defined).filter(|d| d.weak).map(|d| &d.name);
        let objects = objects().flat_map(|o| &o.undefined).chain(weak);
        let ours = |s: &&String| self.variables.contains_key(*s) || self.functions.contains_key(*s);
        self.named_outside = objects.chain(input.taken(false)).filter(ours).cloned().collect();
        let taken = input.taken(self.has_plugins(input)).filter(ours).cloned();
        self.touched = self.named_outside.iter().cloned().chain(taken).collect();
    }

    /// Whether objects that the program loads may know what is in it, or it looks that up itself.
    pub fn has_plugins(&self, input: &LinkInput) -> bool {
        input.config.types.plugins.unwrap_or_else(|| self.looks_up_names())
    }

    /// Whether some unit uses functions that find others by names which are not known here.
    pub fn looks_up_names(&self) -> bool {
        self.knows(LOOKUPS)
    }

    /// Whether some unit knows a function of one of these names.
    pub fn knows(&self, names: &[&str]) -> bool {
        self.units.iter().flat_map(|u| &u.facts.functions).any(|f| names.contains(&f.name.as_str()))
    }

    fn resolve(&mut self, defined: &HashSet<String>, foreign: &[ObjectSymbols]) {
        let strong_elsewhere: HashSet<&str> =
            foreign.iter().flat_map(|o| &o.defined).filter(|d| !d.weak && !d.common).map(|d| d.name.as_str()).collect();
        // A strong definition beats a weak one, an earlier one a later one: two passes.
        for want_weak in [false, true] {
            for (unit, u) in self.units.iter().enumerate() {
                let symbols: HashSet<&str> =
                    u.defines.iter().filter(|(_, weak)| *weak == want_weak).map(|(n, _)| n.as_str()).collect();
                let present = |symbol: &str| symbols.contains(symbol) && defined.contains(symbol);
                if u.kept.is_some() {
                    continue;
                }
                for (function, f) in u.facts.functions.iter().enumerate() {
                    let ours = f.definition.as_ref().is_some_and(|d| !d.system) && !f.internal;
                    let movable = !f.attributes.ifunc && !f.attributes.returns_twice && f.name != "main";
                    let elsewhere = want_weak && strong_elsewhere.contains(f.symbol.as_str());
                    if ours && movable && !elsewhere && present(&f.symbol) {
                        self.functions.entry(f.symbol.clone()).or_insert(FunctionRef { unit, function });
                    }
                }
                for (variable, v) in u.facts.variables.iter().enumerate() {
                    let ours = v.definition.is_some() && !v.internal && v.function.is_none();
                    if ours && present(&v.symbol) {
                        self.variables.entry(v.symbol.clone()).or_insert(VariableRef { unit, variable });
                    }
                }
            }
        }
        // A strong definition in a kept unit or elsewhere wins over weak ones of ours.
        let kept: HashSet<String> = self
            .units
            .iter()
            .filter(|u| u.kept.is_some())
            .flat_map(|u| u.defines.iter().filter(|(_, weak)| !weak).map(|(n, _)| n.clone()))
            .collect();
        self.functions.retain(|name, _| !kept.contains(name));
        for (unit, u) in self.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            let aliases =
                u.facts.functions.iter().enumerate().filter(|(_, f)| f.attributes.alias.is_some() && !f.internal);
            self.aliases.extend(aliases.map(|(function, f)| (f.symbol.clone(), FunctionRef { unit, function })));
        }
    }

    /// The function's facts.
    pub fn function(&self, at: FunctionRef) -> &Function {
        &self.units[at.unit].facts.functions[at.function]
    }

    /// The variable's facts.
    pub fn variable(&self, at: VariableRef) -> &Variable {
        &self.units[at.unit].facts.variables[at.variable]
    }

    /// The text of a variable's initialiser.
    pub fn initializer(&self, at: VariableRef) -> Option<&str> {
        let (start, end) = self.variable(at).definition.as_ref()?.initializer?;
        self.units[at.unit].image.text.get(start..end)
    }

    /// The function of this name that a unit knows, by index.
    pub fn function_named(&self, unit: usize, name: &str) -> Option<usize> {
        self.units[unit].facts.functions.iter().position(|f| f.name == name)
    }

    /// The definition, in a rewritten unit, that a unit's function refers to; `None` for functions
    /// of libraries, kept units and assembler, and those that cannot be indirect.
    pub fn definition_of(&self, unit: usize, function: usize) -> Option<FunctionRef> {
        let f = &self.units[unit].facts.functions[function];
        if f.internal {
            let ours = f.definition.as_ref().is_some_and(|d| !d.system) && !f.attributes.ifunc;
            return (ours && !f.attributes.returns_twice).then_some(FunctionRef { unit, function });
        }
        self.functions.get(&f.symbol).copied()
    }

    /// The body that a call in a unit runs: the function's definition, or else the unit's own, such as that of an inline function.
    pub fn body_of(&self, unit: usize, function: usize) -> Option<FunctionRef> {
        let own = || self.units[unit].facts.functions[function].definition.is_some();
        let found = self.definition_of(unit, function).or_else(|| own().then_some(FunctionRef { unit, function }));
        found.or_else(|| self.aliased(unit, function))
    }

    /// The function that one without a body is another name of: attributes `alias` and `weakref`.
    fn aliased(&self, mut unit: usize, mut function: usize) -> Option<FunctionRef> {
        // An alias of an alias is possible, a circle is not: this is for what a description may claim.
        for _ in 0..8 {
            let f = &self.units[unit].facts.functions[function];
            if f.attributes.alias.is_none() {
                let at = self.aliases.get(&f.symbol).filter(|_| !f.internal)?;
                (unit, function) = (at.unit, at.function);
            }
            let facts = &self.units[unit].facts;
            let target = facts.functions[function].attributes.alias.as_ref()?;
            let Some(own) = facts.functions.iter().position(|f| f.symbol == *target || f.name == *target) else {
                return self.functions.get(target).copied();
            };
            function = own;
            let own = facts.functions[function].definition.is_some();
            let found = self.definition_of(unit, function).or_else(|| own.then_some(FunctionRef { unit, function }));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The same, but for functions of system headers.
    pub fn program_body_of(&self, unit: usize, function: usize) -> Option<FunctionRef> {
        self.body_of(unit, function).filter(|at| self.function(*at).definition.as_ref().is_some_and(|d| !d.system))
    }

    /// The definition that a unit's variable refers to.
    pub fn variable_of(&self, unit: usize, variable: usize) -> Option<VariableRef> {
        let v = &self.units[unit].facts.variables[variable];
        if v.internal || v.function.is_some() {
            return v.definition.is_some().then_some(VariableRef { unit, variable });
        }
        self.variables.get(&v.symbol).copied()
    }

    /// The name a reference of a unit refers to.
    pub fn reference_name(&self, unit: usize, reference: usize) -> &str {
        let facts = &self.units[unit].facts;
        match facts.references[reference].target {
            Target::Function(f) => &facts.functions[f].name,
            Target::Variable(v) => &facts.variables[v].name,
        }
    }

    /// All functions defined in rewritten units, static and inline ones included.
    pub fn definitions(&self) -> impl Iterator<Item = FunctionRef> + '_ {
        self.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()).flat_map(|(unit, u)| {
            let defined = u.facts.functions.iter().enumerate().filter(|(_, f)| f.definition.is_some());
            defined.map(move |(function, _)| FunctionRef { unit, function })
        })
    }

    /// The name of a function in the registry.
    pub fn function_name(&self, at: FunctionRef) -> String {
        let f = self.function(at);
        if f.internal { format!("{}@{}", f.name, self.units[at.unit].name) } else { f.symbol.clone() }
    }

    /// The name of a variable in the registry.
    pub fn variable_name(&self, at: VariableRef) -> String {
        let v = self.variable(at);
        let unit = &self.units[at.unit];
        if v.function.is_none() && !v.internal {
            return v.symbol.clone();
        }
        format!("{}@{}", unit.facts.local_name(v), unit.name)
    }

    /// What a function is called in symbols of ours: unique in the program, and an identifier.
    pub fn function_label(&self, at: FunctionRef) -> String {
        let f = self.function(at);
        if f.internal { format!("{}_{}", unit_label(&self.units[at.unit].name), f.name) } else { f.symbol.clone() }
    }

    /// What a variable is called in symbols of ours.
    pub fn variable_label(&self, at: VariableRef) -> String {
        let v = self.variable(at);
        let unit = &self.units[at.unit];
        match v.function {
            Some(function) => {
                let function = &unit.facts.functions[function].name;
                format!("{}_{function}_{}_{}", unit_label(&unit.name), v.name, v.ordinal)
            }
            None if v.internal => format!("{}_{}", unit_label(&unit.name), v.name),
            None => v.symbol.clone(),
        }
    }

    /// Functions whose address is taken, by any rewritten unit.
    pub fn address_taken(&self) -> BTreeSet<FunctionRef> {
        self.addresses(|_, _| true)
    }

    /// Functions that are handed to the library to be run by threads, directly or by a function of the program.
    pub fn thread_functions(&self) -> BTreeSet<FunctionRef> {
        let starters = self.thread_starters();
        let creates = |unit: usize, to: usize| {
            let body = self.body_of(unit, to);
            self.starts_threads(unit, to) || body.is_some_and(|at| starters.contains(&at))
        };
        let mut found = self.addresses(|unit, usage| matches!(usage, Usage::Argument(to) if creates(unit, to)));
        // A function of the program may be given others, too.
        found.retain(|at| ["fn(*void)->*void", "fn(*void)->int"].contains(&self.function(*at).prototype.as_str()));
        found
    }

    /// Whether a unit knows a function as one that starts threads.
    pub fn starts_threads(&self, unit: usize, function: usize) -> bool {
        THREADS.contains(&self.units[unit].facts.functions[function].name.as_str())
    }

    /// Functions that start threads which run what they are given: no function is named there.
    fn thread_starters(&self) -> BTreeSet<FunctionRef> {
        let (mut starters, mut naming) = (BTreeSet::new(), BTreeSet::new());
        for (unit, u) in self.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            for reference in &u.facts.references {
                let (Target::Function(target), Some(function)) = (reference.target, reference.inside) else { continue };
                match reference.usage {
                    Usage::Call(..) if self.starts_threads(unit, target) => {
                        starters.insert(FunctionRef { unit, function });
                    }
                    Usage::Argument(to) if self.starts_threads(unit, to) => {
                        naming.insert(FunctionRef { unit, function });
                    }
                    _ => {}
                }
            }
        }
        &starters - &naming
    }

    fn addresses(&self, wanted: impl Fn(usize, Usage) -> bool) -> BTreeSet<FunctionRef> {
        let mut found = BTreeSet::new();
        for (unit, u) in self.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            for reference in &u.facts.references {
                let Target::Function(function) = reference.target else { continue };
                if matches!(reference.usage, Usage::Address | Usage::Argument(_)) && wanted(unit, reference.usage) {
                    found.extend(self.definition_of(unit, function));
                }
            }
        }
        found
    }
}

/// References to variables.
impl Model {
    /// Whether code outside of the rewritten units may use a variable by its name.
    pub fn used_outside(&self, at: VariableRef) -> bool {
        let v = self.variable(at);
        !v.internal && self.touched.contains(&v.symbol)
    }

    /// Where a reference is, in words.
    pub fn place_of(&self, unit: usize, reference: &Reference) -> String {
        let facts = &self.units[unit].facts;
        match reference.inside {
            Some(function) => format!("function {} ({})", facts.functions[function].name, self.units[unit].name),
            None => format!("an initialiser ({})", self.units[unit].name),
        }
    }
}

fn reason_to_keep(facts: &UnitFacts) -> Option<String> {
    facts.errors.first().map(|e| {
        if e.contains("function definition is not allowed here") {
            let line = e.split(':').next().unwrap_or_default();
            format!("it has a nested function, {line}")
        } else {
            format!("the parser does not understand it: {e}")
        }
    })
}

/// What lays structs out in ways that the parser does not know.
fn unknown_layout(image: &UnitImage) -> Option<String> {
    let flag = image.flags.iter().find(|f| {
        ["-mms-bitfields", "-malign-double", "-mlong-double-64", "-mlong-double-128", "-fsso-struct"]
            .iter()
            .any(|l| f.starts_with(l))
    });
    let word = image.text.contains("scalar_storage_order").then_some("scalar_storage_order");
    let cause = flag.map(String::as_str).or(word)?;
    Some(format!("the parser does not know the layouts that {cause} makes"))
}

fn unit_label(name: &str) -> String {
    format!("{:016x}", dsu_abi::key_of(name.as_bytes()))
}

fn extract_all(input: &LinkInput, library: &Library) -> Vec<Result<UnitFacts, ClangError>> {
    library.enter();
    let remembered = Remembered::new(&input.cache, library);
    scheduler::parallel_deep(input.jobs, STACK, &input.units, |_, unit| match &unit.keep_reason {
        Some(_) => Ok(UnitFacts::default()),
        None => {
            library.enter();
            if let Some(facts) = remembered.get(&unit.image) {
                return Ok(facts);
            }
            let facts = extract::extract(&unit.image)?;
            remembered.put(&unit.image, &facts);
            Ok(facts)
        }
    })
}

/// Names for units: their paths without the directories all of them share; a repeated one gets `#2` and so on.
pub fn unit_names<'a>(images: impl Iterator<Item = &'a UnitImage>) -> Vec<String> {
    let paths: Vec<PathBuf> = images.map(UnitImage::path).collect();
    let mut common: Option<Vec<Component<'_>>> = None;
    for path in &paths {
        let parent: Vec<_> = path.parent().unwrap_or(Path::new("/")).components().collect();
        common = Some(match common {
            None => parent,
            Some(known) => known.into_iter().zip(parent).take_while(|(a, b)| a == b).map(|(a, _)| a).collect(),
        });
    }
    let skip = common.map_or(0, |c| c.len());
    let mut seen: HashMap<String, u32> = HashMap::new();
    paths
        .iter()
        .map(|path| {
            let name = path.components().skip(skip).collect::<PathBuf>().display().to_string();
            let count = seen.entry(name.clone()).or_insert(0);
            *count += 1;
            if *count > 1 { format!("{name}#{count}") } else { name }
        })
        .collect()
}
