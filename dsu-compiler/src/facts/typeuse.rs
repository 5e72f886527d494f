//! What a unit does with structs as a whole: whether their bytes go anywhere, whether their size is relied on, and
//! where memory becomes one.

use std::collections::{BTreeSet, HashMap};

use crate::clang::{self, Node, Type};
use crate::facts::returned::{bare, callee, library_name};
use crate::facts::types::Printer;
use crate::facts::usage::operator_text;
use crate::facts::{TypeUsage, TypeUse};
use crate::text::lexer::Lexer;

/// Functions that copy bytes from the second argument to the first.
const COPIES: &[&str] = &["memcpy", "memmove", "mempcpy"];

/// Collects the uses of one unit.
#[derive(Default)]
pub struct Collector {
    /// Uses found so far.
    pub uses: Vec<TypeUse>,
    /// Names of structs and unions of the program by identity; `None` for those of system headers.
    names: HashMap<usize, Option<String>>,
    /// The function that is walked.
    inside: Option<usize>,
    /// Variables by identity, and the functions whose results they were given.
    given: HashMap<usize, Vec<String>>,
}

/// A call whose result becomes a pointer to a struct.
pub struct Made<'a> {
    /// Canonical name of the struct.
    pub ty: String,
    /// The function called.
    pub callee: Node<'a>,
    /// The arguments.
    pub arguments: Vec<(usize, usize)>,
}

/// What a pointer points to, as far as it matters here.
enum Pointee {
    Nothing,
    Numbers,
    Record(String),
}

impl Collector {
    /// Notes what a node says; `path` leads down to it. `inside` is the function it is in.
    pub fn visit<'a>(
        &mut self,
        node: Node<'a>,
        path: &[Node<'a>],
        inside: Option<usize>,
        printer: &Printer,
        text: &str,
    ) {
        self.inside = inside;
        match node.kind() {
            clang::CAST => self.conversion(node, path, printer, text),
            clang::UNEXPOSED_EXPR if is_offsetof(node, text) => self.offset(node, path, printer, text),
            clang::UNEXPOSED_EXPR if node.ty().canonical().kind() == clang::T_RECORD => {
                self.by_value(node, TypeUsage::Copied, printer);
            }
            clang::UNEXPOSED_EXPR => self.conversion(node, path, printer, text),
            clang::SIZEOF => self.size(node, path, printer, text),
            clang::CALL => self.call(node, printer, text),
            clang::VARIABLE => {
                self.gives(node, node.initializer());
                self.variable(node, printer);
            }
            clang::PARAMETER => self.by_value(node, TypeUsage::Value, printer),
            clang::BINARY => {
                let children = node.children();
                let target = children.first().map(|left| bare(*left)).filter(|t| t.kind() == clang::DECL_REF);
                if let Some(variable) = target.and_then(Node::referenced) {
                    self.gives(variable, children.get(1).copied());
                }
                self.distance(node, printer, text);
                self.shortened(node, printer, text);
                self.by_value(node, TypeUsage::Assigned, printer);
            }
            _ => {}
        }
    }

