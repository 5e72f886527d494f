//! Which structs get room for later, and why the others do not.
//!
//! A struct gets room if nobody but the rewritten units can tell: its size and its bytes stay inside them. In doubt it
//! gets none. What is said of a struct holds for the structs inside it, too: they decide on its layout.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::analyse::allocators::{Allocators, parameters};
use crate::analyse::limits;
use crate::analyse::model::{FunctionRef, Model};
use crate::driver::interface::{LinkInput, TypesReport, UnprovenReport, UnwrappedReport};
use crate::facts::returned::library_name;
use crate::facts::{TypeDefinition, TypeKind, TypeUsage, TypeUse};
use crate::text::lexer::{Kind, Lexer};

/// Structs smaller than this get no room, if the configuration does not say otherwise.
const MIN_SIZE: u64 = 64;

/// Functions that may have the address and the size of a struct: they leave it in the program, or take it out of use.
const HARMLESS: &[&str] = &[
    "memset",
    "explicit_bzero",
    "bzero",
    "free",
    "cfree",
    "realloc",
    "reallocarray",
    "malloc",
    "calloc",
    "qsort",
    "qsort_r",
    "bsearch",
    "malloc_usable_size",
    "object_size",
    "expect",
    "prefetch",
    "pthread_create",
    "pthread_setspecific",
];

/// Functions that move bytes out of the program or into it, or look at them.
const MOVERS: &[&str] = &[
    "read",
    "write",
    "pread",
    "pwrite",
    "pread64",
    "pwrite64",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "fread",
    "fwrite",
    "fread_unlocked",
    "fwrite_unlocked",
    "memcmp",
    "bcmp",
    "memchr",
    "memmem",
    "bcopy",
    "ioctl",
    "fcntl",
    "getsockopt",
    "setsockopt",
    "crc32",
    "adler32",
    "mq_send",
    "mq_receive",
    "msgsnd",
    "msgrcv",
    "process_vm_readv",
    "vmsplice",
];

/// Fields of system structs that point to bytes to be moved.
const MOVED_FIELDS: &[&str] = &["iov_base", "msg_name", "msg_control", "aio_buf", "dptr"];

/// Whether a function moves bytes out of the program or into it, or looks at them.
pub fn moves_bytes(function: &str) -> bool {
    MOVERS.contains(&library_name(function))
}

/// Whether a function may have address and size of a struct without its bytes going anywhere.
pub fn is_harmless(function: &str) -> bool {
    let name = library_name(function);
    HARMLESS.contains(&name) || name.ends_with("free")
}

/// Through how many functions memory is followed.
const HANDS: usize = 4;

/// Which structs get room.
#[derive(Clone, Debug, Default)]
pub struct Wrapping {
    /// Room in bytes by name.
    pub wrapped: BTreeMap<String, u64>,
    /// Structs without room.
    pub no_room: BTreeMap<String, NoRoom>,
    /// For the report.
    pub report: TypesReport,
    /// What else there is to say.
    pub notes: Vec<String>,
}

/// Why objects of a struct have no room, for who misses it later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoRoom {
    /// In words.
    pub reason: String,
    /// Whether `dsu.toml` can say otherwise.
    pub soft: bool,
    /// Whether it is small, and there is nothing else.
    pub only_small: bool,
}

/// Why a struct gets no room.
#[derive(Clone, Debug)]
struct Reason {
    text: String,
    /// Whether the structs inside it get none, either.
    inside: bool,
    /// Whether the user may know better.
    soft: bool,
}

impl Reason {
    fn hard(text: impl Into<String>) -> Self {
        Self { text: text.into(), inside: true, soft: false }
    }

    fn soft(text: impl Into<String>) -> Self {
        Self { text: text.into(), inside: true, soft: true }
    }

    /// One that says nothing about the structs inside.
    fn own(self) -> Self {
        Self { inside: false, ..self }
    }
}

