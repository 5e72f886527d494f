//! What becomes of each variable of a replaced unit.
//!
//! Data is expensive to replace and code is not: wherever possible the patch binds to the variable in
//! place. A new initial value matters only for constants and for variables that nothing writes.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyse::flow::Flows;
use crate::analyse::model::{Model, VariableRef};
use crate::description::Description;
use crate::diff::compare::Changes;
use crate::diff::ctypes::{Scope, array};
use crate::diff::directives::{Choice, Directives};
use crate::diff::pairing::Pairing;
use crate::diff::rows::{Rows, rows, value_of};
use crate::diff::statics::{Match, Statics};
use crate::diff::still::Still;
use crate::diff::types::Types;
use crate::facts::{TypeDefinition, TypeKind, UnitFacts, Variable, content, fingerprint, readable, same_type};
use crate::layout::place::innermost;
use crate::program::registered_variables;
use crate::text::lexer::{Kind, Lexer};

/// What the patch does with a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Bind to the running program's variable.
    Bind(VariableRef),
    /// Bind, and overwrite it with the new initial value.
    Overwrite(VariableRef),
    /// The patch brings it.
    New,
    /// The patch brings it in place of the old one, which nothing ever wrote.
    Grown(VariableRef),
    /// The patch brings it in place of the old one, whose value is carried over at the commit.
    Moved(VariableRef),
    /// The patch brings it in place of the old one, with its new initial value, as a person said.
    Afresh(VariableRef),
    /// A constant known by its value: the patch has its own.
    Private,
}

/// What becomes of all variables.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// For each variable that replaced units define or refer to.
    pub fates: BTreeMap<VariableRef, Fate>,
    /// Variables that get new storage: every unit that uses one must be replaced.
    pub replaced_storage: BTreeSet<VariableRef>,
    /// Variables whose initialiser changed although the running value is kept.
    pub kept_values: Vec<String>,
    /// Variables that stay in place and get their new initial value at the commit, as a person said.
    pub reset: BTreeSet<VariableRef>,
    /// Variables that stay in place, hold changed structs, and have an initialiser that may say what new fields start with.
    pub seeded: BTreeSet<VariableRef>,
    /// Old and new indices of rows, for variables that are carried over row by row.
    pub rows: BTreeMap<VariableRef, Vec<(usize, usize)>>,
    /// What a person said about variables, by name.
    pub decided: Vec<String>,
    /// Sentences about static variables of functions that start anew though one of their name is gone.
    pub anew: Vec<String>,
    /// Sentences about variables that cannot be carried over.
    pub refusals: Vec<String>,
}

/// What the decisions on variables rest on.
pub struct Basis<'a> {
    /// The old program.
    pub old: &'a Description,
    /// The new one, its types laid out as in the patch.
    pub new: &'a Description,
    /// Which unit is which.
    pub pairing: &'a Pairing,
    /// Types that changed.
    pub types: &'a Types,
    /// What a person said.
    pub directives: &'a Directives,
    /// Old code that can still run.
    pub still: &'a Still,
}

impl Data {
    /// Decides on every variable of the replaced units.
    pub fn new(basis: &Basis<'_>, changes: &Changes) -> Self {
        let mut data = Self::default();
        let (old, new) = (basis.old, basis.new);
        let decider = Decider {
            basis,
            old: &old.model,
            new: &new.model,
            pairing: basis.pairing,
            statics: Statics::new(&old.model, &new.model, basis.pairing, &changes.replaced),
            old_flows: Flows::new(&old.model),
            new_flows: Flows::new(&new.model),
            old_registered: registered_variables(&old.model),
            new_registered: registered_variables(&new.model),
        };
        for &unit in &changes.replaced {
            for variable in 0..new.model.units[unit].facts.variables.len() {
                let at = VariableRef { unit, variable };
                let Some(home) = new.model.variable_of(unit, variable) else { continue };
                // A variable of another unit is bound wherever it lives; it changes only with its own unit.
                let fate = if changes.replaced.contains(&home.unit) || home == at {
                    decider.decide(home, &mut data)
                } else {
                    decider.elsewhere(home)
                };
                if let Some(fate) = fate {
                    data.fates.insert(home, fate);
                }
            }
        }
        decider.repoint(&mut data);
        for list in [&mut data.kept_values, &mut data.decided, &mut data.anew] {
            list.sort();
            list.dedup();
        }
        data.refusals.extend(basis.directives.unknown_variables(&decider.known_names(changes)));
        data
    }

