//! Which functions a call through a pointer may reach: those whose address is taken as a pointer of that type, or of one
//! that is converted to it.
//!
//! Types are compared as C compares them between units: an enum is a number, a function without a prototype is any function
//! with that result, and qualifiers do not matter.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::analyse::allocators::parameters;
use crate::analyse::model::{FunctionRef, Model};
use crate::facts::{Function, Target, TypeKind, Usage, Variable};
use crate::layout::place::innermost;

/// A function whose address is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// The function of the program; `None` for one that is not the program's.
    pub function: Option<FunctionRef>,
    /// What it is in the unit that takes the address.
    pub named: FunctionRef,
    /// The address only goes straight into a library there.
    pub handed: bool,
}

/// Pointers to functions, by their types. The empty type is that of what is no such pointer: a pointer to anything, a number.
pub struct Targets<'a> {
    /// Types that mean the same to C, and what they all are here.
    types: Types<'a>,
    /// Functions whose address is taken as a pointer of a type.
    taken: HashMap<usize, BTreeSet<Taken>>,
    /// Types that a pointer of a type may have been converted from.
    from: HashMap<usize, BTreeSet<usize>>,
    /// The same, but for where memory is looked at as two things, and where units disagree.
    plainly_from: HashMap<usize, BTreeSet<usize>>,
    /// Functions that the program may look up by name.
    looked_up: BTreeSet<Taken>,
}

/// What a pointer may point to.
#[derive(Debug, Default)]
pub struct Reached {
    /// The functions.
    pub functions: BTreeSet<Taken>,
    /// It may have been made of something that is no pointer to a function: what such things point to is among `functions`
    /// only if it was seen to become one.
    pub made: bool,
}

impl Reached {
    /// The functions of the program that the program itself may call.
    pub fn called(self) -> impl Iterator<Item = FunctionRef> {
        self.functions.into_iter().filter(|taken| !taken.handed).filter_map(|taken| taken.function)
    }
}