/// Decides for all structs of a program.
///
/// `excluded` are structs that get none for the reasons given: something went wrong with them.
pub fn decide(
    model: &Model,
    allocators: &Allocators,
    input: &LinkInput,
    excluded: &BTreeMap<String, String>,
) -> Wrapping {
    let mut policy = Policy { model, allocators, input, uses: Uses::new(model, allocators), reasons: BTreeMap::new() };
    policy.configured(excluded);
    policy.definitions();
    policy.kept_units();
    policy.foreign();
    policy.uses();
    policy.memory();
    policy.unions();
    policy.spread();
    policy.result()
}

/// All definitions of structs and unions by name, with their units.
fn types(model: &Model) -> BTreeMap<&str, Vec<(usize, &TypeDefinition)>> {
    let mut types: BTreeMap<&str, Vec<(usize, &TypeDefinition)>> = BTreeMap::new();
    for (unit, u) in model.units.iter().enumerate() {
        for t in u.facts.types.iter().filter(|t| t.kind != TypeKind::Enum) {
            types.entry(&t.name).or_default().push((unit, t));
        }
    }
    types
}

struct Policy<'a> {
    model: &'a Model,
    allocators: &'a Allocators,
    input: &'a LinkInput,
    uses: Uses<'a>,
    reasons: BTreeMap<String, Vec<Reason>>,
}

impl<'a> Policy<'a> {
    fn refuse(&mut self, name: &str, reason: Reason) {
        if self.uses.types.contains_key(name) {
            let reasons = self.reasons.entry(name.to_owned()).or_default();
            // One of a kind is enough, the first.
            if !reasons.iter().any(|r| (r.inside, r.soft) == (reason.inside, reason.soft)) {
                reasons.push(reason);
            }
        }
    }

    fn configured(&mut self, excluded: &BTreeMap<String, String>) {
        let config = &self.input.config.types;
        let off: Vec<String> =
            config.each.iter().filter(|(_, c)| c.wrap == Some(false)).map(|(name, _)| name.clone()).collect();
        for name in off {
            self.refuse(&name, Reason::hard("dsu.toml says so"));
        }
        for (name, reason) in excluded {
            self.refuse(name, Reason::hard(reason.clone()));
        }
        if config.wrap == Some(false) {
            for name in self.uses.types.keys().copied().collect::<Vec<_>>() {
                self.refuse(name, Reason::soft("dsu.toml says so: [types] wrap = false").own());
            }
        }
    }

    /// What the definitions themselves say.
    fn definitions(&mut self) {
        let all: Vec<(&str, Vec<(usize, &TypeDefinition)>)> =
            self.uses.types.iter().map(|(name, list)| (*name, list.clone())).collect();
        for (name, list) in all {
            let Some((first_unit, first)) = list.first().copied() else { continue };
            if let Some((unit, other)) = list.iter().find(|(_, t)| t.layout() != first.layout()) {
                let (one, two) = (&self.model.units[first_unit].name, &self.model.units[*unit].name);
                let lines = (first.line, other.line);
                let text = format!(
                    "the units disagree on it: {one} ({}:{}), {two} ({}:{})",
                    first.file, lines.0, other.file, lines.1
                );
                self.refuse(name, Reason::hard(text).own());
            }
            if list.iter().any(|(_, t)| t.attributed) {
                self.refuse(name, Reason::hard("attributes or pragmas decide on its layout (packed, aligned)"));
            }
            if list.iter().any(|(_, t)| t.local) || name.contains(" in ") {
                self.refuse(name, Reason::hard("it is defined inside a function").own());
            }
            if name.contains(['*', '[']) {
                self.refuse(name, Reason::hard("it has no name of its own").own());
            }
            if list.iter().any(|(_, t)| t.flexible) {
                let text = "its last member is an array that may be longer than it says, or has no length";
                self.refuse(name, Reason::hard(text).own());
            }
            if list.iter().any(|(unit, t)| t.text.open == 0 && self.model.units[*unit].kept.is_none()) {
                self.refuse(name, Reason::hard("its definition is not where the parser says").own());
            }
            let min = self.input.config.types.min_size.unwrap_or(MIN_SIZE);
            if first.size < min {
                self.refuse(name, Reason::soft(format!("it is smaller than {min} bytes")).own());
            }
        }
    }

