//! Which row of a table that changed its length is which: rows of structs are told by what they are initialised with.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyse::model::{Model, VariableRef};
use crate::diff::ctypes::{Scope, array};
use crate::facts::{TypeKind, UnitFacts};
use crate::text::lexer::{Kind, Lexer};

/// How the rows of an old table become those of a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Each stays at its index.
    Same,
    /// From old index to new index, which differ somewhere. New rows that no old one becomes start as initialised.
    Mapped(Vec<(usize, usize)>),
    /// It cannot be told. What is in the way: the first old row that has no place any more, as its text.
    Unclear(String),
}

/// The rows of an array of which only the length changed. Numbers are told by their index, unless it looks as if some were put
/// between others.
pub fn rows((old, old_at): (&Model, VariableRef), (new, at): (&Model, VariableRef)) -> Rows {
    let (o, v) = (old.variable(old_at), new.variable(at));
    let (Some((length, element)), Some((new_length, _))) = (array(&o.ty), array(&v.ty)) else { return Rows::Same };
    let list = |text: &&str| text.trim_start().starts_with('{');
    let texts = (old.initializer(old_at).filter(list), new.initializer(at).filter(list));
    let (Some(before), Some(after)) = texts else { return Rows::Same };
    let listed = (
        listed(before, &|name| value_of(&old.units[old_at.unit].facts, name)),
        listed(after, &|name| value_of(&new.units[at.unit].facts, name)),
    );
    let (Some(before), Some(after)) = listed else {
        let same = elements(before).iter().zip(&elements(after)).all(|(one, other)| one == other);
        return if same { Rows::Same } else { Rows::Unclear("it has designators".to_owned()) };
    };
    let told = told(&before, &after, (length, new_length));
    let designated = before.values().chain(after.values()).all(|row| row.first() == Some(&"["));
    if designated || Scope::new(new, &new.units[at.unit]).number(element).is_none() {
        return told;
    }
    match told {
        Rows::Mapped(rows) => {
            let moved = rows.iter().find(|(was, is)| was != is).and_then(|(was, _)| before.get(was));
            Rows::Unclear(moved.map(|row| row.join(" ")).unwrap_or_default())
        }
        Rows::Unclear(_) | Rows::Same => Rows::Same,
    }
}

/// The elements of an initialiser list, each as its words.
fn elements(list: &str) -> Vec<Vec<&str>> {
    let (mut depth, mut found, mut current) = (0, Vec::new(), Vec::new());
    for token in Lexer::new(list, 0).filter(|t| t.kind != Kind::Directive) {
        let word = &list[token.start..token.end];
        match word {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        match (depth, word) {
            (1, ",") => found.push(std::mem::take(&mut current)),
            (1, "{") if found.is_empty() && current.is_empty() => {}
            (0, _) => {}
            _ => current.push(word),
        }
    }
    found.extend((!current.is_empty()).then_some(current));
    found
}

/// The value of an enumeration constant that a unit knows.
pub fn value_of(facts: &UnitFacts, name: &str) -> Option<i64> {
    let mut constants = facts.types.iter().filter(|t| t.kind == TypeKind::Enum).flat_map(|t| &t.fields);
    constants.find(|c| c.name == name).map(|c| c.offset)
}

/// The elements of an initialiser list by their index; `None` where a designator's value is not known.
fn listed<'t>(list: &'t str, constant: &dyn Fn(&str) -> Option<i64>) -> Option<Listed<'t>> {
    let index = |words: &[&str]| match words {
        [word] => word.parse().ok().or_else(|| usize::try_from(constant(word)?).ok()),
        _ => None,
    };
    let mut next = 0;
    let mut found = Listed::new();
    for row in elements(list) {
        if let Some(inside) = row.strip_prefix(&["["]) {
            let end = inside.iter().position(|w| *w == "]")?;
            next = index(&inside[..end])?;
        } else if row.first() == Some(&".") {
            return None;
        }
        found.insert(next, row);
        next += 1;
    }
    Some(found)
}

