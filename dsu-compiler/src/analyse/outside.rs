//! Calls out of libraries, units that are kept and whatever else is not rewritten: which functions of the program they may call,
//! and who may be on the stack below.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::analyse::model::{FunctionRef, Model};
use crate::analyse::targets::{Reached, Targets, pointed_by};
use crate::facts::{Callback, IndirectCall, Receiver, Reference, Target, Usage, Variable};

/// Functions of the C library that keep what they are given: its other functions may call it later.
const KEEPING: &[&str] =
    &["fopencookie", "register_printf_function", "register_printf_specifier", "register_printf_modifier"];

/// Places in functions: offsets in the texts of their units.
pub type Sites = BTreeMap<FunctionRef, usize>;

/// Notes a place, if it comes before the one that is known.
pub fn note(sites: &mut Sites, function: FunctionRef, at: usize) {
    let first = sites.entry(function).or_insert(at);
    *first = at.min(*first);
}

/// Who may be on the stack below functions that libraries call back.
#[derive(Default)]
pub struct Outside {
    /// By function: who hands it to a library function, which may call it at once.
    handed: HashMap<FunctionRef, Sites>,
    /// Functions that libraries which call back what they were given before know. Units that are kept are like these, and know
    /// the functions that they name.
    kept: BTreeSet<FunctionRef>,
    /// Who calls functions of such libraries.
    entering: Sites,
    /// Functions that what is looked up by name can call by name.
    named: BTreeSet<FunctionRef>,
    /// Who calls what nobody knows: what was looked up by name, or made of a pointer to anything.
    guessing: Sites,
}

/// Whether it was already asked who enters libraries, and who calls what is looked up: these are the same for all functions.
#[derive(Default)]
pub struct Entered {
    libraries: bool,
    looked_up: bool,
}

impl Outside {
    /// Reads what the units say. `is_called`: whether the program itself calls a function. `calls_back`: whether a function of
    /// this name, of a library, may call what it was given before.
    pub fn new(
        model: &Model,
        targets: &Targets<'_>,
        is_called: impl Fn(FunctionRef) -> bool,
        calls_back: impl Fn(&str) -> bool,
    ) -> Self {
        let mut reader = Reader {
            model,
            targets,
            calls_back,
            c_library: model.knows(KEEPING),
            strange: HashMap::new(),
            reached: HashMap::new(),
            threads: BTreeSet::new(),
            looked_up: model.units.iter().flat_map(|u| &u.facts.looked_up).map(String::as_str).collect(),
            found: Self::default(),
        };
        reader.named_outside();
        for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            u.facts.references.iter().for_each(|reference| reader.reference(unit, reference));
            u.facts.indirect_calls.iter().for_each(|call| reader.indirect_call(unit, call));
            u.facts.callbacks.iter().for_each(|callback| reader.callback(unit, callback));
            u.facts.library_pointers.iter().for_each(|ty| reader.keep(ty));
        }
        // What the program makes pointers to and never calls, others call: where libraries have put the pointers is not followed.
        let uncalled = targets.taken().filter(|at| !is_called(*at) && !reader.threads.contains(at));
        reader.found.kept.extend(uncalled);
        if model.looks_up_names() {
            reader.found.named =
                model.touched.iter().filter_map(|symbol| model.functions.get(symbol)).copied().collect();
        }
        reader.found
    }

    /// Who may be below a function, and where first. What is the same for all functions is said once.
    pub fn sites(&self, function: FunctionRef, entered: &mut Entered) -> impl Iterator<Item = (&FunctionRef, &usize)> {
        let library = self.kept.contains(&function) && !std::mem::replace(&mut entered.libraries, true);
        let looked_up = self.named.contains(&function) && !std::mem::replace(&mut entered.looked_up, true);
        let handed = self.handed.get(&function).into_iter().flatten();
        let entering = self.entering.iter().filter(move |_| library);
        handed.chain(entering).chain(self.guessing.iter().filter(move |_| looked_up))
    }

    /// Who may be below a function, as [`Outside::sites`].
    pub fn below(&self, function: FunctionRef, entered: &mut Entered) -> impl Iterator<Item = &FunctionRef> {
        self.sites(function, entered).map(|(caller, _)| caller)
    }
}

struct Reader<'a, 't, C> {
    model: &'a Model,
    targets: &'t Targets<'a>,
    calls_back: C,
    /// The C library calls back what it was given before, too.
    c_library: bool,
    /// What was asked of both, by unit and function.
    strange: HashMap<(usize, usize), bool>,
    /// What pointers of a type may point to.
    reached: HashMap<&'a str, Rc<Reached>>,
    /// Functions that threads begin with.
    threads: BTreeSet<FunctionRef>,
    /// Types of functions that pointers point to in what is looked up by name.
    looked_up: HashSet<&'a str>,
    found: Outside,
}

