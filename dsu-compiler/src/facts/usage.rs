//! How an expression uses a variable: does this reference read it, write it, or let its address escape?
//!
//! The answer decides whether a variable counts as never written, so that a patch may give it a
//! new initial value. Where the tree leaves doubt, the answer is [`Usage::Escape`].

use crate::clang::{self, Node};
use crate::facts::Usage;

/// What the expression climbed so far denotes.
enum State {
    /// The object, or a part of it.
    Object,
    /// A pointer into the object.
    Pointer,
}

/// How the variable named by the last node of `path` is used; `path` leads down to it from its function
/// or initialiser.
pub fn of_variable(path: &[Node<'_>], text: &str) -> Usage {
    let Some((&node, parents)) = path.split_last() else { return Usage::Escape };
    let mut child = node;
    let mut state = State::Object;
    for &parent in parents.iter().rev() {
        let step = match state {
            State::Object => climb_object(parent, child, text),
            State::Pointer => climb_pointer(parent, child, text),
        };
        match step {
            Step::Done(usage) => return usage,
            Step::Climb(next) => state = next,
        }
        child = parent;
    }
    Usage::Escape
}

enum Step {
    Done(Usage),
    Climb(State),
}

fn climb_object(parent: Node<'_>, child: Node<'_>, text: &str) -> Step {
    let is_array =
        matches!(child.ty().canonical().kind(), clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY | clang::T_VARIABLE_ARRAY);
    match parent.kind() {
        clang::PAREN => Step::Climb(State::Object),
        clang::MEMBER if !is_array => Step::Climb(State::Object),
        clang::UNEXPOSED_EXPR if is_array => Step::Climb(State::Pointer),
        // A scalar or struct below an implicit conversion is loaded.
        clang::UNEXPOSED_EXPR => Step::Done(Usage::Read),
        clang::SIZEOF => Step::Done(Usage::Read),
        clang::UNARY => match unary_operator(parent, child, text) {
            b'&' => Step::Climb(State::Pointer),
            b'+' | b'-' => Step::Done(Usage::Write),
            _ => Step::Done(Usage::Escape),
        },
        clang::BINARY if binary_operator(parent, child, text) == Some("=") => Step::Done(Usage::Write),
        clang::BINARY => Step::Done(Usage::Read),
        clang::COMPOUND_ASSIGN if is_first(parent, child) => Step::Done(Usage::Write),
        clang::COMPOUND_ASSIGN | clang::INIT_LIST | clang::CALL | clang::RETURN => Step::Done(Usage::Read),
        _ => Step::Done(Usage::Escape),
    }
}

fn climb_pointer(parent: Node<'_>, child: Node<'_>, text: &str) -> Step {
    let points_to_const = || {
        let pointee = child.ty().canonical().pointee();
        pointee.is_const()
    };
    match parent.kind() {
        clang::PAREN | clang::UNEXPOSED_EXPR | clang::CONDITIONAL => Step::Climb(State::Pointer),
        clang::SUBSCRIPT if is_first(parent, child) => Step::Climb(State::Object),
        clang::MEMBER => Step::Climb(State::Object),
        clang::UNARY if unary_operator(parent, child, text) == b'*' => Step::Climb(State::Object),
        clang::UNARY => Step::Done(Usage::Read),
        clang::BINARY => match binary_operator(parent, child, text) {
            Some("=") => Step::Done(Usage::Escape),
            _ if points_to_const() => Step::Done(Usage::Read),
            _ => match operator_text(parent, text) {
                Some("+" | "-") => Step::Climb(State::Pointer),
                Some("==" | "!=" | "<" | ">" | "<=" | ">=" | "&&" | "||") => Step::Done(Usage::Read),
                _ => Step::Done(Usage::Escape),
            },
        },
        _ if points_to_const() => Step::Done(Usage::Read),
        _ => Step::Done(Usage::Escape),
    }
}

fn is_first(parent: Node<'_>, child: Node<'_>) -> bool {
    parent.children().first().is_some_and(|c| c.range() == child.range())
}

/// The first byte of a unary operator; postfix operators included.
fn unary_operator(parent: Node<'_>, child: Node<'_>, text: &str) -> u8 {
    let ((start, end), (inner, inner_end)) = (parent.range(), child.range());
    let place = if start < inner { start..inner } else { inner_end..end };
    text.get(place).and_then(|t| t.trim_start().bytes().next()).unwrap_or(0)
}

/// `Some("=")` if the child is the left side of an assignment; else another operator or `None`.
fn binary_operator<'t>(parent: Node<'_>, child: Node<'_>, text: &'t str) -> Option<&'t str> {
    operator_text(parent, text).filter(|operator| *operator != "=" || is_first(parent, child))
}

fn operator_text<'t>(parent: Node<'_>, text: &'t str) -> Option<&'t str> {
    let children = parent.children();
    let (left, right) = (children.first()?.range(), children.get(1)?.range());
    let between = text.get(left.1..right.0)?.trim_matches(|c: char| c.is_whitespace() || c == '(' || c == ')');
    Some(between)
}