    /// Units that are kept know their types as they were.
    fn kept_units(&mut self) {
        let model = self.model;
        for u in model.units.iter().filter(|u| u.kept.is_some()) {
            let reason = Reason::hard(format!("unit {}, which is kept as it is, knows it", u.name));
            let words: HashSet<&str> = Lexer::new(&u.image.text, 0)
                .filter(|t| t.kind == Kind::Identifier)
                .filter_map(|t| u.image.text.get(t.start..t.end))
                .collect();
            let known = |name: &&str| words.contains(name.split(' ').nth(1).unwrap_or(name));
            for name in self.uses.types.keys().copied().filter(known).collect::<Vec<_>>() {
                self.refuse(name, reason.clone());
            }
        }
    }

    /// Types that objects may know which are not rewritten: those that a function or variable shared with them leads to.
    fn foreign(&mut self) {
        let model = self.model;
        for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            for (index, f) in u.facts.functions.iter().enumerate() {
                let ours = f.internal || model.body_of(unit, index).is_some();
                if !ours {
                    let text = format!("function {}, which no rewritten unit defines, may know it", f.name);
                    self.lead(&f.prototype, &text, false);
                }
            }
            for (index, v) in u.facts.variables.iter().enumerate() {
                if v.definition.is_none() && model.variable_of(unit, index).is_none() {
                    let text = format!("variable {}, which no rewritten unit defines, may have it", v.name);
                    self.lead(&v.ty, &text, false);
                }
            }
        }
        let by_name: BTreeSet<&String> = self.input.foreign.iter().flat_map(|o| &o.undefined).collect();
        for symbol in by_name {
            self.lead_from(symbol, &format!("an object that dsu-cc did not compile uses {symbol}"), false);
        }
        let all = self.input.exports_all();
        let exported: BTreeSet<&String> = self.input.taken(model.has_plugins(self.input)).collect();
        for symbol in exported {
            let plugin = all && !self.input.shared.contains(symbol);
            let text = if plugin {
                format!(
                    "{symbol} is exported to objects loaded with dlopen, which may know it ([types] plugins = false in dsu.toml, if none does)"
                )
            } else {
                format!("a shared library uses {symbol}")
            };
            self.lead_from(symbol, &text, plugin);
        }
    }

    fn lead_from(&mut self, symbol: &str, text: &str, soft: bool) {
        let model = self.model;
        if let Some(at) = model.functions.get(symbol) {
            self.lead(&model.function(*at).prototype, text, soft);
        } else if let Some(at) = model.variables.get(symbol) {
            self.lead(&model.variable(*at).ty, text, soft);
        }
    }

    /// Refuses all types that one can get to from a type.
    fn lead(&mut self, ty: &str, text: &str, soft: bool) {
        let mut todo: Vec<String> = names_in(ty).map(|(name, _)| name.to_owned()).collect();
        let mut seen = HashSet::new();
        while let Some(name) = todo.pop() {
            let Some(list) = self.uses.types.get(name.as_str()).filter(|_| seen.insert(name.clone())) else { continue };
            let fields = list.iter().flat_map(|(_, t)| &t.fields);
            todo.extend(fields.flat_map(|f| names_in(&f.ty)).map(|(name, _)| name.to_owned()));
            let reason = Reason { text: text.to_owned(), inside: true, soft };
            self.refuse(&name, reason);
        }
    }

    /// What functions do with structs as a whole.
    fn uses(&mut self) {
        let model = self.model;
        for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            let measured = self.uses.measured(unit);
            for t in &u.facts.type_uses {
                if let Some(text) = self.uses.objection(unit, t, &measured) {
                    let text = self.uses.with_place(unit, t, text);
                    // A type that is asserted upon would not compile, and the room of one that ends early is not its own.
                    let sure = matches!(t.usage, TypeUsage::Asserted | TypeUsage::Short | TypeUsage::Sham { .. });
                    self.refuse(&t.ty, if sure { Reason::hard(text) } else { Reason::soft(text) });
                }
            }
        }
    }

    /// Memory that other processes may see.
    fn memory(&mut self) {
        let model = self.model;
        for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            for c in &u.facts.creations {
                if self.allocators.get(model, unit, c.callee).is_some_and(|a| a.shared) {
                    let (callee, place) =
                        (&u.facts.functions[c.callee].name, self.uses.place(unit, Some(c.inside), c.line));
                    let text = format!("it may be in memory shared with others, from {callee} ({place})");
                    self.refuse(&c.ty, Reason::soft(text));
                }
            }
        }
    }

    /// Unions that show the bytes of a struct.
    fn unions(&mut self) {
        let all: Vec<&TypeDefinition> = self.uses.types.values().flatten().map(|(_, t)| *t).collect();
        for t in all {
            let bytes = t.kind == TypeKind::Union && t.fields.iter().any(|f| is_bytes(&f.ty));
            for f in &t.fields {
                let unnamed = f.ty.contains("union{") && f.ty.split([':', ';']).any(is_bytes);
                if !bytes && !unnamed {
                    continue;
                }
                let inside: Vec<String> =
                    names_in(&f.ty).filter(|(_, by_value)| *by_value).map(|(name, _)| name.to_owned()).collect();
                for name in inside {
                    let text = format!("a union shows its bytes ({}:{})", t.file, f.line);
                    self.refuse(&name, Reason::soft(text));
                }
            }
        }
    }

    /// What holds for a struct holds for those inside.
    fn spread(&mut self) {
        let mut todo: Vec<(String, Reason)> = Vec::new();
        for (name, reasons) in &self.reasons {
            todo.extend(reasons.iter().filter(|r| r.inside).map(|r| (name.clone(), r.clone())));
        }
        let mut seen: HashSet<(String, bool)> = HashSet::new();
        while let Some((outer, reason)) = todo.pop() {
            if !seen.insert((outer.clone(), reason.soft)) {
                continue;
            }
            let list = self.uses.types.get(outer.as_str()).cloned().unwrap_or_default();
            let fields = list.iter().flat_map(|(_, t)| &t.fields);
            let inside: BTreeSet<&str> =
                fields.flat_map(|f| names_in(&f.ty)).filter(|(_, by_value)| *by_value).map(|(name, _)| name).collect();
            for name in inside.into_iter().filter(|name| *name != outer) {
                let text = if reason.text.starts_with("it is part of ") {
                    reason.text.clone()
                } else {
                    format!("it is part of {outer}, of which holds: {}", reason.text)
                };
                let reason = Reason { text, ..reason };
                self.refuse(name, reason.clone());
                todo.push((name.to_owned(), reason));
            }
        }
    }

    fn result(self) -> Wrapping {
        let mut result = Wrapping::default();
        let config = &self.input.config.types;
        let min = config.min_size.unwrap_or(MIN_SIZE);
        for (name, list) in &self.uses.types {
            let Some((unit, t)) = list.iter().find(|(unit, _)| self.model.units[*unit].kept.is_none()) else {
                continue;
            };
            if t.kind != TypeKind::Struct {
                continue;
            }
            let own = config.each.get(*name);
            let forced = own.is_some_and(|c| c.wrap == Some(true));
            let reasons = self.reasons.get(*name).map(Vec::as_slice).unwrap_or_default();
            let reason = reasons.iter().find(|r| !r.soft).or(reasons.iter().find(|r| !forced && r.soft));
            if reason.is_some() {
                result.no_room.insert((*name).to_owned(), no_room(reasons, t.size < min));
            }
            match reason {
                None => {
                    let slop = own.and_then(|c| c.slop).or(config.slop).unwrap_or_else(|| default_slop(t.size));
                    result.wrapped.insert((*name).to_owned(), slop);
                }
                Some(_) if t.size < min && !forced => result.report.small.push((*name).to_owned()),
                Some(reason) => result.report.unwrapped.push(UnwrappedReport {
                    name: (*name).to_owned(),
                    place: self.definition_place(*unit, t),
                    reason: reason.text.clone(),
                }),
            }
        }
        let unknown = config.each.keys().filter(|name| !self.uses.types.contains_key(name.as_str()));
        result.notes.extend(unknown.map(|name| format!("dsu.toml speaks of {name}, which no unit defines")));
        result.report.wrapped.clone_from(&result.wrapped);
        result.report.unproven = self.unproven(&result.wrapped);
        result
    }

    fn definition_place(&self, unit: usize, t: &TypeDefinition) -> String {
        let file = if t.file.is_empty() { &self.model.units[unit].name } else { &t.file };
        format!("{file}:{}", t.line)
    }

    /// Calls of functions that may be allocators and are not known as such.
    fn unproven(&self, wrapped: &BTreeMap<String, u64>) -> Vec<UnprovenReport> {
        let mut found: Vec<UnprovenReport> = Vec::new();
        let mut known: HashMap<(String, String), usize> = HashMap::new();
        for (unit, u) in self.model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            for c in u.facts.creations.iter().filter(|c| wrapped.contains_key(&c.ty)) {
                let function = &u.facts.functions[c.callee].name;
                let sized = c
                    .arguments
                    .iter()
                    .any(|(start, end)| u.image.text.get(*start..*end).is_some_and(|text| text.contains("sizeof")));
                let doubtful = sized || self.allocators.is_doubtful(self.model, unit, c.callee);
                let copies = matches!(library_name(function), "memcpy" | "memmove" | "mempcpy" | "memchr");
                let proven = self.allocators.get(self.model, unit, c.callee).is_some() || is_harmless(function);
                if proven || copies || !doubtful {
                    continue;
                }
                let next = found.len();
                let at = *known.entry((function.clone(), c.ty.clone())).or_insert(next);
                if at == next {
                    found.push(UnprovenReport {
                        function: function.clone(),
                        name: c.ty.clone(),
                        place: self.uses.place(unit, Some(c.inside), c.line),
                        calls: 0,
                    });
                }
                found[at].calls += 1;
            }
        }
        found
    }
}