    /// Variables of transformers are the patch's own business: no later patch finds them. `lengths` are those of the
    /// units' texts without.
    pub fn forget_added(&mut self, model: &Model, lengths: &BTreeMap<usize, usize>) {
        for (at, fate) in &mut self.fates {
            let start = model.variable(*at).definition.as_ref().map(|d| d.start);
            if lengths.get(&at.unit).zip(start.as_ref()).is_some_and(|(length, start)| start >= length) {
                *fate = Fate::Private;
            }
        }
    }

    /// Fate of a variable as a unit refers to it.
    pub fn fate(&self, model: &Model, unit: usize, variable: usize) -> Option<Fate> {
        self.fates.get(&model.variable_of(unit, variable)?).copied()
    }
}

struct Decider<'a> {
    basis: &'a Basis<'a>,
    old: &'a Model,
    new: &'a Model,
    pairing: &'a Pairing,
    statics: Statics,
    old_flows: Flows<'a>,
    new_flows: Flows<'a>,
    old_registered: BTreeSet<VariableRef>,
    new_registered: BTreeSet<VariableRef>,
}

impl Decider<'_> {
    fn elsewhere(&self, home: VariableRef) -> Option<Fate> {
        self.old_variable(home).map(Fate::Bind)
    }

    fn decide(&self, at: VariableRef, data: &mut Data) -> Option<Fate> {
        let v = self.new.variable(at);
        let system = v.definition.as_ref().is_none_or(|d| d.system);
        data.refusals.extend(self.nameless(at));
        if !self.new_registered.contains(&at) || system {
            return (!system).then_some(Fate::Private);
        }
        match self.statics.of(at) {
            Some(Match::Unclear) => data.refusals.extend(self.ambiguous(at)),
            Some(Match::New { instead: true }) if !v.constant && !self.new_flows.never_written(at) => {
                data.anew.push(format!(
                    "{} starts with its initial value, which none of the static variables of that name had that are gone",
                    self.describe(at)
                ));
            }
            _ => {}
        }
        data.refusals.extend(self.unstamped(at));
        let Some(old_at) = self.old_variable(at) else { return Some(Fate::New) };
        let o = self.old.variable(old_at);
        if o.constant && !v.constant && !self.new_flows.never_written(at) {
            data.refusals.push(format!(
                "variable {} was constant and is written now: the running program has it in memory that cannot be \
                 written; give the new variable another name, or restart the program for this change",
                self.describe(at)
            ));
            return Some(Fate::New);
        }
        let unwritten = self.old_flows.never_written(old_at) && self.new_flows.never_written(at);
        if fingerprint(&o.ty) == fingerprint(&v.ty) && o.thread_local == v.thread_local {
            return Some(self.in_place(at, old_at, unwritten, data));
        }
        Some(self.retyped(at, old_at, unwritten, data))
    }

    /// A variable whose type has the same name as before; a struct inside may have changed.
    fn in_place(&self, at: VariableRef, old_at: VariableRef, unwritten: bool, data: &mut Data) -> Fate {
        let (o, v) = (self.old.variable(old_at), self.new.variable(at));
        if let Some(alignment) = v.stricter_alignment(o) {
            data.refusals.push(format!(
                "variable {} is declared with another alignment ({alignment}): that of the running program stays where it is; keep \
                 the alignment, give the new variable another name, or restart the program for this change",
                self.describe(at)
            ));
        }
        let changed = self.basis.types.holds_changed(&v.ty);
        if o.value() == v.value() && !changed {
            return Fate::Bind(old_at);
        }
        let initialized = v.definition.as_ref().is_some_and(|d| d.initializer.is_some());
        let choice = self.basis.directives.choice(self.new, at);
        let begins_otherwise = self.begins_otherwise(at, old_at);
        let open = Self::open_end(&self.new.units[at.unit].facts, &v.ty).filter(|_| begins_otherwise || changed);
        if let Some(element) = open.filter(|_| choice != Some(Choice::Keep)) {
            if unwritten && self.table_kept(at, old_at).is_none() {
                data.replaced_storage.insert(at);
                return Fate::Grown(old_at);
            }
            if unwritten || choice == Some(Choice::New) || !self.as_long_as_before(at, old_at, element) {
                data.refusals.push(format!(
                    "variable {0} ends in an array that is as long as its initialiser says, which says something else now: the running \
                     program's cannot become longer, and pointers to it may live on; if new code can do with the running value, say \
                     `#pragma dsu keep {1}` in a file given with --transform; else give the new variable another name, or restart \
                     the program for this change",
                    self.describe(at),
                    v.name
                ));
                return Fate::Bind(old_at);
            }
        }
        if unwritten && !v.thread_local && open.is_none() {
            return if changed && !initialized { Fate::Bind(old_at) } else { Fate::Overwrite(old_at) };
        }
        if choice == Some(Choice::New) {
            if v.thread_local {
                data.refusals.push(format!(
                    "#pragma dsu new {}: a thread-local variable has one value in each thread, and cannot be set in all",
                    v.name
                ));
            }
            data.decided.push(format!("{}: starts with its new initial value (#pragma dsu new)", self.describe(at)));
            data.reset.insert(at);
            return Fate::Bind(old_at);
        }
        if changed && initialized && !v.thread_local {
            data.seeded.insert(at);
        }
        if begins_otherwise {
            match choice {
                None => data.kept_values.push(self.describe(at)),
                Some(_) => {
                    data.decided.push(format!("{}: keeps its running value (#pragma dsu keep)", self.describe(at)))
                }
            }
        }
        Fate::Bind(old_at)
    }

    /// A variable of another type: it gets new storage.
    fn retyped(&self, at: VariableRef, old_at: VariableRef, unwritten: bool, data: &mut Data) -> Fate {
        let (o, v) = (self.old.variable(old_at), self.new.variable(at));
        let choice = self.basis.directives.choice(self.new, at);
        if unwritten && !v.thread_local && !o.thread_local {
            if let Some(place) = self.table_kept(at, old_at) {
                data.refusals.push(format!(
                    "table {} changed its {}, and its address is kept or passed on in {place}: pointers into the old table \
                     would live on; give the new table another name, or restart the program for this change",
                    self.describe(at),
                    if o.element.is_some() && o.element == v.element { "length" } else { "type" }
                ));
            }
            if choice == Some(Choice::New) {
                data.decided
                    .push(format!("{}: starts with its new initial value (#pragma dsu new)", self.describe(at)));
            }
            data.replaced_storage.insert(at);
            return Fate::Grown(old_at);
        }
        let offer = format!(
            "to decide otherwise, say `#pragma dsu keep {0}` (the value is carried over, each row of a table at its index), `#pragma dsu \
             merge {0}` (each row where the new initialiser has it) or `#pragma dsu new {0}` (it starts with its new initial value) in a file given with --transform; or give the new variable another name, or restart the program for \
             this change",
            v.name
        );
        let changed = format!(
            "variable {} changed its type from {}{} to {}{}",
            self.describe(at),
            o.storage(),
            readable(&o.ty),
            v.storage(),
            readable(&v.ty)
        );
        let told = self.rows(at, old_at, choice);
        let problem = if v.thread_local || o.thread_local {
            Some("a thread-local variable has one value in each thread, which cannot be carried over: give the new variable another name, \
                  or restart the program for this change".to_owned())
        } else if let Some(user) = self.basis.still.use_of(self.basis.old, old_at) {
            Some(format!(
                "the old version of {user} can still run after the update and uses the old variable: give the new variable another \
                 name, or restart the program for this change"
            ))
        } else if choice != Some(Choice::New) && !self.convertible(at, old_at) {
            Some(format!(
                "its running value cannot be carried over: `#pragma dsu new {}` in a file given with --transform starts with its new \
                 initial value; or keep the type, give the new variable another name, or restart the program for this change",
                v.name
            ))
        } else if let (true, Rows::Unclear(row)) = (choice != Some(Choice::New), &told) {
            Some(format!(
                "which of its rows became which cannot be told (that of `{}`): {offer}",
                row.chars().take(60).collect::<String>()
            ))
        } else if choice.is_none() {
            // Old code that goes on may have taken the address for itself.
            let escapes = self.old_flows.address_escapes(old_at).or_else(|| self.new_flows.address_escapes(at));
            let escapes = escapes.or_else(|| self.held_by_old_code(old_at));
            escapes.map(|place| {
                format!("its address may be kept in {place}, and pointers to the old storage would live on; {offer}")
            })
        } else {
            None
        };
        if let Some(problem) = problem {
            data.refusals.push(format!("{changed}: {problem}"));
        }
        data.replaced_storage.insert(at);
        if choice == Some(Choice::New) {
            data.decided.push(format!("{}: starts with its new initial value (#pragma dsu new)", self.describe(at)));
            return Fate::Afresh(old_at);
        }
        if let Some(choice) = choice {
            let word = if choice == Choice::Merge { "merge" } else { "keep" };
            data.decided.push(format!("{}: its running value is carried over (#pragma dsu {word})", self.describe(at)));
        }
        if let Rows::Mapped(told) = told {
            data.rows.insert(at, told);
        }
        Fate::Moved(old_at)
    }

    /// Which rows keep their values where. A person may say that it is by their index.
    fn rows(&self, at: VariableRef, old_at: VariableRef, choice: Option<Choice>) -> Rows {
        if choice == Some(Choice::Keep) { Rows::Same } else { rows((self.old, old_at), (self.new, at)) }
    }

    /// Where pointers into an old table, which the patch brings anew, may live on.
    fn table_kept(&self, at: VariableRef, old_at: VariableRef) -> Option<String> {
        let (o, v) = (self.old.variable(old_at), self.new.variable(at));
        // A pointer to an old row stays good for code that only looks at what is there, as what it was.
        let rows_stay = o.element.is_some()
            && o.element == v.element
            && !self.old_flows.tells_rows(old_at)
            && !self.new_flows.tells_rows(at);
        let kept = self.old_flows.address_kept(old_at, rows_stay);
        let kept = kept.or_else(|| self.new_flows.address_kept(at, rows_stay));
        // What the new program does with the pointers it gets, it may not do with those that old code hands on.
        let handed_on = || {
            let mut tables = std::iter::once(old_at).chain(self.old_flows.holders(old_at));
            tables.find_map(|table| self.held_by_old_code(table))
        };
        kept.or_else(|| if self.old_flows.is_handed_on(old_at, rows_stay) { handed_on() } else { None })
    }

    /// Old code that can still run and may hold the address of a variable: from its name, or from a function it called.
    fn held_by_old_code(&self, old_at: VariableRef) -> Option<String> {
        let still = &self.basis.still;
        let received = || self.old_flows.receivers(old_at).into_iter().find_map(|f| still.describe(self.basis.old, f));
        still.use_or_address_of(self.basis.old, old_at).or_else(received)
    }

    /// The elements of the array that an object of a canonical type ends in, if it is as long as its initialiser says: no part of
    /// the type's size.
    fn open_end<'f>(facts: &'f UnitFacts, ty: &'f str) -> Option<&'f str> {
        let name = innermost(ty).0;
        if name.contains('{') {
            return name.rsplit_once("[]").map(|(_, element)| element);
        }
        let definition = facts.types.iter().find(|t| t.name == name && t.kind == TypeKind::Struct && t.flexible);
        let last = definition?.fields.last()?;
        last.ty.strip_prefix("[]").or_else(|| Self::open_end(facts, &last.ty))
    }

    /// Whether an initialiser has as many values as before, of which the last ones are for an array without a length: by its
    /// commas and braces.
    fn as_long_as_before(&self, at: VariableRef, old_at: VariableRef, element: &str) -> bool {
        let facts = &self.new.units[at.unit].facts;
        // A string has a length of its own, unless only its address is an element, or part of one.
        let lengthy = !element.starts_with('*') && facts.types.iter().all(|t| t.name != element);
        let marks = |text: &str| -> Option<Vec<String>> {
            let words = Lexer::new(text, 0).filter(|t| t.kind != Kind::Directive).map(|t| &text[t.start..t.end]);
            let words: Vec<&str> = words.collect();
            let marks = words.iter().filter(|w| ["{", "}", ","].contains(*w) || lengthy && w.ends_with('"'));
            // An index may leave out any number of elements.
            (!words.contains(&"[")).then(|| marks.map(|w| (*w).to_owned()).collect())
        };
        let was = self.old.initializer(old_at).and_then(marks);
        was.is_some() && was == self.new.initializer(at).and_then(marks)
    }

    /// Tables that hold the address of one that the patch brings anew get their new initial values, too.
    fn repoint(&self, data: &mut Data) {
        let grown = |(at, fate): (&VariableRef, &Fate)| matches!(fate, Fate::Grown(_)).then_some(*at);
        let holders: BTreeSet<VariableRef> =
            data.fates.iter().filter_map(grown).flat_map(|at| self.new_flows.holders(at)).collect();
        for holder in holders {
            let Some(fate) = data.fates.get_mut(&holder) else { continue };
            let Fate::Bind(old) = *fate else { continue };
            *fate = Fate::Overwrite(old);
            if Self::open_end(&self.new.units[holder.unit].facts, &self.new.variable(holder).ty).is_some() {
                data.refusals.push(format!(
                    "table {} holds the address of another one, which changed, and ends in an array without a length: it cannot be \
                     set anew; give the changed table another name, or restart the program for this change",
                    self.describe(holder)
                ));
            }
        }
    }

    /// Whether a value of the old type can become one of the new: numbers, and arrays of the same elements or of numbers.
    fn convertible(&self, at: VariableRef, old_at: VariableRef) -> bool {
        let (o, v) = (&self.old.variable(old_at).ty, &self.new.variable(at).ty);
        let scope = Scope::new(self.new, &self.new.units[at.unit]);
        let number = |ty: &str| scope.number(ty);
        let declared = || scope.declare(o, "x").is_some();
        match (array(v), array(o)) {
            (Some((_, element)), Some((_, old_element))) => {
                // What has the new elements' type needs no words for it.
                same_type(element, old_element)
                    || declared() && number(element).is_some() && number(old_element).is_some()
            }
            (None, None) => number(v).is_some() && number(o).is_some(),
            _ => false,
        }
    }

    /// Constants cannot be brought to another version: each object in them must have the newest stamp from the start, which
    /// only its own initialiser list gives it.
    fn unstamped(&self, at: VariableRef) -> Option<String> {
        let v = self.new.variable(at);
        let facts = &self.new.units[at.unit].facts;
        if !v.constant || self.basis.types.shapes.is_empty() {
            return None;
        }
        let all: Vec<&TypeDefinition> = facts.types.iter().collect();
        let wanted = self.basis.types.versioned(&v.ty, &all);
        let (start, end) = v.definition.as_ref().and_then(|d| d.initializer).unwrap_or((0, 0));
        let versioned =
            |name: &str| self.basis.types.shapes.get(name).is_some_and(|s| s.members.iter().any(|m| m.since > 0));
        let lists = facts.initializers.iter().filter(|l| (start..end).contains(&l.open) && versioned(&l.ty)).count();
        (wanted > lists as u64).then(|| {
            format!(
                "constant {} has objects of a changed type without an initialiser list of their own: give each one (`{{0}}`), or let the \
                 variable not be constant",
                self.describe(at)
            )
        })
    }

    /// The compiler takes the value of a constant for known: code of the patch would use its own objects without names, not
    /// those of the running program.
    fn nameless(&self, at: VariableRef) -> Option<String> {
        let v = self.new.variable(at);
        if !v.constant || !self.new_flows.writes_nameless(at) {
            return None;
        }
        let name = self.new.units[at.unit].facts.local_name(v);
        let before = &self.old.units[self.pairing.old_of[at.unit]?].facts;
        let known = before.variables.iter().any(|o| before.local_name(o) == name && o.definition.is_some());
        known.then(|| {
            format!(
                "constant {} points to objects without names, which the program may write: the patch would bring others; give these \
                 objects names, let them be constant, or restart the program for this change",
                self.describe(at)
            )
        })
    }

    fn known_names(&self, changes: &Changes) -> BTreeSet<String> {
        let facts = changes.replaced.iter().map(|u| &self.new.units[*u].facts);
        facts.flat_map(|f| f.variables.iter().flat_map(|v| [v.name.clone(), f.local_name(v)])).collect()
    }

    /// Whether an initialiser says something else than before: not only the types of what it names changed.
    fn begins_otherwise(&self, at: VariableRef, old_at: VariableRef) -> bool {
        let (was, is) = (self.old.initializer(old_at), self.new.initializer(at));
        if was.map(content::of_text) != is.map(content::of_text) {
            return true;
        }
        let (old, new) = (&self.old.units[old_at.unit].facts, &self.new.units[at.unit].facts);
        let text = is.unwrap_or("");
        let words = Lexer::new(text, 0).filter(|t| t.kind == Kind::Identifier).filter_map(|t| text.get(t.start..t.end));
        let mut words = words.map(|w| (w, value_of(new, w)));
        words.any(|(word, value)| word.contains("sizeof") || word.contains("offsetof") || value != value_of(old, word))
    }

    /// Which of a function's static variables of one name it was cannot be told: that matters where one is written.
    fn ambiguous(&self, at: VariableRef) -> Option<String> {
        let v = self.new.variable(at);
        let function = &self.new.units[at.unit].facts.functions[v.function?].name;
        let of = |facts: &UnitFacts| -> Vec<usize> {
            let same =
                |o: &Variable| o.name == v.name && o.function.is_some_and(|f| facts.functions[f].name == *function);
            (0..facts.variables.len()).filter(|o| same(&facts.variables[*o])).collect()
        };
        let old_unit = self.pairing.old_of[at.unit]?;
        let (before, after) = (of(&self.old.units[old_unit].facts), of(&self.new.units[at.unit].facts));
        let unwritten = self.new_flows.never_written(at)
            && before.iter().all(|o| self.old_flows.never_written(VariableRef { unit: old_unit, variable: *o }));
        (!unwritten).then(|| {
            format!(
                "function {function} had {} static variables named {} and has {}: which keeps which value cannot be told for \
                 {}; give the new ones names of their own",
                before.len(),
                v.name,
                after.len(),
                self.describe(at)
            )
        })
    }

    fn describe(&self, at: VariableRef) -> String {
        let v = self.new.variable(at);
        let place = v.definition.as_ref().map(|d| format!(" ({}:{})", d.file, d.line)).unwrap_or_default();
        format!("{}{place}", self.new.units[at.unit].facts.local_name(v))
    }

    /// The old program's variable: of the same name, in the paired unit; or a static that moved here
    /// from the only other unit that had one of that name and type and lost it.
    fn old_variable(&self, at: VariableRef) -> Option<VariableRef> {
        let v = self.new.variable(at);
        match self.statics.of(at) {
            Some(Match::Old(found)) => return self.old_registered.contains(&found).then_some(found),
            Some(Match::New { .. } | Match::Unclear) => return None,
            None => {}
        }
        if v.function.is_none() {
            // It may have become static, or external, without moving.
            let still_external = v.internal && self.new.variables.contains_key(&v.symbol);
            let external = self.old.variables.get(&v.symbol).filter(|_| !still_external).copied();
            if let Some(found) = external.filter(|o| !v.internal || self.pairing.old_of[at.unit] == Some(o.unit)) {
                return Some(found);
            }
        }
        let name = self.new.units[at.unit].facts.local_name(v);
        let find = |unit: usize| {
            let facts = &self.old.units[unit].facts;
            let same = |o: &Variable| o.internal && o.definition.is_some() && facts.local_name(o) == name;
            let at = VariableRef { unit, variable: facts.variables.iter().position(same)? };
            self.old_registered.contains(&at).then_some(at)
        };
        if let Some(found) = self.pairing.old_of[at.unit].and_then(find) {
            return Some(found);
        }
        let lost = |unit: &usize| {
            self.pairing.new_of(*unit).is_none_or(|n| {
                let facts = &self.new.units[n].facts;
                !facts.variables.iter().any(|x| x.internal && x.definition.is_some() && facts.local_name(x) == name)
            })
        };
        let units = (0..self.old.units.len()).filter(lost);
        let mut found = units.filter_map(find).filter(|o| fingerprint(&self.old.variable(*o).ty) == fingerprint(&v.ty));
        let only = found.next()?;
        found.next().is_none().then_some(only)
    }
}