    /// Notes sizes and offsets in the constants of a declaration.
    pub fn constants<'a>(&mut self, node: Node<'a>, printer: &Printer, text: &str) {
        let (start, end) = node.range();
        if text.get(start..end).is_some_and(|t| t.contains("sizeof") || t.contains("offsetof") || t.contains("0)->")) {
            self.inside = None;
            self.constants_below(node, printer, text);
        }
    }

    fn constants_below(&mut self, node: Node<'_>, printer: &Printer, text: &str) {
        for child in node.children() {
            if child.kind() == clang::SIZEOF {
                for name in self.measured(child, printer, text) {
                    self.note(child, name, TypeUsage::Asserted);
                }
            } else if let Some(record) = offset_in(child, text) {
                if let Some(name) = self.name(record, printer) {
                    self.note(child, name, TypeUsage::Asserted);
                }
            }
            self.constants_below(child, printer, text);
        }
    }

    fn note(&mut self, node: Node<'_>, ty: String, usage: TypeUsage) {
        let (file, line) = node.presumed();
        let file = if self.inside.is_none() { file } else { String::new() };
        let new = TypeUse { inside: self.inside, ty, usage, file, line };
        if self.uses.last() != Some(&new) {
            self.uses.push(new);
        }
    }

    /// The name of a struct or union of the program.
    fn name(&mut self, record: Node<'_>, printer: &Printer) -> Option<String> {
        let known = self.names.entry(record.identity());
        known.or_insert_with(|| printer.name(record).filter(|_| !record.in_system_header())).clone()
    }

    /// The names of a struct or union of the program: its own, or if it has none, those of what it has inside.
    fn names(&mut self, record: Node<'_>, printer: &Printer, depth: u32) -> Vec<String> {
        if let Some(name) = self.name(record, printer) {
            return vec![name];
        }
        if depth > 8 || record.in_system_header() || printer.name(record).is_some() {
            return Vec::new();
        }
        let fields = record.children().into_iter().filter(|c| c.kind() == clang::FIELD);
        fields.filter_map(|f| Self::record(f.ty())).flat_map(|r| self.names(r, printer, depth + 1)).collect()
    }

    /// The struct or union that a type is, or an array of it.
    fn record<'a>(ty: Type<'a>) -> Option<Node<'a>> {
        let mut ty = ty.canonical();
        while matches!(ty.kind(), clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY | clang::T_VARIABLE_ARRAY) {
            ty = ty.element().canonical();
        }
        (ty.kind() == clang::T_RECORD).then(|| ty.declaration()).flatten()
    }

    fn pointee<'a>(ty: Type<'a>) -> Option<Type<'a>> {
        let ty = ty.canonical();
        match ty.kind() {
            clang::T_POINTER => Some(ty.pointee().canonical()),
            clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY | clang::T_VARIABLE_ARRAY => Some(ty.element().canonical()),
            _ => None,
        }
    }

    fn pointed(&mut self, ty: Type<'_>, printer: &Printer) -> Option<Pointee> {
        let pointee = Self::pointee(ty)?;
        if pointee.kind() == clang::T_VOID {
            return Some(Pointee::Nothing);
        }
        if let Some(record) = Self::record(pointee) {
            let program = self.name(record, printer);
            return program.or_else(|| printer.name(record)).map(Pointee::Record);
        }
        let mut element = pointee;
        while matches!(element.kind(), clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY) {
            element = element.element().canonical();
        }
        element.is_number().then_some(Pointee::Numbers)
    }

    /// Notes that a variable is given the result of a call.
    fn gives(&mut self, variable: Node<'_>, value: Option<Node<'_>>) {
        let pointer = || Self::pointee(variable.ty()).is_some_and(|p| p.kind() == clang::T_VOID);
        let call = value.map(bare).filter(|v| v.kind() == clang::CALL);
        let function = call.filter(|_| pointer()).and_then(|c| c.children().first().copied()).and_then(callee);
        if let Some(function) = function {
            self.given.entry(variable.identity()).or_default().push(function.name());
        }
    }

    fn conversion<'a>(&mut self, node: Node<'a>, path: &[Node<'a>], printer: &Printer, text: &str) {
        let to = node.ty();
        if to.canonical().kind() != clang::T_POINTER || is_converted(path) {
            return;
        }
        let inner = bare(node);
        let (Some(to), Some(from)) = (self.pointed(to, printer), self.pointed(inner.ty(), printer)) else { return };
        match (from, to) {
            (Pointee::Record(from), Pointee::Record(to)) if from != to => {
                self.note(node, from.clone(), TypeUsage::Cast(to.clone()));
                self.note(node, to, TypeUsage::Cast(from));
            }
            (Pointee::Record(from), Pointee::Numbers) => {
                let harmless = is_argument_of_library(path) || is_moved_by_offset(node, path, text);
                if !harmless {
                    self.note(node, from, TypeUsage::Bytes);
                }
            }
            (Pointee::Numbers, Pointee::Record(to)) if inner.kind() != clang::CALL && !finds_container(inner, text) => {
                self.note(node, to, TypeUsage::Bytes);
            }
            (Pointee::Nothing, Pointee::Record(to)) if inner.kind() == clang::DECL_REF => {
                let variable = inner.referenced().map_or(0, Node::identity);
                for function in self.given.get(&variable).cloned().unwrap_or_default() {
                    self.note(node, to.clone(), TypeUsage::From(function));
                }
            }
            (Pointee::Record(from), Pointee::Nothing) => {
                if let Some(field) = place_kept(path, text) {
                    self.note(node, from, TypeUsage::Kept(field));
                }
            }
            _ => {}
        }
    }

    /// A `sizeof`: is it part of a constant that must hold, or kept somewhere?
    fn size<'a>(&mut self, node: Node<'a>, path: &[Node<'a>], printer: &Printer, text: &str) {
        let usage = if in_constant(node, path) {
            TypeUsage::Asserted
        } else if place_kept(path, text).is_some() {
            TypeUsage::Measured
        } else if is_argument(path) {
            // Noted with the call.
            return;
        } else {
            TypeUsage::Sized(String::new())
        };
        if counts_elements(path, text) {
            return;
        }
        let compared = is_compared(path, text);
        for name in self.measured(node, printer, text) {
            if compared {
                self.note(node, name.clone(), TypeUsage::Compared);
            }
            self.note(node, name, usage.clone());
        }
    }

    /// The structs and unions that a `sizeof` measures.
    fn measured(&mut self, node: Node<'_>, printer: &Printer, text: &str) -> Vec<String> {
        let (start, end) = node.range();
        let words = text.get(start..end).unwrap_or("");
        let operand = node.children().into_iter().next();
        let pointer = |o: &Node<'_>| o.kind() == clang::TYPE_REF && words.contains('*');
        let record = operand.filter(|o| words.starts_with("sizeof") && !pointer(o)).and_then(|o| Self::record(o.ty()));
        record.map_or_else(Vec::new, |r| self.names(r, printer, 0))
    }

    fn offset<'a>(&mut self, node: Node<'a>, path: &[Node<'a>], printer: &Printer, text: &str) {
        let Some(record) = offset_in(node, text) else { return };
        let Some(name) = self.name(record, printer) else { return };
        let field = node.children().into_iter().find(|c| c.kind() == clang::MEMBER_REF).map(Node::name);
        if in_constant(node, path) {
            self.note(node, name, TypeUsage::Asserted);
        } else if is_subtracted(node, path, text) {
            self.note(node, name, TypeUsage::Container(field.unwrap_or_default()));
        } else {
            self.note(node, name, TypeUsage::Offset(field.unwrap_or_default()));
        }
    }

    /// `(char *)&x->b - (char *)&x->a`, or `- (char *)x`: offsets by another name.
    fn distance(&mut self, node: Node<'_>, printer: &Printer, text: &str) {
        let children = node.children();
        let [left, right] = children.as_slice() else { return };
        let between = text.get(left.range().1..right.range().0).unwrap_or("");
        let minus = Lexer::new(between, 0).any(|t| between.get(t.start..t.end) == Some("-"));
        if !minus || Self::pointee(left.ty()).is_none() || Self::pointee(right.ty()).is_none() {
            return;
        }
        let (from, to) = (field_addressed(*left, text), field_addressed(*right, text));
        let records = [(from, *left), (to, *right)].map(|(field, side)| {
            field.map_or_else(|| Self::pointee(bare(side).ty()).and_then(Self::record), |(record, _)| Some(record))
        });
        if let [Some(one), Some(other)] = records {
            let name = self.name(one, printer).filter(|_| one.identity() == other.identity());
            for (name, (_, field)) in name.into_iter().flat_map(|n| from.iter().chain(&to).map(move |f| (n.clone(), f)))
            {
                self.note(node, name, TypeUsage::Offset(field.name()));
            }
        }
    }

    /// `sizeof (struct foo) - 50`, `offsetof (struct foo, name) + length`: how far it is to some place inside a struct.
    fn shortened(&mut self, node: Node<'_>, printer: &Printer, text: &str) {
        let children = node.children();
        let [left, right] = children.as_slice() else { return };
        let mut names = Vec::new();
        match operator_text(node, text).as_deref() {
            // From a field to the end of the struct is a part of it that is as long as it should be.
            Some("-") if !mentions_offset(*right, text) => self.sizes_in(*left, printer, text, &mut names),
            Some("+") if node.ty().canonical().is_number() => {
                let offsets = [left, right].into_iter().filter_map(|side| offset_in(bare(*side), text));
                names.extend(offsets.filter_map(|record| self.name(record, printer)));
            }
            _ => {}
        }
        for name in names {
            self.note(node, name, TypeUsage::Short);
        }
    }

    /// Notes what else than its own size the function is told that a struct's memory comes from.
    fn sham(&mut self, call: Node<'_>, made: &Made<'_>, printer: &Printer, text: &str) {
        let children = call.children();
        let (mut sizes, mut offset) = (Vec::new(), false);
        for argument in children.iter().skip(1) {
            self.sizes_in(*argument, printer, text, &mut sizes);
            let record = offset_in(bare(*argument), text).and_then(|r| self.name(r, printer));
            offset |= record.as_ref() == Some(&made.ty);
        }
        let by = if offset { Some(made.ty.clone()) } else { sizes.first().cloned() };
        if let Some(by) = by.filter(|_| !sizes.contains(&made.ty)) {
            self.note(call, made.ty.clone(), TypeUsage::Sham { callee: made.callee.name(), by });
        }
    }

    fn call(&mut self, node: Node<'_>, printer: &Printer, text: &str) {
        let children = node.children();
        let Some((function, arguments)) = children.split_first() else { return };
        let callee = callee(*function).map(Node::name).unwrap_or_default();
        let mut sizes: Vec<Vec<String>> = Vec::new();
        for argument in arguments {
            let (start, end) = argument.range();
            let has = text.get(start..end).is_some_and(|t| t.contains("sizeof"));
            let mut found = Vec::new();
            if has {
                self.sizes_in(*argument, printer, text, &mut found);
            }
            sizes.push(found);
        }
        let copy = COPIES.contains(&library_name(&callee));
        let records: Vec<Option<String>> = arguments.iter().map(|a| self.record_passed(*a, printer)).collect();
        let copied = arguments.iter().filter(|_| copy).filter_map(|a| Self::record(Self::pointee(bare(*a).ty())?));
        for name in copied.flat_map(|r| self.names(r, printer, 0)).collect::<BTreeSet<_>>() {
            self.note(node, name, TypeUsage::Moved(callee.clone()));
        }
        for name in sizes.iter().flatten().collect::<BTreeSet<_>>() {
            self.note(node, name.clone(), TypeUsage::Sized(callee.clone()));
        }
        if copy && matches!(records.as_slice(), [Some(to), Some(from), ..] if to == from) {
            return;
        }
        for (i, argument) in arguments.iter().enumerate() {
            let anything = matches!(self.pointed(argument.ty(), printer), Some(Pointee::Nothing | Pointee::Numbers));
            if !anything {
                continue;
            }
            let others = || sizes.iter().enumerate().filter(|(j, _)| *j != i).flat_map(|(_, s)| s);
            if let Some(name) = &records[i] {
                let sized = others().any(|s| s == name);
                self.note(node, name.clone(), TypeUsage::Passed { callee: callee.clone(), sized });
            }
            // The address of its first field with the size of the whole.
            for name in self.around(*argument, printer) {
                if others().any(|s| *s == name) {
                    self.note(node, name, TypeUsage::Passed { callee: callee.clone(), sized: true });
                }
            }
            // As many bytes as a struct has, to or from anywhere.
            if copy || crate::analyse::wrap::moves_bytes(&callee) {
                for name in others().filter(|s| records[i].as_ref() != Some(s)).cloned().collect::<Vec<_>>() {
                    self.note(node, name, TypeUsage::Passed { callee: callee.clone(), sized: true });
                }
            }
        }
    }

    /// The struct of the program whose address an argument is, whatever it is cast to.
    fn record_passed(&mut self, argument: Node<'_>, printer: &Printer) -> Option<String> {
        let record = Self::record(Self::pointee(bare(argument).ty())?)?;
        self.name(record, printer)
    }

    /// The structs around the field whose address an argument is.
    fn around(&mut self, argument: Node<'_>, printer: &Printer) -> Vec<String> {
        let mut node = bare(argument);
        let mut found = Vec::new();
        while matches!(node.kind(), clang::UNARY | clang::MEMBER | clang::SUBSCRIPT) {
            let Some(base) = node.children().first().map(|c| bare(*c)) else { break };
            if node.kind() == clang::MEMBER {
                let record = Self::record(base.ty()).or_else(|| Self::pointee(base.ty()).and_then(Self::record));
                found.extend(record.and_then(|r| self.name(r, printer)));
            }
            node = base;
        }
        found
    }

    fn sizes_in(&mut self, node: Node<'_>, printer: &Printer, text: &str, found: &mut Vec<String>) {
        if node.kind() == clang::SIZEOF {
            found.extend(self.measured(node, printer, text));
        }
        for child in node.children() {
            // A call inside has its own sizes.
            if child.kind() != clang::CALL {
                self.sizes_in(child, printer, text, found);
            }
        }
    }

    fn variable(&mut self, node: Node<'_>, printer: &Printer) {
        if node.has_global_storage() {
            return;
        }
        if let Some(name) = Self::record(node.ty()).and_then(|r| self.name(r, printer)) {
            self.note(node, name, TypeUsage::Local(node.name()));
        }
    }

    fn by_value(&mut self, node: Node<'_>, usage: TypeUsage, printer: &Printer) {
        let ty = node.ty().canonical();
        if ty.kind() != clang::T_RECORD {
            return;
        }
        for name in ty.declaration().map_or_else(Vec::new, |r| self.names(r, printer, 0)) {
            self.note(node, name, usage.clone());
        }
    }

    /// What a call makes, if its result becomes a pointer to a struct of the program.
    pub fn made<'a>(&mut self, call: Node<'a>, path: &[Node<'a>], printer: &Printer, text: &str) -> Option<Made<'a>> {
        let result = call.ty().canonical();
        let pointee = (result.kind() == clang::T_POINTER).then(|| result.pointee().canonical())?;
        if pointee.kind() != clang::T_VOID && !(pointee.is_number() && pointee.size() == Some(1)) {
            return None;
        }
        let transparent =
            |n: &&Node<'_>| matches!(n.kind(), clang::PAREN | clang::UNEXPOSED_EXPR | clang::CAST | clang::CONDITIONAL);
        let around = path.iter().rev().take_while(transparent);
        let record = around
            .map(|n| n.ty().canonical())
            .find_map(|ty| (ty.kind() == clang::T_POINTER).then(|| Self::record(ty.pointee())).flatten())?;
        let children = call.children();
        let (function, arguments) = children.split_first()?;
        let made = Made {
            ty: self.name(record, printer)?,
            callee: callee(*function)?,
            arguments: arguments.iter().map(|a| a.range()).collect(),
        };
        self.sham(call, &made, printer, text);
        Some(made)
    }

    /// The structs whose memory a call may give back: of the library's `free`, or of a function of the program that takes
    /// pointers to anything.
    pub fn freed<'a>(&mut self, call: Node<'a>, printer: &Printer) -> Vec<Freed<'a>> {
        let children = call.children();
        let Some((function, arguments)) = children.split_first() else { return Vec::new() };
        let Some(callee) = callee(*function) else { return Vec::new() };
        let may_free = !callee.in_system_header() || library_name(&callee.name()) == "free";
        let anything = |node: &Node<'_>| {
            let ty = node.ty().canonical();
            ty.kind() == clang::T_POINTER && ty.pointee().canonical().kind() == clang::T_VOID
        };
        let mut found = Vec::new();
        for (position, argument) in arguments.iter().enumerate().filter(|(_, a)| may_free && anything(a)) {
            let record = struct_pointed_to(*argument);
            if let Some(ty) = record.and_then(|r| self.name(r, printer)) {
                found.push(Freed { ty, argument: argument.range(), callee, position });
            }
        }
        found
    }
}

