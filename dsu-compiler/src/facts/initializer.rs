//! Initialiser lists: which member each element is for, and where braces are left out.
//!
//! libclang shows lists as they are written, and then only the outermost has a type: the others get theirs from
//! designators and positions, as the language says.

use crate::clang::{self, Node, Type};
use crate::facts::types::{Printer, is_unnamed_member};
use crate::facts::{InitializerList, UnsetLocal};
use crate::text::lexer::{Kind, Lexer, Token, identifier_at};

/// Whether a list at the end of `path` is part of another one, and read with it.
pub(super) fn is_nested(path: &[Node<'_>]) -> bool {
    let mut around = path.iter().rev();
    let parent = around.next().map(|p| p.kind());
    // A designated element is a node without a kind of its own.
    let parent = if parent == Some(clang::UNEXPOSED_EXPR) { around.next().map(|p| p.kind()) } else { parent };
    parent == Some(clang::INIT_LIST)
}

/// All lists in an initialiser list that are for structs or unions that are not from system headers.
pub(super) fn lists(node: Node<'_>, inside: Option<usize>, printer: &Printer, text: &str) -> Vec<InitializerList> {
    let mut reader = Reader { inside, printer, text, found: Vec::new() };
    reader.list(node, node.ty().canonical());
    reader.found
}

/// A variable of a function that is a struct, or an array of them, and has no initialiser.
pub(super) fn unset_local(node: Node<'_>, inside: usize, printer: &Printer, text: &str) -> Option<UnsetLocal> {
    if node.initializer().is_some() {
        return None;
    }
    let (mut ty, mut lengths) = (node.ty().canonical(), Vec::new());
    while matches!(ty.kind(), clang::T_ARRAY | clang::T_VARIABLE_ARRAY) {
        lengths.push(u64::try_from(ty.length()).unwrap_or(0));
        ty = ty.element().canonical();
    }
    let record = ty.declaration().filter(|d| ty.kind() == clang::T_RECORD && !d.in_system_header())?;
    let (at, name) = (node.location(), node.name());
    let name_end = at + identifier_at(text, at, &name)?;
    let at = declaration_end(text, name_end)?;
    Some(UnsetLocal { inside, name, ty: printer.name(record)?, lengths, at, line: node.presumed().1 })
}

/// Behind a declarator and its attributes: before the `,` or `;`.
fn declaration_end(text: &str, from: usize) -> Option<usize> {
    let (mut depth, mut end) = (0i32, from);
    for token in Lexer::new(text, from) {
        match (token.kind, text.as_bytes()[token.start]) {
            (Kind::Punctuation, b'(' | b'[' | b'{') => depth += 1,
            (Kind::Punctuation, b')' | b']' | b'}') => depth -= 1,
            (Kind::Punctuation, b',' | b';' | b'=') if depth <= 0 => return Some(end),
            _ => {}
        }
        end = token.end;
    }
    None
}

struct Reader<'r> {
    inside: Option<usize>,
    printer: &'r Printer,
    text: &'r str,
    found: Vec<InitializerList>,
}

/// What an element of a list is for.
struct Destination<'a> {
    /// Its type.
    ty: Type<'a>,
    /// The member of the list's own struct that it is, or is in.
    member: usize,
    /// It is that member, and not only part of it.
    whole: bool,
}

