//! Identity of what text says: comments, white space and line numbers aside.
//!
//! `__LINE__` has become a number by the time we see the text. A number equal to the line it stands
//! on (up to the line of the next token, as macro calls may span lines) counts as `__LINE__` if the name of the file or of the
//! function stands beside it, so that code that only moved is not "changed" (the noise that kpatch and SysCare are known for).
//! Without such a name it may be any number: code that changes with the line it is on had better count as changed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use dsu_abi::Id;

use crate::facts::{Item, UnitFacts};
use crate::text::lexer::{Kind, Token};

/// The tokens of a unit.
pub struct Content<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    /// For each name, the items that declare it.
    declared: HashMap<&'a str, Vec<usize>>,
    /// For each item, its own hash and the items it names.
    items: Vec<(blake3::Hash, Vec<usize>)>,
    /// The files that the text is from, without their folders.
    files: HashSet<&'a str>,
}

/// How many tokens before and behind a number count as beside it.
const BESIDE: usize = 16;

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl<'a> Content<'a> {
    /// Indexes a unit. `items` must be in order of their start.
    pub fn new(text: &'a str, tokens: Vec<Token>, items: &'a [Item]) -> Self {
        let mut declared: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            for name in &item.names {
                declared.entry(name).or_default().push(index);
            }
        }
        let markers = text.lines().filter(|l| l.starts_with("# ") || l.starts_with("#line "));
        let files = markers.filter_map(|m| m.split('"').nth(1)).map(file_name).collect();
        let mut content = Self { text, tokens, declared, items: Vec::new(), files };
        content.items = items
            .iter()
            .map(|item| (content.hash(item.start, item.end), content.names(item.start, item.end)))
            .collect();
        content
    }

    fn tokens_in(&self, start: usize, end: usize) -> &[Token] {
        let from = self.tokens.partition_point(|t| t.start < start);
        let to = self.tokens.partition_point(|t| t.start < end);
        &self.tokens[from..to.max(from)]
    }

    /// Hash of the tokens in a range.
    fn hash(&self, start: usize, end: usize) -> blake3::Hash {
        self.hash_without(start, end, None)
    }

    /// The same, whatever the things of these names are called, and with any number that may be that of its line taken for it.
    fn hash_without(&self, start: usize, end: usize, nameless: Option<&BTreeSet<&str>>) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let from = self.tokens.partition_point(|t| t.start < start);
        for (n, token) in self.tokens_in(start, end).iter().enumerate() {
            let word = self.text.get(token.start..token.end).unwrap_or("");
            let line = self.line_number(from + n, word).filter(|_| token.kind == Kind::Number);
            if let Some(delta) = line.filter(|_| nameless.is_some() || self.names_place(from + n)) {
                hasher.update(b"__LINE__").update(&delta.to_le_bytes());
            } else if token.kind == Kind::Identifier && nameless.is_some_and(|n| n.contains(word)) {
                hasher.update(b"?");
            } else if !(token.kind == Kind::Directive) {
                hasher.update(word.as_bytes());
            }
            hasher.update(&[0]);
        }
        hasher.finalize()
    }

    /// How many lines below its own line a number says it stands, if it may be `__LINE__`.
    fn line_number(&self, index: usize, word: &str) -> Option<u32> {
        let number = word.parse::<u32>().ok()?;
        let line = self.tokens[index].line;
        let next = self.tokens[index..].iter().map(|t| t.line).find(|l| *l != line).unwrap_or(line);
        (number == line || (number > line && number <= next && next - line < 100)).then(|| number - line)
    }

    /// Whether the file or function is named beside a token, within its statement.
    fn names_place(&self, index: usize) -> bool {
        let word = |t: &&Token| self.text.get(t.start..t.end).unwrap_or("");
        let stays = |t: &&Token| word(t) != ";";
        let before = self.tokens[..index].iter().rev().take(BESIDE).take_while(stays);
        let behind = self.tokens[index + 1..].iter().take(BESIDE).take_while(stays);
        before.chain(behind).any(|t| match t.kind {
            Kind::Identifier => matches!(word(&t), "__func__" | "__FUNCTION__" | "__PRETTY_FUNCTION__"),
            Kind::Literal => self.files.contains(file_name(word(&t).trim_matches('"'))),
            _ => false,
        })
    }

    /// Items named in a range.
    fn names(&self, start: usize, end: usize) -> Vec<usize> {
        let mut found = BTreeSet::new();
        for token in self.tokens_in(start, end).iter().filter(|t| t.kind == Kind::Identifier) {
            if let Some(items) = self.declared.get(self.text.get(token.start..token.end).unwrap_or("")) {
                found.extend(items.iter().copied());
            }
        }
        found.into_iter().collect()
    }

    /// Identity of the tokens in a range.
    pub fn own(&self, start: usize, end: usize) -> Id {
        truncate(self.hash(start, end))
    }

    /// What tells one piece of text of a function from others, whatever the things of these names are called: to find it again,
    /// not to say whether it changed.
    pub fn own_without(&self, start: usize, end: usize, nameless: &BTreeSet<&str>) -> Id {
        truncate(self.hash_without(start, end, Some(nameless)))
    }

    /// Items that a range depends on, directly or through other items, those not to `enter` left out.
    pub fn reachable(&self, start: usize, end: usize, enter: impl Fn(usize) -> bool) -> BTreeSet<usize> {
        self.reachable_from(self.names(start, end), enter)
    }

    fn reachable_from(&self, mut todo: Vec<usize>, enter: impl Fn(usize) -> bool) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        while let Some(item) = todo.pop() {
            if enter(item) && seen.insert(item) {
                todo.extend(&self.items[item].1);
            }
        }
        seen
    }

    /// Identity of a function and of what it depends on: as of any range, and of the types of the variables and functions
    /// that it uses, which it need not name (`table.lock = 0`).
    fn of_function(
        &self,
        start: usize,
        end: usize,
        enter: impl Fn(usize) -> bool,
        types: &BTreeMap<usize, BTreeSet<&str>>,
    ) -> Id {
        let items = self.reachable(start, end, &enter);
        let named = self.named(start, end, &items);
        let known = named.iter().filter(|i| !enter(**i)).filter_map(|i| types.get(i)).flatten();
        let words = known.flat_map(|ty| ty.split(|c: char| !c.is_alphanumeric() && c != '_'));
        let unnamed = words.filter_map(|w| self.declared.get(w)).flatten().copied().collect();
        let seen = self.reachable_from(unnamed, |item| enter(item) && !items.contains(&item));
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.with_types(start, end, &items, types).0);
        hasher.update(&self.closure(0, 0, &seen).0);
        truncate(hasher.finalize())
    }

    /// Identity of a range and of what it depends on: of items to `enter` their text, of variables and functions the
    /// type, which an initialiser may complete (`sizeof table`).
    pub fn dependent(
        &self,
        start: usize,
        end: usize,
        enter: impl Fn(usize) -> bool,
        types: &BTreeMap<usize, BTreeSet<&str>>,
    ) -> Id {
        self.with_types(start, end, &self.reachable(start, end, &enter), types)
    }

    /// Items that a range and those it depends on name.
    fn named(&self, start: usize, end: usize, items: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut named: BTreeSet<usize> = self.names(start, end).into_iter().collect();
        named.extend(items.iter().flat_map(|i| self.items[*i].1.iter().copied()));
        named
    }

    fn with_types(
        &self,
        start: usize,
        end: usize,
        items: &BTreeSet<usize>,
        types: &BTreeMap<usize, BTreeSet<&str>>,
    ) -> Id {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.closure(start, end, items).0);
        let named = self.named(start, end, items);
        let known: BTreeSet<&str> = named.iter().filter_map(|i| types.get(i)).flatten().copied().collect();
        for ty in known {
            hasher.update(ty.as_bytes()).update(&[0]);
        }
        truncate(hasher.finalize())
    }

    /// Identity of a range together with a set of items it depends on.
    pub fn closure(&self, start: usize, end: usize, items: &BTreeSet<usize>) -> Id {
        let mut hashes: Vec<_> = items.iter().map(|i| *self.items[*i].0.as_bytes()).collect();
        // Order of declaration carries no meaning, and a header may be included twice.
        hashes.sort_unstable();
        hashes.dedup();
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.hash(start, end).as_bytes());
        for hash in &hashes {
            hasher.update(hash);
        }
        truncate(hasher.finalize())
    }
}

