//! Which types may have fields in a side table.
//!
//! A block belongs to the object at one address. What copies an object elsewhere, byte by byte, would take the number of
//! the block along and not what is in the block. So a type has a side table only if no code of either program copies its
//! objects, or can: by value, by its bytes, in memory that moves, or with its size, which whoever copies bytes must know.
//! The same holds for all types that have one of it inside.

use std::collections::BTreeSet;

use crate::analyse::allocators::Allocators;
use crate::analyse::model::{Model, Unit};
use crate::analyse::wrap::{is_harmless, moves_bytes, names_in};
use crate::diff::types::{Planned, Types};
use crate::facts::returned::library_name;
use crate::facts::{FieldUse, Function, Target, TypeUsage, TypeUse, Usage, Variable};
use crate::layout::place::Change;
use crate::layout::{Shape, is_beside};
use crate::rewrite::initializer;
use crate::text::lexer::Lexer;

/// Sentences about types that have a side table in the patch and must not, each with what to do.
pub fn refusals(types: &Types, old: &Model, new: &Model) -> Vec<String> {
    let with_table: Vec<&Shape> = types.shapes.values().filter(|s| s.has_side_table()).collect();
    if with_table.is_empty() {
        return Vec::new();
    }
    let programs = [Program::new(new), Program::new(old)];
    let mut found = Vec::new();
    for shape in with_table {
        let planned = types.planned.get(&shape.name);
        found.extend(planned.into_iter().flat_map(retyped));
        let objection = programs.iter().find_map(|p| p.objection(shape).or_else(|| p.shared_memory()));
        if let Some(objection) = objection {
            found.push(refused(shape, planned, &objection));
        }
    }
    found
}

fn refused(shape: &Shape, planned: Option<&Planned>, objection: &str) -> String {
    let fields: Vec<&str> = shape.beside().filter(|m| !m.is_ours()).map(|m| m.name.as_str()).collect();
    let (bytes, name) = (shape.beside().filter(|m| !m.is_ours()).map(|m| m.size).sum::<u64>(), &shape.name);
    let place = planned.map_or_else(String::new, |p| format!(" ({}:{})", p.new.file, p.new.line));
    format!(
        "{name}{place} changed shape: there is no room for {} ({bytes} bytes) in its objects, and a side table cannot have that, as \
         {objection}; build the program with `[types.\"{name}\"] slop = {}` \
         in dsu.toml to have room next time; for this change, restart it",
        fields.join(", "),
        (64 + bytes).next_multiple_of(8)
    )
}

/// Fields in a side table whose type changes once more.
fn retyped(planned: &Planned) -> Vec<String> {
    let sentence = |c: &Change| match c {
        Change::Retyped(was, now) if is_beside(&planned.old, was) => Some(format!(
            "field {} of {} ({}:{}) is in a side table since an earlier patch and has a new type: give the new field another name, \
             and fill it in a transformer",
            now.name, planned.name, planned.new.file, now.line
        )),
        _ => None,
    };
    planned.changes.iter().filter_map(sentence).collect()
}

/// A program, with what has to be known of it.
struct Program<'a> {
    model: &'a Model,
    allocators: Allocators,
}

impl<'a> Program<'a> {
    fn new(model: &'a Model) -> Self {
        Self { model, allocators: Allocators::new(model) }
    }

