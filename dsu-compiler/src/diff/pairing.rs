//! Which unit of the old program became which unit of the new one.

use std::collections::{HashMap, HashSet};

use crate::analyse::model::{Model, Unit};
use crate::facts::Function;

/// Pairs of units.
#[derive(Clone, Debug, Default)]
pub struct Pairing {
    /// For each new unit, the old one.
    pub old_of: Vec<Option<usize>>,
    /// The static functions that each old unit defines, by name.
    static_functions: Vec<HashMap<String, usize>>,
}

impl Pairing {
    /// Pairs units by name; those left over by the longest common end of their paths, file name included.
    pub fn new(old: &Model, new: &Model) -> Self {
        let by_name = |name: &str| old.units.iter().position(|u| u.name == name);
        let mut old_of: Vec<Option<usize>> = new.units.iter().map(|u| by_name(&u.name)).collect();
        let mut taken: HashSet<usize> = old_of.iter().flatten().copied().collect();
        for (i, unit) in new.units.iter().enumerate() {
            if old_of[i].is_some() {
                continue;
            }
            let best = (0..old.units.len())
                .filter(|o| !taken.contains(o))
                .map(|o| (common_end(&old.units[o].name, &unit.name), o))
                .filter(|(length, _)| *length > 0)
                .max_by_key(|(length, o)| (*length, std::cmp::Reverse(*o)));
            if let Some((_, o)) = best {
                taken.insert(o);
                old_of[i] = Some(o);
            }
        }
        let defined = |f: &Function| f.internal && f.definition.is_some();
        let of_unit = |u: &Unit| {
            let functions = u.facts.functions.iter().enumerate().filter(|(_, f)| defined(f));
            // The first of a name counts.
            functions.rev().map(|(index, f)| (f.name.clone(), index)).collect()
        };
        Self { old_of, static_functions: old.units.iter().map(of_unit).collect() }
    }

    /// The static function of this name that an old unit defines.
    pub fn old_static(&self, unit: usize, name: &str) -> Option<usize> {
        self.static_functions.get(unit)?.get(name).copied()
    }

    /// The new unit an old one became.
    pub fn new_of(&self, old: usize) -> Option<usize> {
        self.old_of.iter().position(|o| *o == Some(old))
    }
}

/// How many path components two names have in common at their end.
fn common_end(a: &str, b: &str) -> usize {
    a.rsplit('/').zip(b.rsplit('/')).take_while(|(x, y)| x == y).count()
}