/// Identity of a whole text: of all its tokens.
pub fn of_text(text: &str) -> Id {
    Content::new(text, crate::text::lexer::Lexer::new(text, 0).collect(), &[]).own(0, text.len())
}

/// The first 128 bits of a hash.
pub fn truncate(hash: blake3::Hash) -> Id {
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    Id(id)
}

/// Fills in the identities of all definitions of a unit.
pub fn identify(facts: &mut UnitFacts, text: &str, tokens: Vec<Token>) {
    let items = std::mem::take(&mut facts.items);
    {
        let content = Content::new(text, tokens, &items);
        // A definition depends on types, constants and declarations, but not on what other
        // definitions of the unit contain: each of those counts for itself.
        let functions = facts.functions.iter().filter(|f| !f.inline);
        let functions = functions.filter_map(|f| Some((f.definition.as_ref()?.start, f.name.as_str())));
        let variables = facts.variables.iter().filter_map(|v| Some((v.definition.as_ref()?.start, v.name.as_str())));
        let bodies: HashSet<(usize, &str)> = functions.chain(variables).collect();
        // A type that is defined where a variable is begins where that begins.
        let body = |Item { start, names, .. }: &Item| {
            !names.is_empty() && names.iter().all(|name| bodies.contains(&(*start, name.as_str())))
        };
        let entered: Vec<bool> = items.iter().map(|item| !body(item)).collect();
        let enter = |item: usize| entered[item];
        let of_variable = |v: &crate::facts::Variable| (v.name.clone(), format!("{}{}", v.storage(), v.ty));
        let of_function = |f: &crate::facts::Function| (f.name.clone(), f.prototype.clone());
        let names: Vec<(String, String)> =
            facts.variables.iter().map(of_variable).chain(facts.functions.iter().map(of_function)).collect();
        let mut types: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        for (name, ty) in &names {
            for item in content.declared.get(name.as_str()).into_iter().flatten() {
                types.entry(*item).or_default().insert(ty);
            }
        }
        for function in &mut facts.functions {
            if let Some(d) = &mut function.definition {
                d.content = content.own(d.start, d.end);
                d.closure = content.of_function(d.start, d.end, enter, &types);
            }
        }
        for variable in &mut facts.variables {
            if let Some(d) = &mut variable.definition {
                d.closure = content.dependent(d.start, d.end, enter, &types);
                if let Some((start, end)) = d.initializer {
                    d.value = content.dependent(start, end, enter, &types);
                }
            }
        }
        mark_roots(facts, &content, &items);
    }
    facts.items = items;
}