    /// What the program does with objects of a type that a side table cannot follow.
    fn objection(&self, shape: &Shape) -> Option<String> {
        let holders = self.holders(&shape.name);
        let holds = |ty: &str| names_in(ty).any(|(name, by_value)| by_value && holders.contains(name));
        for (unit, u) in self.model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            for t in u.facts.type_uses.iter().filter(|t| !is_generated(u, t)) {
                let own = t.ty == shape.name;
                let Some(what) = holders.contains(&t.ty).then(|| self.use_of(unit, t, own.then_some(shape))).flatten()
                else {
                    continue;
                };
                let what = if own { what } else { format!("{what} (it has {} inside)", shape.name) };
                return Some(format!("{} {what}", self.place(unit, t)));
            }
            let place = |function: Option<usize>, line: u32| {
                let name = function.map_or("an initialiser", |f| u.facts.functions[f].name.as_str());
                format!("{name} ({}:{line})", u.name)
            };
            for list in u.facts.initializers.iter().filter(|l| l.ty == shape.name) {
                let value = |(at, member): &(usize, Option<String>)| {
                    initializer::value_beside(*at, member.as_deref(), shape, &u.image.text)
                };
                if let Some(field) = list.elements.iter().find_map(value) {
                    let place = place(list.inside, list.line);
                    return Some(format!("{place} has a value for field {field} in an initialiser: assign it instead"));
                }
            }
            let constant =
                |f: &&FieldUse| f.constant && shape.beside().any(|m| f.ty == shape.name && m.name == f.field);
            if let Some(f) = u.facts.field_uses.iter().find(constant) {
                let place = place(Some(f.inside), f.line);
                return Some(format!("{place} needs the address or offset of field {} as a constant", f.field));
            }
            for c in u.facts.creations.iter().filter(|c| holders.contains(&c.ty)) {
                if self.allocators.get(self.model, unit, c.callee).is_some_and(|a| a.shared) {
                    let (f, callee) = (&u.facts.functions[c.inside].name, &u.facts.functions[c.callee].name);
                    return Some(format!(
                        "function {f} ({}:{}) makes {} in memory from {callee}, which other processes may share",
                        u.name, c.line, c.ty
                    ));
                }
            }
            // Objects that cannot be written cannot say which block is theirs.
            let constant = |v: &&Variable| v.constant && v.definition.is_some() && holds(&v.ty);
            if let Some(v) = u.facts.variables.iter().find(constant) {
                return Some(format!("variable {} ({}) is constant and cannot be written", v.name, u.name));
            }
            let by_value = |f: &&Function| holds(&f.prototype);
            if let Some(f) = u.facts.functions.iter().find(by_value) {
                return Some(format!("function {} ({}) takes or returns it by value", f.name, u.name));
            }
        }
        None
    }

    /// Where the program maps memory that other processes may have, too: nobody can say which objects are in it, and a side
    /// table is of one process.
    fn shared_memory(&self) -> Option<String> {
        for u in self.model.units.iter().filter(|u| u.kept.is_none()) {
            for reference in &u.facts.references {
                let (Target::Function(f), Some(inside)) = (reference.target, reference.inside) else { continue };
                let name = u.facts.functions[f].name.as_str();
                let shared = match (library_name(name), reference.usage) {
                    ("shmat", _) => true,
                    ("mmap" | "mmap64", Usage::Call(start, end)) => {
                        !is_private(u.image.text.get(start..end).unwrap_or(""))
                    }
                    ("mmap" | "mmap64", _) => true,
                    _ => false,
                };
                if shared {
                    let inside = &u.facts.functions[inside].name;
                    return Some(format!(
                        "function {inside} ({}) maps memory with {name} that other processes may share",
                        u.name
                    ));
                }
            }
        }
        None
    }

    /// The type, and all that have one of it inside.
    fn holders(&self, name: &str) -> BTreeSet<String> {
        let mut holders = BTreeSet::from([name.to_owned()]);
        loop {
            let before = holders.len();
            for t in self.model.units.iter().flat_map(|u| &u.facts.types) {
                let inside = |ty: &str| names_in(ty).any(|(name, by_value)| by_value && holders.contains(name));
                if t.fields.iter().any(|f| inside(&f.ty)) {
                    holders.insert(t.name.clone());
                }
            }
            if holders.len() == before {
                return holders;
            }
        }
    }

    /// What a use does that a side table cannot follow. `shape`: it is one of the type itself.
    fn use_of(&self, unit: usize, t: &TypeUse, shape: Option<&Shape>) -> Option<String> {
        let ty = &t.ty;
        let beside = |field: &String| shape.is_some_and(|s| s.beside().any(|m| m.name == *field));
        match &t.usage {
            TypeUsage::Assigned | TypeUsage::Copied | TypeUsage::Value => Some(format!("copies {ty} as a whole")),
            TypeUsage::Moved(callee) => Some(format!("copies the bytes of {ty} with {callee}")),
            TypeUsage::Passed { callee, .. } if moves_bytes(callee) => {
                Some(format!("passes the bytes of {ty} to {callee}"))
            }
            TypeUsage::Passed { callee, .. } | TypeUsage::Sized(callee) if self.moves(unit, callee) => {
                Some(format!("hands {ty} to {callee}, which may move it"))
            }
            TypeUsage::Passed { sized: true, callee } | TypeUsage::Sized(callee) if !self.stays(unit, callee) => {
                Some(match callee.as_str() {
                    "" => format!("uses the size of {ty} other than to allocate or clear it"),
                    callee => format!("passes the size of {ty} to {callee}, which may copy it"),
                })
            }
            TypeUsage::Measured | TypeUsage::Asserted => {
                Some(format!("keeps the size of {ty}, with which it may be copied"))
            }
            TypeUsage::Cast(other) if !self.holders(other).contains(ty) && !self.holders(ty).contains(other) => {
                Some(format!("uses {ty} as {other}"))
            }
            TypeUsage::Bytes => Some(format!("uses {ty} as bytes")),
            TypeUsage::Offset(field) | TypeUsage::Container(field) if beside(field) => {
                Some(format!("computes with the offset of field {field} of {ty}"))
            }
            _ => None,
        }
    }

    /// Whether a function may move memory that it is given.
    fn moves(&self, unit: usize, callee: &str) -> bool {
        let allocator = self.allocators.named(self.model, unit, callee);
        allocator.is_some_and(|a| a.old.is_some()) || matches!(library_name(callee), "qsort" | "qsort_r")
    }

    /// Whether a function that is given the size of a struct only makes, clears or frees such memory.
    fn stays(&self, unit: usize, callee: &str) -> bool {
        let allocator = self.allocators.named(self.model, unit, callee);
        let harmless = is_harmless(callee) && !matches!(library_name(callee), "realloc" | "reallocarray");
        !self.moves(unit, callee) && (harmless || allocator.is_some_and(|a| !a.shared))
    }

    fn place(&self, unit: usize, t: &TypeUse) -> String {
        let u = &self.model.units[unit];
        match t.inside.and_then(|f| u.facts.functions.get(f)) {
            Some(f) => {
                let file = f.definition.as_ref().map_or(u.name.as_str(), |d| d.file.as_str());
                format!("function {} ({file}:{})", f.name, t.line)
            }
            None => format!("{}:{}", if t.file.is_empty() { &u.name } else { &t.file }, t.line),
        }
    }
}