/// What a program does with structs as a whole.
pub struct Uses<'a> {
    model: &'a Model,
    allocators: &'a Allocators,
    types: BTreeMap<&'a str, Vec<(usize, &'a TypeDefinition)>>,
}

impl<'a> Uses<'a> {
    /// Looks at the types of a program.
    pub fn new(model: &'a Model, allocators: &'a Allocators) -> Self {
        Self { model, allocators, types: types(model) }
    }

    /// Sizes of structs that are stored somewhere, by the function that does it.
    fn measured(&self, unit: usize) -> HashSet<(Option<usize>, &'a str)> {
        let uses = self.model.units[unit].facts.type_uses.iter();
        uses.filter(|t| t.usage == TypeUsage::Measured).map(|t| (t.inside, t.ty.as_str())).collect()
    }

    /// The first use of a struct that its room would show in, or for which `counts` holds of those that may be harmful where
    /// objects have room: in words, with its place.
    pub fn against_room(&self, name: &str, counts: impl Fn(&TypeUsage) -> bool) -> Option<String> {
        let units = self.model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none());
        units.into_iter().find_map(|(unit, u)| {
            let measured = self.measured(unit);
            let mut uses = u.facts.type_uses.iter().filter(|t| t.ty == name && counts(&t.usage));
            uses.find_map(|t| Some(self.with_place(unit, t, self.objection(unit, t, &measured)?)))
        })
    }

    /// All casts of pointers between structs: the unit, from which, to which (each in both directions), and where.
    pub fn casts(&self) -> impl Iterator<Item = (usize, &'a str, &'a str, String)> + '_ {
        let units = self.model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none());
        units.flat_map(move |(unit, u)| {
            u.facts.type_uses.iter().filter_map(move |t| match &t.usage {
                TypeUsage::Cast(other) => {
                    Some((unit, t.ty.as_str(), other.as_str(), self.place(unit, t.inside, t.line)))
                }
                _ => None,
            })
        })
    }

    /// Where a pointer to a struct becomes a pointer to anything, for others than those that allocate, clear or free, in words.
    pub fn handed(&self, name: &str) -> Option<String> {
        let units = self.model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none());
        units.into_iter().find_map(|(unit, u)| {
            let mut uses = u.facts.type_uses.iter().filter(|t| t.ty == name);
            uses.find_map(|t| {
                let text = match &t.usage {
                    TypeUsage::Passed { callee, .. }
                        if !is_harmless(callee)
                            && !self.is_allocator(unit, callee)
                            && !self.only_clears(unit, callee) =>
                    {
                        format!("it is passed to {callee} as a pointer to anything")
                    }
                    TypeUsage::Kept(field) => format!("it is kept in {field} as a pointer to anything"),
                    _ => return None,
                };
                Some(self.with_place(unit, t, text))
            })
        })
    }

    /// Whether this is the name of one of the program's structs or unions.
    pub fn knows(&self, name: &str) -> bool {
        self.types.contains_key(name)
    }

    fn with_place(&self, unit: usize, t: &TypeUse, text: String) -> String {
        let place = self.place(unit, t.inside, t.line);
        let place = if t.file.is_empty() { place } else { format!("{}:{}", t.file, t.line) };
        format!("{text} ({place})")
    }

    fn objection(&self, unit: usize, t: &TypeUse, measured: &HashSet<(Option<usize>, &str)>) -> Option<String> {
        match &t.usage {
            TypeUsage::Passed { callee, sized } => {
                if is_harmless(callee) || self.is_allocator(unit, callee) || self.only_clears(unit, callee) {
                    None
                } else if moves_bytes(callee) {
                    Some(format!("its bytes are passed to {callee}"))
                } else if *sized && callee.is_empty() {
                    Some("its bytes are passed through a pointer to a function".into())
                } else {
                    sized.then(|| format!("its bytes are passed to {callee}"))
                }
            }
            TypeUsage::Cast(other) if self.begins_with(unit, &t.ty, other) || self.begins_with(unit, other, &t.ty) => {
                None
            }
            TypeUsage::Cast(other) => Some(format!("it is cast to or from {other}")),
            TypeUsage::From(callee) if self.is_shared(unit, callee) => {
                Some(format!("it may be in memory shared with others, from {callee}"))
            }
            TypeUsage::Bytes => Some("it is cast to or from bytes".into()),
            TypeUsage::Kept(field) if MOVED_FIELDS.contains(&field.as_str()) => {
                Some(format!("its bytes are moved through {field}"))
            }
            TypeUsage::Kept(_) if measured.contains(&(t.inside, t.ty.as_str())) => {
                Some("its address and its size are put into another struct".into())
            }
            // As with the length of a message before it is read.
            TypeUsage::Compared => Some("its size is compared or kept in a variable".into()),
            // As with memory of a fixed length, of which it must be a part.
            TypeUsage::Sized(callee) if limits::has(self.model, unit, callee, self.size(&t.ty)) => {
                Some(format!("its size goes to {callee}, which compares it with one that it may not exceed"))
            }
            TypeUsage::Short => Some(
                "memory for part of it is measured: something is taken from its size, or added to an offset in it"
                    .into(),
            ),
            TypeUsage::Sham { callee, by } if self.allots(unit, callee) && !self.begins_with(unit, by, &t.ty) => {
                let told = if *by == t.ty { "an offset in it".into() } else { format!("the size of {by}") };
                Some(format!("it is made by {callee} with {told}"))
            }
            TypeUsage::Asserted => Some("a constant depends on its size or an offset in it".into()),
            _ => None,
        }
    }

    /// Whether a function of the program does nothing with the memory it is given but what harmless functions do. Which
    /// parameter has the memory is not known: it must hold of all that may.
    fn only_clears(&self, unit: usize, callee: &str) -> bool {
        let Some(function) = self.model.function_named(unit, callee) else { return false };
        let taken = parameters(&self.model.units[unit].facts.functions[function].prototype);
        if taken.contains(&"...") {
            return false;
        }
        let mut memory = taken.iter().enumerate().filter(|(_, ty)| is_memory(ty)).map(|(i, _)| i).peekable();
        memory.peek().is_some() && memory.all(|p| self.is_left_alone(unit, function, p, 0))
    }

    /// Whether what a parameter points to is at most cleared or freed.
    fn is_left_alone(&self, unit: usize, function: usize, parameter: usize, depth: usize) -> bool {
        let name = &self.model.units[unit].facts.functions[function].name;
        let own = FunctionRef { unit, function };
        let at = self.model.definition_of(unit, function).unwrap_or(own);
        let facts = &self.model.units[at.unit].facts;
        let mut known = facts.handed.iter().filter(|h| (h.function, h.parameter) == (at.function, parameter));
        let on = |(callee, position): &(usize, usize)| self.is_left_alone(at.unit, *callee, *position, depth + 1);
        match facts.functions[at.function].definition {
            None => is_harmless(name),
            Some(_) => depth < HANDS && known.next().is_some_and(|h| h.to.iter().all(on)),
        }
    }

    /// The size of a struct in bytes; the largest if units know several of that name.
    fn size(&self, ty: &str) -> u64 {
        self.types.get(ty).and_then(|list| list.iter().map(|(_, t)| t.size).max()).unwrap_or(0)
    }

    fn is_allocator(&self, unit: usize, callee: &str) -> bool {
        self.allocators.named(self.model, unit, callee).is_some_and(|a| !a.shared)
    }

    /// Whether a function gives memory, fresh or not.
    fn allots(&self, unit: usize, callee: &str) -> bool {
        let function = self.model.function_named(unit, callee);
        let doubtful = |f| self.allocators.is_doubtful(self.model, unit, f);
        self.is_allocator(unit, callee) || function.is_some_and(doubtful)
    }

    fn is_shared(&self, unit: usize, callee: &str) -> bool {
        self.allocators.named(self.model, unit, callee).is_some_and(|a| a.shared)
    }

    /// Whether an object of one type begins with one of another, as a unit knows them: then the cast says nothing about layouts.
    pub fn begins_with(&self, unit: usize, outer: &str, inner: &str) -> bool {
        let Some(list) = self.types.get(outer) else { return false };
        // Other units may have another type of that name.
        let Some((_, t)) = list.iter().find(|(u, _)| *u == unit).or(list.first()) else { return false };
        t.fields.iter().take_while(|f| f.offset == 0).any(|f| {
            let first = element(&f.ty);
            first == inner || (first != outer && self.begins_with(unit, first, inner))
        })
    }

    fn place(&self, unit: usize, inside: Option<usize>, line: u32) -> String {
        let u = &self.model.units[unit];
        let function = inside.map(|f| &u.facts.functions[f]);
        let file = function.and_then(|f| f.definition.as_ref()).map_or(u.name.as_str(), |d| d.file.as_str());
        match function {
            Some(f) => format!("{}, {file}:{line}", f.name),
            None => format!("{file}:{line}"),
        }
    }
}

