//! How an expression uses a variable: does this reference read it, write it, or let its address escape?
//!
//! The answer decides whether a variable counts as never written, so that a patch may give it a
//! new initial value. Where the tree leaves doubt, the answer is [`Usage::Escape`].

use crate::clang::{self, Node};
use crate::facts::Usage;
use crate::text::lexer::{Kind, Lexer};

/// Library functions that neither keep the pointers they get nor give them to anybody, though they may write there, or
/// return them.
const BORROWERS: &[&str] = &[
    "accept",
    "access",
    "bcopy",
    "bind",
    "bzero",
    "chdir",
    "chmod",
    "chown",
    "clock_gettime",
    "connect",
    "creat",
    "dprintf",
    "explicit_bzero",
    "fgets",
    "fopen",
    "fprintf",
    "fputs",
    "fread",
    "fscanf",
    "fstat",
    "fwrite",
    "getcwd",
    "gethostname",
    "getpeername",
    "getrlimit",
    "getrusage",
    "getsockname",
    "getsockopt",
    "gettimeofday",
    "gmtime_r",
    "inet_ntop",
    "inet_pton",
    "link",
    "localtime_r",
    "lstat",
    "memccpy",
    "memcmp",
    "memcpy",
    "memmove",
    "mempcpy",
    "memset",
    "mkdir",
    "nanosleep",
    "open",
    "perror",
    "pipe",
    "poll",
    "pread",
    "printf",
    "puts",
    "pwrite",
    "qsort",
    "read",
    "readlink",
    "recv",
    "recvfrom",
    "rename",
    "rmdir",
    "select",
    "send",
    "sendto",
    "setsockopt",
    "sigaction",
    "sigaddset",
    "sigdelset",
    "sigemptyset",
    "sigfillset",
    "sigismember",
    "sigprocmask",
    "snprintf",
    "socketpair",
    "sprintf",
    "sscanf",
    "stat",
    "stpcpy",
    "strcasecmp",
    "strcat",
    "strcmp",
    "strcpy",
    "strftime",
    "strlcat",
    "strlcpy",
    "strlen",
    "strncasecmp",
    "strncat",
    "strncmp",
    "strncpy",
    "strnlen",
    "symlink",
    "syslog",
    "time",
    "uname",
    "unlink",
    "utimes",
    "vfprintf",
    "vprintf",
    "vsnprintf",
    "vsprintf",
    "vsyslog",
    "waitpid",
    "write",
];

/// What the expression climbed so far denotes.
enum State {
    /// What a borrower returns: perhaps a pointer into the object.
    Lent,
    /// The object, or a part of it; whether that is one element of an array.
    Object(bool),
    /// A pointer into the object; whether to one element of an array.
    Pointer(bool),
}

