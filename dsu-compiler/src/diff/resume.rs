//! Where activations that are on a stack during an update go on.
//!
//! An activation of a function on an update path stands in the loop of its update point, or in a call on the way to one.
//! What the function does before that, such as setting up what the loop needs, it has done: control goes backwards only in
//! loops, by `goto`, and by functions that return twice. A function with one of the latter two counts as a whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyse::callgraph::is_blocking;
use crate::analyse::model::{FunctionRef, Model};
use crate::analyse::points::{CallRef, Place};
use crate::description::Description;
use crate::facts::{Definition, Target, UnitFacts, Usage};
use crate::text::lexer::{Kind, Lexer};

/// For each function on an update path, the offset of the first byte that its activations may still run.
pub fn places(program: &Description) -> BTreeMap<FunctionRef, usize> {
    let points = &program.points;
    let quiescent: BTreeSet<CallRef> =
        points.list.iter().flat_map(|p| &p.quiescent).flat_map(|q| q.chain.iter().copied()).collect();
    let place = |at: &FunctionRef| Some((*at, Finder { program, at: *at, quiescent: &quiescent }.place()?));
    points.path.iter().filter_map(place).collect()
}

struct Finder<'a> {
    program: &'a Description,
    at: FunctionRef,
    quiescent: &'a BTreeSet<CallRef>,
}

impl Finder<'_> {
    fn model(&self) -> &Model {
        &self.program.model
    }

    fn facts(&self) -> &UnitFacts {
        &self.model().units[self.at.unit].facts
    }

    /// The first byte that may still run; `None` if nobody knows.
    fn place(&self) -> Option<usize> {
        // What runs where a scope ends may stand anywhere.
        if self.facts().cleanups.iter().any(|c| c.inside == self.at.function) {
            return None;
        }
        let definition = self.facts().functions[self.at.function].definition.as_ref()?;
        let text = &self.model().units[self.at.unit].image.text;
        let mut starts = Vec::new();
        if let Some(at) = self.program.points.standing.get(&self.at) {
            starts.push(statement(text, definition, *at)?);
        }
        for point in self.program.points.list.iter().filter(|p| p.function == self.at) {
            match point.place {
                Place::Loop(index) => starts.push(self.facts().loops.get(index)?.start),
                // The call of `dsu_update_point` is one of the calls below.
                Place::Annotation => {}
                Place::Entry => return None,
            }
        }
        for (index, reference) in self.facts().references.iter().enumerate() {
            let Target::Function(function) = reference.target else { continue };
            if reference.inside != Some(self.at.function) {
                continue;
            }
            if self.returns_twice(function) {
                return None;
            }
            // Whoever gets the address of a function may call it back.
            let start = if let Usage::Call(start, _) = reference.usage { start } else { reference.at };
            if self.may_stand_in(index, function) {
                starts.push(statement(text, definition, start)?);
            }
        }
        for call in self.facts().indirect_calls.iter().filter(|c| c.inside == self.at.function) {
            starts.push(statement(text, definition, call.at)?);
        }
        let jumps = |word: &str| matches!(word, "goto" | "asm" | "__asm" | "__asm__") || word.ends_with("setjmp");
        let mut tokens = Lexer::new(text, definition.body).take_while(|t| t.end <= definition.end);
        if tokens.any(|t| t.kind == Kind::Identifier && jumps(&text[t.start..t.end])) {
            return None;
        }
        let first = starts.into_iter().min()?;
        let around = self.facts().loops.iter().filter(|l| l.function == self.at.function);
        Some(around.filter(|l| (l.start..l.end).contains(&first)).map(|l| l.start).fold(first, usize::min))
    }

    /// Whether an activation may be in a call of this function, made by this reference, during an update.
    fn may_stand_in(&self, reference: usize, callee: usize) -> bool {
        let (unit, program) = (self.at.unit, self.program);
        let f = &self.facts().functions[callee];
        match self.model().body_of(unit, callee) {
            Some(at) if program.points.path.contains(&at) => true,
            Some(at) if self.model().function(at).definition.as_ref().is_some_and(|d| !d.system) => false,
            _ => {
                // What stands outside of rewritten units may call back whom it likes; so may what has several names.
                let unclear =
                    f.internal && f.definition.is_none() || f.name == "main" || program.foreign.contains(&f.symbol);
                let waits = is_blocking(&f.name) || self.quiescent.contains(&CallRef { unit, reference });
                unclear || waits || f.name == "dsu_update_point"
            }
        }
    }

    fn returns_twice(&self, callee: usize) -> bool {
        const KNOWN: &[&str] = &["setjmp", "_setjmp", "sigsetjmp", "__sigsetjmp", "savectx", "vfork", "getcontext"];
        let f = &self.facts().functions[callee];
        f.attributes.returns_twice || KNOWN.contains(&f.name.as_str())
    }
}

/// The start of the statement that a byte of a function's body is in: what stands in it before the byte may be evaluated later.
fn statement(text: &str, definition: &Definition, at: usize) -> Option<usize> {
    /// Something that is open: a block, or brackets (and braces that are no block) in one statement.
    #[derive(PartialEq)]
    enum Open {
        Block,
        Brackets,
        /// Brackets behind `if`, `while`, `for` or `switch`.
        Head,
    }
    let (mut open, mut start, mut previous) = (vec![Open::Block], definition.body, "{");
    // What a `)` or `}` just closed.
    let mut closed = None;
    for token in Lexer::new(text, definition.body).take_while(|t| t.start < at) {
        let word = text.get(token.start..token.end)?;
        let mut now = None;
        match word {
            "(" | "[" => {
                let head = matches!(previous, "if" | "while" | "for" | "switch") && word == "(";
                open.push(if head { Open::Head } else { Open::Brackets });
            }
            "{" => {
                let block = match previous {
                    ")" => closed == Some(Open::Head),
                    "}" => closed == Some(Open::Block),
                    ";" | "{" | ":" => open.last() == Some(&Open::Block),
                    _ => matches!(previous, "else" | "do"),
                };
                open.push(if block { Open::Block } else { Open::Brackets });
            }
            ")" | "]" | "}" => now = open.pop(),
            _ => {}
        }
        let outside = open.iter().all(|o| *o == Open::Block);
        let boundary = match word {
            ";" | "{" => outside,
            "}" => outside && now == Some(Open::Block),
            _ => false,
        };
        if boundary {
            start = token.end;
        }
        closed = now;
        previous = word;
    }
    (start <= at).then_some(start)
}
