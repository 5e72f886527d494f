//! Where pointers go inside a function.
//!
//! What the expression around a name does with a variable is its [`Usage`](super::Usage). Where that hands the address on - to a
//! local variable, a parameter, the initialiser of a table - this follows it as far as the function goes. The program as
//! a whole is put together in `analyse::flow`.
//!
//! Two things are followed: the pointer, and the pointers that are loaded from the object it points to (its *contents*).
//! Whatever is not understood is [`Outcome::Lost`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::clang::{self, Node};
use crate::facts::types::Printer;
use crate::facts::usage::{
    borrows, callee, calls_library, gives_pointer, is_first, is_implicit, operator_text, unary_operator,
};
use crate::facts::{Flow, Origin, Outcome};

/// How far from the variable a pointer is: it points to the variable, or was loaded from it.
type Depth = u8;

/// Pointers loaded from what was loaded are of no interest.
const TOO_DEEP: Depth = 2;

/// What happens to a pointer in one place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// As far as it goes.
    End(Outcome),
    /// It gets into a local variable or parameter, by identity.
    Into(usize, Depth),
}

/// Collects the flows of one unit.
#[derive(Default)]
pub struct Collector {
    flows: BTreeMap<Origin, BTreeSet<Outcome>>,
    /// Of the function that is walked: where references to variables and results of calls lead, and what becomes of its
    /// local pointers.
    references: Vec<(usize, Vec<Step>)>,
    locals: HashMap<usize, Vec<Step>>,
}

/// Indices of functions in the facts.
type Index<'i, 'a> = &'i dyn Fn(Node<'a>) -> Option<usize>;

impl Collector {
    /// Notes a reference to a variable with static storage, at the end of `path`.
    pub fn reference<'a>(&mut self, path: &[Node<'a>], text: &str, printer: &Printer, index: Index<'_, 'a>) {
        let Some(node) = path.last() else { return };
        let steps = Climb { text, printer, steps: Vec::new() }.of(path, State::Object(0), index);
        self.references.push((node.location(), steps));
    }

    /// Notes the call at the end of `path`, of the function named at this offset, if it gives a pointer.
    pub fn result<'a>(&mut self, at: usize, path: &[Node<'a>], text: &str, printer: &Printer, index: Index<'_, 'a>) {
        if path.last().is_some_and(|call| call.ty().canonical().kind() == clang::T_POINTER) {
            let steps = Climb { text, printer, steps: Vec::new() }.of(path, State::Pointer(0), index);
            self.references.push((at, steps));
        }
    }

    /// Notes a reference to a local variable or parameter that is a pointer.
    pub fn local<'a>(
        &mut self,
        declaration: Node<'a>,
        path: &[Node<'a>],
        text: &str,
        printer: &Printer,
        index: Index<'_, 'a>,
    ) {
        if declaration.ty().canonical().kind() == clang::T_POINTER {
            let steps = Climb { text, printer, steps: Vec::new() }.of(path, State::Variable, index);
            self.locals.entry(declaration.identity()).or_default().extend(steps);
        }
    }

    /// Sums up the function of this index, or what stands outside of functions.
    pub fn finish(&mut self, function: Option<(usize, Vec<Node<'_>>)>) {
        for (at, steps) in std::mem::take(&mut self.references) {
            let outcomes = self.follow(&steps);
            self.flows.entry(Origin::Reference(at)).or_default().extend(outcomes);
        }
        let (function, parameters) = function.unzip();
        for (i, parameter) in parameters.into_iter().flatten().enumerate() {
            let Some(function) = function.filter(|_| parameter.ty().canonical().kind() == clang::T_POINTER) else {
                continue;
            };
            let steps = self.locals.get(&parameter.identity()).cloned().unwrap_or_default();
            let outcomes = self.follow(&steps);
            self.flows.entry(Origin::Parameter(function, i)).or_default().extend(outcomes);
        }
        self.locals.clear();
    }

    /// The flows that end well, or elsewhere.
    pub fn flows(self) -> Vec<Flow> {
        let known = self.flows.into_iter().filter(|(_, outcomes)| !outcomes.contains(&Outcome::Lost));
        known.map(|(origin, outcomes)| Flow { origin, outcomes: outcomes.into_iter().collect() }).collect()
    }

    /// Everything that these steps lead to, through local variables.
    fn follow(&self, steps: &[Step]) -> BTreeSet<Outcome> {
        let mut found = BTreeSet::new();
        let mut seen = HashSet::new();
        let mut todo: Vec<(Step, Depth)> = steps.iter().map(|s| (s.clone(), 0)).collect();
        while let Some((step, depth)) = todo.pop() {
            match step {
                Step::End(outcome) => found.extend(deeper(outcome, depth)),
                Step::Into(local, further) => {
                    let depth = depth + further;
                    if depth < TOO_DEEP && seen.insert((local, depth)) {
                        todo.extend(self.locals.get(&local).into_iter().flatten().map(|s| (s.clone(), depth)));
                    }
                }
            }
        }
        found
    }
}

