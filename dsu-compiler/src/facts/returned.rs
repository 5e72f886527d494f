//! What functions return that may be allocators: those that return a pointer to anything, or to characters; and what
//! functions do with pointers to anything that they are given.
//!
//! Values are followed through local variables, regardless of order; whatever cannot be followed is [`Source::Other`].

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::clang::{self, Node};
use crate::facts::{Argument, Source};
use crate::text::lexer::{Kind, Lexer};

/// Functions that write to what their first argument points to.
const FILLERS: &[&str] = &[
    "memcpy", "memmove", "mempcpy", "bcopy", "strcpy", "strncpy", "stpcpy", "strcat", "sprintf", "snprintf", "read",
    "recv", "fread", "fgets", "memccpy",
];

/// How deep calls in arguments of calls are followed.
pub const DEEPEST: usize = 32;

/// Reads the sources of an argument; an error where they are nested too deeply.
pub fn nested<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Source>, D::Error> {
    thread_local! {
        static DEPTH: Cell<usize> = const { Cell::new(0) };
    }
    let depth = DEPTH.get();
    if depth == DEEPEST {
        return Err(D::Error::custom("calls are nested too deeply"));
    }
    DEPTH.set(depth + 1);
    let sources = Vec::deserialize(from);
    DEPTH.set(depth);
    sources
}

/// The function a call calls, as an index into the facts.
pub type Index<'i, 'a> = &'i mut dyn FnMut(Node<'a>) -> usize;

/// What a function with this body returns: the sources, and whether something was copied into it.
pub fn of_function<'a>(
    parameters: &[Node<'a>],
    body: Node<'a>,
    text: &str,
    index: Index<'_, 'a>,
) -> Option<(Vec<Source>, bool)> {
    let mut flow = Flow { text, ..Flow::default() };
    flow.parameters.extend(parameters.iter().enumerate().map(|(i, p)| (p.identity(), i)));
    flow.collect(body);
    let mut sources = Vec::new();
    let returns = std::mem::take(&mut flow.returns);
    for expression in &returns {
        flow.sources(*expression, &mut HashSet::new(), index, &mut sources);
    }
    let filled = returns.iter().any(|r| flow.is_filled(*r, &mut HashSet::new()));
    (!sources.is_empty()).then_some((sources, filled))
}

/// What a function with this body does with a parameter, if it only compares it and hands it on: the functions it is
/// handed to, and as which argument.
pub fn handed<'a>(
    parameter: Node<'a>,
    body: Node<'a>,
    text: &str,
    index: Index<'_, 'a>,
) -> Option<Vec<(usize, usize)>> {
    let ty = parameter.ty().canonical();
    let pointee = (ty.kind() == clang::T_POINTER).then(|| ty.pointee().canonical())?;
    if pointee.kind() != clang::T_VOID && !pointee.is_number() {
        return None;
    }
    let mut found = Vec::new();
    uses(parameter.identity(), body, &mut vec![body], text, index, &mut found).then_some(found)
}

/// Collects the calls below a node that a variable is an argument of; false if anything else is done with it.
fn uses<'a>(
    variable: usize,
    node: Node<'a>,
    path: &mut Vec<Node<'a>>,
    text: &str,
    index: Index<'_, 'a>,
    found: &mut Vec<(usize, usize)>,
) -> bool {
    if local(node) == Some(variable) {
        return is_handed(path, text, index, found);
    }
    node.children().into_iter().all(|child| {
        path.push(child);
        let harmless = uses(variable, child, path, text, index, found);
        path.pop();
        harmless
    })
}

/// Whether the last node of a path is compared, or an argument of a call of a function by its name.
fn is_handed<'a>(path: &[Node<'a>], text: &str, index: Index<'_, 'a>, found: &mut Vec<(usize, usize)>) -> bool {
    let Some((&node, around)) = path.split_last() else { return false };
    let mut child = node;
    for parent in around.iter().rev() {
        match parent.kind() {
            clang::PAREN | clang::CAST => child = *parent,
            // A conversion. Operators that the library does not name are longer than their operand.
            clang::UNEXPOSED_EXPR if parent.range() == child.range() => child = *parent,
            clang::CALL => {
                let children = parent.children();
                let position = children.iter().skip(1).position(|c| c.range() == child.range());
                let function = children.first().and_then(|c| callee(*c));
                let Some((position, function)) = position.zip(function) else { return false };
                found.push((index(function), position));
                return true;
            }
            clang::UNARY => return text.as_bytes().get(parent.range().0) == Some(&b'!'),
            clang::BINARY => {
                let children = parent.children();
                let Some((left, right)) = children.first().zip(children.get(1)) else { return false };
                let between = text.get(left.range().1..right.range().0).unwrap_or("");
                return ["==", "!=", "&&", "||"].iter().any(|operator| between.contains(operator));
            }
            clang::IF | clang::WHILE => return true,
            _ => return false,
        }
    }
    false
}