/// Memory of a struct that a call may give back.
pub struct Freed<'a> {
    /// Canonical name of the struct.
    pub ty: String,
    /// The argument.
    pub argument: (usize, usize),
    /// The function called.
    pub callee: Node<'a>,
    /// As which argument it gets the pointer.
    pub position: usize,
}

/// The pointee of the first of an expression and what it is converted from that points to a struct.
fn struct_pointed_to(mut node: Node<'_>) -> Option<Node<'_>> {
    loop {
        let ty = node.ty().canonical();
        let record = (ty.kind() == clang::T_POINTER).then(|| Collector::record(ty.pointee())).flatten();
        if record.is_some() {
            return record;
        }
        if !matches!(node.kind(), clang::PAREN | clang::UNEXPOSED_EXPR | clang::CAST) {
            return None;
        }
        node = node.children().into_iter().last()?;
    }
}

/// Whether a conversion is only a step of another one around it.
fn is_converted(path: &[Node<'_>]) -> bool {
    let around = path.iter().rev().find(|n| n.kind() != clang::PAREN);
    around.is_some_and(|n| {
        let conversion = n.kind() == clang::CAST || (n.kind() == clang::UNEXPOSED_EXPR && n.children().len() == 1);
        conversion && n.ty().canonical().kind() == clang::T_POINTER
    })
}

/// Whether a cast is directly an argument of a library function that does no harm: [`Collector::call`] has noted it.
fn is_argument_of_library(path: &[Node<'_>]) -> bool {
    let around = path.iter().rev().find(|n| !matches!(n.kind(), clang::PAREN | clang::UNEXPOSED_EXPR));
    let call = around.filter(|n| n.kind() == clang::CALL);
    let function = call.and_then(|c| c.children().first().copied()).and_then(callee);
    function.is_some_and(|f| crate::analyse::wrap::is_harmless(&f.name()))
}

/// Whether an offset of a field is added to a cast pointer, or taken from it.
fn is_moved_by_offset(node: Node<'_>, path: &[Node<'_>], text: &str) -> bool {
    let around = path.iter().rev().find(|n| n.kind() != clang::PAREN);
    let Some(sum) = around.filter(|n| n.kind() == clang::BINARY) else { return false };
    let children = sum.children();
    let first = children.first().is_some_and(|c| c.range().0 <= node.range().0 && node.range().1 <= c.range().1);
    first && children.get(1).is_some_and(|c| mentions_offset(*c, text))
}

/// Whether an expression finds the struct around one of its fields.
fn finds_container(inner: Node<'_>, text: &str) -> bool {
    inner.kind() == clang::BINARY && inner.children().get(1).is_some_and(|c| mentions_offset(*c, text))
}

fn mentions_offset(node: Node<'_>, text: &str) -> bool {
    let (start, end) = node.range();
    text.get(start..end).is_some_and(|t| t.contains("offsetof") || t.contains("0)->") || t.contains("0))->"))
}

fn is_offsetof(node: Node<'_>, text: &str) -> bool {
    text.get(node.range().0..).is_some_and(|t| t.starts_with("__builtin_offsetof"))
}

/// The struct that an `offsetof` is about, of whichever kind.
fn offset_in<'a>(node: Node<'a>, text: &str) -> Option<Node<'a>> {
    if node.kind() == clang::UNEXPOSED_EXPR && is_offsetof(node, text) {
        let operand = node.children().into_iter().find(|c| c.kind() == clang::TYPE_REF)?;
        return Collector::record(operand.ty());
    }
    // `((struct foo *)0)->field`
    let zero = node.kind() == clang::CAST && bare(node).kind() == clang::INTEGER;
    Collector::record(Collector::pointee(node.ty()).filter(|_| zero)?)
}

