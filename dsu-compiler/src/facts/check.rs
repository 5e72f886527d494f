//! Whether facts fit the unit they are of: whoever reads them from a file must not rely on it.
//!
//! Every struct is taken apart without `..`, so that a new field is not forgotten here.

use crate::facts::{
    Always, Argument, Callback, Cleanup, Conversion, Converted, Creation, Definition, Field, FieldUse, Flow, Function,
    Handed, IndirectCall, InitializerList, Item, Loop, Origin, Outcome, Receiver, Reference, Release, Returned, Site,
    Source, Target, TypeDefinition, TypeText, TypeUse, UnitFacts, UnsetLocal, Usage, Variable, VariableDefinition,
};

/// What does not fit: an index, or a place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfit(pub &'static str);

type Result = std::result::Result<(), Misfit>;

/// Checks all indices and places in `facts`, which are of a unit with this text.
///
/// # Errors
/// When one leads nowhere.
pub fn check(facts: &UnitFacts, text: &str) -> Result {
    let UnitFacts {
        functions,
        variables,
        references,
        flows,
        conversions,
        converted,
        indirect_calls,
        callbacks,
        cleanups,
        library_pointers: _,
        looked_up: _,
        field_uses,
        types,
        initializers,
        unset_locals,
        creations,
        releases,
        type_uses,
        returned,
        handed,
        loops,
        items,
        assembler: _,
        words: _,
        compared: _,
        content: _,
        errors: _,
    } = facts;
    let unit = Unit { text, functions: functions.len(), variables: variables.len() };
    all(functions, |f| unit.function(f))?;
    all(variables, |v| unit.variable(v))?;
    all(references, |r| unit.reference(r))?;
    all(flows, |f| unit.flow(f))?;
    all(conversions, |Conversion { from: _, to: _, in_memory: _ }| Ok(()))?;
    all(converted, |Converted { at, to: _ }| unit.place(*at))?;
    all(indirect_calls, |IndirectCall { inside, prototype: _, at }| unit.index(*inside).and(unit.place(*at)))?;
    all(callbacks, |Callback { inside, receiver, prototype: _, at }| match receiver {
        Receiver::Function(callee) => unit.index(*inside).and(unit.index(*callee)).and(unit.place(*at)),
        Receiver::Pointer(_) | Receiver::Library => unit.index(*inside).and(unit.place(*at)),
    })?;
    all(cleanups, |Cleanup { inside, callee }| unit.index(*inside).and(unit.index(*callee)))?;
    all(field_uses, |u| unit.field_use(u))?;
    all(types, |t| unit.ty(t))?;
    all(initializers, |i| unit.initializer(i))?;
    all(unset_locals, |UnsetLocal { inside, name: _, ty: _, lengths: _, at, line: _ }| {
        unit.index(*inside).and(unit.place(*at))
    })?;
    all(creations, |c| unit.creation(c))?;
    all(releases, |Release { inside, ty: _, argument, callee, position: _ }| {
        unit.index(*inside).and(unit.index(*callee)).and(unit.range(argument.0, argument.1))
    })?;
    all(type_uses, |TypeUse { inside, ty: _, usage: _, file: _, line: _ }| all(inside, |f| unit.index(*f)))?;
    all(returned, |Returned { function, sources, filled: _ }| {
        unit.index(*function).and(all(sources, |s| unit.source(s)))
    })?;
    all(handed, |Handed { function, parameter: _, to, always }| {
        let always = all(always, |Always { callee, argument: _, first: _ }| unit.index(*callee));
        unit.index(*function).and(all(to, |(callee, _)| unit.index(*callee))).and(always)
    })?;
    all(loops, |l| unit.a_loop(l))?;
    all(items, |Item { start, end, names: _ }| unit.range(*start, *end))
}

/// Checks each of several things.
fn all<'a, T: 'a>(list: impl IntoIterator<Item = &'a T>, check: impl FnMut(&'a T) -> Result) -> Result {
    list.into_iter().try_for_each(check)
}

/// What places and indices lead to.
struct Unit<'a> {
    text: &'a str,
    functions: usize,
    variables: usize,
}

