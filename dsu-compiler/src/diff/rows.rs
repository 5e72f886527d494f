//! Which row of a table that changed its length is which: rows of structs are told by what they are initialised with.

use crate::analyse::model::{Model, VariableRef};
use crate::diff::ctypes::{Scope, array};
use crate::text::lexer::{Kind, Lexer};

/// How the rows of an old table become those of a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Each stays at its index.
    Same,
    /// From old index to new index. New rows that no old one becomes start as initialised.
    Mapped(Vec<(usize, usize)>),
    /// It cannot be told. What is in the way: the first old row that has no place any more, as its text.
    Unclear(String),
}

/// The rows of an array of which only the length changed. Rows that the initialiser does not list are told by their index,
/// and so are numbers, unless it looks as if some were put between others.
pub fn rows((old, old_at): (&Model, VariableRef), (new, at): (&Model, VariableRef)) -> Rows {
    let (o, v) = (old.variable(old_at), new.variable(at));
    let (Some((length, element)), Some(_)) = (array(&o.ty), array(&v.ty)) else { return Rows::Same };
    let (Some(before), Some(after)) = (initializer(old, old_at), initializer(new, at)) else { return Rows::Same };
    let (before, after) = (elements(before), elements(after));
    let listed = before.len() as u64 == length;
    if !listed || before.iter().zip(&after).all(|(one, other)| one == other) {
        return Rows::Same;
    }
    let told = told(&before, &after);
    if Scope::new(new, &new.units[at.unit]).number(element).is_none() {
        return told;
    }
    match told {
        Rows::Mapped(rows) => match rows.iter().find(|(was, is)| was != is) {
            Some((was, _)) => Rows::Unclear(before[*was].join(" ")),
            None => Rows::Same,
        },
        Rows::Unclear(_) | Rows::Same => Rows::Same,
    }
}

fn initializer(model: &Model, at: VariableRef) -> Option<&str> {
    let (start, end) = model.variable(at).definition.as_ref()?.initializer?;
    model.units[at.unit].image.text.get(start..end).filter(|text| text.trim_start().starts_with('{'))
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

/// The first value of a row, which names it in most tables.
fn key<'a>(row: &'a [&'a str]) -> &'a [&'a str] {
    let inside = row.strip_prefix(&["{"]).unwrap_or(row);
    let mut depth = 0;
    let end = inside.iter().position(|word| {
        depth += i32::from(matches!(*word, "{" | "(" | "[")) - i32::from(matches!(*word, "}" | ")" | "]"));
        depth < 0 || depth == 0 && *word == ","
    });
    &inside[..end.unwrap_or(inside.len())]
}

fn told(before: &[Vec<&str>], after: &[Vec<&str>]) -> Rows {
    let unclear = |row: &Vec<&str>| Rows::Unclear(row.join(" "));
    // With designators a row's place is not where it stands.
    if let Some(row) = before.iter().chain(after).find(|row| matches!(row.first(), Some(&("[" | ".")))) {
        return unclear(row);
    }
    let mut found: Vec<Option<usize>> = vec![None; before.len()];
    let mut taken = vec![false; after.len()];
    for same in
        [&(|a: &Vec<&str>, b: &Vec<&str>| a == b) as &dyn Fn(&Vec<&str>, &Vec<&str>) -> bool, &|a, b| key(a) == key(b)]
    {
        for i in 0..before.len() {
            if found[i].is_some() {
                continue;
            }
            let alike = |rows: &[Vec<&str>]| rows.iter().filter(|row| same(row, &before[i])).count();
            let free: Vec<usize> = (0..after.len()).filter(|j| !taken[*j] && same(&before[i], &after[*j])).collect();
            match free.as_slice() {
                // As many alike before as after: in order.
                [first, ..] if alike(before) == alike(after) => {
                    found[i] = Some(*first);
                    taken[*first] = true;
                }
                [] => {}
                _ => return unclear(&before[i]),
            }
        }
    }
    // An old row without a place is gone, if all new rows are known: otherwise it may have become one of them.
    let lost = (0..before.len()).find(|i| found[*i].is_none());
    if let Some(lost) = lost.filter(|_| taken.contains(&false)) {
        return unclear(&before[lost]);
    }
    Rows::Mapped(found.iter().enumerate().filter_map(|(i, j)| j.map(|j| (i, j))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(before: &str, after: &str) -> Rows {
        told(&elements(before), &elements(after))
    }

    #[test]
    fn rows_are_told_by_their_text_and_then_by_their_first_value() {
        let mapped = |pairs: &[(usize, usize)]| Rows::Mapped(pairs.to_vec());
        assert_eq!(map("{ {1, f}, {2, g} }", "{ {1, f}, {7, h}, {2, g}, }"), mapped(&[(0, 0), (1, 2)]));
        assert_eq!(map("{ {A, f(1, 2)}, {B, g}, }", "{ {B, g}, {A, other}, {C, 0} }"), mapped(&[(0, 1), (1, 0)]));
        assert_eq!(map("{ {A, f}, {B, g}, {C, h} }", "{ {A, f}, {C, h} }"), mapped(&[(0, 0), (2, 1)]));
        assert_eq!(map("{ \"a\", \"b\" }", "{ \"b\", \"c\", \"a\" }"), mapped(&[(0, 2), (1, 0)]));
        assert_eq!(
            map("{ {A}, {0}, {B}, {0} }", "{ {A}, {0}, {X}, {B}, {0} }"),
            mapped(&[(0, 0), (1, 1), (2, 3), (3, 4)])
        );
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        let unclear = |text: &str| Rows::Unclear(text.to_owned());
        assert_eq!(map("{ {A, f}, {B, g} }", "{ {X, f}, {B, g}, {C, h} }"), unclear("{ A , f }"));
        assert_eq!(map("{ {A, f}, {A, g} }", "{ {A, f}, {A, x}, {A, y} }"), unclear("{ A , g }"));
        assert_eq!(map("{ [0] = {A}, [1] = {B} }", "{ [0] = {X}, [1] = {A}, [2] = {B} }"), unclear("[ 0 ] = { A }"));
        assert_eq!(map("{ {0}, {0} }", "{ {1}, {0}, {0}, {0} }"), unclear("{ 0 }"));
    }
}