impl<'a, C: Fn(&str) -> bool> Reader<'a, '_, C> {
    fn reached(&mut self, ty: &'a str) -> Rc<Reached> {
        self.reached.entry(ty).or_insert_with(|| Rc::new(self.targets.reached(ty))).clone()
    }

    /// Whether a function, by index in its unit, is a library's that calls back what it was given before.
    fn is_strange(&mut self, unit: usize, function: usize) -> bool {
        let symbol = || self.model.units[unit].facts.functions[function].symbol.as_str();
        *self.strange.entry((unit, function)).or_insert_with(|| self.c_library || (self.calls_back)(symbol()))
    }

    /// Libraries know all functions to which a pointer of this type may point.
    fn keep(&mut self, ty: &'a str) {
        let reached = self.reached(ty);
        self.found.kept.extend(reached.functions.iter().filter_map(|taken| taken.function));
    }

    /// What objects that are not rewritten name, and what is in variables that they share with the program.
    fn named_outside(&mut self) {
        let model = self.model;
        self.found.kept.extend(model.named_outside.iter().filter_map(|symbol| model.functions.get(symbol)));
        for u in model.units.iter().filter(|u| u.kept.is_none()) {
            let shared = |v: &&Variable| {
                let theirs = !v.internal && v.function.is_none() && !model.variables.contains_key(&v.symbol);
                theirs || model.named_outside.contains(&v.symbol)
            };
            let types = u.facts.variables.iter().filter(shared).map(pointed_by).filter(|ty| !ty.is_empty());
            types.for_each(|ty| self.keep(ty));
        }
    }

    fn reference(&mut self, unit: usize, reference: &Reference) {
        let (Target::Function(target), Some(inside)) = (reference.target, reference.inside) else { return };
        let inside = FunctionRef { unit, function: inside };
        match reference.usage {
            Usage::Call(..) if self.model.body_of(unit, target).is_none() && self.is_strange(unit, target) => {
                note(&mut self.found.entering, inside, reference.at);
            }
            Usage::Argument(to) if self.is_library(unit, to) => {
                if let Some(function) = self.model.body_of(unit, target) {
                    note(self.found.handed.entry(function).or_default(), inside, reference.at);
                    if self.is_strange(unit, to) {
                        self.found.kept.insert(function);
                    }
                }
            }
            _ => {}
        }
    }

    fn is_library(&self, unit: usize, function: usize) -> bool {
        self.model.body_of(unit, function).is_none() && !self.model.starts_threads(unit, function)
    }

    /// A call through a pointer may be one of a library's function.
    fn indirect_call(&mut self, unit: usize, call: &'a IndirectCall) {
        let (inside, prototype) = (FunctionRef { unit, function: call.inside }, call.prototype.as_str());
        let reached = self.reached(prototype);
        let mut theirs = reached.functions.iter().filter(|taken| taken.function.is_none());
        if theirs.any(|taken| self.is_strange(taken.named.unit, taken.named.function)) {
            note(&mut self.found.entering, inside, call.at);
        }
        if reached.made || self.looked_up.contains(prototype) {
            note(&mut self.found.guessing, inside, call.at);
        }
    }

    fn callback(&mut self, unit: usize, Callback { inside, receiver, prototype, at }: &'a Callback) {
        let inside = FunctionRef { unit, function: *inside };
        let (library, keeps) = match receiver {
            Receiver::Function(to) => (self.is_library(unit, *to), self.is_strange(unit, *to)),
            Receiver::Pointer(ty) => {
                let reached = self.reached(ty);
                let unknown = reached.made || self.looked_up.contains(ty.as_str());
                (unknown || reached.functions.iter().any(|taken| taken.function.is_none()), unknown)
            }
            Receiver::Library => {
                note(&mut self.found.entering, inside, *at);
                (true, true)
            }
        };
        let reached = self.reached(prototype);
        let called = reached.functions.iter().filter_map(|taken| taken.function);
        if matches!(receiver, Receiver::Function(to) if self.model.starts_threads(unit, *to)) {
            self.threads.extend(called);
            return;
        }
        for function in called.filter(|_| library) {
            note(self.found.handed.entry(function).or_default(), inside, *at);
            self.found.kept.extend(keeps.then_some(function));
        }
    }
}