impl Unit<'_> {
    fn place(&self, at: usize) -> Result {
        if self.text.is_char_boundary(at) { Ok(()) } else { Err(Misfit("a place outside of the text")) }
    }

    fn range(&self, start: usize, end: usize) -> Result {
        if start > end {
            return Err(Misfit("a range that ends before it begins"));
        }
        self.place(start).and(self.place(end))
    }

    /// A function, by index.
    fn index(&self, function: usize) -> Result {
        if function < self.functions { Ok(()) } else { Err(Misfit("a function that is not there")) }
    }

    fn sites(&self, sites: &[Site]) -> Result {
        all(sites, |Site { start, after, function }| self.range(*start, *after).and(all(function, |f| self.index(*f))))
    }

    fn function(&self, function: &Function) -> Result {
        let Function {
            name: _,
            symbol: _,
            internal: _,
            reachable: _,
            inline: _,
            attributes: _,
            prototype: _,
            void: _,
            definition,
            declarations,
        } = function;
        all(definition, |definition| {
            let Definition { start, body, end, parameters: _, file: _, line: _, system: _, content: _, closure: _ } =
                definition;
            self.range(*start, *body).and(self.range(*body, *end))
        })?;
        self.sites(declarations)
    }

    fn flow(&self, flow: &Flow) -> Result {
        let Flow { origin, outcomes } = flow;
        match origin {
            Origin::Reference(at) => self.place(*at)?,
            Origin::Parameter(function, _) => self.index(*function)?,
        }
        all(outcomes, |outcome| match outcome {
            Outcome::Passed { callee, index: _, contents: _ } => self.index(*callee),
            Outcome::Written
            | Outcome::Counted
            | Outcome::Called { .. }
            | Outcome::Returned { contents: _ }
            | Outcome::Stored
            | Outcome::ContentsLost
            | Outcome::Lost => Ok(()),
        })
    }

    fn variable(&self, variable: &Variable) -> Result {
        let Variable {
            name: _,
            symbol: _,
            internal: _,
            reachable: _,
            function,
            ordinal: _,
            thread_local: _,
            constant: _,
            volatile: _,
            alias: _,
            alignments: _,
            section: _,
            aliased: _,
            addressed: _,
            labels: _,
            nameless: _,
            ty: _,
            size: _,
            natural: _,
            element: _,
            scalar: _,
            definition,
            declarations,
        } = variable;
        all(function, |f| self.index(*f))?;
        all(definition, |definition| {
            let VariableDefinition {
                start,
                end,
                declarator,
                initializer,
                file: _,
                line: _,
                system: _,
                value: _,
                closure: _,
            } = definition;
            self.range(*start, *end).and(self.place(*declarator)).and(all(initializer, |(a, b)| self.range(*a, *b)))
        })?;
        self.sites(declarations)
    }

    fn reference(&self, reference: &Reference) -> Result {
        let Reference { at, target, usage, inside } = reference;
        self.place(*at).and(all(inside, |f| self.index(*f)))?;
        match target {
            Target::Function(function) => self.index(*function)?,
            Target::Variable(variable) if *variable < self.variables => {}
            Target::Variable(_) => return Err(Misfit("a variable that is not there")),
        }
        match usage {
            Usage::Call(start, end) => self.range(*start, *end),
            Usage::Argument(function) => self.index(*function),
            Usage::Address
            | Usage::Read
            | Usage::Point
            | Usage::Keep
            | Usage::KeepElement
            | Usage::Compare
            | Usage::Lend
            | Usage::Write
            | Usage::Escape => Ok(()),
        }
    }

    fn field_use(&self, field_use: &FieldUse) -> Result {
        let FieldUse {
            inside,
            ty: _,
            field: _,
            at,
            expression,
            base,
            arrow: _,
            rvalue: _,
            qualifiers: _,
            abstract_only: _,
            constant: _,
            addressed: _,
            line: _,
        } = field_use;
        self.index(*inside)
            .and(self.place(*at))
            .and(self.range(expression.0, expression.1))
            .and(self.range(base.0, base.1))
    }

    fn ty(&self, ty: &TypeDefinition) -> Result {
        let TypeDefinition {
            name: _,
            kind: _,
            size: _,
            align: _,
            fields,
            text: TypeText { keyword, open, close, start, after },
            attributed: _,
            flexible: _,
            local: _,
            file: _,
            line: _,
        } = ty;
        self.range(*start, *after).and(self.place(*keyword)).and(self.range(*open, *close))?;
        all(fields, |field| {
            let Field { name: _, offset: _, bits: _, ty: _, size: _, align: _, since: _, declaration, line: _ } = field;
            self.range(declaration.0, declaration.1)
        })
    }

    fn initializer(&self, list: &InitializerList) -> Result {
        let InitializerList { inside, ty: _, open, close, elements, elided: _, line: _ } = list;
        all(inside, |f| self.index(*f)).and(self.range(*open, *close)).and(all(elements, |(at, _)| self.place(*at)))
    }

    fn creation(&self, creation: &Creation) -> Result {
        let Creation { inside, ty: _, callee, call, arguments, starts: _, cleared: _, line: _ } = creation;
        self.index(*inside)
            .and(self.index(*callee))
            .and(self.range(call.0, call.1))
            .and(all(arguments, |(start, end)| self.range(*start, *end)))
    }

    fn source(&self, source: &Source) -> Result {
        match source {
            Source::Null | Source::Parameter(_) | Source::Other => Ok(()),
            Source::Call { callee, arguments } => {
                self.index(*callee)?;
                all(arguments, |Argument { parameters: _, product: _, sources }| all(sources, |s| self.source(s)))
            }
        }
    }

    fn a_loop(&self, a_loop: &Loop) -> Result {
        let Loop { function, start, end, body, body_end, compound: _, endless: _, until_told: _, line: _ } = a_loop;
        self.index(*function).and(self.range(*start, *end)).and(self.range(*body, *body_end))
    }
}