/// Why a struct has no room: what nobody can change before what is a matter of judgement, and its size last, as room for a
/// small one is easily had where nothing else is in the way.
fn no_room(reasons: &[Reason], small: bool) -> NoRoom {
    let hard = reasons.iter().find(|r| !r.soft);
    let reason = hard.or(reasons.iter().find(|r| r.inside)).or(reasons.first().filter(|_| !small));
    let text = match reason {
        Some(reason) if small && reason.soft => format!("it is small, and {}", reason.text),
        Some(reason) => reason.text.clone(),
        None => "it is small".to_owned(),
    };
    NoRoom { reason: text, soft: hard.is_none(), only_small: reason.is_none() }
}

/// Room for a struct of this size, if the configuration does not say otherwise.
fn default_slop(size: u64) -> u64 {
    (size / 8).next_multiple_of(8).clamp(8, 64)
}

fn unqualified(mut ty: &str) -> &str {
    while let Some(rest) = ty.strip_prefix("const ").or(ty.strip_prefix("volatile ")) {
        ty = rest;
    }
    ty
}

/// The type of the elements of an array, of arrays of arrays, too; any other type is itself.
fn element(ty: &str) -> &str {
    let ty = unqualified(ty);
    match ty.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => element(rest),
        None => ty,
    }
}

