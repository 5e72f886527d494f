//! Which functions a call through a pointer may reach: those whose address is taken as a pointer of that type, or of one
//! that is converted to it.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::analyse::model::{FunctionRef, Model};
use crate::facts::{Target, Usage, Variable};
use crate::layout::place::innermost;

/// A function whose address is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// The function; `None` for one that is not the program's.
    pub function: Option<FunctionRef>,
    /// The address only goes straight into a library there.
    pub handed: bool,
}

/// Pointers to functions, by their canonical types. The empty type is that of what is no such pointer: a pointer to anything,
/// a number.
pub struct Targets<'a> {
    /// Functions whose address is taken as a pointer of this type.
    taken: HashMap<&'a str, BTreeSet<Taken>>,
    /// Types that a pointer of this type may have been converted from.
    from: HashMap<&'a str, BTreeSet<&'a str>>,
    /// Functions that the program may look up by name.
    looked_up: HashMap<&'a str, BTreeSet<Taken>>,
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
        let mut targets = Self { taken: HashMap::new(), from: HashMap::new(), looked_up: HashMap::new() };
        for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            let converted: HashMap<usize, &str> = u.facts.converted.iter().map(|c| (c.at, c.to.as_str())).collect();
            for reference in &u.facts.references {
                let Target::Function(function) = reference.target else { continue };
                let handed = match reference.usage {
                    Usage::Address => false,
                    Usage::Argument(to) => model.program_body_of(unit, to).is_none(),
                    _ => continue,
                };
                let own = u.facts.functions[function].prototype.as_str();
                let ty = converted.get(&reference.at).copied().unwrap_or(own);
                let function = model.program_body_of(unit, function);
                targets.taken.entry(ty).or_default().insert(Taken { function, handed });
            }
            for conversion in &u.facts.conversions {
                targets.from.entry(&conversion.to).or_default().insert(&conversion.from);
            }
        }
        for at in
            model.touched.iter().filter_map(|symbol| model.functions.get(symbol)).filter(|_| model.looks_up_names())
        {
            let taken = Taken { function: Some(*at), handed: false };
            targets.looked_up.entry(&model.function(*at).prototype).or_default().insert(taken);
        }
        targets.disagreeing(model);
        targets
    }

    /// Variables of one name that units declare as pointers to different functions.
    fn disagreeing(&mut self, model: &'a Model) {
        let mut known: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for u in model.units.iter().filter(|u| u.kept.is_none()) {
            for v in u.facts.variables.iter().filter(|v| !v.internal && v.function.is_none()) {
                known.entry(&v.symbol).or_default().insert(pointed_to(v));
            }
        }
        let differing = known.values().filter(|types| types.len() > 1 && types.iter().any(|ty| !ty.is_empty()));
        for types in differing {
            for to in types {
                self.from.entry(to).or_default().extend(types.iter().filter(|from| *from != to));
            }
        }
    }

    /// What a pointer to a function of this type may point to.
    pub fn reached(&self, prototype: &'a str) -> Reached {
        let mut found = Reached::default();
        let mut todo = vec![prototype];
        let mut seen = HashSet::new();
        while let Some(ty) = todo.pop() {
            if seen.insert(ty) {
                found.made |= ty.is_empty();
                found.functions.extend(self.taken.get(ty).into_iter().flatten());
                todo.extend(self.from.get(ty).into_iter().flatten());
            }
        }
        if found.made {
            found.functions.extend(self.looked_up.get(prototype).into_iter().flatten());
        }
        found
    }
}

/// The type of the functions that a variable, or the elements of an array, point to; empty if that is something else.
fn pointed_to(variable: &Variable) -> &str {
    innermost(&variable.ty).0.strip_prefix('*').filter(|ty| ty.starts_with("fn(")).unwrap_or("")
}