/// What names a row: its designator, or in most tables the first value in it.
fn key<'r, 't>(row: &'r [&'t str]) -> &'r [&'t str] {
    if let Some(end) = row.iter().position(|w| *w == "]").filter(|_| row.first() == Some(&"[")) {
        return &row[..=end];
    }
    // Of `&(struct s){ a, b }`, too.
    let inside = row.iter().position(|w| *w == "{").map_or(row, |open| &row[open + 1..]);
    let mut depth = 0;
    let end = inside.iter().position(|word| {
        depth += i32::from(matches!(*word, "{" | "(" | "[")) - i32::from(matches!(*word, "}" | ")" | "]"));
        depth < 0 || depth == 0 && *word == ","
    });
    &inside[..end.unwrap_or(inside.len())]
}

/// The words of each row that is listed, by its index.
type Listed<'t> = BTreeMap<usize, Vec<&'t str>>;

/// Which rows of a table became which, by the elements that are listed of it and by its length, before and after.
fn told(before: &Listed<'_>, after: &Listed<'_>, (length, new_length): (u64, u64)) -> Rows {
    let stays = |(i, row): (&usize, &Vec<&str>)| match after.get(i) {
        Some(other) => other == row,
        None => *i as u64 >= new_length && !after.values().any(|other| other == row),
    };
    if before.iter().all(stays) {
        return Rows::Same;
    }
    // Numbered designators say nothing: the number may be another row's now.
    let numbered = |row: &&Vec<&str>| row.first() == Some(&"[") && row.get(1).is_some_and(|w| w.parse::<u64>().is_ok());
    if let Some(row) = before.values().chain(after.values()).find(numbered) {
        return Rows::Unclear(row.join(" "));
    }
    let mut pairs = Pairs { before, after, found: BTreeMap::new(), taken: BTreeSet::new() };
    if let Err(row) = pairs.pair(|row| row).and_then(|()| pairs.pair(key)) {
        return Rows::Unclear(before[&row].join(" "));
    }
    let Pairs { mut found, taken, .. } = pairs;
    // An old row without a place is gone, if all new rows are known: otherwise it may have become one of them.
    let lost = before.iter().find(|(i, _)| !found.contains_key(i));
    if let Some((_, lost)) = lost.filter(|_| taken.len() < after.len()) {
        return Rows::Unclear(lost.join(" "));
    }
    // What is not listed is known by its index.
    for i in (0..length as usize).filter(|i| !before.contains_key(i)) {
        if after.contains_key(&i) {
            return Rows::Unclear(format!("[ {i} ]"));
        }
        if (i as u64) < new_length {
            found.insert(i, i);
        }
    }
    if found.iter().all(|(was, is)| was == is) { Rows::Same } else { Rows::Mapped(found.into_iter().collect()) }
}

/// Rows that became others.
struct Pairs<'l, 't> {
    before: &'l Listed<'t>,
    after: &'l Listed<'t>,
    /// From old index to new index.
    found: BTreeMap<usize, usize>,
    /// New indices.
    taken: BTreeSet<usize>,
}