/// Whether a parameter of this type may point to memory of any kind.
fn is_memory(ty: &str) -> bool {
    let pointee = ty.strip_prefix('*').map(unqualified);
    pointee.is_some_and(|p| !["struct ", "union ", "*", "fn("].iter().any(|other| p.starts_with(other)))
}

/// Whether a type is an array of bytes or other numbers.
fn is_bytes(ty: &str) -> bool {
    let inner = element(ty);
    let number = [
        "char",
        "signed char",
        "unsigned char",
        "short",
        "unsigned short",
        "int",
        "unsigned int",
        "long",
        "unsigned long",
    ];
    unqualified(ty).starts_with('[') && number.contains(&inner)
}

/// Names of structs, unions and typedefs in a canonical type, and whether they are there by value.
pub(crate) fn names_in(ty: &str) -> impl Iterator<Item = (&str, bool)> {
    let bytes = ty.as_bytes();
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let mut at = 0;
    let mut pointer = false;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            if !word(bytes[at]) {
                pointer = bytes[at] == b'*' || (pointer && bytes[at] == b' ');
                at += 1;
                continue;
            }
            while at < bytes.len() && word(bytes[at]) {
                at += 1;
            }
            let first = &ty[start..at];
            if matches!(first, "const" | "volatile") {
                continue;
            }
            if matches!(first, "struct" | "union" | "enum") && bytes.get(at) == Some(&b' ') {
                at += 1;
                while at < bytes.len() && word(bytes[at]) {
                    at += 1;
                }
                // Local to a function: `struct foo in f`.
                if ty[at..].starts_with(" in ") {
                    at += 4;
                    while at < bytes.len() && word(bytes[at]) {
                        at += 1;
                    }
                }
            }
            let by_value = !std::mem::take(&mut pointer);
            return Some((&ty[start..at], by_value));
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_canonical_types() {
        let names = |ty: &'static str| names_in(ty).filter(|(n, _)| *n != "int").collect::<Vec<_>>();
        assert_eq!(names("*const struct a"), [("struct a", false)]);
        assert_eq!(names("[4]const struct a"), [("4", true), ("struct a", true)]);
        assert_eq!(
            names("*fn(*struct a,conn_t)->*union u in f"),
            [("fn", false), ("struct a", false), ("conn_t", true), ("union u in f", false)]
        );
        assert_eq!(element("const [3][4]volatile struct b"), "struct b");
        assert!(is_bytes("[16]unsigned char") && !is_bytes("unsigned char") && !is_bytes("[2]*char"));
    }

    #[test]
    fn slop_by_size() {
        assert_eq!([64, 65, 100, 512, 4096].map(default_slop), [8, 8, 16, 64, 64]);
    }

    #[test]
    fn harmless_functions() {
        assert!(is_harmless("__builtin___memset_chk") && is_harmless("zfree") && is_harmless("memset"));
        assert!(moves_bytes("write") && !is_harmless("write"));
    }
}