/// Whether a function of this type may be an allocator.
pub fn may_allocate(function: Node<'_>) -> bool {
    let result = function.ty().canonical().result().canonical();
    result.kind() == clang::T_POINTER && {
        let pointee = result.pointee().canonical();
        pointee.kind() == clang::T_VOID || (pointee.is_number() && pointee.size() == Some(1))
    }
}

#[derive(Default)]
struct Flow<'a, 't> {
    text: &'t str,
    parameters: HashMap<usize, usize>,
    /// What is assigned to each local variable or parameter.
    assigned: HashMap<usize, Vec<Node<'a>>>,
    /// Variables whose address is taken.
    addressed: HashSet<usize>,
    /// Variables that something is copied to.
    filled: HashSet<usize>,
    returns: Vec<Node<'a>>,
    /// How many calls the expression being followed is an argument of.
    depth: Cell<usize>,
}

impl<'a> Flow<'a, '_> {
    fn collect(&mut self, node: Node<'a>) {
        let children = node.children();
        match node.kind() {
            clang::RETURN => self.returns.extend(children.first()),
            clang::VARIABLE => {
                if let Some(value) = node.initializer().filter(|_| !node.has_global_storage()) {
                    self.assigned.entry(node.identity()).or_default().push(value);
                }
            }
            clang::BINARY => {
                if let [left, right] = children.as_slice() {
                    if let Some(variable) = local(bare(*left)).filter(|_| self.is_assignment(*left, *right)) {
                        self.assigned.entry(variable).or_default().push(*right);
                    }
                }
            }
            clang::COMPOUND_ASSIGN => {
                if let Some(variable) = children.first().and_then(|c| local(bare(*c))) {
                    self.assigned.entry(variable).or_default().extend(children.get(1));
                }
            }
            clang::UNARY if self.text.as_bytes().get(node.range().0) == Some(&b'&') => {
                self.addressed.extend(children.first().and_then(|c| local(bare(*c))));
            }
            clang::CALL => {
                let fills = children.first().and_then(|c| callee(*c)).is_some_and(|f| {
                    let name = f.name();
                    FILLERS.contains(&library_name(&name))
                });
                if fills {
                    self.filled.extend(children.get(1).and_then(|c| local(base(*c))));
                }
            }
            _ => {}
        }
        for child in children {
            self.collect(child);
        }
    }

    fn is_assignment(&self, left: Node<'_>, right: Node<'_>) -> bool {
        let between = self.text.get(left.range().1..right.range().0).unwrap_or("");
        Lexer::new(between, 0)
            .filter(|t| t.kind != Kind::Directive)
            .filter_map(|t| between.get(t.start..t.end))
            .filter(|t| !matches!(*t, "(" | ")"))
            .eq(["="])
    }

    fn sources(&self, expression: Node<'a>, seen: &mut HashSet<usize>, index: Index<'_, 'a>, found: &mut Vec<Source>) {
        let node = bare(expression);
        let children = node.children();
        match (node.kind(), children.as_slice()) {
            (clang::INTEGER, _) => found.push(Source::Null),
            (clang::DECL_REF, _) => self.variable(node, seen, index, found),
            (clang::CONDITIONAL, [_, yes, no]) => {
                self.sources(*yes, seen, index, found);
                self.sources(*no, seen, index, found);
            }
            (clang::BINARY, [left, right]) if self.is_assignment(*left, *right) => {
                self.sources(*right, seen, index, found);
            }
            // A header in front of the memory: what lies behind it is as fresh.
            (clang::BINARY, [left, _]) if node.ty().canonical().kind() == clang::T_POINTER => {
                self.sources(*left, seen, index, found);
            }
            (clang::CALL, [function, arguments @ ..]) => match callee(*function) {
                Some(function) => {
                    let arguments = arguments.iter().map(|a| self.argument(*a, seen, index)).collect();
                    found.push(Source::Call { callee: index(function), arguments });
                }
                None => found.push(Source::Other),
            },
            _ => found.push(Source::Other),
        }
    }

    fn variable(&self, node: Node<'a>, seen: &mut HashSet<usize>, index: Index<'_, 'a>, found: &mut Vec<Source>) {
        let Some(variable) = local(node).filter(|v| !self.addressed.contains(v)) else {
            return found.push(Source::Other);
        };
        if !seen.insert(variable) {
            return; // `p = p + 1`: what p was before says it.
        }
        if let Some(parameter) = self.parameters.get(&variable) {
            found.push(Source::Parameter(*parameter));
        }
        for value in self.assigned.get(&variable).into_iter().flatten() {
            // An amount added to a pointer is not where it comes from.
            if bare(*value).ty().canonical().is_number() && bare(*value).kind() != clang::INTEGER {
                continue;
            }
            self.sources(*value, seen, index, found);
        }
        seen.remove(&variable);
    }

    fn argument(&self, node: Node<'a>, seen: &mut HashSet<usize>, index: Index<'_, 'a>) -> Argument {
        let (mut parameters, mut product) = (BTreeSet::new(), false);
        self.mentioned(node, &mut HashSet::new(), &mut parameters, &mut product);
        let mut sources = Vec::new();
        if node.ty().canonical().kind() == clang::T_POINTER {
            if self.depth.get() == DEEPEST {
                sources.push(Source::Other);
            } else {
                self.depth.set(self.depth.get() + 1);
                self.sources(node, seen, index, &mut sources);
                self.depth.set(self.depth.get() - 1);
            }
        }
        Argument { parameters: parameters.into_iter().collect(), product, sources }
    }

    /// The parameters an expression is made of, through local variables.
    fn mentioned(&self, node: Node<'a>, seen: &mut HashSet<usize>, found: &mut BTreeSet<usize>, product: &mut bool) {
        if let Some(variable) = local(node).filter(|v| seen.insert(*v)) {
            found.extend(self.parameters.get(&variable));
            for value in self.assigned.get(&variable).into_iter().flatten() {
                self.mentioned(*value, seen, found, product);
            }
        }
        let children = node.children();
        if let (clang::BINARY, [left, right]) = (node.kind(), children.as_slice()) {
            *product |= self.text.get(left.range().1..right.range().0).is_some_and(|t| t.contains('*'));
        }
        for child in children {
            self.mentioned(child, seen, found, product);
        }
    }

    fn is_filled(&self, expression: Node<'a>, seen: &mut HashSet<usize>) -> bool {
        let Some(variable) = local(base(expression)).filter(|v| seen.insert(*v)) else { return false };
        let mut values = self.assigned.get(&variable).into_iter().flatten();
        self.filled.contains(&variable) || values.any(|value| self.is_filled(*value, seen))
    }
}

