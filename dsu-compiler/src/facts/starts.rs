//! What a function that makes an object gives its fields first: through the variable that it has just put the memory in.

use crate::clang::{self, Node};
use crate::facts::Start;
use crate::facts::returned::{bare, local};
use crate::facts::usage::operator_text;

/// What is known of a function's objects while its body is walked.
#[derive(Default)]
struct Walk<'a> {
    /// Variables by identity, with where the call begins whose result they are given.
    given: Vec<(usize, usize)>,
    /// Assignments to fields of what variables point to.
    stores: Vec<Store<'a>>,
    /// Conditions and loops that the walk is in, as ranges.
    around: Vec<(usize, usize)>,
}

struct Store<'a> {
    variable: usize,
    field: Node<'a>,
    value: Node<'a>,
    /// Conditions and loops that it is in.
    around: Vec<(usize, usize)>,
}

/// The first assignment to each field of the object that the call at an offset makes.
pub fn of_call(call: usize, body: Node<'_>, text: &str) -> Vec<Start> {
    let mut walk = Walk::default();
    walk.visit(body, text);
    let mut found: Vec<Start> = Vec::new();
    let variables: Vec<usize> = walk.given.iter().filter(|(_, at)| *at == call).map(|(v, _)| *v).collect();
    for store in walk.stores.iter().filter(|s| s.field.range().0 > call && variables.contains(&s.variable)) {
        let field = store.field.name();
        if found.iter().any(|s| s.field == field) {
            continue;
        }
        // Where the object is only made in that case, too, the assignment is certain.
        let certain = store.around.iter().all(|(start, end)| (*start..*end).contains(&call));
        let value = certain.then(|| constant(store.value, text)).flatten();
        found.push(Start { field, value, line: store.field.presumed().1 });
    }
    found
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: Node<'a>, text: &str) {
        let children = node.children();
        match (node.kind(), children.as_slice()) {
            (clang::VARIABLE, _) => self.give(Some(node.identity()), node.initializer()),
            (clang::BINARY, [left, right]) if operator_text(node, text).as_deref() == Some("=") => {
                let target = bare(*left);
                self.give(local(target), Some(*right));
                let object = (target.kind() == clang::MEMBER).then(|| target.children().first().copied()).flatten();
                if let Some(variable) = object.and_then(|o| local(bare(o))) {
                    let value = assigned(*right, text);
                    self.stores.push(Store { variable, field: target, value, around: self.around.clone() });
                }
            }
            _ => {}
        }
        let perhaps = matches!(
            node.kind(),
            clang::IF | clang::SWITCH | clang::FOR | clang::WHILE | clang::DO | clang::CONDITIONAL
        );
        if perhaps {
            self.around.push(node.range());
        }
        for child in children {
            self.visit(child, text);
        }
        if perhaps {
            self.around.pop();
        }
    }

    fn give(&mut self, variable: Option<usize>, value: Option<Node<'a>>) {
        let call = value.map(bare).filter(|v| v.kind() == clang::CALL);
        self.given.extend(variable.zip(call.map(|c| c.range().0)));
    }
}

/// The value of `c` in `a = b = c`.
fn assigned<'a>(node: Node<'a>, text: &str) -> Node<'a> {
    let value = bare(node);
    match value.children().as_slice() {
        [_, right] if value.kind() == clang::BINARY && operator_text(value, text).as_deref() == Some("=") => {
            assigned(*right, text)
        }
        _ => node,
    }
}

/// A number as C, if an expression is one that needs no names but those of enumeration constants.
fn constant(node: Node<'_>, text: &str) -> Option<String> {
    let plain = bare(node);
    let zero = plain.kind() == clang::INTEGER && text.get(plain.range().0..plain.range().1) == Some("0");
    if zero { Some("0".to_owned()) } else { is_plain(node).then(|| node.constant()).flatten() }
}

fn is_plain(node: Node<'_>) -> bool {
    match node.kind() {
        clang::INTEGER | clang::FLOATING | clang::CHARACTER => true,
        clang::DECL_REF => node.referenced().is_some_and(|d| d.kind() == clang::ENUM_CONSTANT),
        clang::TYPE_REF => true,
        clang::PAREN | clang::UNEXPOSED_EXPR | clang::CAST | clang::UNARY | clang::BINARY | clang::CONDITIONAL => {
            let children = node.children();
            !children.is_empty() && children.into_iter().all(is_plain)
        }
        _ => false,
    }
}
