//! Pointers to functions: where they come from, what they are converted to, and which calls are made through them or given
//! them.
//!
//! The types of the pointers are what later tells who may be called, so what matters here is wherever a pointer gets another
//! type: casts, implicit conversions, and memory that is looked at as two things.

use std::collections::{BTreeSet, HashMap};

use crate::clang::{self, Node, Type};
use crate::facts::Conversion;
use crate::facts::returned::{bare, callee, library_name, operand};
use crate::facts::types::{Printer, bit_offset, is_unnamed_member};

/// How a reference to a function uses it.
pub(super) enum FunctionUse<'a> {
    /// It is called: the range of the whole call.
    Call(usize, usize),
    /// It stands for its address.
    Address,
    /// The same, as an argument of a call of this function.
    Argument(Node<'a>),
}

/// What a call calls.
pub(super) enum Called<'a> {
    /// This function.
    Function(Node<'a>),
    /// What a pointer to a function of this canonical type points to.
    Pointer(String),
}

/// How a reference to a function uses it.
pub(super) fn usage<'a>(node: Node<'a>, path: &[Node<'a>]) -> FunctionUse<'a> {
    let (mut child, mut plain) = (node, true);
    for parent in path.iter().rev() {
        match parent.kind() {
            clang::PAREN => child = *parent,
            clang::UNEXPOSED_EXPR if is_same(*parent, child) => child = *parent,
            clang::UNARY | clang::CAST => (child, plain) = (*parent, false),
            clang::CALL => {
                let (start, end) = parent.range();
                if plain && parent.children().first().is_some_and(|c| c.range() == child.range()) {
                    return FunctionUse::Call(start, end);
                }
                return callee_of(*parent).map_or(FunctionUse::Address, FunctionUse::Argument);
            }
            _ => return FunctionUse::Address,
        }
    }
    FunctionUse::Address
}

/// The canonical type of the function that a pointer points to which a reference to a function is converted to; empty if that
/// is no pointer to a function; `None` if it is not converted.
pub(super) fn converted<'a>(node: Node<'a>, path: &[Node<'a>], printer: &Printer) -> Option<String> {
    let mut last = node;
    for parent in path.iter().rev() {
        let goes_on = match parent.kind() {
            clang::PAREN => true,
            clang::UNEXPOSED_EXPR => is_same(*parent, last),
            clang::UNARY => function_type(parent.ty()).is_some(),
            clang::CAST => holds_pointer(parent.ty()),
            _ => false,
        };
        if !goes_on {
            break;
        }
        last = *parent;
    }
    let to = printed(last.ty(), printer);
    (to != printed(node.ty(), printer)).then_some(to)
}

/// What the arguments become that a call hands on without a type that was agreed on: a function with a variable number of them
/// may read them as something else.
pub(super) fn unagreed(call: Node<'_>, printer: &Printer) -> Vec<Conversion> {
    let Some(function) = call.children().into_iter().next().map(|f| f.ty().canonical()) else { return Vec::new() };
    let ty = if function.kind() == clang::T_POINTER { function.pointee().canonical() } else { function };
    let agreed = if ty.kind() == clang::T_FUNCTION_NO_PROTO { 0 } else { ty.parameters().len() };
    let arguments = call.children().into_iter().skip(1 + agreed).filter(|a| !is_null(*a));
    let pointers = arguments.filter_map(|a| function_type(a.ty()));
    pointers.map(|from| Conversion { from: printer.print(from), to: String::new(), in_memory: true }).collect()
}

/// What a call calls.
pub(super) fn called<'a>(call: Node<'a>, printer: &Printer) -> Option<Called<'a>> {
    let function = call.children().into_iter().next()?;
    if let Some(named) = callee_of(call) {
        return Some(Called::Function(named));
    }
    let pointer = function.ty().canonical();
    let prototype = if pointer.kind() == clang::T_POINTER { pointer.pointee() } else { pointer };
    Some(Called::Pointer(printer.print(prototype)))
}

/// Whether a call goes through a pointer in a struct that a system header declares: a library may have put it there.
pub(super) fn is_from_library(call: Node<'_>) -> bool {
    let mut callee = call.children().into_iter().next();
    while let Some(node) = callee.map(bare).filter(|n| n.kind() == clang::UNARY) {
        callee = node.children().into_iter().next();
    }
    let field = callee.map(bare).filter(|n| n.kind() == clang::MEMBER).and_then(Node::referenced);
    field.is_some_and(Node::in_system_header)
}

