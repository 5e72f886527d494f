//! Accesses to fields: what stands before the arrow or dot, and whether anything is read or written at all.

use crate::clang::{self, Node};
use crate::facts::types::Printer;
use crate::facts::{FieldUse, Usage, usage};
use crate::text::lexer::{Kind, Lexer};

/// The access that a member expression makes; `path` leads down to it. An access to a member of an unnamed member is one
/// to the unnamed member, with an empty name.
pub(super) fn of_member<'a>(
    node: Node<'a>,
    path: &[Node<'a>],
    inside: usize,
    printer: &Printer,
    text: &str,
) -> Option<FieldUse> {
    let field = node.referenced().filter(|f| f.kind() == clang::FIELD && !f.in_system_header())?;
    // The parser's own step to an unnamed member belongs to the expression around it.
    let mut name = Some(field.name()).filter(|n| !n.is_empty())?;
    let mut record = field.parent()?;
    while printer.name(record).is_none() {
        (record, name) = (record.parent().filter(|_| record.is_unnamed_member())?, String::new());
    }
    let ty = printer.name(record)?;
    let (at, base) = (node.location(), base_of(node)?);
    let range = base.range();
    let arrow = is_arrow(text, range.1, at);
    let object = base.ty().canonical();
    let object = if arrow && object.kind() == clang::T_POINTER { object.pointee() } else { object };
    // An array that stands for a pointer to its first element: qualifiers are those of the elements.
    let object = if arrow && object.kind() != clang::T_RECORD { base.ty().canonical().element() } else { object };
    Some(FieldUse {
        inside,
        ty,
        field: name,
        at,
        expression: node.range(),
        base: range,
        arrow,
        rvalue: !arrow && is_value(base, text),
        qualifiers: (object.canonical().is_const(), object.canonical().is_volatile()),
        abstract_only: is_abstract(node, base, path, text),
        constant: is_constant(base, path),
        addressed: !is_done_with(usage::of_object(node, path, text)),
        line: node.presumed().1,
    })
}

/// Whether nothing is left of a use when its expression has been evaluated.
fn is_done_with(usage: Usage) -> bool {
    matches!(usage, Usage::Read | Usage::Write | Usage::Point | Usage::Lend | Usage::Compare)
}

/// Whether a member expression must be a constant other than the size of something.
fn is_constant(base: Node<'_>, path: &[Node<'_>]) -> bool {
    let in_static = |n: &Node<'_>| n.kind() == clang::VARIABLE && n.has_global_storage();
    let measured = path.iter().any(|n| n.kind() == clang::SIZEOF);
    !measured && (is_number(base) || path.iter().any(in_static))
}

/// What a member expression is a member of, steps to unnamed members left out.
fn base_of(node: Node<'_>) -> Option<Node<'_>> {
    let mut base = node.children().into_iter().next()?;
    while base.kind() == clang::MEMBER && base.referenced().is_some_and(|f| f.name().is_empty()) {
        base = base.children().into_iter().next()?;
    }
    Some(base)
}

/// Whether an arrow, as opposed to a dot, stands between a base and the name of the member.
fn is_arrow(text: &str, base: usize, name: usize) -> bool {
    let between = Lexer::new(text.get(..name).unwrap_or(""), base).filter(|t| t.kind == Kind::Punctuation).last();
    between.is_some_and(|t| &text[t.start..t.end] == "->")
}

/// Whether an expression gives a struct that is not an object with an address.
fn is_value(node: Node<'_>, text: &str) -> bool {
    let inner = |node: Node<'_>| node.children().first().is_some_and(|c| is_value(*c, text));
    match node.kind() {
        clang::CALL | clang::BINARY | clang::CONDITIONAL | clang::STATEMENT_EXPR => true,
        clang::PAREN => inner(node),
        clang::MEMBER => match base_of(node) {
            Some(base) if !is_arrow(text, base.range().1, node.location()) => is_value(base, text),
            _ => false,
        },
        clang::UNARY => !usage_starts(node, text, "*") && inner(node),
        // What else there is has an address, or the compiler will say that it has none.
        _ => usage_starts(node, text, "__builtin_va_arg"),
    }
}

fn usage_starts(node: Node<'_>, text: &str, word: &str) -> bool {
    text.get(node.range().0..).is_some_and(|t| t.starts_with(word))
}

/// Whether a member expression is there for its type or its place only.
fn is_abstract(node: Node<'_>, base: Node<'_>, path: &[Node<'_>], text: &str) -> bool {
    let in_static = |n: &Node<'_>| n.kind() == clang::VARIABLE && n.has_global_storage();
    is_number(base) || path.iter().any(in_static) || is_measured_or_compared(node, path, text)
}

/// Whether an expression leads to a number that stands for the place of an object: `((struct s *)0)->a`.
fn is_number(node: Node<'_>) -> bool {
    match node.kind() {
        clang::INTEGER => true,
        clang::CAST => node.children().last().is_some_and(|c| is_number(*c)),
        clang::PAREN | clang::UNEXPOSED_EXPR | clang::MEMBER | clang::SUBSCRIPT | clang::UNARY => {
            node.children().first().is_some_and(|c| is_number(*c))
        }
        _ => false,
    }
}

/// Whether the expression is the operand of `sizeof`, or its address an operand of a comparison: lists are walked up to
/// an address at which there is no object.
fn is_measured_or_compared(node: Node<'_>, path: &[Node<'_>], text: &str) -> bool {
    let (mut child, mut address) = (node, false);
    for &parent in path.iter().rev() {
        let steps = match parent.kind() {
            clang::SIZEOF => return true,
            clang::PAREN => true,
            clang::MEMBER => !address,
            clang::UNEXPOSED_EXPR | clang::CAST => address,
            clang::UNARY if !address => {
                address = usage::unary_operator(parent, child, text) == b'&';
                address
            }
            clang::BINARY => {
                let operator = usage::operator_text(parent, text);
                return address && matches!(operator.as_deref(), Some("==" | "!=" | "<" | ">" | "<=" | ">="));
            }
            _ => false,
        };
        if !steps {
            return false;
        }
        child = parent;
    }
    false
}