/// What an outcome for a pointer loaded from an object means for the object.
fn deeper(outcome: Outcome, depth: Depth) -> Option<Outcome> {
    match (depth, outcome) {
        (0, outcome) => Some(outcome),
        (1, Outcome::Lost | Outcome::Written | Outcome::Counted | Outcome::Stored) => Some(Outcome::ContentsLost),
        (1, Outcome::Passed { callee, index, contents: false }) => {
            Some(Outcome::Passed { callee, index, contents: true })
        }
        (1, Outcome::Called { prototype, index, contents: false }) => {
            Some(Outcome::Called { prototype, index, contents: true })
        }
        (1, Outcome::Returned { contents: false }) => Some(Outcome::Returned { contents: true }),
        _ => None,
    }
}

/// What the expression climbed so far is.
#[derive(Clone, Copy)]
enum State {
    /// A local variable that is a pointer.
    Variable,
    /// The object, or a part of it; or of one that it points to.
    Object(Depth),
    /// A pointer into that.
    Pointer(Depth),
    /// An element of an initialiser list.
    Listed(Depth),
}

struct Climb<'p, 't> {
    text: &'t str,
    printer: &'p Printer,
    steps: Vec<Step>,
}

impl Climb<'_, '_> {
    fn of<'a>(mut self, path: &[Node<'a>], start: State, index: Index<'_, 'a>) -> Vec<Step> {
        let Some((&node, parents)) = path.split_last() else { return vec![Step::End(Outcome::Lost)] };
        let (mut child, mut state) = (node, start);
        for (i, &parent) in parents.iter().enumerate().rev() {
            let around = i.checked_sub(1).and_then(|i| parents.get(i)).copied();
            let next = match state {
                State::Variable => self.variable(parent, child),
                State::Object(depth) => self.object(parent, child, depth),
                State::Pointer(depth) => self.pointer(parent, child, around, depth, index),
                State::Listed(depth) => self.listed(parent, depth),
            };
            let Some(next) = next else { return self.steps };
            if matches!(next, State::Object(TOO_DEEP..) | State::Pointer(TOO_DEEP..)) {
                return self.steps;
            }
            (child, state) = (parent, next);
        }
        self.lost(0);
        self.steps
    }

    /// Notes what happens, and ends the climb.
    fn end(&mut self, outcome: Outcome, depth: Depth) -> Option<State> {
        self.steps.extend(deeper(outcome, depth).map(Step::End));
        None
    }

    fn lost(&mut self, depth: Depth) -> Option<State> {
        self.end(Outcome::Lost, depth)
    }

    fn variable(&mut self, parent: Node<'_>, child: Node<'_>) -> Option<State> {
        match parent.kind() {
            clang::PAREN => Some(State::Variable),
            clang::UNEXPOSED_EXPR if is_implicit(parent, child) => Some(State::Pointer(0)),
            clang::UNARY if matches!(unary_operator(parent, child, self.text), b'+' | b'-') => Some(State::Pointer(0)),
            clang::COMPOUND_ASSIGN if is_first(parent, child) => Some(State::Pointer(0)),
            // It gets another value; that value is followed from where it comes from.
            clang::BINARY if self.is_assigned(parent, child) => None,
            clang::SIZEOF => None,
            _ => self.lost(0),
        }
    }

    fn object(&mut self, parent: Node<'_>, child: Node<'_>, depth: Depth) -> Option<State> {
        let ty = child.ty().canonical();
        let is_array = matches!(ty.kind(), clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY | clang::T_VARIABLE_ARRAY);
        match parent.kind() {
            clang::PAREN => Some(State::Object(depth)),
            clang::MEMBER if !is_array => Some(State::Object(depth)),
            clang::SIZEOF => None,
            clang::UNEXPOSED_EXPR if !is_implicit(parent, child) => self.lost(depth),
            clang::UNEXPOSED_EXPR if is_array => Some(State::Pointer(depth)),
            // Below an implicit conversion it is loaded.
            clang::UNEXPOSED_EXPR => match ty.kind() {
                clang::T_POINTER if ty.pointee().canonical().kind() == clang::T_FUNCTION => None,
                clang::T_POINTER => Some(State::Pointer(depth + 1)),
                _ if ty.is_number() || ty.kind() == clang::T_ENUM => None,
                _ => self.end(Outcome::ContentsLost, depth),
            },
            clang::UNARY => match unary_operator(parent, child, self.text) {
                b'&' => Some(State::Pointer(depth)),
                b'+' | b'-' => self.end(Outcome::Written, depth),
                _ => self.lost(depth),
            },
            clang::BINARY if self.is_assigned(parent, child) => self.end(Outcome::Written, depth),
            clang::COMPOUND_ASSIGN if is_first(parent, child) => self.end(Outcome::Written, depth),
            _ => self.lost(depth),
        }
    }

    fn pointer<'a>(
        &mut self,
        parent: Node<'a>,
        child: Node<'a>,
        around: Option<Node<'a>>,
        depth: Depth,
        index: Index<'_, 'a>,
    ) -> Option<State> {
        match parent.kind() {
            clang::PAREN => Some(State::Pointer(depth)),
            clang::CAST if parent.ty().canonical().kind() == clang::T_VOID => None,
            clang::UNEXPOSED_EXPR if is_implicit(parent, child) => self.converted(parent, child, depth),
            clang::CONDITIONAL if is_first(parent, child) => None,
            clang::CONDITIONAL if parent.ty().canonical().kind() == clang::T_POINTER => Some(State::Pointer(depth)),
            clang::SUBSCRIPT if is_first(parent, child) => Some(State::Object(depth)),
            clang::MEMBER => Some(State::Object(depth)),
            clang::UNARY => match unary_operator(parent, child, self.text) {
                b'*' => Some(State::Object(depth)),
                b'!' => None,
                _ => self.lost(depth),
            },
            clang::BINARY => self.operand(parent, child, depth),
            clang::CALL => self.argument(parent, child, depth, index),
            clang::VARIABLE if parent.has_global_storage() => self.end(Outcome::Stored, depth),
            clang::VARIABLE => {
                self.assigned_to(parent, depth);
                None
            }
            clang::INIT_LIST => Some(State::Listed(depth)),
            clang::RETURN => self.end(Outcome::Returned { contents: false }, depth),
            // Conditions, and values that are dropped: all but the last in a statement expression.
            clang::IF | clang::WHILE | clang::FOR | clang::DO => None,
            clang::COMPOUND if around.is_some_and(|a| a.kind() != clang::STATEMENT_EXPR) => None,
            _ => self.lost(depth),
        }
    }

    /// An element of an initialiser list: the variable's, if that has static storage.
    fn listed(&mut self, parent: Node<'_>, depth: Depth) -> Option<State> {
        match parent.kind() {
            clang::INIT_LIST => Some(State::Listed(depth)),
            clang::VARIABLE if parent.has_global_storage() => self.end(Outcome::Stored, depth),
            _ => self.lost(depth),
        }
    }

    /// Implicitly converted: to a number it is only looked at; as a pointer to something else its contents may be read in ways
    /// that cannot be followed.
    fn converted(&mut self, parent: Node<'_>, child: Node<'_>, depth: Depth) -> Option<State> {
        let (to, from) = (parent.ty().canonical(), child.ty().canonical());
        if to.kind() != clang::T_POINTER {
            // Whether there is a pointer may be asked; a number may become a pointer again.
            return if to.spelling() == "_Bool" { None } else { self.lost(depth) };
        }
        let plain = |ty: clang::Type<'_>| {
            let name = ty.pointee().canonical().spelling();
            name.trim_start_matches("const ").trim_start_matches("volatile ").to_owned()
        };
        if plain(to) != plain(from) {
            self.end(Outcome::ContentsLost, depth);
        }
        Some(State::Pointer(depth))
    }

    fn operand(&mut self, parent: Node<'_>, child: Node<'_>, depth: Depth) -> Option<State> {
        let pointer = parent.ty().canonical().kind() == clang::T_POINTER;
        match operator_text(parent, self.text).as_deref() {
            Some("=") if !is_first(parent, child) => {
                let target = parent.children().first().copied().and_then(named_local);
                match target {
                    Some(target) => self.assigned_to(target, depth),
                    None => drop(self.lost(depth)),
                }
                // The value of the assignment.
                Some(State::Pointer(depth))
            }
            Some("+" | "-" | ",") if pointer => Some(State::Pointer(depth)),
            Some("-" | "<" | ">" | "<=" | ">=") => self.end(Outcome::Counted, depth),
            Some("==" | "!=" | "&&" | "||") => None,
            _ => self.lost(depth),
        }
    }

    /// It becomes the value of a local variable.
    fn assigned_to(&mut self, variable: Node<'_>, depth: Depth) {
        let followed = variable.ty().canonical().kind() == clang::T_POINTER
            && !variable.has_global_storage()
            && !variable.children().iter().any(|c| c.is_attribute());
        if followed {
            self.steps.push(Step::Into(variable.identity(), depth));
        } else {
            self.lost(depth);
        }
    }

    fn argument<'a>(&mut self, call: Node<'a>, child: Node<'a>, depth: Depth, index: Index<'_, 'a>) -> Option<State> {
        let children = call.children();
        let place = children.iter().position(|c| c.range() == child.range());
        let (Some(place), Some(called)) = (place.and_then(|p| p.checked_sub(1)), children.first().copied()) else {
            return self.lost(depth);
        };
        let Some(function) = callee(call) else {
            let pointer = called.ty().canonical();
            let prototype = if pointer.kind() == clang::T_POINTER { pointer.pointee() } else { pointer };
            let prototype = self.printer.print(prototype);
            return self.end(Outcome::Called { prototype, index: place, contents: false }, depth);
        };
        if function.in_system_header() || function.name().starts_with("__builtin_") {
            return self.lent(call, child, depth);
        }
        if function.ty().canonical().kind() != clang::T_FUNCTION {
            return self.lost(depth);
        }
        match index(function) {
            Some(callee) => self.end(Outcome::Passed { callee, index: place, contents: false }, depth),
            None => self.lost(depth),
        }
    }

    /// An argument of a library function.
    fn lent(&mut self, call: Node<'_>, child: Node<'_>, depth: Depth) -> Option<State> {
        let pointee = child.ty().canonical().pointee().canonical();
        let known = pointee.is_const() && (borrows(call) || calls_library(call) && !gives_pointer(call, child));
        if !known {
            return self.lost(depth);
        }
        // Pointers in what it reads may get anywhere.
        if !(pointee.is_number() && pointee.size() == Some(1)) {
            self.end(Outcome::ContentsLost, depth);
        }
        None
    }

    fn is_assigned(&self, parent: Node<'_>, child: Node<'_>) -> bool {
        is_first(parent, child) && operator_text(parent, self.text).as_deref() == Some("=")
    }
}

/// The declaration of the local variable or parameter that an expression names.
fn named_local(mut node: Node<'_>) -> Option<Node<'_>> {
    while node.kind() == clang::PAREN {
        node = node.children().into_iter().next()?;
    }
    let declaration = (node.kind() == clang::DECL_REF).then(|| node.referenced()).flatten()?;
    match declaration.kind() {
        clang::PARAMETER => Some(declaration),
        clang::VARIABLE => Some(declaration).filter(|d| !d.has_global_storage()),
        _ => None,
    }
}
