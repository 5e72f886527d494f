//! Rewriting the text of one unit.
//!
//! All edits stay on their line, so line markers keep telling the truth. What a rewritten unit looks
//! like is described in `DESIGN.md`, "Rewritten units".

use std::collections::{BTreeMap, BTreeSet};

pub mod access;
pub mod births;
pub mod initializer;
pub mod shape;

use crate::analyse::allocators::Allocators;
use crate::analyse::model::{FunctionRef, Model, VariableRef};
use crate::analyse::points::{CallRef, Place, Points, is_blocking_call};
use crate::facts::words;
use crate::facts::{Function, Reference, Release, Site, Target, UnitFacts, Usage};
use crate::layout::{STAMP, Shape, Shapes};
use crate::text::edits::{Edits, Overlap};
use crate::text::lexer::{Kind, Lexer, Token, identifier_at};

/// Why a unit could not be rewritten. It is then kept as it is.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The parser's offsets do not fit the text.
    #[error("{0} is not where the parser says (byte {1})")]
    Misplaced(String, usize),
    /// Edits overlap.
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// Something that uses a type cannot be rewritten for its layout.
    #[error("line {line}: {what}")]
    Use {
        /// The user's line.
        line: u32,
        /// What, why not, and what to do about it.
        what: String,
    },
    /// A type cannot be given the layout it should have.
    #[error("{file}:{line}: the layout of {ty} cannot be controlled: {reason}")]
    Layout {
        /// The type.
        ty: String,
        /// The user's file.
        file: String,
        /// The user's line.
        line: u32,
        /// Why, and what to do about it.
        reason: String,
    },
}

/// What the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The executable: slots are defined here, variables stay where they are.
    Base,
    /// A patch: slots, stubs and variables of the running program are imported.
    Patch,
}

/// How a call through a slot is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlotCalls {
    /// `(*dsu_slot_f)(x)`. Every compiler understands it, and takes the caller for larger than it was: a call through a
    /// pointer weighs more when it is decided what to inline.
    #[default]
    Pointer,
    /// `dsu_to_f(x)`, a function whose assembler name is the operand of an indirect call, `*dsu_slot_f(%rip)`. The
    /// instruction is the same one, but the compiler optimises as if it were a direct call, as in the plain program.
    Operand,
}

/// What to do with one unit.
pub struct Job<'a> {
    /// The program.
    pub model: &'a Model,
    /// Its update points.
    pub points: &'a Points,
    /// The unit.
    pub unit: usize,
    /// What the text is for.
    pub purpose: Purpose,
    /// Functions of the unit that get a slot.
    pub slots: &'a BTreeSet<usize>,
    /// Variables of the unit that live in the running program (patches only).
    pub bound: &'a BTreeSet<usize>,
    /// Variables of the unit to be known by a label: those that later patches may bind to.
    pub labelled: &'a BTreeSet<usize>,
    /// Types whose layout is not what the source alone would give.
    pub shapes: &'a Shapes,
    /// Functions that give fresh memory, and take it back.
    pub allocators: &'a Allocators,
    /// How calls through slots are written.
    pub calls: SlotCalls,
}

/// Functions that a rewritten unit refers to by symbols of ours.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// Slots.
    pub slots: BTreeSet<FunctionRef>,
    /// Stubs.
    pub stubs: BTreeSet<FunctionRef>,
}

/// Rewrites a unit.
///
/// # Errors
/// When the facts do not fit the text.
pub fn rewrite(job: &Job<'_>) -> Result<(String, Uses), RewriteError> {
    let mut rewriter = Rewriter { job, edits: Edits::default(), uses: Uses::default(), declared: BTreeMap::new() };
    rewriter.references()?;
    rewriter.declarations();
    rewriter.points();
    rewriter.static_locals();
    rewriter.shapes()?;
    births::births(job.model, job.points, job.allocators, (job.unit, job.shapes), &mut rewriter.edits);
    rewriter.prelude();
    if job.purpose == Purpose::Patch {
        rewriter.visibility();
        rewriter.sets();
        rewriter.assembler();
    }
    let trailer = rewriter.trailer();
    let mut text = rewriter.edits.apply(&job.model.units[job.unit].image.text)?;
    text.push_str(&trailer);
    Ok((text, rewriter.uses))
}

/// Something a unit refers to under another name, to be declared wherever the original is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alias {
    Slot(usize),
    /// The slot of a function, as a function.
    Operand(usize),
    Stub(usize),
    Wrapper(usize),
    Variable(usize),
}

