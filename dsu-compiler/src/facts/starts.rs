//! What a function that makes an object gives its fields first: through the variable that it has just put the memory in.
//!
//! A constant counts only if every run that keeps the object comes to the assignment. What is done with the variable is
//! taken in the order of the text; whatever could make that another order, or the object another one, makes the value unknown.

use crate::clang::{self, Node};
use crate::facts::Start;
use crate::facts::returned::{bare, callee, library_name, local};
use crate::facts::usage::operator_text;

/// Functions that write all of what their first argument points to.
const OVERWRITING: &[&str] = &["memset", "bzero", "explicit_bzero", "memcpy", "memmove", "mempcpy"];

/// What a function does with the objects that it makes.
pub struct Events<'a> {
    list: Vec<Event<'a>>,
    text: &'a str,
}

struct Event<'a> {
    at: usize,
    what: What<'a>,
    /// Statements and operands that it is in and that need not be executed, from the outermost on.
    around: Vec<Branch<'a>>,
}

enum What<'a> {
    /// A variable is given the result of the call at this offset.
    Given(usize, usize),
    /// A variable is given something.
    Assigned(usize),
    /// A field of what a variable points to is given a value.
    Store { variable: usize, field: Node<'a>, value: Option<Node<'a>> },
    /// All of what a variable points to is written.
    Overwritten(usize),
    /// A variable is used in a way that others may know the object from then on.
    Kept(usize),
    /// The variable itself may be changed by others.
    Addressed(usize),
    /// The function is left.
    Return,
    /// It goes on elsewhere: behind a statement at this range, if that is known.
    Jump(Option<(usize, usize)>),
}

/// A part of a statement or expression that need not be executed.
#[derive(Clone, Copy)]
struct Branch<'a> {
    /// The range of the part.
    range: (usize, usize),
    /// The range of the whole.
    whole: (usize, usize),
    /// Its condition, and whether that holds here.
    condition: Option<(Node<'a>, bool)>,
}

impl Branch<'_> {
    fn contains(&self, at: usize) -> bool {
        (self.range.0..self.range.1).contains(&at)
    }
}

impl<'a> Events<'a> {
    /// What the body of a function does.
    pub fn of(body: Node<'a>, text: &'a str) -> Self {
        let mut walk = Walk { events: Vec::new(), around: Vec::new(), path: Vec::new(), targets: Vec::new(), text };
        walk.visit(body);
        Self { list: walk.events, text }
    }

    /// The first assignment to each field of the object that the call at an offset makes, and whether it is written as a whole.
    pub fn starts(&self, call: usize) -> (Vec<Start>, bool) {
        let (mut found, mut cleared): (Vec<Start>, bool) = Default::default();
        for given in &self.list {
            let What::Given(variable, at) = given.what else { continue };
            if at == call {
                self.of_variable(variable, given, &mut found);
                let clears = |e: &Event<'a>| matches!(e.what, What::Overwritten(v) if v == variable);
                cleared |= self.list.iter().any(|e| clears(e) && e.at > at && !e.excludes(given));
            }
        }
        (found, cleared)
    }

    fn of_variable(&self, variable: usize, made: &Event<'a>, found: &mut Vec<Start>) {
        // What happens only where the object is not made does not matter.
        let others = |e: &&Event<'a>| !e.excludes(made);
        let mut ended = false;
        for event in self.list.iter().filter(|e| e.at > made.at).filter(others) {
            match event.what {
                What::Assigned(v) if v == variable => ended = true,
                What::Store { variable: v, field, value } if v == variable => {
                    let name = field.name();
                    if found.iter().any(|s| s.field == name) {
                        continue;
                    }
                    let certain = !ended && self.is_certain(variable, made, event);
                    let value = value.filter(|_| certain).and_then(|v| constant(field, v, self.text));
                    found.push(Start { field: name, value, line: field.presumed().1 });
                }
                _ => {}
            }
        }
    }