/// The struct and the field whose address an expression is: `&x->field`, or `x->array`.
fn field_addressed<'a>(node: Node<'a>, text: &str) -> Option<(Node<'a>, Node<'a>)> {
    let mut node = bare(node);
    let array = |n: Node<'_>| matches!(n.ty().canonical().kind(), clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY);
    if node.kind() == clang::UNARY && text.get(node.range().0..).is_some_and(|t| t.starts_with('&')) {
        node = bare(*node.children().first()?);
    } else if !array(node) {
        return None;
    }
    let base = node.children().first().copied().filter(|_| node.kind() == clang::MEMBER)?;
    let record = Collector::record(base.ty()).or_else(|| Collector::pointee(base.ty()).and_then(Collector::record))?;
    Some((record, node))
}

/// Whether an expression is part of an argument of a call.
fn is_argument(path: &[Node<'_>]) -> bool {
    let ends = |n: &&Node<'_>| matches!(n.kind(), clang::CALL | clang::COMPOUND | clang::STATEMENT_EXPR);
    path.iter().rev().find(ends).is_some_and(|n| n.kind() == clang::CALL)
}

/// Whether an `offsetof` is taken from a pointer.
fn is_subtracted(node: Node<'_>, path: &[Node<'_>], text: &str) -> bool {
    let around = path.iter().rev().find(|n| !matches!(n.kind(), clang::PAREN | clang::UNEXPOSED_EXPR | clang::CAST));
    let Some(difference) = around.filter(|n| n.kind() == clang::BINARY) else { return false };
    let children = difference.children();
    let Some((left, right)) = children.first().zip(children.get(1)) else { return false };
    let minus = text.get(left.range().1..right.range().0).is_some_and(|t| t.contains('-'));
    minus && right.range().0 <= node.range().0 && difference.ty().canonical().kind() == clang::T_POINTER
}