struct Rewriter<'a> {
    job: &'a Job<'a>,
    edits: Edits,
    uses: Uses,
    /// Aliases used, with the functions that use them (`None`: initialisers).
    declared: BTreeMap<Alias, BTreeSet<Option<usize>>>,
}

impl<'a> Rewriter<'a> {
    fn facts(&self) -> &'a UnitFacts {
        &self.job.model.units[self.job.unit].facts
    }

    fn text(&self) -> &'a str {
        &self.job.model.units[self.job.unit].image.text
    }

    fn label(&self, function: usize) -> Option<String> {
        let at = self.job.model.definition_of(self.job.unit, function)?;
        Some(self.job.model.function_label(at))
    }

    fn hidden(&self) -> &'static str {
        match self.job.purpose {
            Purpose::Base => " __attribute__((visibility(\"hidden\")))",
            // Whatever `#pragma GCC visibility` says here, in a patch these come from the running program.
            Purpose::Patch => " __attribute__((visibility(\"default\")))",
        }
    }

    fn references(&mut self) -> Result<(), RewriteError> {
        for (index, reference) in self.facts().references.iter().enumerate() {
            let Some(alias) = self.alias_for(reference, index) else { continue };
            let name = self.original(alias);
            let length = identifier_at(self.text(), reference.at, name)
                .ok_or_else(|| RewriteError::Misplaced(name.to_owned(), reference.at))?;
            let new = if self.is_declared(alias, reference) {
                self.declared.entry(alias).or_default().insert(reference.inside);
                let new = self.spelling(alias);
                if matches!(alias, Alias::Slot(_)) { format!("(*{new})") } else { new }
            } else {
                match self.early(alias, reference) {
                    Some(new) => new,
                    None => continue, // a library function, declared implicitly
                }
            };
            self.edits.replace(reference.at, length, new);
            let at = |function| self.job.model.definition_of(self.job.unit, function);
            match alias {
                Alias::Slot(f) | Alias::Operand(f) => self.uses.slots.extend(at(f)),
                Alias::Stub(f) => self.uses.stubs.extend(at(f)),
                Alias::Wrapper(_) | Alias::Variable(_) => {}
            }
        }
        Ok(())
    }

    /// The original name.
    fn original(&self, alias: Alias) -> &'a str {
        match alias {
            Alias::Slot(f) | Alias::Operand(f) | Alias::Stub(f) | Alias::Wrapper(f) => &self.facts().functions[f].name,
            Alias::Variable(v) => &self.facts().variables[v].name,
        }
    }

    /// Refers to a function or variable where no complete declaration is in scope: a function is called without one, or
    /// the reference stands in the very declaration that introduces it.
    fn early(&mut self, alias: Alias, reference: &Reference) -> Option<String> {
        let (alias, ty) = match alias {
            Alias::Slot(f) | Alias::Operand(f) => (Alias::Slot(f), "int (*{})()"),
            Alias::Stub(_) | Alias::Variable(_) => (alias, "char {}[]"),
            Alias::Wrapper(_) => return None,
        };
        let early = self.spelling(alias).replacen("dsu_", "dsu_early_", 1);
        let item = self.facts().items.iter().find(|i| (i.start..i.end).contains(&reference.at))?;
        let declaration = ty.replace("{}", &early);
        let (symbol, hidden) = (self.spelling(alias), self.hidden());
        self.edits.insert(item.start, format!("extern {declaration} __asm__(\"{symbol}\"){hidden}; "));
        Some(match alias {
            Alias::Slot(_) => format!("(*{early})"),
            _ => format!("(*(__typeof__({}) *){early})", self.original(alias)),
        })
    }

    /// Whether a declaration is in scope where the reference stands.
    fn is_declared(&self, alias: Alias, reference: &Reference) -> bool {
        let (sites, definition) = match alias {
            Alias::Slot(f) | Alias::Operand(f) | Alias::Stub(f) | Alias::Wrapper(f) => {
                let f: &Function = &self.facts().functions[f];
                (&f.declarations, f.definition.as_ref().map(|d| d.body))
            }
            Alias::Variable(v) => (&self.facts().variables[v].declarations, None),
        };
        let in_scope = |s: &Site| s.after <= reference.at && (s.function.is_none() || s.function == reference.inside);
        definition.is_some_and(|body| body <= reference.at) || sites.iter().any(in_scope)
    }

    fn spelling(&self, alias: Alias) -> String {
        match alias {
            Alias::Slot(f) => format!("dsu_slot_{}", self.label(f).unwrap_or_default()),
            Alias::Operand(f) => format!("dsu_to_{}", self.label(f).unwrap_or_default()),
            Alias::Stub(f) => format!("dsu_stub_{}", self.label(f).unwrap_or_default()),
            Alias::Wrapper(f) => format!("{}{}", dsu_abi::calls::WRAPPER_PREFIX, self.facts().functions[f].name),
            Alias::Variable(variable) => {
                format!("dsu_g_{}", self.job.model.variable_label(VariableRef { unit: self.job.unit, variable }))
            }
        }
    }

    fn alias_for(&self, reference: &Reference, index: usize) -> Option<Alias> {
        let (unit, model) = (self.job.unit, self.job.model);
        let function = match reference.target {
            Target::Variable(v) if self.is_value(v, reference) => return None,
            Target::Variable(v) => return self.job.bound.contains(&v).then_some(Alias::Variable(v)),
            Target::Function(f) => f,
        };
        if self.in_system_header(reference) {
            return None;
        }
        let caller = reference.inside.map(|function| FunctionRef { unit, function });
        let Some(definition) = model.definition_of(unit, function) else {
            let below = caller.is_some_and(|c| self.job.points.below.contains(&c));
            let wrapped = (below || self.is_quiescent(index)) && is_blocking_call(model, unit, reference);
            return wrapped.then_some(Alias::Wrapper(function));
        };
        if matches!(reference.usage, Usage::Address | Usage::Argument(_)) {
            return Some(Alias::Stub(function));
        }
        let own = definition.unit == unit && !self.facts().functions[function].attributes.weak;
        let on_path = caller.is_some_and(|c| self.job.points.path.contains(&c));
        let callee = &self.facts().functions[function];
        // An inline function belongs to its caller's code, on an update path too.
        let inlined = callee.inline || callee.attributes.always_inline;
        if inlined && callee.definition.is_some() {
            return None;
        }
        let call = matches!(reference.usage, Usage::Call(..)) && self.job.calls == SlotCalls::Operand;
        let alias = if call { Alias::Operand(function) } else { Alias::Slot(function) };
        (!own || (on_path && !inlined)).then_some(alias)
    }

    /// Whether a reference in an initialiser stands for the value of a constant: that must be known to the compiler.
    fn is_value(&self, variable: usize, reference: &Reference) -> bool {
        let v = &self.facts().variables[variable];
        let initializers = || self.facts().variables.iter().filter_map(|v| v.definition.as_ref()?.initializer);
        v.constant
            && v.scalar
            && v.definition.as_ref().is_some_and(|d| d.initializer.is_some())
            && reference.usage == Usage::Read
            && initializers().any(|(start, end)| (start..end).contains(&reference.at))
    }

    fn in_system_header(&self, reference: &Reference) -> bool {
        let definition = reference.inside.and_then(|f| self.facts().functions[f].definition.as_ref());
        definition.is_some_and(|d| d.system)
    }

    fn is_quiescent(&self, reference: usize) -> bool {
        let here = CallRef { unit: self.job.unit, reference };
        let mut quiescent = self.job.points.list.iter().flat_map(|p| &p.quiescent);
        quiescent.any(|q| q.chain.last() == Some(&here))
    }

    /// Declares every alias wherever the thing it stands for is declared.
    fn declarations(&mut self) {
        for (alias, users) in std::mem::take(&mut self.declared) {
            let declaration = self.declaration(alias);
            let (sites, definition) = match alias {
                Alias::Slot(f) | Alias::Operand(f) | Alias::Stub(f) | Alias::Wrapper(f) => {
                    let f: &Function = &self.facts().functions[f];
                    (&f.declarations, f.definition.as_ref().map(|d| (d.body, d.end)))
                }
                Alias::Variable(v) => (&self.facts().variables[v].declarations, None),
            };
            let matters = |s: &&Site| s.function.is_none() || users.contains(&s.function);
            let places: BTreeSet<usize> = sites.iter().filter(matters).map(|s| s.after).collect();
            for at in places {
                self.edits.insert(at, format!(" {declaration}"));
            }
            if let Some((body, end)) = definition {
                if let Alias::Slot(f) | Alias::Operand(f) | Alias::Stub(f) = alias {
                    if users.contains(&Some(f)) {
                        self.edits.insert(body, format!(" {declaration}"));
                    }
                }
                self.edits.insert(end, format!(" {declaration}"));
            }
        }
    }

    fn declaration(&self, alias: Alias) -> String {
        let (name, new, hidden) = (self.original(alias), self.spelling(alias), self.hidden());
        match alias {
            Alias::Slot(_) => format!("extern __typeof__({name}) *{new}{hidden};"),
            // Hidden, so that no `@PLT` follows the name.
            Alias::Operand(f) => {
                // gcc 12 crashes where `no_sanitize` is copied. Without it, the call is only compiled less well.
                let copy = if self.is_unsanitized(f) { String::new() } else { format!(", copy({name})") };
                let slot = self.spelling(Alias::Slot(f));
                format!(
                    "extern __typeof__({name}) {new} __asm__(\"*{slot}(%rip)\") __attribute__((visibility(\"hidden\"){copy}));"
                )
            }
            Alias::Stub(_) => format!("extern __typeof__({name}) {new}{hidden};"),
            Alias::Wrapper(_) => format!("extern __typeof__({name}) {new} __attribute__((visibility(\"default\")));"),
            Alias::Variable(v) => {
                let thread = if self.facts().variables[v].thread_local { "__thread " } else { "" };
                format!("extern {thread}__typeof__({name}) {new}{hidden};")
            }
        }
    }

    /// Whether some declaration of a function in the unit has one of the attributes that keep sanitizers away.
    fn is_unsanitized(&self, function: usize) -> bool {
        let (facts, text) = (self.facts(), &self.job.model.units[self.job.unit].image.text);
        let f = &facts.functions[function];
        let sites = f.declarations.iter().map(|site| (site.start, site.after));
        sites.chain(f.definition.iter().map(|d| (d.start, d.body))).any(|(start, end)| {
            // Attributes may stand in front of what the parser takes for the declaration.
            let items = &facts.items[..facts.items.partition_point(|item| item.start < start)];
            let before = items.iter().rev().map(|item| item.end).find(|end| *end <= start).unwrap_or(0);
            let around = text.get(before..end).unwrap_or("");
            around.contains("no_sanitize") || around.contains("no_address_safety_analysis")
        })
    }

    fn points(&mut self) {
        for point in self.job.points.list.iter().filter(|p| p.function.unit == self.job.unit) {
            let name = literal(&point.name);
            let check = format!("if (__builtin_expect(dsu_pending, 0)) dsu_update_point({name});");
            match point.place {
                Place::Loop(index) => {
                    let l = &self.facts().loops[index];
                    if l.compound {
                        self.edits.insert(l.body + 1, format!(" {check}"));
                    } else {
                        self.edits.wrap(l.body, l.body_end, format!("{{ {check} "), " }");
                    }
                }
                Place::Entry => self.entry(point.function.function, &name),
                Place::Annotation => {}
            }
        }
        self.quiescent_calls();
    }

    /// Marks quiescent calls, and passes the mark down where they lie deeper.
    fn quiescent_calls(&mut self) {
        let (mut done, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for point in &self.job.points.list {
            let name = literal(&point.name);
            for quiescent in &point.quiescent {
                for (depth, call) in quiescent.chain.iter().enumerate() {
                    if call.unit != self.job.unit || !done.insert(*call) {
                        continue;
                    }
                    let last = depth + 1 == quiescent.chain.len();
                    if depth == 0 {
                        self.mark_call(call.reference, &name, last);
                        continue;
                    }
                    // The mark is this activation's if its caller passed it on.
                    self.mark_call(call.reference, "dsu_mark", last);
                    let function = self.facts().references[call.reference].inside;
                    let definition = function.and_then(|f| self.facts().functions[f].definition.as_ref());
                    if let Some(body) = definition.map(|d| d.body).filter(|body| taken.insert(*body)) {
                        self.edits.insert(body, " const char *dsu_mark = dsu_quiescent_take();");
                    }
                }
            }
        }
    }

    /// A point at a function's entry: apply, then run the current version in place of this one.
    fn entry(&mut self, function: usize, name: &str) {
        let f = &self.facts().functions[function];
        let (Some(definition), Some(label)) = (&f.definition, self.label(function)) else { return };
        let variadic = f.prototype.contains("...");
        let unnamed = definition.parameters.is_empty() && !f.prototype.contains("fn()");
        let again = if variadic || unnamed || !self.job.slots.contains(&function) {
            String::new()
        } else {
            let call = format!("(*dsu_slot_{label})({})", definition.parameters.join(", "));
            let run = if f.void { format!("{{ {call}; return; }}") } else { format!("return {call};") };
            self.uses.slots.extend(self.job.model.definition_of(self.job.unit, function));
            format!(" if (!dsu_pending) {run}")
        };
        let hidden = self.hidden();
        let declaration = if again.is_empty() {
            String::new()
        } else {
            format!(" extern __typeof__({}) *dsu_slot_{label}{hidden};", f.name)
        };
        let body = definition.body;
        self.edits.insert(
            body,
            format!("{declaration} if (__builtin_expect(dsu_pending, 0)) {{ dsu_update_point({name});{again} }}"),
        );
    }

    /// Wraps a call: `last`: it is quiescent itself; else it leads to a quiescent one.
    fn mark_call(&mut self, reference: usize, name: &str, last: bool) {
        let Reference { usage: Usage::Call(start, end), target: Target::Function(function), .. } =
            self.facts().references[reference]
        else {
            return;
        };
        let (enter, leave) = if last {
            (format!("const void *dsu_outer = dsu_quiescent_enter({name});"), "dsu_quiescent_leave(dsu_outer);")
        } else {
            (format!("dsu_quiescent_pass({name});"), "dsu_quiescent_pass(0);")
        };
        if self.facts().functions[function].void {
            self.edits.wrap(start, end, format!("({{ {enter} "), format!("; {leave} }})"));
        } else {
            let open = format!("({{ {enter} __auto_type dsu_result = ");
            self.edits.wrap(start, end, open, format!("; {leave} dsu_result; }})"));
        }
    }

    /// Gives statics of functions a symbol of a known name, so that tables can refer to them.
    fn static_locals(&mut self) {
        for &variable in self.job.labelled {
            let v = &self.facts().variables[variable];
            if let (Some(_), Some(d)) = (v.function, &v.definition) {
                let label = self.job.model.variable_label(VariableRef { unit: self.job.unit, variable });
                self.edits.insert(d.declarator, format!(" __asm__(\"dsu_l_{label}\") __attribute__((used))"));
            }
        }
    }

    /// Everything that depends on how types are laid out.
    fn shapes(&mut self) -> Result<(), RewriteError> {
        let (facts, text, shapes) = (self.facts(), self.text(), self.job.shapes);
        shape::definitions(facts, text, shapes, &mut self.edits)?;
        access::accesses(facts, text, shapes, &mut self.edits)?;
        let (model, unit, allocators) = (self.job.model, self.job.unit, self.job.allocators);
        let frees = |release: &Release| allocators.frees(model, unit, release.callee, release.position);
        access::releases(facts, shapes, frees, &mut self.edits);
        initializer::lists(facts, text, shapes, &mut self.edits)
    }

    /// What the program hides from other modules, a patch must be able to refer to all the same.
    fn visibility(&mut self) {
        let text = self.text();
        let word = |token: &Token| text.get(token.start..token.end).unwrap_or("");
        let mut before: [Option<Token>; 2] = [None, None];
        for token in Lexer::new(text, 0) {
            let hides = matches!(word(&token), "\"hidden\"" | "\"internal\"" | "\"protected\"");
            if token.kind == Kind::Directive
                && word(&token).split_whitespace().take(3).eq(["#pragma", "GCC", "visibility"])
            {
                if word(&token).contains("push") {
                    self.edits.replace(token.start, token.end - token.start, "#pragma GCC visibility push(default)");
                }
            } else if hides
                && matches!(before.map(|t| t.as_ref().map_or("", word)), ["visibility" | "__visibility__", "("])
            {
                self.edits.replace(token.start, token.end - token.start, "\"default\"");
            }
            before = [before[1], Some(token)];
        }
    }

    /// What a patch has of a linker set is not in the running program's set: its section gets another name, for which the
    /// linker defines no start and no end.
    fn sets(&mut self) {
        let text = self.text();
        let sets: BTreeSet<String> =
            self.facts().variables.iter().filter_map(|v| v.linker_set()).map(literal).collect();
        let word = |token: &Token| text.get(token.start..token.end).unwrap_or("");
        let mut before: [Option<Token>; 2] = [None, None];
        for token in Lexer::new(text, 0).filter(|_| !sets.is_empty()) {
            let section = matches!(before.map(|t| t.as_ref().map_or("", word)), ["section" | "__section__", "("]);
            if section && sets.contains(word(&token)) {
                let name = format!("{}.dsu\"", word(&token).trim_end_matches('"'));
                self.edits.replace(token.start, token.end - token.start, name);
            }
            before = [before[1], Some(token)];
        }
    }

    /// Symbols that assembler defines are the running program's: a patch has no assembler but what the program has.
    fn assembler(&mut self) {
        let text = self.text();
        for item in &self.facts().items {
            let own = text.get(item.start..item.end).unwrap_or("");
            if words::is_assembler(own) && words::defines_symbols(own) {
                let lines = own.matches('\n').count();
                self.edits.replace(item.start, own.len(), "\n".repeat(lines));
            }
        }
    }

    fn prelude(&mut self) {
        let hidden = self.hidden();
        let at = self.facts().items.first().map_or(self.text().len(), |i| i.start);
        self.edits.insert(
            at,
            format!(
                "extern volatile unsigned dsu_pending{hidden}; extern void dsu_update_point(const char *); \
                 extern const void *dsu_quiescent_enter(const char *); extern void dsu_quiescent_leave(const void *); \
                 extern void dsu_quiescent_pass(const char *); extern const char *dsu_quiescent_take(void); "
            ),
        );
    }

    /// What comes after the unit's own text: slots, and labels of variables.
    fn trailer(&self) -> String {
        let mut text = String::from("\n# 1 \"<dsu>\"\n");
        for &function in self.job.slots {
            let f = &self.facts().functions[function];
            let Some(label) = self.label(function) else { continue };
            let name = &f.name;
            match self.job.purpose {
                Purpose::Base => text.push_str(&format!(
                    "__typeof__({name}) *dsu_slot_{label} __attribute__((section(\"{}\"), visibility(\"hidden\"), used)) = {name};\n",
                    dsu_abi::section::SLOTS
                )),
                Purpose::Patch => text.push_str(&format!(
                    "__typeof__({name}) *dsu_newslot_{label} __attribute__((visibility(\"hidden\"), used)) = {name};\n\
                     __asm__(\".globl dsu_code_{label}\\n.hidden dsu_code_{label}\\n.set dsu_code_{label}, {}\\n\");\n",
                    f.symbol
                )),
            }
        }
        for &variable in self.job.labelled {
            text.push_str(&self.variable_label(variable));
        }
        text.push_str(&self.assertions());
        text
    }

    /// What is known of layouts was not said by the compiler that makes them: it shall say so.
    fn assertions(&self) -> String {
        let shaped = || self.facts().types.iter().filter_map(|t| self.job.shapes.get(&t.name));
        let named = shaped().filter(|s| !s.name.contains(['*', '[']));
        let assertion = |s: &Shape| {
            let (name, size) = (&s.name, s.size);
            let stamp = s.stamp_offset().map(|o| format!(" && __builtin_offsetof({name}, {STAMP}) == {o}"));
            format!("_Static_assert(sizeof({name}) == {size}{}, \"layout of {name}\");\n", stamp.unwrap_or_default())
        };
        let block = |s: &Shape| {
            let (label, bytes) = (&s.label, s.block());
            format!("_Static_assert(sizeof(struct dsu_side_{label}) == {bytes}, \"side table of {}\");\n", s.name)
        };
        let blocks: String = shaped().filter(|s| s.has_side_table()).map(block).collect();
        named.map(assertion).collect::<String>() + &blocks
    }

    fn variable_label(&self, variable: usize) -> String {
        let v = &self.facts().variables[variable];
        let label = self.job.model.variable_label(VariableRef { unit: self.job.unit, variable });
        let (keep, symbol) = if v.function.is_some() {
            (String::new(), format!("dsu_l_{label}"))
        } else {
            let storage = if v.internal { "static " } else { "" };
            let thread = if v.thread_local { "__thread " } else { "" };
            let name = &v.name;
            let keep = format!("{storage}{thread}__typeof__({name}) {name} __attribute__((used));\n");
            (if v.internal { keep } else { String::new() }, v.symbol.clone())
        };
        let kind = if v.thread_local { format!("\\n.type dsu_v_{label}, @tls_object") } else { String::new() };
        format!(
            "{keep}__asm__(\".globl dsu_v_{label}\\n.hidden dsu_v_{label}{kind}\\n.set dsu_v_{label}, {symbol}\\n\");\n"
        )
    }
}

/// A name as a string literal of C.
fn literal(name: &str) -> String {
    format!("\"{}\"", name.replace(['"', '\\', '\n'], "_"))
}
