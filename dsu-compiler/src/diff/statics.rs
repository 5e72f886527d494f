//! Static variables of functions: which of the new program is which of the old one.
//!
//! Most are told by name. A function may have several of one name, in different blocks (a macro that declares one, used
//! several times): those are told by what identifies them. Variables declared in one block belong together; a block of the
//! new function is the block of the old one with the same text (names of static variables and line numbers aside), or else with
//! the same variables and initial values, where there is only one such block. What lies between two blocks that are known is then
//! told by order, if old and new function have equally many there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dsu_abi::Id;

use crate::analyse::model::{Model, Unit, VariableRef};
use crate::diff::pairing::Pairing;
use crate::facts::content::Content;
use crate::facts::{Definition, UnitFacts, Variable};
use crate::program::is_registered_static;
use crate::text::lexer::Lexer;

/// What a static variable of a function was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// This variable of the old program.
    Old(VariableRef),
    /// It is new. `instead`: others of its name, with other initial values, are gone from the same place.
    New {
        /// Whether something is gone that it may have been made of.
        instead: bool,
    },
    /// That cannot be told.
    Unclear,
}

/// What became of static variables of functions that have several of one name.
#[derive(Clone, Debug, Default)]
pub struct Statics {
    matches: BTreeMap<VariableRef, Match>,
}

impl Statics {
    /// Compares the functions of these units of the new program.
    pub fn new(old: &Model, new: &Model, pairing: &Pairing, units: &BTreeSet<usize>) -> Self {
        let mut matches = BTreeMap::new();
        for &unit in units {
            let Some(old_unit) = pairing.old_of[unit] else { continue };
            for (variable, found) in of_unit(&old.units[old_unit], &new.units[unit]) {
                let found = match found {
                    Found::Old(variable) => Match::Old(VariableRef { unit: old_unit, variable }),
                    Found::New { instead } => Match::New { instead },
                    Found::Unclear => Match::Unclear,
                };
                matches.insert(VariableRef { unit, variable }, found);
            }
        }
        Self { matches }
    }

    /// What a variable was; `None` if its name tells.
    pub fn of(&self, at: VariableRef) -> Option<Match> {
        self.matches.get(&at).copied()
    }
}

/// The same, in one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Old(usize),
    New { instead: bool },
    Unclear,
}

/// The static variables of each function, by its name.
fn by_function(facts: &UnitFacts) -> BTreeMap<&str, Vec<usize>> {
    let mut found: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, v) in facts.variables.iter().enumerate() {
        let Some(function) = v.function.map(|f| &facts.functions[f]) else { continue };
        if is_registered_static(v) && function.definition.is_some() {
            found.entry(&function.name).or_default().push(index);
        }
    }
    found
}

/// How often each name occurs.
fn names<'a>(facts: &'a UnitFacts, variables: &[usize]) -> BTreeMap<&'a str, usize> {
    let mut found = BTreeMap::new();
    for &v in variables {
        *found.entry(facts.variables[v].name.as_str()).or_default() += 1;
    }
    found
}

fn of_unit(old: &Unit, new: &Unit) -> Vec<(usize, Found)> {
    let (before, after) = (by_function(&old.facts), by_function(&new.facts));
    let mut contents = None;
    let mut found = Vec::new();
    for (function, variables) in after {
        let Some(were) = before.get(function) else { continue };
        let (names, old_names) = (names(&new.facts, &variables), names(&old.facts, were));
        let common = |name: &str| names.contains_key(name) && old_names.contains_key(name);
        if !names.iter().chain(&old_names).any(|(name, count)| *count > 1 && common(name)) {
            continue;
        }
        let (old_content, new_content) = contents.get_or_insert_with(|| (content(old), content(new)));
        let was = groups(&old.facts, &old.image.text, old_content, were, common);
        let is = groups(&new.facts, &new.image.text, new_content, &variables, common);
        found.extend(align(&was, &is));
    }
    found
}

fn content(unit: &Unit) -> Content<'_> {
    Content::new(&unit.image.text, Lexer::new(&unit.image.text, 0).collect(), &[])
}

/// What tells one variable from another of its name: name, type and the text of its initial value, if it is defined and has one.
type Look = (String, String, Option<Option<Id>>);