/// Whether an expression is part of a constant that must hold.
fn in_constant(node: Node<'_>, path: &[Node<'_>]) -> bool {
    let contains = |outer: Node<'_>| outer.range().0 <= node.range().0 && node.range().1 <= outer.range().1;
    for parent in path.iter().rev() {
        match parent.kind() {
            clang::STATIC_ASSERT | clang::ENUM_CONSTANT | clang::FIELD | clang::TYPEDEF | clang::SIZEOF => return true,
            clang::PARAMETER => return true,
            // In the length, not in the initialiser.
            clang::VARIABLE => return !parent.initializer().is_some_and(contains),
            clang::CASE => return parent.children().first().copied().is_some_and(contains),
            // In the type.
            clang::CAST if !parent.children().last().copied().is_some_and(contains) => return true,
            clang::COMPOUND | clang::RETURN | clang::IF | clang::FOR | clang::WHILE | clang::DO | clang::CALL => {
                return false;
            }
            _ => {}
        }
    }
    false
}

/// Whether the size is only divided by another, or another by it: a number of elements.
fn counts_elements(path: &[Node<'_>], text: &str) -> bool {
    let around = path.iter().rev().find(|n| !matches!(n.kind(), clang::PAREN | clang::UNEXPOSED_EXPR));
    let Some(quotient) = around.filter(|n| n.kind() == clang::BINARY) else { return false };
    let children = quotient.children();
    let Some((left, right)) = children.first().zip(children.get(1)) else { return false };
    let between = text.get(left.range().1..right.range().0).unwrap_or("");
    let divides = Lexer::new(between, 0).any(|t| between.get(t.start..t.end) == Some("/"));
    divides && [left, right].into_iter().all(|n| bare(*n).kind() == clang::SIZEOF)
}

/// Whether a size, or a sum with it, is compared, or the value of a variable with static storage.
fn is_compared(path: &[Node<'_>], text: &str) -> bool {
    for around in path.iter().rev() {
        match around.kind() {
            clang::PAREN | clang::UNEXPOSED_EXPR | clang::CAST => {}
            clang::BINARY => match operator_text(*around, text).as_deref() {
                Some("==" | "!=" | "<" | ">" | "<=" | ">=") => return true,
                Some("+" | "-" | "*") => {}
                _ => return false,
            },
            clang::VARIABLE => return around.has_global_storage(),
            _ => return false,
        }
    }
    false
}

/// The field that a value is stored in, or the empty string for an element of an initialiser.
fn place_kept(path: &[Node<'_>], text: &str) -> Option<String> {
    let mut child: Option<Node<'_>> = None;
    for parent in path.iter().rev() {
        match parent.kind() {
            clang::PAREN | clang::UNEXPOSED_EXPR | clang::CAST | clang::CONDITIONAL => {}
            clang::INIT_LIST => return Some(String::new()),
            clang::BINARY => {
                let children = parent.children();
                let (left, right) = children.first().zip(children.get(1))?;
                let between = text.get(left.range().1..right.range().0)?;
                let assigns = Lexer::new(between, 0).any(|t| between.get(t.start..t.end) == Some("="));
                if assigns {
                    let right = child.is_none_or(|c| c.range().0 >= right.range().0);
                    let mut target = bare(*left);
                    while target.kind() == clang::SUBSCRIPT {
                        target = bare(*target.children().first()?);
                    }
                    return (right && target.kind() == clang::MEMBER).then(|| target.name());
                }
            }
            _ => return None,
        }
        child = Some(*parent);
    }
    None
}