    /// Whether whoever knows the object later finds what a store gave it.
    fn is_certain(&self, variable: usize, made: &Event<'a>, store: &Event<'a>) -> bool {
        let executed =
            store.around.iter().filter(|b| !b.contains(made.at)).all(|b| self.holds(b, variable, made, true));
        let between = |e: &Event<'a>| e.at > made.at && e.at < store.at;
        let spoils = |e: &Event<'a>| match &e.what {
            What::Addressed(v) => *v == variable,
            What::Overwritten(v) => *v == variable && !between(e) && !e.excludes(made),
            What::Return if between(e) => !self.is_without(variable, e, made) && self.is_known(variable, made, e),
            What::Jump(target) if between(e) => {
                let inside = target.is_some_and(|(start, end)| start > made.at && end <= store.at);
                !inside && !self.is_without(variable, e, made)
            }
            _ => false,
        };
        executed && !self.list.iter().any(spoils)
    }

    /// Whether an event only happens where there is no object.
    fn is_without(&self, variable: usize, event: &Event<'a>, made: &Event<'a>) -> bool {
        event.excludes(made)
            || event.around.iter().any(|b| !b.contains(made.at) && self.holds(b, variable, made, false))
    }

    /// Whether anybody may know the object when a statement has been executed.
    fn is_known(&self, variable: usize, made: &Event<'a>, at: &Event<'a>) -> bool {
        let keeps = |e: &&Event<'a>| matches!(e.what, What::Kept(v) if v == variable) && !e.excludes(at);
        self.list.iter().filter(keeps).any(|e| e.at > made.at && e.at <= at.at)
    }

    /// Whether a branch is taken just if there is an object, or just if there is none.
    fn holds(&self, branch: &Branch<'a>, variable: usize, made: &Event<'a>, object: bool) -> bool {
        let Some((condition, wanted)) = branch.condition else { return false };
        self.tested(condition, variable, made.at).is_some_and(|there| (there == wanted) == object)
    }

    /// The outcome of a condition where a variable is not null, if that alone decides it.
    fn tested(&self, condition: Node<'a>, variable: usize, made: usize) -> Option<bool> {
        let node = bare(condition);
        let children = node.children();
        match (node.kind(), children.as_slice()) {
            (clang::DECL_REF, _) => (local(node) == Some(variable)).then_some(true),
            (clang::UNARY, [operand]) if self.text.as_bytes().get(node.range().0) == Some(&b'!') => {
                self.tested(*operand, variable, made).map(|there| !there)
            }
            (clang::CALL, [function, operand, ..])
                if callee(*function).is_some_and(|f| f.name() == "__builtin_expect") =>
            {
                self.tested(*operand, variable, made)
            }
            (clang::BINARY, [left, right]) => {
                let null = |n: &Node<'_>| bare(*n).kind() == clang::INTEGER;
                let operand = if null(left) { right } else { left };
                let within = (right.range().0..right.range().1).contains(&made);
                match operator_text(node, self.text).as_deref()? {
                    "=" => (local(bare(*left)) == Some(variable)).then_some(true),
                    "==" if null(left) || null(right) => self.tested(*operand, variable, made).map(|there| !there),
                    "!=" if null(left) || null(right) => self.tested(*operand, variable, made),
                    // Where the object is made in the right operand, that decides.
                    "&&" | "||" if within => self.tested(*right, variable, made),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl Event<'_> {
    /// Whether two events are in branches of which only one is taken.
    fn excludes(&self, other: &Self) -> bool {
        let differ = |b: &Branch<'_>, o: &Branch<'_>| {
            b.whole == o.whole && b.range != o.range && b.condition.is_some() && o.condition.is_some()
        };
        self.around.iter().any(|b| other.around.iter().any(|o| differ(b, o)))
    }
}

struct Walk<'a> {
    events: Vec<Event<'a>>,
    around: Vec<Branch<'a>>,
    path: Vec<Node<'a>>,
    /// Statements that `break` leaves, and whether `continue` does, too.
    targets: Vec<((usize, usize), bool)>,
    text: &'a str,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: Node<'a>) {
        let (kind, children, range) = (node.kind(), node.children(), node.range());
        match (kind, children.as_slice()) {
            // Its operand is not executed.
            (clang::SIZEOF, _) => return,
            (clang::VARIABLE, _) if !node.has_global_storage() => {
                if let Some(value) = node.initializer() {
                    self.assign(range.0, node.identity(), Some(value));
                }
            }
            (clang::BINARY | clang::COMPOUND_ASSIGN, [left, right]) => {
                let plain = kind == clang::BINARY && operator_text(node, self.text).as_deref() == Some("=");
                if plain || kind == clang::COMPOUND_ASSIGN {
                    self.written(*left, Some(*right).filter(|_| plain));
                }
            }
            (clang::UNARY, [operand]) => {
                let text = self.text.as_bytes().get(range.0..range.1).unwrap_or_default();
                if text.starts_with(b"++") || text.starts_with(b"--") || text.ends_with(b"++") || text.ends_with(b"--")
                {
                    self.written(*operand, None);
                }
            }
            (clang::DECL_REF, _) => self.reference(node),
            (clang::RETURN, _) => self.push(range.1, What::Return),
            (clang::GOTO | clang::INDIRECT_GOTO, _) => self.push(range.0, What::Jump(None)),
            (clang::BREAK, _) => {
                let target = self.targets.last().map(|(range, _)| *range);
                self.push(range.0, What::Jump(target));
            }
            (clang::CONTINUE, _) => {
                let target = self.targets.iter().rev().find(|(_, repeats)| *repeats).map(|(range, _)| *range);
                self.push(range.0, What::Jump(target));
            }
            _ => {}
        }
        let repeats = matches!(kind, clang::FOR | clang::WHILE | clang::DO);
        let target = repeats || kind == clang::SWITCH;
        if target {
            self.targets.push((range, repeats));
        }
        self.path.push(node);
        for (i, child) in children.iter().enumerate() {
            let perhaps = match kind {
                clang::IF | clang::CONDITIONAL => (i > 0).then(|| Some((children[0], i == 1))),
                // Both bodies and what is done after each round.
                clang::FOR | clang::WHILE | clang::DO => Some(None),
                clang::SWITCH => (i > 0).then_some(None),
                clang::BINARY => {
                    let operator = operator_text(node, self.text);
                    (i > 0 && matches!(operator.as_deref(), Some("&&" | "||"))).then_some(None)
                }
                // `a ?: b` has no name in the library.
                clang::UNEXPOSED_EXPR => (i > 0).then_some(None),
                _ => None,
            };
            if let Some(condition) = perhaps {
                self.around.push(Branch { range: child.range(), whole: range, condition });
            }
            self.visit(*child);
            if perhaps.is_some() {
                self.around.pop();
            }
        }
        self.path.pop();
        if target {
            self.targets.pop();
        }
    }

    fn push(&mut self, at: usize, what: What<'a>) {
        self.events.push(Event { at, what, around: self.around.clone() });
    }

    /// A variable is given a value.
    fn assign(&mut self, at: usize, variable: usize, value: Option<Node<'a>>) {
        self.push(at, What::Assigned(variable));
        self.give(variable, value);
    }

    fn give(&mut self, variable: usize, value: Option<Node<'a>>) {
        let Some(value) = value.map(bare) else { return };
        if value.kind() == clang::CALL {
            self.push(value.range().0, What::Given(variable, value.range().0));
        }
    }

    /// Something is written: a variable, a field of what it points to, or all of it.
    fn written(&mut self, target: Node<'a>, value: Option<Node<'a>>) {
        let (at, target) = (target.range().0, bare(target));
        if let Some(variable) = local(target) {
            return self.assign(at, variable, value);
        }
        let Some(object) = target.children().first().copied() else { return };
        let Some(variable) = local(bare(object)) else { return };
        match target.kind() {
            // As a field of another type it is none of the object's.
            clang::MEMBER if !is_cast(object) => {
                let value = value.and_then(|v| assigned(v, self.text));
                self.push(at, What::Store { variable, field: target, value });
            }
            clang::MEMBER | clang::UNARY => self.push(at, What::Overwritten(variable)),
            _ => {}
        }
    }

    /// What is done with a variable that is named.
    fn reference(&mut self, node: Node<'a>) {
        let Some(variable) = local(node) else { return };
        let (mut child, mut member) = (node, false);
        for parent in self.path.iter().rev().copied() {
            let first = || parent.children().first().is_some_and(|c| c.range() == child.range());
            let what = match parent.kind() {
                clang::PAREN | clang::CAST => None,
                clang::UNEXPOSED_EXPR if parent.children().len() == 1 => None,
                clang::MEMBER | clang::SUBSCRIPT if first() => {
                    member = true;
                    None
                }
                clang::UNARY => {
                    let addressed = self.text.as_bytes().get(parent.range().0) == Some(&b'&');
                    return match (addressed, member) {
                        (true, false) => self.push(node.range().0, What::Addressed(variable)),
                        (true, true) => self.push(node.range().0, What::Kept(variable)),
                        _ => (),
                    };
                }
                _ if member => return,
                clang::BINARY | clang::COMPOUND_ASSIGN => match operator_text(parent, self.text).as_deref() {
                    Some("==" | "!=" | "&&" | "||") => return,
                    Some("=") if first() => return,
                    _ => Some(What::Kept(variable)),
                },
                clang::IF | clang::WHILE | clang::FOR | clang::DO => return,
                clang::CALL => {
                    let children = parent.children();
                    let name = children.first().and_then(|c| callee(*c)).map(Node::name).unwrap_or_default();
                    let position = children.iter().skip(1).position(|c| c.range() == child.range());
                    if OVERWRITING.contains(&library_name(&name)) {
                        if position == Some(0) {
                            self.push(node.range().0, What::Overwritten(variable));
                        }
                        return;
                    }
                    // Nobody knows it afterwards.
                    if library_name(&name) == "free" {
                        return;
                    }
                    Some(What::Kept(variable))
                }
                _ => Some(What::Kept(variable)),
            };
            if let Some(what) = what {
                return self.push(node.range().0, what);
            }
            child = parent;
        }
    }
}

/// Whether a pointer is seen as one to something else.
fn is_cast(node: Node<'_>) -> bool {
    let pointee = |n: Node<'_>| n.ty().canonical().pointee().declaration().map(Node::identity);
    pointee(node) != pointee(bare(node))
}

/// The value of `c` in `a = b = c`, if `b` takes all of it.
fn assigned<'a>(node: Node<'a>, text: &str) -> Option<Node<'a>> {
    let value = bare(node);
    match value.children().as_slice() {
        [left, right] if value.kind() == clang::BINARY && operator_text(value, text).as_deref() == Some("=") => {
            let narrow = bare(*left).referenced().is_some_and(|f| f.bit_width().is_some());
            assigned(*right, text).filter(|_| !narrow)
        }
        _ => Some(node),
    }
}