impl<'r> Reader<'r> {
    fn list<'a>(&mut self, node: Node<'a>, ty: Type<'a>) {
        match ty.kind() {
            clang::T_RECORD => self.record(node, ty),
            clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY | clang::T_VARIABLE_ARRAY => self.array(node, ty),
            // `{ 5 }` for a number.
            _ => {}
        }
    }

    fn array<'a>(&mut self, node: Node<'a>, ty: Type<'a>) {
        let element = ty.element().canonical();
        let children = node.children();
        if children.len() == 1 && children.first().is_some_and(|c| c.kind() == clang::STRING) {
            return;
        }
        for (child, at) in children.iter().copied().zip(self.starts(node, &children)) {
            if let Some(value) = self.designated(child, at) {
                let to = self.resolve(child, at, ty);
                self.element(value, to.map_or(element, |to| to.ty));
            } else if !self.element(child, element) {
                // Without braces the elements that follow cannot be told from the members of this one.
                return;
            }
        }
    }

    fn record<'a>(&mut self, node: Node<'a>, ty: Type<'a>) {
        let Some(declaration) = ty.declaration() else { return };
        let members = members(declaration);
        let (start, end) = node.range();
        if self.text.as_bytes().get(start) != Some(&b'{') {
            // What the parser adds itself: the union around an argument for a parameter with attribute `transparent_union`.
            node.children().first().into_iter().for_each(|value| self.without_braces(*value, ty));
            return;
        }
        let index = self.found.len();
        let name = self.printer.name(declaration).filter(|_| !declaration.in_system_header());
        let mut list = self.marker(name.clone().unwrap_or_default(), start + 1, end.saturating_sub(1), node);
        list.elided = false;
        let (mut next, mut lost) = (0, false);
        let children = node.children();
        for (child, at) in children.iter().copied().zip(self.starts(node, &children)) {
            if let Some(value) = self.designated(child, at) {
                list.elements.push((at, None));
                let to = self.resolve(child, at, ty);
                lost = to.as_ref().is_none_or(|to| !to.whole);
                next = to.as_ref().map_or(0, |to| to.member + 1);
                if let Some(to) = to {
                    self.element(value, to.ty);
                }
                continue;
            }
            let member = members.get(next).filter(|_| !lost);
            list.elided |= member.is_none();
            list.elements.push((at, Some(member.map(|m| member_name(*m)).unwrap_or_default())));
            if let Some(member) = member {
                // `{0}` is how one says "nothing", whatever the first member is.
                let nothing = next == 0 && children.len() == 1 && is_nothing(self.text, child);
                lost = !nothing && !self.element(child, member.ty().canonical());
                list.elided |= lost;
            }
            next += 1;
        }
        if name.is_some() {
            self.found.insert(index, list);
        }
    }

    /// Reads an element for something of type `ty`; says no if it is only part of that, its braces being left out.
    fn element<'a>(&mut self, value: Node<'a>, ty: Type<'a>) -> bool {
        if value.kind() == clang::INIT_LIST {
            self.list(value, ty);
            return true;
        }
        let fits = match ty.kind() {
            clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY => is_string(value),
            clang::T_RECORD => value.ty().canonical().kind() == clang::T_RECORD && same_record(value.ty(), ty),
            _ => true,
        };
        if !fits {
            self.without_braces(value, ty);
        }
        fits
    }

    /// Notes the structs that the elements from `value` on are for, without braces that say so.
    fn without_braces<'a>(&mut self, value: Node<'a>, ty: Type<'a>) {
        match ty.kind() {
            clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY => self.without_braces(value, ty.element().canonical()),
            clang::T_RECORD => {
                let Some(declaration) = ty.declaration() else { return };
                let at = value.range().0;
                if let Some(name) = self.printer.name(declaration).filter(|_| !declaration.in_system_header()) {
                    let marker = self.marker(name, at, at, value);
                    self.found.push(marker);
                }
                for member in members(declaration) {
                    self.without_braces(value, member.ty().canonical());
                }
            }
            _ => {}
        }
    }

    fn marker(&self, ty: String, open: usize, close: usize, node: Node<'_>) -> InitializerList {
        let line = node.presumed().1;
        InitializerList { inside: self.inside, ty, open, close, elements: Vec::new(), elided: true, line }
    }

    /// The value of an element with a designator.
    fn designated<'a>(&self, element: Node<'a>, at: usize) -> Option<Node<'a>> {
        if element.kind() != clang::UNEXPOSED_EXPR {
            return None;
        }
        let mut tokens = self.tokens(element, at);
        let first = tokens.next()?;
        let old_style = first.kind == Kind::Identifier && tokens.next().is_some_and(|t| self.word(t) == ":");
        let is = old_style || matches!(self.word(first), "." | "[");
        is.then(|| element.children().into_iter().max_by_key(|c| c.range())).flatten()
    }

    fn tokens(&self, element: Node<'_>, at: usize) -> Lexer<'r> {
        Lexer::new(self.text.get(..end_of(element)).unwrap_or(""), at)
    }

    /// Where the elements of a list start. Of one with a designator that leads into an unnamed member, older libraries
    /// do not know that: it starts behind a comma.
    fn starts(&self, list: Node<'_>, elements: &[Node<'_>]) -> Vec<usize> {
        let (mut behind, mut starts) = (list.range().0 + 1, Vec::new());
        for element in elements {
            let (start, end) = (element.range().0, end_of(*element));
            let known = start >= behind && start < end;
            let first = || {
                let tokens = Lexer::new(self.text.get(..end).unwrap_or(""), behind);
                tokens.into_iter().find(|t| self.word(*t) != ",").map_or(start, |t| t.start)
            };
            starts.push(if known { start } else { first() });
            behind = end;
        }
        starts
    }

    fn word(&self, token: Token) -> &'r str {
        self.text.get(token.start..token.end).unwrap_or("")
    }

    /// What the designator of an element leads to from `ty`.
    fn resolve<'a>(&mut self, element: Node<'_>, at: usize, ty: Type<'a>) -> Option<Destination<'a>> {
        let tokens: Vec<Token> = self.tokens(element, at).collect();
        let mut tokens = tokens.into_iter();
        let (mut to, mut member, mut steps) = (ty, None, 0);
        while let Some(token) = tokens.next() {
            match self.word(token) {
                "=" | ":" => break,
                "." => {}
                "[" => {
                    let mut depth = 1;
                    while depth > 0 {
                        depth += match self.word(tokens.next()?) {
                            "[" | "(" => 1,
                            "]" | ")" => -1,
                            _ => 0,
                        };
                    }
                    to = to.element().canonical();
                    steps += 1;
                }
                name => {
                    let record = to.declaration()?;
                    let members = members(record);
                    // A struct on the way has no list of its own.
                    let on_the_way = self.printer.name(record).filter(|_| steps > 0 && !record.in_system_header());
                    if let Some(name) = on_the_way {
                        let marker = self.marker(name, token.start, token.start, element);
                        self.found.push(marker);
                    }
                    let at = members.iter().position(|m| holds(*m, name))?;
                    to = field(&members, name)?.ty().canonical();
                    // What follows one in an unnamed struct is the next one in that.
                    steps += 1 + usize::from(!is_last_of(members[at], name));
                    member = member.or(Some(at));
                }
            }
        }
        Some(Destination { ty: to, member: member.unwrap_or(0), whole: steps == 1 })
    }
}

