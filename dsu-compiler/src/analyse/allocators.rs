//! Which functions of the program give fresh memory: those that return what an allocator returned, possibly after a
//! check, through local variables and other such functions.
//!
//! And which take it back: those that hand a parameter to `free`, or to other such functions, in every run.
//!
//! Only what is proven counts: a function that may also return memory that was there before (a pool, a cache, a
//! singleton) is not an allocator, since its result may be an object that lives. Such functions can be named in
//! `dsu.toml`.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyse::model::{FunctionRef, Model};
use crate::facts::freed::LEAPS;
use crate::facts::returned::library_name;
use crate::facts::{Always, Argument, Returned, Source};

/// A function that gives fresh memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocator {
    /// How much.
    pub size: Size,
    /// The argument that is memory to be made larger, if it takes one: only if that is null, the memory is fresh.
    pub old: Option<usize>,
    /// The memory may be shared with other processes or a file.
    pub shared: bool,
}

/// Which arguments say how much memory is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// It cannot be told.
    Unknown,
    /// This one, in bytes.
    Bytes(usize),
    /// The product of these.
    Product(usize, usize),
}

/// What is known of functions that return memory.
#[derive(Clone, Debug, Default)]
pub struct Allocators {
    /// Functions of the program.
    found: BTreeMap<FunctionRef, Verdict>,
    /// Those that free a parameter, with its index.
    freeing: BTreeSet<(FunctionRef, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Fresh memory.
    Fresh(Allocator),
    /// The parameter of this index.
    Pass(usize),
    /// Sometimes fresh memory and sometimes not, or it cannot be told.
    Mixed,
    /// Never fresh memory.
    Other,
}

/// Allocators of the libraries.
fn of_library(name: &str) -> Option<Allocator> {
    let fresh = |size, old| Some(Allocator { size, old, shared: false });
    match library_name(name) {
        "malloc" | "valloc" | "pvalloc" | "alloca" | "g_malloc" | "g_malloc0" | "g_try_malloc" | "CRYPTO_malloc"
        | "CRYPTO_zalloc" | "je_malloc" => fresh(Size::Bytes(0), None),
        "calloc" | "g_malloc0_n" | "g_malloc_n" | "je_calloc" => fresh(Size::Product(0, 1), None),
        "realloc" | "g_realloc" | "je_realloc" => fresh(Size::Bytes(1), Some(0)),
        "reallocarray" => fresh(Size::Product(1, 2), Some(0)),
        "aligned_alloc" | "memalign" => fresh(Size::Bytes(1), None),
        "mmap" | "mmap64" => Some(Allocator { size: Size::Bytes(1), old: None, shared: true }),
        "shmat" => Some(Allocator { size: Size::Unknown, old: None, shared: true }),
        _ => None,
    }
}

impl Allocators {
    /// Looks through the program.
    pub fn new(model: &Model) -> Self {
        let mut all: Vec<(FunctionRef, &Returned)> = Vec::new();
        for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            all.extend(u.facts.returned.iter().map(|r| (FunctionRef { unit, function: r.function }, r)));
        }
        let mut allocators = Self::default();
        for at in model.definitions().filter(|at| model.allocators.contains(&model.function(*at).name)) {
            let size = only_size(&model.function(at).prototype);
            allocators.found.insert(at, Verdict::Fresh(Allocator { size, old: None, shared: false }));
        }
        // Each round can only decide more functions.
        loop {
            let before = allocators.found.len();
            for (at, returned) in &all {
                if !allocators.found.contains_key(at) {
                    if let Some(verdict) = allocators.judge(model, *at, returned) {
                        allocators.found.insert(*at, verdict);
                    }
                }
            }
            if allocators.found.len() == before {
                break;
            }
        }
        allocators.find_freeing(model);
        allocators
    }