/// The types of functions that the pointers point to which a call hands on: those of arguments that name no function (or the
/// callee is not named), and those in structs that arguments point to.
pub(super) fn handed_on(call: Node<'_>, called: &Called<'_>, printer: &Printer) -> Vec<String> {
    let named = |n: Node<'_>| matches!(called, Called::Function(_)) && named_function(n).is_some();
    // What is declared elsewhere in the program is seen there.
    let deep = usize::from(matches!(called, Called::Function(f) if f.in_system_header())) * 2;
    let mut found = Vec::new();
    for argument in call.children().into_iter().skip(1) {
        if is_null(argument) || named(argument) {
            continue;
        }
        let ty = argument.ty().canonical();
        match function_type(ty) {
            Some(function) => found.push(printer.print(function)),
            None if is_to_record(ty) => found.extend(inside(ty.pointee(), printer, deep)),
            None if ty.kind() == clang::T_RECORD => found.extend(inside(ty, printer, deep)),
            None => {}
        }
    }
    found
}

/// What an implicit conversion or a cast makes of pointers to functions, or of pointers to where such pointers are.
pub(super) fn conversions<'a>(node: Node<'a>, path: &[Node<'a>], printer: &Printer) -> Vec<Conversion> {
    let Some(child) = operand(node).or_else(|| node.children().into_iter().last()) else { return Vec::new() };
    if is_null(child) || named_function(child).is_some() {
        return Vec::new();
    }
    let one = |from: String, to: String| vec![Conversion { from, to, in_memory: false }];
    let (from, to) = (Pointed::of(child.ty(), printer), Pointed::of(node.ty(), printer));
    match (from, to) {
        (Pointed::Function(a), Pointed::Function(b)) if a != b => one(a, b),
        (Pointed::Function(a), Pointed::Other) if holds_pointer(node.ty()) => one(a, String::new()),
        (Pointed::Other | Pointed::Place(_), Pointed::Function(b)) => one(String::new(), b),
        (Pointed::Function(a), Pointed::Place(_)) => one(a, String::new()),
        (Pointed::Place(a), Pointed::Place(b)) if a != b => both(a, b),
        (Pointed::Place(a), Pointed::Other) if is_pointer(node) && !is_only_handled(path) => both(a, String::new()),
        (Pointed::Other, Pointed::Place(b)) if is_pointer(child) && !is_fresh(child) => {
            let known = inside(child.ty().canonical().pointee(), printer, 0);
            known.into_iter().chain([String::new()]).filter(|a| *a != b).flat_map(|a| both(a, b.clone())).collect()
        }
        (Pointed::Other, Pointed::Other) if is_pointer(child) && is_pointer(node) => {
            let pointed = |n: Node<'a>| element(n.ty().canonical().pointee());
            let (from, to) = (pointed(child), pointed(node));
            match (from.kind() == clang::T_RECORD, to.kind() == clang::T_RECORD) {
                (true, true) => looked_at(from, to, printer, 0),
                (true, false) if is_taken_apart(node, to) => {
                    inside(from, printer, 0).into_iter().flat_map(|a| both(a, String::new())).collect()
                }
                (false, true) if to.kind() == clang::T_POINTER => {
                    inside(to, printer, 0).into_iter().flat_map(|a| both(a, String::new())).collect()
                }
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// What a call that copies memory makes of pointers to functions there.
pub(super) fn copied(call: Node<'_>, printer: &Printer) -> Vec<Conversion> {
    if !callee_of(call).is_some_and(|function| copies(&function.name())) {
        return Vec::new();
    }
    let arguments = call.children().into_iter().skip(1).take(2);
    let pointed: Vec<Type<'_>> = arguments.map(|a| bare(a).ty().canonical().pointee().canonical()).collect();
    match *pointed.as_slice() {
        [a, b] if a.kind() == clang::T_RECORD && b.kind() == clang::T_RECORD => looked_at(a, b, printer, 0),
        _ => Vec::new(),
    }
}

/// The types of functions that pointers in structs of system headers point to, of a field or an initialiser of such a struct.
pub(super) fn of_library(node: Node<'_>, printer: &Printer) -> BTreeSet<String> {
    let field = node.referenced().filter(|f| node.kind() == clang::MEMBER && f.in_system_header());
    let record =
        node.ty().canonical().declaration().filter(|d| node.kind() == clang::INIT_LIST && d.in_system_header());
    match (field, record) {
        (Some(field), _) => function_type(element(field.ty())).map(|ty| printer.print(ty)).into_iter().collect(),
        (_, Some(_)) => inside(node.ty(), printer, 0),
        _ => BTreeSet::new(),
    }
}

/// The types of functions that pointers point to in a struct that is looked up by name, where the pointer to it is converted.
pub(super) fn looked_up(conversion: Node<'_>, printer: &Printer) -> BTreeSet<String> {
    let child = operand(conversion).map(bare).filter(|n| n.kind() == clang::CALL);
    let found = child.and_then(callee_of).is_some_and(|f| matches!(f.name().as_str(), "dlsym" | "dlvsym"));
    let ty = conversion.ty().canonical();
    if found && is_to_record(ty) { inside(ty.pointee(), printer, 1) } else { BTreeSet::new() }
}

/// What the members of a union make of each other: pointers to functions of what is there as something else.
pub(super) fn overlaid(record: Node<'_>, printer: &Printer) -> Vec<Conversion> {
    if record.kind() != clang::UNION {
        return Vec::new();
    }
    let fields = record.children().into_iter().filter(|c| c.kind() == clang::FIELD || is_unnamed_member(*c));
    let members: Vec<HashMap<u64, Type<'_>>> = fields.map(|f| parts(f.ty())).collect();
    let mut found = Vec::new();
    for (i, a) in members.iter().enumerate() {
        for b in members.iter().skip(i + 1) {
            let kinds = a.iter().filter_map(|(at, a)| b.get(at).map(|b| (printed(*a, printer), printed(*b, printer))));
            found.extend(kinds.filter(|(a, b)| a != b).flat_map(|(a, b)| both(a, b)));
        }
    }
    found
}

/// What a pointer points to, or an array is of.
enum Pointed {
    /// A function, of this canonical type.
    Function(String),
    /// A place of pointers to functions of this canonical type.
    Place(String),
    /// Anything else.
    Other,
}

impl Pointed {
    fn of(ty: Type<'_>, printer: &Printer) -> Self {
        let mut inner = ty.canonical();
        if let Some(function) = function_type(inner) {
            return Self::Function(printer.print(function));
        }
        while is_array(inner) || inner.kind() == clang::T_POINTER {
            inner = if is_array(inner) { inner.element().canonical() } else { inner.pointee().canonical() };
            if let Some(function) = function_type(inner) {
                return Self::Place(printer.print(function));
            }
        }
        Self::Other
    }
}

/// Whether a pointer goes straight into a function of a system header that neither copies what is there nor keeps it: only the
/// functions that copy memory could make something else of the pointers to functions there.
fn is_only_handled(path: &[Node<'_>]) -> bool {
    let around = path.iter().rev().find(|n| !matches!(n.kind(), clang::PAREN | clang::UNEXPOSED_EXPR | clang::CAST));
    let Some(function) = around.filter(|n| n.kind() == clang::CALL).and_then(|call| callee_of(*call)) else {
        return false;
    };
    let name = function.name();
    !copies(&name) && (function.in_system_header() || name.starts_with("__builtin_"))
}

/// Whether a function of this name copies memory.
fn copies(name: &str) -> bool {
    matches!(library_name(name), "memcpy" | "memmove" | "mempcpy" | "bcopy")
}

/// Whether an expression is memory that a function of a system header gives: fresh, or what the function was given.
fn is_fresh(node: Node<'_>) -> bool {
    let node = bare(node);
    node.kind() == clang::CALL && callee_of(node).is_some_and(Node::in_system_header)
}

/// Whether a cast makes a pointer with which a struct is taken apart: one to pointers, or to its bytes.
fn is_taken_apart(cast: Node<'_>, to: Type<'_>) -> bool {
    let bytes = to.is_number() && to.size() == Some(1);
    cast.kind() == clang::CAST && (bytes || to.kind() == clang::T_POINTER)
}

/// The parts of a struct that have room for a pointer, by their offsets. Of arrays, the first element.
fn parts(ty: Type<'_>) -> HashMap<u64, Type<'_>> {
    let mut found = HashMap::new();
    let mut todo = vec![(0, ty.canonical())];
    while let Some((at, ty)) = todo.pop() {
        let ty = element(ty);
        if ty.kind() != clang::T_RECORD {
            if holds_pointer(ty) {
                found.insert(at, ty);
            }
            continue;
        }
        let Some(record) = ty.declaration() else { continue };
        let fields = record.children().into_iter().filter(|c| c.kind() == clang::FIELD || is_unnamed_member(*c));
        let whole = fields.filter(|f| f.bit_width().is_none());
        todo.extend(whole.filter_map(|f| Some((at + bit_offset(record, f)? / 8, f.ty()))));
    }
    found
}

/// The types of functions that pointers in a struct point to; `deep`: and those in structs that it points to.
fn inside(ty: Type<'_>, printer: &Printer, deep: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in parts(ty).into_values() {
        match function_type(part) {
            Some(function) => drop(found.insert(printer.print(function))),
            None if deep > 0 && is_to_record(part) => found.extend(inside(part.pointee(), printer, deep - 1)),
            None => {}
        }
    }
    found
}

/// What is made of the pointers to functions in a struct that is looked at as another one, or as pointers to one that is; and the
/// same of what both point to.
fn looked_at(from: Type<'_>, to: Type<'_>, printer: &Printer, depth: usize) -> Vec<Conversion> {
    // An object that points to its functions, and one more.
    const DEEPEST: usize = 2;
    let identity = |ty: Type<'_>| ty.canonical().declaration().map(Node::identity);
    if depth > DEEPEST || identity(from).is_some() && identity(from) == identity(to) {
        return Vec::new();
    }
    let (from, to) = (parts(from), parts(to));
    let mut found = Vec::new();
    for (a, b) in from.iter().filter_map(|(at, a)| to.get(at).map(|b| (*a, *b))) {
        match (printed(a, printer), printed(b, printer)) {
            (x, y) if x != y => found.extend(both(x, y)),
            (x, _) if x.is_empty() && is_to_record(a) && is_to_record(b) => {
                found.extend(looked_at(a.pointee(), b.pointee(), printer, depth + 1));
            }
            _ => {}
        }
    }
    found
}

fn both(a: String, b: String) -> Vec<Conversion> {
    let one = |from: &String, to: &String| Conversion { from: from.clone(), to: to.clone(), in_memory: true };
    vec![one(&a, &b), one(&b, &a)]
}

fn is_to_record(ty: Type<'_>) -> bool {
    ty.kind() == clang::T_POINTER && ty.pointee().canonical().kind() == clang::T_RECORD
}

/// The function that a call names.
fn callee_of(call: Node<'_>) -> Option<Node<'_>> {
    let mut node = call.children().into_iter().next()?;
    loop {
        let inner = node.children().into_iter().next();
        node = match (node.kind(), inner) {
            (clang::PAREN, Some(inner)) => inner,
            (clang::UNEXPOSED_EXPR, Some(inner)) if is_same(node, inner) => inner,
            (clang::DECL_REF, _) => return node.referenced().filter(|d| d.kind() == clang::FUNCTION),
            _ => return None,
        };
    }
}

/// The function whose address an expression is, converted or not.
fn named_function(node: Node<'_>) -> Option<Node<'_>> {
    let node = bare(node);
    match node.kind() {
        clang::UNARY if function_type(node.ty()).is_some() => named_function(node.children().into_iter().next()?),
        _ => callee(node),
    }
}

/// Whether a node is an implicit conversion of another one, and no more.
fn is_same(parent: Node<'_>, child: Node<'_>) -> bool {
    parent.range() == child.range() && parent.children().len() == 1
}

fn is_null(node: Node<'_>) -> bool {
    bare(node).kind() == clang::INTEGER
}

fn is_array(ty: Type<'_>) -> bool {
    matches!(ty.kind(), clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY | clang::T_VARIABLE_ARRAY)
}

/// Whether an expression is a pointer, or an array that stands for one.
fn is_pointer(node: Node<'_>) -> bool {
    let ty = node.ty().canonical();
    ty.kind() == clang::T_POINTER || is_array(ty)
}

/// Whether a value of a type, or of an element of it, has room for a pointer.
fn holds_pointer(ty: Type<'_>) -> bool {
    let ty = element(ty);
    // A pointer, a number, something atomic.
    ty.kind() != clang::T_RECORD && ty.size() >= Some(size_of::<usize>() as u64)
}

/// The innermost element of an array; the type itself if it is none.
fn element(ty: Type<'_>) -> Type<'_> {
    let mut ty = ty.canonical();
    while is_array(ty) {
        ty = ty.element().canonical();
    }
    ty
}

/// The canonical type of the function that a type is, or points to; empty if it is nothing of that.
fn printed(ty: Type<'_>, printer: &Printer) -> String {
    function_type(ty).map_or_else(String::new, |ty| printer.print(ty))
}

/// The type of the function that a type is, or points to.
fn function_type(ty: Type<'_>) -> Option<Type<'_>> {
    let ty = ty.canonical();
    let ty = if ty.kind() == clang::T_POINTER { ty.pointee().canonical() } else { ty };
    matches!(ty.kind(), clang::T_FUNCTION | clang::T_FUNCTION_NO_PROTO).then_some(ty)
}