/// Behind an element of a list.
fn end_of(element: Node<'_>) -> usize {
    let value = element.children().into_iter().map(|c| c.range().1).max().unwrap_or(0);
    element.range().1.max(value)
}

/// The members that positions count: bit-fields without a name are none.
fn members(record: Node<'_>) -> Vec<Node<'_>> {
    let counts = |c: &Node<'_>| match c.kind() {
        clang::FIELD => !c.name().is_empty(),
        _ => is_unnamed_member(*c),
    };
    record.children().into_iter().filter(counts).collect()
}

fn member_name(member: Node<'_>) -> String {
    if member.kind() == clang::FIELD { member.name() } else { String::new() }
}

/// Whether a member is the field of that name, or an unnamed member with such a field.
fn holds(member: Node<'_>, name: &str) -> bool {
    if member.kind() == clang::FIELD { member.name() == name } else { members(member).iter().any(|m| holds(*m, name)) }
}

/// Whether positions go on behind `member` after its field of that name: it is that field, or a union without a name.
fn is_last_of(member: Node<'_>, name: &str) -> bool {
    member.kind() == clang::FIELD
        || (member.kind() == clang::UNION && members(member).iter().any(|m| holds(*m, name) && is_last_of(*m, name)))
}

fn field<'a>(list: &[Node<'a>], name: &str) -> Option<Node<'a>> {
    let member = list.iter().copied().find(|m| holds(*m, name))?;
    if member.kind() == clang::FIELD { Some(member) } else { field(&members(member), name) }
}

fn is_string(node: Node<'_>) -> bool {
    match node.kind() {
        clang::STRING => true,
        clang::PAREN | clang::UNEXPOSED_EXPR => node.children().first().is_some_and(|c| is_string(*c)),
        _ => false,
    }
}

fn same_record(a: Type<'_>, b: Type<'_>) -> bool {
    let identity = |t: Type<'_>| t.canonical().declaration().map(Node::identity);
    identity(a) == identity(b)
}

/// Whether an element is `0` or `NULL`.
fn is_nothing(text: &str, element: Node<'_>) -> bool {
    let (start, end) = element.range();
    let text = text.get(..end).unwrap_or("");
    let words: String = Lexer::new(text, start).filter_map(|t| text.get(t.start..t.end)).collect();
    matches!(words.as_str(), "0" | "((void*)0)")
}