impl<'a> Targets<'a> {
    /// Reads what the units say.
    pub fn new(model: &'a Model) -> Self {
        let mut targets = Self {
            types: Types::new(model),
            taken: HashMap::new(),
            from: HashMap::new(),
            plainly_from: HashMap::new(),
            looked_up: BTreeSet::new(),
        };
        for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            let converted: HashMap<usize, &str> = u.facts.converted.iter().map(|c| (c.at, c.to.as_str())).collect();
            for reference in &u.facts.references {
                let Target::Function(function) = reference.target else { continue };
                let f = &u.facts.functions[function];
                let ty = converted.get(&reference.at).copied().unwrap_or(&f.prototype);
                let handed = match reference.usage {
                    Usage::Address => false,
                    Usage::Argument(to) => !ty.is_empty() && gives_nothing_back(model, unit, to),
                    _ => continue,
                };
                targets.take(model, FunctionRef { unit, function }, ty, handed);
                targets.agree(&f.prototype, ty);
            }
            for conversion in &u.facts.conversions {
                targets.link(&conversion.to, &conversion.from);
                if !conversion.in_memory {
                    let (to, from) = (targets.types.id(&conversion.to), targets.types.id(&conversion.from));
                    targets.plainly_from.entry(to).or_default().insert(from);
                }
            }
            let called = u.facts.indirect_calls.iter().map(|call| &call.prototype);
            for ty in called.chain(u.facts.callbacks.iter().map(|c| &c.prototype)) {
                targets.types.id(ty);
            }
        }
        if model.looks_up_names() {
            let named = model.touched.iter().filter_map(|symbol| model.functions.get(symbol)).copied();
            targets.looked_up = named.map(|at| Taken { function: Some(at), named: at, handed: false }).collect();
        }
        targets.disagreeing(model);
        targets
    }

    fn take(&mut self, model: &'a Model, named: FunctionRef, ty: &'a str, handed: bool) {
        let f = model.function(named);
        // What a resolver chose has the type of the name, or is a pointer to anything.
        if f.attributes.ifunc {
            self.link(ty, &f.prototype);
            self.link(ty, "");
        }
        let id = self.types.id(ty);
        let function = model.body_of(named.unit, named.function);
        self.taken.entry(id).or_default().insert(Taken { function, named, handed });
    }

    /// A pointer of one type may have been one of another.
    fn link(&mut self, to: &'a str, from: &'a str) {
        let (a, b) = (self.types.id(to), self.types.id(from));
        if a != b {
            self.from.entry(a).or_default().insert(b);
            self.agree(to, from);
        }
    }

    fn link_both(&mut self, a: &'a str, b: &'a str) {
        self.link(a, b);
        self.link(b, a);
    }

    /// Links what functions of one of two types take and give with what those of the other do: one is called as the other.
    fn agree(&mut self, a: &'a str, b: &'a str) {
        if a == b || a.is_empty() || b.is_empty() {
            return;
        }
        let (left, right) = (parameters(a), parameters(b));
        // Of a function that is only declared, `()` is no prototype.
        let untold = |list: &[&str]| matches!(list, [] | ["?"]);
        for index in 0..left.len().max(right.len()) {
            let part = |list: &[&'a str]| list.get(index).map_or("", |ty| pointed_to(ty));
            if untold(&left) || untold(&right) || left.get(index).zip(right.get(index)).is_some() {
                self.link_both(part(&left), part(&right));
            }
        }
        self.link_both(pointed_to(result(a)), pointed_to(result(b)));
    }

    /// Variables and functions of one name that units declare differently.
    fn disagreeing(&mut self, model: &'a Model) {
        let (mut variables, mut functions): (Declared<'_>, Declared<'_>) = Default::default();
        for u in model.units.iter().filter(|u| u.kept.is_none()) {
            for v in u.facts.variables.iter().filter(|v| !v.internal && v.function.is_none()) {
                variables.entry(&v.symbol).or_default().insert(pointed_by(v));
                // Whoever put something into a linker set had a pointer to anything.
                if v.bound_of_set().is_some() && !pointed_by(v).is_empty() {
                    self.link(pointed_by(v), "");
                }
            }
            for f in u.facts.functions.iter().filter(|f| !f.internal) {
                functions.entry(&f.symbol).or_default().insert(&f.prototype);
            }
        }
        for types in variables.into_values() {
            pairs(&types).for_each(|(a, b)| self.link_both(a, b));
        }
        for types in functions.into_values() {
            pairs(&types).for_each(|(a, b)| self.agree(a, b));
        }
    }

    /// Types that C takes for the same as this one: one of the two has no prototype, and results are the same.
    fn compatible(&self, ty: usize) -> impl Iterator<Item = usize> {
        let without = |ty: &str| ty.starts_with("fn(?)");
        let name = self.types.ids.iter().find(|(_, id)| **id == ty).map_or("", |(name, _)| name.as_str());
        let others = self.types.ids.iter().filter(move |(other, _)| {
            (without(name) || without(other)) && !name.is_empty() && result(other) == result(name)
        });
        others.map(|(_, id)| *id)
    }

    /// Functions of the program whose address goes anywhere but straight into a library.
    pub fn taken(&self) -> impl Iterator<Item = FunctionRef> {
        self.taken.values().flatten().filter(|taken| !taken.handed).filter_map(|taken| taken.function)
    }

    /// What a pointer to a function of this type may point to.
    pub fn reached(&self, prototype: &str) -> Reached {
        let mut found = Reached::default();
        let Some(first) = self.types.known(prototype) else { return found };
        for ty in closure(&self.from, self.compatible(first).chain([first])) {
            found.made |= ty == ANYTHING;
            found.functions.extend(self.taken.get(&ty).into_iter().flatten());
        }
        if found.made {
            found.functions.extend(&self.looked_up);
        }
        found
    }

    /// The functions to which a pointer of this type may point by plain conversions alone, where memory is not looked at as two
    /// things: `None` if one is a library's, or what a pointer to anything became.
    pub fn plainly_reached(&self, prototype: &str) -> Option<BTreeSet<FunctionRef>> {
        let types = closure(&self.plainly_from, [self.types.known(prototype)?]);
        let taken = types.iter().flat_map(|ty| self.taken.get(ty).into_iter().flatten());
        taken.map(|taken| taken.function).collect::<Option<_>>().filter(|_| !types.contains(&ANYTHING))
    }
}

/// What can be reached from some types.
fn closure(from: &HashMap<usize, BTreeSet<usize>>, types: impl IntoIterator<Item = usize>) -> HashSet<usize> {
    let mut todo: Vec<usize> = types.into_iter().collect();
    let mut seen: HashSet<usize> = HashSet::new();
    while let Some(ty) = todo.pop() {
        if seen.insert(ty) {
            todo.extend(from.get(&ty).into_iter().flatten());
        }
    }
    seen
}

/// Types of what has one name.
type Declared<'a> = HashMap<&'a str, BTreeSet<&'a str>>;

fn pairs<'a>(types: &BTreeSet<&'a str>) -> impl Iterator<Item = (&'a str, &'a str)> {
    types.iter().enumerate().flat_map(|(i, a)| types.iter().skip(i + 1).map(move |b| (*a, *b)))
}