    fn find_freeing(&mut self, model: &Model) {
        let units = || model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none());
        // Where functions are left by jumps, what a function is about to free may stay.
        let leaps = units().any(|(_, u)| u.facts.functions.iter().any(|f| LEAPS.contains(&library_name(&f.name))));
        loop {
            let before = self.freeing.len();
            for (unit, h) in units().flat_map(|(unit, u)| u.facts.handed.iter().map(move |h| (unit, h))) {
                let frees =
                    |call: &Always| (call.first || !leaps) && self.frees(model, unit, call.callee, call.argument);
                if h.always.iter().any(frees) {
                    self.freeing.insert((FunctionRef { unit, function: h.function }, h.parameter));
                }
            }
            if self.freeing.len() == before {
                return;
            }
        }
    }

    /// Whether a function that a unit calls frees the memory that an argument points to, if it returns.
    pub fn frees(&self, model: &Model, unit: usize, callee: usize, argument: usize) -> bool {
        match model.body_of(unit, callee) {
            Some(at) => self.freeing.contains(&(at, argument)),
            None => argument == 0 && library_name(&model.units[unit].facts.functions[callee].name) == "free",
        }
    }

    /// What is known of a function that a unit calls, if it gives fresh memory.
    pub fn get(&self, model: &Model, unit: usize, callee: usize) -> Option<Allocator> {
        match self.verdict(model, unit, callee) {
            Some(Verdict::Fresh(allocator)) => Some(allocator),
            _ => None,
        }
    }

    /// The same, of the function of this name.
    pub fn named(&self, model: &Model, unit: usize, callee: &str) -> Option<Allocator> {
        let function = model.function_named(unit, callee)?;
        self.get(model, unit, function)
    }

    /// Whether a function of the program may give fresh memory, or memory that was there before.
    pub fn is_doubtful(&self, model: &Model, unit: usize, callee: usize) -> bool {
        matches!(self.verdict(model, unit, callee), Some(Verdict::Mixed))
    }

    fn verdict(&self, model: &Model, unit: usize, callee: usize) -> Option<Verdict> {
        let f = &model.units[unit].facts.functions[callee];
        if let Some(known) = of_library(&f.name) {
            return Some(Verdict::Fresh(known));
        }
        if model.allocators.contains(&f.name) {
            let size = only_size(&f.prototype);
            return Some(Verdict::Fresh(Allocator { size, old: None, shared: false }));
        }
        match model.body_of(unit, callee) {
            Some(at) => self.found.get(&at).copied(),
            None => Some(Verdict::Other),
        }
    }

    /// What a function gives; `None` while functions that it calls are undecided.
    fn judge(&self, model: &Model, at: FunctionRef, returned: &Returned) -> Option<Verdict> {
        let mut result: Option<Verdict> = None;
        let mut fresh = false;
        for source in &returned.sources {
            let verdict = match self.source(model, at, source) {
                Value::Null => continue,
                Value::Undecided => return None,
                Value::Known(verdict) => verdict,
            };
            fresh |= matches!(verdict, Verdict::Fresh(_) | Verdict::Mixed);
            result = Some(match (result, verdict) {
                (None, verdict) => verdict,
                (Some(Verdict::Fresh(a)), Verdict::Fresh(b)) => Verdict::Fresh(Allocator {
                    size: if a.size == b.size { a.size } else { Size::Unknown },
                    old: a.old.or(b.old),
                    shared: a.shared || b.shared,
                }),
                (Some(a), b) if a == b => a,
                _ if fresh => Verdict::Mixed,
                _ => Verdict::Other,
            });
        }
        let prototype = &model.function(at).prototype;
        Some(match result {
            Some(Verdict::Fresh(a)) if returned.filled || takes_memory(prototype, a.old) => Verdict::Other,
            Some(verdict) => verdict,
            None => Verdict::Other,
        })
    }

    fn source(&self, model: &Model, at: FunctionRef, source: &Source) -> Value {
        let (callee, arguments) = match source {
            Source::Null => return Value::Null,
            Source::Other => return Value::Known(Verdict::Other),
            Source::Parameter(p) => return Value::Known(Verdict::Pass(*p)),
            Source::Call { callee, arguments } => (*callee, arguments),
        };
        if model.definition_of(at.unit, callee) == Some(at) {
            return Value::Null; // What it returns to itself it returns anyway.
        }
        match self.verdict(model, at.unit, callee) {
            None if self.is_undecided(model, at.unit, callee) => Value::Undecided,
            None => Value::Known(Verdict::Other),
            Some(Verdict::Fresh(allocator)) => Value::Known(wrapper(allocator, arguments)),
            Some(Verdict::Pass(parameter)) => {
                let sources = arguments.get(parameter).map(|a| a.sources.as_slice()).unwrap_or_default();
                match sources {
                    [] => Value::Known(Verdict::Other),
                    [only] => self.source(model, at, only),
                    several => {
                        let mut values = several.iter().map(|s| self.source(model, at, s));
                        let first = values.find(|v| *v != Value::Null).unwrap_or(Value::Null);
                        let same = values.all(|v| v == first || v == Value::Null);
                        if same { first } else { Value::Known(Verdict::Mixed) }
                    }
                }
            }
            Some(verdict) => Value::Known(verdict),
        }
    }

    /// Whether a function without a verdict may still get one.
    fn is_undecided(&self, model: &Model, unit: usize, callee: usize) -> bool {
        let own = FunctionRef { unit, function: callee };
        let at = model.definition_of(unit, callee).unwrap_or(own);
        model.units[at.unit].facts.returned.iter().any(|r| r.function == at.function)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Null,
    Undecided,
    Known(Verdict),
}