/// Marks what the unit must emit, and identifies the unit by it: external definitions, and what they depend on.
fn mark_roots(facts: &mut UnitFacts, content: &Content<'_>, items: &[Item]) {
    let functions = facts.functions.iter().filter_map(|f| {
        let root = !f.internal || f.attributes.used || f.attributes.constructor;
        f.definition.as_ref().filter(|d| root && !d.system).map(|d| (d.start, d.end))
    });
    let variables = facts.variables.iter().filter_map(|v| {
        // What is in a linker set is found by those who walk the set.
        let root = !v.internal || v.linker_set().is_some();
        v.definition.as_ref().filter(|d| root && v.function.is_none() && !d.system).map(|d| (d.start, d.end))
    });
    let roots: Vec<(usize, usize)> = functions.chain(variables).collect();
    let mut reached: BTreeSet<usize> = BTreeSet::new();
    for (start, end) in &roots {
        if reached.len() < items.len() {
            reached.extend(content.reachable(*start, *end, |_| true));
        }
    }
    let root_starts: BTreeSet<usize> = roots.iter().map(|r| r.0).collect();
    reached.extend((0..items.len()).filter(|i| root_starts.contains(&items[*i].start)));
    let starts: BTreeSet<usize> = reached.iter().map(|i| items[*i].start).collect();
    for function in &mut facts.functions {
        function.reachable = function.definition.as_ref().is_some_and(|d| starts.contains(&d.start));
    }
    for variable in &mut facts.variables {
        variable.reachable = match variable.function {
            Some(function) => facts.functions[function].reachable,
            None => variable.definition.as_ref().is_some_and(|d| starts.contains(&d.start)),
        };
    }
    let assembler = facts.assembler.concat();
    let mut hasher = blake3::Hasher::new();
    hasher.update(content.closure(0, 0, &reached).0.as_slice());
    hasher.update(assembler.as_bytes());
    facts.content = truncate(hasher.finalize());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::lexer::Lexer;

    fn id(text: &str) -> Id {
        Content::new(text, Lexer::new(text, 0).collect(), &[]).own(0, text.len())
    }

    #[test]
    fn white_space_comments_and_line_numbers_do_not_count() {
        let a = id("# 10 \"d/a.c\"\nint f(void) { check(\"a.c\", 10); return 1; }\n");
        let b = id("# 20 \"d/a.c\"\nint f(void) /* moved */ { check(\"a.c\",\n# 20 \"d/a.c\"\n 20);   return 1; }\n");
        assert_eq!(a, b);
        assert_ne!(a, id("# 10 \"d/a.c\"\nint f(void) { check(\"a.c\", 10); return 2; }\n"));
        assert_eq!(id("# 7 \"a.c\"\nf(__func__, 7);\n"), id("# 8 \"a.c\"\nf(__func__, 8);\n"));
        assert_ne!(id("# 7 \"a.c\"\nchar a[7];\n"), id("# 8 \"a.c\"\nchar a[8];\n"));
    }
}