/// What a cast is of. The length of an array in the type is a child, too.
pub fn operand(cast: Node<'_>) -> Option<Node<'_>> {
    let end = cast.range().1;
    cast.children().into_iter().rfind(|c| c.range().1 == end && c.kind() != clang::TYPE_REF)
}

/// An expression without parentheses, conversions and casts.
pub fn bare(mut node: Node<'_>) -> Node<'_> {
    loop {
        let inner = match node.kind() {
            clang::PAREN => node.children().first().copied(),
            clang::UNEXPOSED_EXPR => {
                let children = node.children();
                children.first().copied().filter(|c| children.len() == 1 && c.range() == node.range())
            }
            clang::CAST => operand(node),
            _ => None,
        };
        match inner {
            Some(inner) => node = inner,
            None => return node,
        }
    }
}

/// An expression without what is added to it.
fn base(node: Node<'_>) -> Node<'_> {
    let node = bare(node);
    let left = node.children().first().copied();
    let pointer = node.kind() == clang::BINARY && node.ty().canonical().kind() == clang::T_POINTER;
    left.filter(|_| pointer).map_or(node, base)
}

/// The local variable or parameter that an expression names.
pub fn local(node: Node<'_>) -> Option<usize> {
    let declaration = (node.kind() == clang::DECL_REF).then(|| node.referenced()).flatten()?;
    let automatic = match declaration.kind() {
        clang::PARAMETER => true,
        clang::VARIABLE => !declaration.has_global_storage(),
        _ => false,
    };
    automatic.then(|| declaration.identity())
}

/// The function that the first child of a call names.
pub fn callee(node: Node<'_>) -> Option<Node<'_>> {
    let node = bare(node);
    let function = (node.kind() == clang::DECL_REF).then(|| node.referenced()).flatten()?;
    (function.kind() == clang::FUNCTION).then_some(function)
}

/// A library function's name without what compilers and fortified headers put around it.
pub fn library_name(name: &str) -> &str {
    let name = name.strip_prefix("__builtin_").unwrap_or(name);
    name.strip_prefix("__").and_then(|n| n.strip_suffix("_chk")).unwrap_or(name)
}