/// Whether what a pointer to a function is handed to is a library's, and not known to give it back: it calls it, at most.
fn gives_nothing_back(model: &Model, unit: usize, to: usize) -> bool {
    let f: &Function = &model.units[unit].facts.functions[to];
    // Those store what they are given, or give it back as it is.
    let builtin = ["__sync_", "__atomic_", "__builtin_"].iter().any(|prefix| f.name.starts_with(prefix));
    let mut kept = model.units.iter().filter(|u| u.kept.is_some()).flat_map(|u| &u.defines);
    let by_kept = kept.any(|(symbol, _)| *symbol == f.symbol);
    !builtin && !by_kept && model.body_of(unit, to).is_none() && pointed_to(result(&f.prototype)).is_empty()
}

/// Types by number.
struct Types<'a> {
    /// Names of enums that are typedefs.
    enums: HashSet<&'a str>,
    /// Types as they are compared.
    ids: HashMap<String, usize>,
    /// Those seen.
    seen: HashMap<&'a str, usize>,
}

/// The number of the empty type.
const ANYTHING: usize = 0;

impl<'a> Types<'a> {
    fn new(model: &'a Model) -> Self {
        let types = model.units.iter().flat_map(|u| &u.facts.types);
        let enums = types.filter(|t| t.kind == TypeKind::Enum).map(|t| t.name.as_str()).collect();
        Self { enums, ids: HashMap::from([(String::new(), ANYTHING)]), seen: HashMap::new() }
    }

    fn id(&mut self, ty: &'a str) -> usize {
        if let Some(id) = self.seen.get(ty) {
            return *id;
        }
        let next = self.ids.len();
        let id = *self.ids.entry(self.compared(ty)).or_insert(next);
        self.seen.insert(ty, id);
        id
    }

    fn known(&self, ty: &str) -> Option<usize> {
        self.seen.get(ty).or_else(|| self.ids.get(&self.compared(ty))).copied()
    }

    /// A type without what does not tell it from others between units.
    fn compared(&self, ty: &str) -> String {
        let mut found = String::with_capacity(ty.len());
        let mut rest = ty;
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            if end == 0 {
                found.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let (word, behind) = rest.split_at(end);
            rest = behind;
            match word {
                "const" | "volatile" => rest = rest.trim_start_matches(' '),
                "bool" => found.push_str("_Bool"),
                "unsigned" if rest.starts_with(" int") => {
                    found.push_str("int");
                    rest = &rest[" int".len()..];
                }
                "enum" => {
                    found.push_str("int");
                    let name = rest.trim_start_matches(' ');
                    let closing = if name.starts_with('{') {
                        name.find('}').map(|at| at + 1)
                    } else {
                        name.find(|c| !is_word(c))
                    };
                    rest = &name[closing.unwrap_or(name.len())..];
                }
                _ if self.enums.contains(word) => found.push_str("int"),
                _ => found.push_str(word),
            }
        }
        found
    }
}

/// The result of a function by its canonical type.
fn result(prototype: &str) -> &str {
    let mut depth = 0i32;
    for (i, c) in prototype.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => {
                depth -= 1;
                if depth == 0 {
                    return prototype[i + 1..].strip_prefix("->").unwrap_or("");
                }
            }
            _ => {}
        }
    }
    ""
}

/// The type of the function that a pointer points to, or the pointers in an array; empty if that is something else.
fn pointed_to(ty: &str) -> &str {
    innermost(ty).0.strip_prefix('*').filter(|ty| ty.starts_with("fn(")).unwrap_or("")
}

/// The type of the functions that a variable, or the elements of an array, point to; empty if that is something else.
pub fn pointed_by(variable: &Variable) -> &str {
    pointed_to(&variable.ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_between_units() {
        let types = Types { enums: HashSet::from(["level"]), ids: HashMap::new(), seen: HashMap::new() };
        let same = |a: &str, b: &str| assert_eq!(types.compared(a), types.compared(b));
        same("fn(*const char,unsigned int)->void", "fn(*char,int)->void");
        same("fn(enum cmd,*struct s)->int", "fn(unsigned int,*struct s)->int");
        same("fn(level,bool)->int", "fn(int,_Bool)->int");
        same("fn(enum{;4:4})->int", "fn(int)->int");
        assert_ne!(types.compared("fn(unsigned long)->int"), types.compared("fn(int)->int"));
        assert_eq!(result("fn(*fn(int)->void,int)->*fn(int)->void"), "*fn(int)->void");
    }
}
