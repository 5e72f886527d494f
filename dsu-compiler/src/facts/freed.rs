//! Which parameter a function always frees: handed to another function before it returns, whatever happens inside.

use crate::clang::{self, Node};
use crate::facts::Always;
use crate::facts::returned::{Index, bare, callee, local};
use crate::facts::usage::operator_text;

/// Functions by which a thread leaves others without returning from them.
pub const LEAPS: &[&str] = &["longjmp", "_longjmp", "siglongjmp", "pthread_exit"];

/// The calls among the statements of a function's body that have `parameter` as an argument and are made whatever happens,
/// unless it is null.
///
/// Loops, `switch` and conditions other than that make a call uncertain, and so does a label: whatever jumps may jump past it.
pub fn always<'a>(parameter: Node<'a>, body: Node<'a>, text: &str, index: Index<'_, 'a>) -> Vec<Always> {
    let (variable, mut found, mut first) = (parameter.identity(), Vec::new(), true);
    if any(body, &|n| matches!(n.kind(), clang::LABEL | clang::GOTO | clang::INDIRECT_GOTO)) {
        return found;
    }
    for statement in body.children() {
        let children = statement.children();
        // What is done where there is nothing to free is of no interest.
        let sure = match (statement.kind(), children.as_slice()) {
            (clang::IF, [condition, yes, no @ ..]) => match null_test(variable, *condition, text) {
                Some(null) => statements(if null { no.first() } else { Some(yes) }),
                None => vec![statement],
            },
            _ => vec![statement],
        };
        for statement in sure {
            if let Some((callee, argument)) = call_with(statement, variable) {
                found.push(Always { callee: index(callee), argument, first });
            }
            first &= calls_library_only(statement);
            if any(statement, &|n| n.kind() == clang::RETURN) {
                return found;
            }
        }
    }
    found
}

/// The statements of a branch.
fn statements<'a>(branch: Option<&Node<'a>>) -> Vec<Node<'a>> {
    branch.map_or_else(Vec::new, |b| if b.kind() == clang::COMPOUND { b.children() } else { vec![*b] })
}

/// The function that a statement calls, and as which argument it gets a variable.
fn call_with(statement: Node<'_>, variable: usize) -> Option<(Node<'_>, usize)> {
    let value = (statement.kind() == clang::RETURN).then(|| statement.children().first().copied()).flatten();
    let node = bare(value.unwrap_or(statement));
    let children = if node.kind() == clang::CALL { node.children() } else { return None };
    let (function, arguments) = children.split_first()?;
    Some((callee(*function)?, arguments.iter().position(|a| local(bare(*a)) == Some(variable))?))
}

/// Whether a statement calls functions of the library only, by name.
fn calls_library_only(statement: Node<'_>) -> bool {
    !any(statement, &|n| {
        let function = (n.kind() == clang::CALL).then(|| n.children().first().copied().and_then(callee));
        let known = |f: Node<'_>| {
            let name = f.name();
            f.in_system_header() || ["__builtin_", "__sync_", "__atomic_"].iter().any(|p| name.starts_with(p))
        };
        function.is_some_and(|f| !f.is_some_and(known))
    })
}

/// What it means for a variable if a condition is true: that it is null, or that it is not. `None`: something else.
fn null_test(variable: usize, condition: Node<'_>, text: &str) -> Option<bool> {
    let node = bare(condition);
    let children = node.children();
    let named = |n: &Node<'_>| local(bare(*n)) == Some(variable);
    let source = |n: &Node<'_>| text.get(n.range().0..n.range().1);
    let null = |n: &Node<'_>| bare(*n).kind() == clang::INTEGER && source(&bare(*n)) == Some("0");
    match (node.kind(), children.as_slice()) {
        (clang::DECL_REF, _) => named(&node).then_some(false),
        (clang::UNARY, [operand]) if named(operand) => source(&node)?.starts_with('!').then_some(true),
        (clang::BINARY, [left, right]) if (named(left) && null(right)) || (null(left) && named(right)) => {
            match operator_text(node, text)?.as_str() {
                "==" => Some(true),
                "!=" => Some(false),
                _ => None,
            }
        }
        _ => None,
    }
}

fn any(node: Node<'_>, is: &dyn Fn(Node<'_>) -> bool) -> bool {
    is(node) || node.children().into_iter().any(|child| any(child, is))
}