/// The variables that are declared in one block.
#[derive(Clone, Debug)]
struct Group {
    members: Vec<usize>,
    looks: Vec<Look>,
    /// Identity of the block's text.
    text: Id,
}

fn groups(
    facts: &UnitFacts,
    text: &str,
    content: &Content<'_>,
    variables: &[usize],
    wanted: impl Fn(&str) -> bool,
) -> Vec<Group> {
    let Some(function) = variables.first().and_then(|v| facts.variables[*v].function) else { return Vec::new() };
    let Some(definition) = &facts.functions[function].definition else { return Vec::new() };
    let own = facts.variables.iter().filter(|v| v.function == Some(function));
    let nameless: BTreeSet<&str> = own.map(|v| v.name.as_str()).collect();
    let start = |v: usize| facts.variables[v].definition.as_ref().map_or(0, |d| d.start);
    let mut variables: Vec<usize> = variables.iter().copied().filter(|v| wanted(&facts.variables[*v].name)).collect();
    variables.sort_by_key(|v| start(*v));
    let blocks = blocks(text, definition, &variables.iter().map(|v| start(*v)).collect::<Vec<_>>());
    let mut groups: Vec<((usize, usize), Group)> = Vec::new();
    let mut known: HashMap<(usize, usize), usize> = HashMap::new();
    for (variable, block) in variables.into_iter().zip(blocks) {
        let index = *known.entry(block).or_insert_with(|| {
            let text = content.own_without(block.0, block.1, &nameless);
            groups.push((block, Group { members: Vec::new(), looks: Vec::new(), text }));
            groups.len() - 1
        });
        let group = &mut groups[index].1;
        group.members.push(variable);
        let initial = |(start, end)| content.own_without(start, end, &nameless);
        group.looks.push(look(&facts.variables[variable], initial));
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn look(v: &Variable, initial: impl Fn((usize, usize)) -> Id) -> Look {
    let value = v.definition.as_ref().map(|d| d.initializer.map(initial));
    (v.name.clone(), format!("{}{}", v.storage(), v.ty), value)
}

/// The innermost block around each of these places in a function's body, which are in order.
fn blocks(text: &str, definition: &Definition, places: &[usize]) -> Vec<(usize, usize)> {
    let mut blocks = vec![(definition.body, definition.end)];
    let (mut open, mut found) = (vec![0], Vec::new());
    for token in Lexer::new(text, definition.body).take_while(|t| t.end <= definition.end) {
        while places.get(found.len()).is_some_and(|place| *place <= token.start) {
            found.push(open.last().copied().unwrap_or(0));
        }
        match text.get(token.start..token.end) {
            Some("{") => {
                open.push(blocks.len());
                blocks.push((token.end, definition.end));
            }
            Some("}") if open.len() > 1 => {
                if let Some(block) = open.pop() {
                    blocks[block].1 = token.start;
                }
            }
            _ => {}
        }
    }
    found.resize(places.len(), 0);
    found.into_iter().map(|block| blocks[block]).collect()
}

/// Finds out what each member of the new groups was.
fn align(old: &[Group], new: &[Group]) -> Vec<(usize, Found)> {
    let mut pairs =
        Pairs { old_of: vec![None; new.len()], taken: vec![false; old.len()], unclear: vec![false; new.len()] };
    let (all_old, all_new): (Vec<usize>, Vec<usize>) = ((0..old.len()).collect(), (0..new.len()).collect());
    pairs.unique(&all_old, &all_new, |o, n| (&old[o].text, &old[o].looks) == (&new[n].text, &new[n].looks));
    pairs.unique(&all_old, &all_new, |o, n| old[o].looks == new[n].looks);
    let mut found = Vec::new();
    for (were, are) in pairs.gaps() {
        pairs.as_many(&were, &are, |o, n| (&old[o].text, &old[o].looks) == (&new[n].text, &new[n].looks));
        pairs.as_many(&were, &are, |o, n| old[o].looks == new[n].looks);
        pairs.doubtful(&were, &are, |o, n| old[o].looks == new[n].looks);
        let left = |of: &[Group], group: Vec<usize>| -> Vec<(usize, Look)> {
            let members =
                group.into_iter().flat_map(|g| of[g].members.iter().copied().zip(of[g].looks.iter().cloned()));
            members.collect()
        };
        let gone = left(old, were.into_iter().filter(|o| !pairs.taken[*o]).collect());
        let come = left(new, are.into_iter().filter(|n| pairs.old_of[*n].is_none() && !pairs.unclear[*n]).collect());
        found.extend(leftover(&gone, &come));
    }
    for (n, group) in new.iter().enumerate() {
        if let Some(o) = pairs.old_of[n] {
            found.extend(group.members.iter().copied().zip(old[o].members.iter().map(|m| Found::Old(*m))));
        } else if pairs.unclear[n] {
            found.extend(group.members.iter().map(|m| (*m, Found::Unclear)));
        }
    }
    found
}

/// Variables of one place that nothing identifies, name by name: as many as before are those of before, in order.
fn leftover(gone: &[(usize, Look)], come: &[(usize, Look)]) -> Vec<(usize, Found)> {
    let of = |list: &[(usize, Look)], name: &str| -> Vec<(usize, Look)> {
        list.iter().filter(|(_, look)| look.0 == name).cloned().collect()
    };
    let names: BTreeSet<&str> = come.iter().map(|(_, look)| look.0.as_str()).collect();
    let mut found = Vec::new();
    for name in names {
        let (were, are) = (of(gone, name), of(come, name));
        if were.len() == are.len() {
            found.extend(are.iter().zip(&were).map(|((n, _), (o, _))| (*n, Found::Old(*o))));
            continue;
        }
        // An initial value of its own says what a variable is for; without one, it may be any of them.
        let silent = |look: &Look| look.2.is_none_or(|initial| initial.is_none());
        let alike = |look: &Look| were.iter().any(|(_, other)| silent(look) || silent(other) || look == other);
        let what = |look: &Look| if alike(look) { Found::Unclear } else { Found::New { instead: !were.is_empty() } };
        found.extend(are.iter().map(|(n, look)| (*n, what(look))));
    }
    found
}

/// Groups that are the same.
struct Pairs {
    old_of: Vec<Option<usize>>,
    taken: Vec<bool>,
    unclear: Vec<bool>,
}

impl Pairs {
    fn pair(&mut self, o: usize, n: usize) {
        self.old_of[n] = Some(o);
        self.taken[o] = true;
    }

    /// The groups of each side that are like new group `n` and not known yet.
    fn alike(
        &self,
        old: &[usize],
        new: &[usize],
        n: usize,
        same: impl Fn(usize, usize) -> bool,
    ) -> (Vec<usize>, Vec<usize>) {
        let olds: Vec<usize> = old.iter().copied().filter(|o| !self.taken[*o] && same(*o, n)).collect();
        let news = |o: &usize| new.iter().copied().filter(|m| self.old_of[*m].is_none() && same(*o, *m)).collect();
        let news = olds.first().map(news).unwrap_or_default();
        (olds, news)
    }

    /// Pairs what is there once on each side.
    fn unique(&mut self, old: &[usize], new: &[usize], same: impl Fn(usize, usize) -> bool) {
        for &n in new.iter() {
            if self.old_of[n].is_some() {
                continue;
            }
            let (olds, news) = self.alike(old, new, n, &same);
            if let ([o], [_]) = (olds.as_slice(), news.as_slice()) {
                self.pair(*o, n);
            }
        }
    }

    /// Pairs, in order, what is there equally often on both sides.
    fn as_many(&mut self, old: &[usize], new: &[usize], same: impl Fn(usize, usize) -> bool) {
        for &n in new.iter() {
            if self.old_of[n].is_some() {
                continue;
            }
            let (olds, news) = self.alike(old, new, n, &same);
            if olds.len() == news.len() {
                olds.into_iter().zip(news).for_each(|(o, n)| self.pair(o, n));
            }
        }
    }

    /// Notes what is there on both sides, but not equally often.
    fn doubtful(&mut self, old: &[usize], new: &[usize], same: impl Fn(usize, usize) -> bool) {
        for &n in new.iter().filter(|n| self.old_of[**n].is_none()) {
            self.unclear[n] = old.iter().any(|o| !self.taken[*o] && same(*o, n));
        }
        // The others of that kind are none that anything could have been made of.
        for &o in old {
            self.taken[o] |= new.iter().any(|n| self.unclear[*n] && same(o, *n));
        }
    }

    /// What lies between the groups that are known, on both sides, as far as their order is the same.
    fn gaps(&self) -> Vec<(Vec<usize>, Vec<usize>)> {
        let anchors = increasing(&self.old_of);
        let (mut from, mut gaps) = ((0, 0), Vec::new());
        for (o, n) in anchors.into_iter().chain([(self.taken.len(), self.old_of.len())]) {
            let olds = (from.0..o).filter(|o| !self.taken[*o]).collect();
            let news = (from.1..n).filter(|n| self.old_of[*n].is_none()).collect();
            gaps.push((olds, news));
            from = (o + 1, n + 1);
        }
        gaps
    }
}

/// The longest list of pairs that is in order on both sides.
fn increasing(old_of: &[Option<usize>]) -> Vec<(usize, usize)> {
    let pairs: Vec<(usize, usize)> = old_of.iter().enumerate().filter_map(|(n, o)| o.map(|o| (o, n))).collect();
    // For each pair the length of the longest list that ends with it, and the pair before it there.
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(pairs.len());
    for (i, (o, _)) in pairs.iter().enumerate() {
        let before = (0..i).filter(|j| pairs[*j].0 < *o).max_by_key(|j| best[*j].0);
        best.push((before.map_or(1, |j| best[j].0 + 1), before));
    }
    let mut at = (0..pairs.len()).max_by_key(|i| best[*i].0);
    let mut found = Vec::new();
    while let Some(i) = at {
        found.push(pairs[i]);
        at = best[i].1;
    }
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of one variable each, named by number; equal letters have equal initial values, the digit tells the text.
    fn groups(spelled: &str) -> Vec<Group> {
        let group = |(index, word): (usize, &str)| {
            let (value, text) = word.split_at(1);
            let id = |s: &str| crate::facts::content::of_text(s);
            let value = if value == "-" { None } else { Some(id(value)) };
            let looks = vec![("v".to_owned(), "int".to_owned(), Some(value))];
            Group { members: vec![index], looks, text: id(text) }
        };
        spelled.split_whitespace().enumerate().map(group).collect()
    }

    /// For each new one: the old one's number, `n` for new, `i` for new instead of another, `?` if unclear.
    fn told(old: &str, new: &str) -> String {
        let mut found = align(&groups(old), &groups(new));
        found.sort_by_key(|(variable, _)| *variable);
        let word = |(_, found): &(usize, Found)| match found {
            Found::Old(o) => o.to_string(),
            Found::New { instead } => if *instead { "i" } else { "n" }.to_owned(),
            Found::Unclear => "?".to_owned(),
        };
        found.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn variables_are_told_by_their_blocks_and_values() {
        assert_eq!(told("a1 b2", "x9 a1 b2"), "n 0 1");
        assert_eq!(told("a1 b2", "a1 x9 b2"), "0 n 1");
        assert_eq!(told("a1 b2", "a1 b2 x9"), "0 1 n");
        assert_eq!(told("a1 b2 c3", "a1 c3"), "0 2");
        assert_eq!(told("a1 b2", "b2 a1"), "1 0", "moved");
        assert_eq!(told("a1 b2", "a5 b6 x9"), "0 1 n", "the blocks changed");
        assert_eq!(told("a1 b2", "a1 c3"), "0 1", "another value");
        assert_eq!(told("a1 b2", "a1 c3 d4"), "0 i i");
    }

    #[test]
    fn variables_without_a_value_are_told_by_their_blocks() {
        assert_eq!(told("-1 -2", "-1 -3 -2"), "0 n 1");
        assert_eq!(told("-1 -2", "-1 -4 -5"), "0 ? ?");
        assert_eq!(told("-1 -2", "-3 -4"), "0 1", "as many as before, in order");
    }

    #[test]
    fn equal_ones_are_told_by_order_between_others_if_at_all() {
        assert_eq!(told("a1 a1", "a1 a1 a1"), "? ? ?");
        assert_eq!(told("a1 b2 a1", "a1 b2 c3 a1"), "0 1 n 2");
        assert_eq!(told("a1 b2 a1 c3", "a1 b2 a1 a1 c3"), "0 1 ? ? 3");
    }
}