/// Whether a use is one of the patch's own functions, which know what they do.
fn is_generated(unit: &Unit, t: &TypeUse) -> bool {
    let function = t.inside.and_then(|f| unit.facts.functions.get(f));
    function.is_some_and(|f| f.name.starts_with("dsu_transformer_") || f.name.starts_with("dsu_carry_"))
}

/// Whether a call of `mmap`, as the preprocessor leaves it, asks for private memory and says so.
fn is_private(call: &str) -> bool {
    let (mut depth, mut argument, mut flags) = (0, 0, Vec::new());
    for token in Lexer::new(call, 0) {
        let word = call.get(token.start..token.end).unwrap_or("");
        depth += i32::from(word == "(") - i32::from(word == ")");
        argument += u32::from(word == "," && depth == 1);
        if argument == 3 {
            flags.push(word);
        }
    }
    // MAP_PRIVATE is 2, MAP_SHARED 1, MAP_SHARED_VALIDATE both.
    flags.iter().any(|w| matches!(*w, "0x02" | "2" | "MAP_PRIVATE"))
        && !flags.iter().any(|w| matches!(*w, "0x01" | "0x03" | "1" | "3" | "?"))
}

#[cfg(test)]
mod tests {
    use super::is_private;

    #[test]
    fn memory_of_this_process_alone() {
        assert!(is_private("mmap(0, f(a, b), 0x1 | 0x2, 0x02 | 0x20, -1, 0)"));
        assert!(!is_private("mmap(0, n, 0x1 | 0x2, 0x01 | 0x20, -1, 0)"));
        assert!(!is_private("mmap(0, n, 0x1 | 0x2, flags, -1, 0)"));
        assert!(!is_private("mmap(0, n, 0x1, shared ? 0x01 : 0x02, -1, 0)"));
    }
}