/// How an object is used that an expression denotes, such as the name of a variable or an access to a field; `path` leads
/// down to it from its function or initialiser.
pub fn of_object(node: Node<'_>, path: &[Node<'_>], text: &str) -> Usage {
    let mut child = node;
    let mut state = State::Object(false);
    for &parent in path.iter().rev() {
        let step = match state {
            State::Object(element) => climb_object(parent, child, text, element),
            State::Pointer(element) => climb_pointer(parent, child, text, element),
            State::Lent => climb_lent(parent, child),
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

fn climb_object(parent: Node<'_>, child: Node<'_>, text: &str, element: bool) -> Step {
    let is_array =
        matches!(child.ty().canonical().kind(), clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY | clang::T_VARIABLE_ARRAY);
    match parent.kind() {
        clang::PAREN => Step::Climb(State::Object(element)),
        clang::MEMBER if !is_array => Step::Climb(State::Object(element)),
        clang::UNEXPOSED_EXPR if !is_implicit(parent, child) => Step::Done(Usage::Escape),
        clang::UNEXPOSED_EXPR if is_array => Step::Climb(State::Pointer(element)),
        // A scalar or struct below an implicit conversion is loaded.
        clang::UNEXPOSED_EXPR => Step::Done(Usage::Read),
        clang::SIZEOF => Step::Done(Usage::Read),
        clang::UNARY => match unary_operator(parent, child, text) {
            b'&' => Step::Climb(State::Pointer(element)),
            b'+' | b'-' => Step::Done(Usage::Write),
            _ => Step::Done(Usage::Escape),
        },
        clang::BINARY if binary_operator(parent, child, text).as_deref() == Some("=") => Step::Done(Usage::Write),
        clang::BINARY => Step::Done(Usage::Read),
        clang::COMPOUND_ASSIGN if is_first(parent, child) => Step::Done(Usage::Write),
        clang::COMPOUND_ASSIGN | clang::INIT_LIST | clang::CALL | clang::RETURN => Step::Done(Usage::Read),
        _ => Step::Done(Usage::Escape),
    }
}

fn climb_pointer(parent: Node<'_>, child: Node<'_>, text: &str, element: bool) -> Step {
    let points_to_const = || {
        let pointee = child.ty().canonical().pointee();
        pointee.is_const()
    };
    let keep = if element { Usage::KeepElement } else { Usage::Keep };
    match parent.kind() {
        // What else is unexposed may write: `__atomic_fetch_add(&n, ...)`.
        clang::UNEXPOSED_EXPR if !is_implicit(parent, child) => Step::Done(Usage::Escape),
        clang::PAREN | clang::UNEXPOSED_EXPR | clang::CONDITIONAL => Step::Climb(State::Pointer(element)),
        clang::SUBSCRIPT if is_first(parent, child) => Step::Climb(State::Object(element || !is_zero(parent, text))),
        clang::MEMBER => Step::Climb(State::Object(element)),
        clang::UNARY if unary_operator(parent, child, text) == b'*' => Step::Climb(State::Object(element)),
        clang::UNARY if unary_operator(parent, child, text) == b'!' => Step::Done(Usage::Point),
        clang::UNARY => Step::Done(Usage::Escape),
        clang::BINARY => match operator_text(parent, text).as_deref() {
            Some("=") if !points_to_const() || is_first(parent, child) => Step::Done(Usage::Escape),
            Some("-" | "<" | ">" | "<=" | ">=") if parent.ty().canonical().kind() != clang::T_POINTER => {
                Step::Done(Usage::Compare)
            }
            Some("+" | "-") => Step::Climb(State::Pointer(element)),
            Some("==" | "!=" | "&&" | "||") => Step::Done(Usage::Point),
            _ if points_to_const() => Step::Done(keep),
            _ => Step::Done(Usage::Escape),
        },
        clang::CALL if borrows(parent) && points_to_const() => Step::Done(Usage::Point),
        clang::CALL if borrows(parent) => match parent.ty().canonical().kind() {
            clang::T_POINTER => Step::Climb(State::Lent),
            _ => Step::Done(Usage::Lend),
        },
        clang::CALL if points_to_const() && gives_pointer(parent, child) => Step::Done(Usage::Escape),
        clang::CALL if points_to_const() && calls_library(parent) => Step::Done(Usage::Point),
        _ if points_to_const() => Step::Done(keep),
        _ => Step::Done(Usage::Escape),
    }
}

/// What becomes of the pointer that a borrower returns: good as long as it is dropped or compared.
fn climb_lent(parent: Node<'_>, child: Node<'_>) -> Step {
    match parent.kind() {
        clang::COMPOUND
        | clang::IF
        | clang::WHILE
        | clang::FOR
        | clang::DO
        | clang::CASE
        | clang::LABEL
        | clang::DEFAULT => Step::Done(Usage::Lend),
        clang::CAST if parent.ty().canonical().kind() == clang::T_VOID => Step::Done(Usage::Lend),
        clang::PAREN => Step::Climb(State::Lent),
        clang::UNEXPOSED_EXPR if is_implicit(parent, child) => Step::Climb(State::Lent),
        _ => Step::Done(Usage::Escape),
    }
}

/// Whether a call is one of a borrower: also under the names that the compiler and checked headers give them.
pub(super) fn borrows(call: Node<'_>) -> bool {
    let Some(function) = callee(call) else { return false };
    let name = function.name();
    let plain = name.trim_start_matches("__builtin_").trim_start_matches("__").trim_end_matches("_chk");
    BORROWERS.contains(&plain) && (function.in_system_header() || name.starts_with("__builtin_"))
}

/// Whether a subscript is `[0]`: the element at the head stands for the whole array.
fn is_zero(subscript: Node<'_>, text: &str) -> bool {
    let index = subscript.children().get(1).map(|i| i.range());
    index.and_then(|(start, end)| text.get(start..end)).is_some_and(|t| t.trim() == "0")
}

/// Functions of the C library that keep a pointer to `const`.
const KEEPERS: &[&str] = &["openlog", "pthread_setspecific", "thrd_create", "tss_set"];

/// Whether a call is one of a function of a system header: but for a few, they do not keep what they get as pointer to
/// `const`.
pub(super) fn calls_library(call: Node<'_>) -> bool {
    callee(call).is_some_and(|f| f.in_system_header() && !KEEPERS.contains(&f.name().as_str()))
}

/// The function that a call names.
pub(super) fn callee(call: Node<'_>) -> Option<Node<'_>> {
    let mut callee = call.children().into_iter().next();
    while let Some(node) = callee.filter(|n| matches!(n.kind(), clang::PAREN | clang::UNEXPOSED_EXPR)) {
        callee = node.children().into_iter().next();
    }
    callee.and_then(Node::referenced).filter(|f| f.kind() == clang::FUNCTION)
}

/// Whether an expression is an implicit conversion of another: those have no text of their own.
pub(super) fn is_implicit(parent: Node<'_>, child: Node<'_>) -> bool {
    parent.range() == child.range()
}

/// Functions that look through the arguments of a program: into these they give pointers back, not into their tables of
/// options.
const OPTIONS: &[&str] = &["getopt", "getopt_long", "getopt_long_only"];

/// Whether a call may give back a pointer into an argument that it got as pointer to `const`, for writing: as `strchr`,
/// `bsearch` and `strtol` do.
pub(super) fn gives_pointer(call: Node<'_>, argument: Node<'_>) -> bool {
    let writable = |ty: clang::Type<'_>| {
        let ty = ty.canonical();
        ty.kind() == clang::T_POINTER && {
            let pointee = ty.pointee().canonical();
            pointee.kind() != clang::T_FUNCTION && !pointee.is_const()
        }
    };
    let to_writable =
        |ty: clang::Type<'_>| ty.canonical().kind() == clang::T_POINTER && writable(ty.canonical().pointee());
    let options = callee(call).is_some_and(|f| OPTIONS.contains(&f.name().as_str()));
    match options {
        true => to_writable(argument.ty()),
        false => writable(call.ty()) || call.children().iter().skip(1).any(|argument| to_writable(argument.ty())),
    }
}

pub(super) fn is_first(parent: Node<'_>, child: Node<'_>) -> bool {
    parent.children().first().is_some_and(|c| c.range() == child.range())
}

/// The first byte of a unary operator; postfix operators included.
pub(super) fn unary_operator(parent: Node<'_>, child: Node<'_>, text: &str) -> u8 {
    let ((start, end), (inner, inner_end)) = (parent.range(), child.range());
    let place = if start < inner { start..inner } else { inner_end..end };
    text.get(place).and_then(|t| tokens(t).bytes().next()).unwrap_or(0)
}

/// `=` if the child is the left side of an assignment; else another operator or `None`.
fn binary_operator(parent: Node<'_>, child: Node<'_>, text: &str) -> Option<String> {
    operator_text(parent, text).filter(|operator| operator != "=" || is_first(parent, child))
}

pub(super) fn operator_text(parent: Node<'_>, text: &str) -> Option<String> {
    let children = parent.children();
    let (left, right) = (children.first()?.range(), children.get(1)?.range());
    Some(tokens(text.get(left.1..right.0)?).trim_matches(['(', ')']).to_owned())
}

/// The tokens of a piece of text, put together: line markers may stand between them.
fn tokens(text: &str) -> String {
    let lexer = Lexer::new(text, 0);
    lexer.filter(|t| t.kind != Kind::Directive).filter_map(|t| text.get(t.start..t.end)).collect()
}