/// What a function gives that returns the result of a call of an allocator.
fn wrapper(inner: Allocator, arguments: &[Argument]) -> Verdict {
    let mentioned = |i: usize| arguments.get(i).map(|a| (a.parameters.as_slice(), a.product));
    let size = match inner.size {
        Size::Unknown => Size::Unknown,
        Size::Bytes(i) => match mentioned(i) {
            Some(([p], _)) => Size::Bytes(*p),
            Some(([p, q], true)) => Size::Product(*p, *q),
            _ => Size::Unknown,
        },
        Size::Product(i, j) => match (mentioned(i), mentioned(j)) {
            (Some(([p], _)), Some(([q], _))) => Size::Product(*p, *q),
            (Some(([], _)), Some(([p], _))) | (Some(([p], _)), Some(([], _))) => Size::Bytes(*p),
            _ => Size::Unknown,
        },
    };
    let old = match inner.old.and_then(|i| arguments.get(i)) {
        None => None,
        Some(argument) => match argument.sources.as_slice() {
            [Source::Null] => None,
            [Source::Parameter(p)] => Some(*p),
            _ => return Verdict::Mixed,
        },
    };
    Verdict::Fresh(Allocator { size, old, shared: inner.shared })
}

/// The parameters of a function by its canonical type.
pub fn parameters(prototype: &str) -> Vec<&str> {
    let Some(rest) = prototype.strip_prefix("fn(") else { return Vec::new() };
    let (mut depth, mut start, mut list) = (0i32, 0, Vec::new());
    for (i, c) in rest.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' if depth == 0 => {
                if i > start {
                    list.push(&rest[start..i]);
                }
                break;
            }
            ')' | '}' => depth -= 1,
            ',' if depth == 0 => {
                list.push(&rest[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    list
}

/// Whether a function takes memory of any kind, other than to make it larger: it may copy from there.
fn takes_memory(prototype: &str, old: Option<usize>) -> bool {
    let is_memory = |ty: &str| matches!(ty, "*void" | "*const void");
    parameters(prototype).iter().enumerate().any(|(i, ty)| is_memory(ty) && old != Some(i))
}

/// The size among the parameters of a function that the user calls an allocator: the only number.
fn only_size(prototype: &str) -> Size {
    let is_size = |ty: &str| matches!(ty, "unsigned long" | "unsigned int" | "long" | "int");
    let list = parameters(prototype);
    let mut sizes = list.iter().enumerate().filter(|(_, ty)| is_size(ty)).map(|(i, _)| i);
    match (sizes.next(), sizes.next()) {
        (Some(only), None) => Size::Bytes(only),
        _ => Size::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_prototypes() {
        assert_eq!(parameters("fn()->*void"), Vec::<&str>::new());
        assert_eq!(parameters("fn(*fn(int,int)->int,unsigned long)->*void"), ["*fn(int,int)->int", "unsigned long"]);
        assert_eq!(only_size("fn(*struct pool,unsigned long)->*void"), Size::Bytes(1));
        assert_eq!(only_size("fn(unsigned long,unsigned long)->*void"), Size::Unknown);
        assert!(takes_memory("fn(*const void,unsigned long)->*void", None));
        assert!(!takes_memory("fn(*void,unsigned long)->*void", Some(0)));
    }
}