impl<'t> Pairs<'_, 't> {
    /// Pairs rows of one name: as many must be left of it on both sides, which are in the same order then. Otherwise says which
    /// old row is in doubt.
    fn pair(&mut self, name: for<'r> fn(&'r [&'t str]) -> &'r [&'t str]) -> Result<(), usize> {
        let mut named: BTreeMap<&[&str], (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (i, row) in self.before.iter().filter(|(i, _)| !self.found.contains_key(i)) {
            named.entry(name(row)).or_default().0.push(*i);
        }
        for (i, row) in self.after.iter().filter(|(i, _)| !self.taken.contains(i)) {
            named.entry(name(row)).or_default().1.push(*i);
        }
        for (old, new) in named.into_values().filter(|(old, new)| !old.is_empty() && !new.is_empty()) {
            if old.len() != new.len() {
                return Err(old[0]);
            }
            self.taken.extend(&new);
            self.found.extend(old.into_iter().zip(new));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(before: &str, after: &str) -> Rows {
        let value = |names: &[&str], name: &str| names.iter().position(|n| *n == name).map(|i| i as i64);
        let before = listed(before, &|name| value(&["X0", "X1", "X2"], name));
        let after = listed(after, &|name| value(&["X0", "Y", "X1", "X2"], name));
        let (Some(before), Some(after)) = (before, after) else { return Rows::Unclear(String::new()) };
        let length = |rows: &Listed<'_>| rows.keys().max().map_or(0, |i| *i as u64 + 1);
        told(&before, &after, (length(&before), length(&after)))
    }

    #[test]
    fn rows_are_told_by_their_text_and_then_by_their_first_value() {
        let mapped = |pairs: &[(usize, usize)]| Rows::Mapped(pairs.to_vec());
        assert_eq!(map("{ {1, f}, {2, g} }", "{ {1, f}, {2, g}, {7, h}, }"), Rows::Same);
        assert_eq!(map("{ {1, f}, {2, g} }", "{ {1, f}, {7, h}, {2, g}, }"), mapped(&[(0, 0), (1, 2)]));
        assert_eq!(map("{ {A, f(1, 2)}, {B, g}, }", "{ {B, g}, {A, other}, {C, 0} }"), mapped(&[(0, 1), (1, 0)]));
        assert_eq!(map("{ {A, f}, {B, g}, {C, h} }", "{ {A, f}, {C, h} }"), mapped(&[(0, 0), (2, 1)]));
        assert_eq!(map("{ {A, f}, {B, g}, {C, h} }", "{ {A, f}, {B, g} }"), Rows::Same);
        assert_eq!(
            map("{ &(S){A, 1}, &(S){B, 2} }", "{ &(S){C, 1}, &(S){A, 1}, &(S){B, 3} }"),
            mapped(&[(0, 1), (1, 2)])
        );
        assert_eq!(map("{ \"a\", \"b\" }", "{ \"b\", \"c\", \"a\" }"), mapped(&[(0, 2), (1, 0)]));
        assert_eq!(
            map("{ {A}, {0}, {B}, {0} }", "{ {A}, {0}, {X}, {B}, {0} }"),
            mapped(&[(0, 0), (1, 1), (2, 3), (3, 4)])
        );
    }

    #[test]
    fn designators_say_which_row_it_is() {
        let mapped = |pairs: &[(usize, usize)]| Rows::Mapped(pairs.to_vec());
        assert_eq!(
            map("{ [X0] = {f}, [X1] = {g} }", "{ [Y] = {h}, [X0] = {f}, [X1] = {g} }"),
            mapped(&[(0, 0), (1, 2)])
        );
        // X0 is not listed, and stays where it is.
        assert_eq!(map("{ [X1] = {f}, [X2] = {g} }", "{ [X1] = {k}, [X2] = {g} }"), mapped(&[(0, 0), (1, 2), (2, 3)]));
        assert_eq!(
            map("{ [X0] = {f}, [X2] = {g} }", "{ [X0] = {f}, [Y] = {h}, [X2] = {g} }"),
            Rows::Unclear("[ 1 ]".to_owned())
        );
        assert_eq!(map("{ [0] = {f}, [2] = {g} }", "{ [0] = {f}, [2] = {g}, [3] = {h} }"), Rows::Same);
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        let unclear = |text: &str| Rows::Unclear(text.to_owned());
        assert_eq!(map("{ {A, f}, {B, g} }", "{ {X, f}, {B, g}, {C, h} }"), unclear("{ A , f }"));
        assert_eq!(map("{ {A, f}, {A, g} }", "{ {A, f}, {A, x}, {A, y} }"), unclear("{ A , g }"));
        assert_eq!(map("{ [0] = {A}, [1] = {B} }", "{ [0] = {X}, [1] = {A}, [2] = {B} }"), unclear("[ 0 ] = { A }"));
        assert_eq!(map("{ {0}, {0} }", "{ {1}, {0}, {0}, {0} }"), unclear("{ 0 }"));
        assert_eq!(map("{ [Z] = {A} }", "{ [Z] = {B}, {C} }"), unclear(""));
    }
}