/// A number as C, if an expression is one that needs no names but those of enumeration constants, as a field takes it.
fn constant(field: Node<'_>, node: Node<'_>, text: &str) -> Option<String> {
    let plain = bare(node);
    let zero = plain.kind() == clang::INTEGER && text.get(plain.range().0..plain.range().1) == Some("0");
    // Of larger numbers the library only tells a part.
    let told = |ty: clang::Type<'_>| ty.canonical().size().is_some_and(|s| s <= 8);
    if zero {
        return Some("0".to_owned());
    }
    let value = (is_plain(node) && told(node.ty()) && told(field.ty())).then(|| node.constant()).flatten()?;
    match field.referenced().and_then(Node::bit_width) {
        None => Some(value),
        Some(bits) => cut(&value, bits, &field.ty().canonical().spelling()),
    }
}

/// What a bit-field keeps of a number.
fn cut(value: &str, bits: u32, ty: &str) -> Option<String> {
    let value: i128 = value.trim_end_matches("UL").parse().ok()?;
    let kept = value & ((1 << bits.min(64)) - 1);
    let unsigned = ty.contains("unsigned") || ty.contains("ool");
    let sign = kept >> (bits.clamp(1, 64) - 1) == 1;
    match (unsigned, sign) {
        (true, _) | (false, false) => Some(kept.to_string()),
        // An enumeration's bits may have a sign or not.
        (false, true) if ty.contains("enum") => None,
        (false, true) => Some((kept - (1 << bits.min(64))).to_string()),
    }
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

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn bits_of_numbers() {
        assert_eq!(cut("9", 4, "int").as_deref(), Some("-7"));
        assert_eq!(cut("9", 4, "unsigned int").as_deref(), Some("9"));
        assert_eq!(cut("4294967295", 5, "unsigned int").as_deref(), Some("31"));
        assert_eq!(cut("-1", 64, "long").as_deref(), Some("-1"));
        assert_eq!(cut("3", 2, "enum e"), None);
        assert_eq!(cut("0.5", 2, "int"), None);
    }
}
