//! Proposing update points: loops that a thread stays in, and that come to a call that waits.
//!
//! Any loop that comes to a call which waits could be one; in a large program that is nearly every loop, as what writes the
//! log may wait, too. So only the nearest wait of a loop counts, and only if it is near; and a loop in code that is
//! only called from inside another one is that one's work, unless nothing leads out of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::analyse::callgraph::CallGraph;
use crate::analyse::model::{FunctionRef, Model};
use crate::analyse::points::is_blocking_call;
use crate::analyse::targets::Targets;
use crate::driver::interface::{LinkInput, Suggestion};
use crate::facts::{Function, Loop, Reference, Target, Usage};
use crate::program::ProgramError;
use crate::text::lexer::{Kind, Lexer};

/// Library calls that wait until there is something to do, of whatever kind. A loop with one of them sleeps there, and
/// works in the rest of its calls.
const READINESS: &[&str] = &[
    "cnd_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "pause",
    "poll",
    "ppoll",
    "pselect",
    "pthread_cond_wait",
    "select",
    "sigsuspend",
    "sigwait",
    "sigwaitinfo",
];

/// Library calls that wait for a client; behind one of the others, they do not wait.
const CLIENTS: &[&str] = &["accept", "accept4"];

/// Kinds of waits, the one that says most first.
const KINDS: [&[&str]; 3] = [READINESS, CLIENTS, dsu_abi::calls::WAITING];

/// Library calls that wait for the end of a thread.
const JOINS: &[&str] = &["pthread_join", "thrd_join"];

/// Through how many calls a loop's wait is looked for.
const FAR: usize = 8;

/// Through how many calls the wait of a loop that may be left is looked for.
const NEAR: usize = 2;

/// How many doubtful loops are listed.
const DOUBTFUL: usize = 12;

/// A loop that comes to a wait.
struct Candidate<'a> {
    unit: usize,
    of: &'a Loop,
    /// Its calls that come to a wait soonest.
    quiescent: Vec<String>,
    /// How many calls it takes.
    distance: usize,
    /// The kind of wait.
    kind: usize,
    /// Nothing leads out of the loop but the end of the thread.
    stays: bool,
    /// It goes on until it is told not to: by a variable, or by the call that waits.
    told: bool,
    /// Functions between the loop and the wait.
    through: BTreeSet<FunctionRef>,
    /// Functions that wait, if the last one named calls them through a pointer.
    behind: BTreeSet<FunctionRef>,
}

/// Proposes update points for a program.
///
/// # Errors
/// When libclang is missing.
pub fn suggest(input: &LinkInput) -> Result<Vec<Suggestion>, ProgramError> {
    let model = Model::new(input)?;
    let waits = Waits::new(&model);
    let mut found: Vec<Candidate<'_>> = Vec::new();
    for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
        found.extend(u.facts.loops.iter().filter_map(|l| waits.candidate(unit, l)));
    }
    let (sure, doubtful) = sort_out(&waits, found);
    let mut list: Vec<Suggestion> = Vec::new();
    for candidate in &sure {
        match candidate.behind.is_empty() {
            true => list.push(suggestion(&model, candidate, false)),
            false => list.extend(candidate.behind.iter().filter_map(|at| behind_pointer(&model, candidate, *at))),
        }
    }
    if !sure.iter().any(|c| model.units[c.unit].facts.functions[c.of.function].name == "main") {
        list.extend(joins(&model));
    }
    list.extend(doubtful.iter().map(|c| suggestion(&model, c, true)));
    Ok(distinct(list))
}

/// Each place once, though several loops come to it, and no two of one name.
fn distinct(list: Vec<Suggestion>) -> Vec<Suggestion> {
    let mut found: Vec<Suggestion> = Vec::new();
    for mut suggestion in list {
        let same = |s: &&mut Suggestion| {
            let place = |s: &Suggestion| (s.function.clone(), s.file.clone(), s.loop_ordinal, s.entry);
            place(s) == place(&suggestion)
        };
        if let Some(known) = found.iter_mut().find(same) {
            if known.why != suggestion.why {
                known.why = format!("{}; {}", known.why, suggestion.why);
            }
            continue;
        }
        if let Some(file) = suggestion.file.as_ref().filter(|_| found.iter().any(|s| s.name == suggestion.name)) {
            suggestion.name = format!("{}@{file}", suggestion.name);
        }
        found.push(suggestion);
    }
    found
}

/// Which loops are main loops of threads and processes, and which may be.
fn sort_out<'a>(waits: &Waits<'_>, found: Vec<Candidate<'a>>) -> (Vec<Candidate<'a>>, Vec<Candidate<'a>>) {
    let near = |c: &Candidate<'_>| {
        c.kind == 0 && c.distance <= NEAR || c.distance == 0 && waits.threads.contains(&c.function())
    };
    let (strong, weak): (Vec<_>, Vec<_>) = found.into_iter().partition(|c| c.stays || (c.told && near(c)));
    // A loop around a call of a function that has the loop itself.
    let loops: HashSet<FunctionRef> = strong.iter().map(Candidate::function).collect();
    let strong: Vec<_> =
        strong.into_iter().filter(|c| c.stays || !c.through.iter().any(|f| loops.contains(f))).collect();
    let outside = waits.outside(&strong);
    let (mut sure, nested): (Vec<_>, Vec<_>) =
        strong.into_iter().partition(|c| c.stays || outside.contains(&c.function()) && !waits.is_inside(c));
    let mut doubtful: Vec<_> = nested.into_iter().chain(weak.into_iter().filter(|c| c.told || c.kind == 0)).collect();
    let known = |c: &Candidate<'_>| sure.iter().any(|s| s.contains(c) || s.through.contains(&c.function()));
    doubtful.retain(|c| c.distance < 2 && !known(c));
    if sure.is_empty() {
        // Better than nothing: those that are not in code called from other such loops.
        let outside = waits.outside(&doubtful);
        (sure, doubtful) = doubtful.into_iter().partition(|c| c.told && outside.contains(&c.function()));
    }
    doubtful.sort_by_key(|c| (c.kind, c.distance));
    doubtful.truncate(DOUBTFUL);
    (sure, doubtful)
}

impl Candidate<'_> {
    fn function(&self) -> FunctionRef {
        FunctionRef { unit: self.unit, function: self.of.function }
    }

    fn contains(&self, other: &Self) -> bool {
        self.unit == other.unit && self.of.start <= other.of.start && other.of.end <= self.of.end
    }
}

/// How far it is to a wait, from everywhere.
struct Waits<'a> {
    model: &'a Model,
    graph: CallGraph,
    targets: Targets<'a>,
    /// By kind.
    distances: Vec<HashMap<FunctionRef, usize>>,
    /// What threads run.
    threads: BTreeSet<FunctionRef>,
}

impl<'a> Waits<'a> {
    fn new(model: &'a Model) -> Self {
        // What libraries call back is no part of a loop.
        let graph = CallGraph::new(model, |_| false);
        let mut callers: Vec<BTreeSet<FunctionRef>> = vec![BTreeSet::new(); KINDS.len()];
        for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
            for r in &u.facts.references {
                let (Target::Function(callee), Some(function)) = (r.target, r.inside) else { continue };
                if is_blocking_call(model, unit, r) {
                    let name = u.facts.functions[callee].name.as_str();
                    for (callers, _) in callers.iter_mut().zip(KINDS).filter(|(_, names)| names.contains(&name)) {
                        callers.insert(FunctionRef { unit, function });
                    }
                }
            }
        }
        let ends = |at: &FunctionRef| ends_program(model, *at);
        let distances = callers.iter().map(|to| graph.distances(to, FAR, ends)).collect();
        Self { model, graph, targets: Targets::new(model), distances, threads: model.thread_functions() }
    }

    /// How many calls it takes from a call to a wait; 0 if it is one.
    fn distance(&self, unit: usize, r: &Reference, kind: usize) -> Option<usize> {
        let Target::Function(callee) = r.target else { return None };
        let f = &self.model.units[unit].facts.functions[callee];
        if is_blocking_call(self.model, unit, r) {
            return KINDS[kind].contains(&f.name.as_str()).then_some(0);
        }
        let known = self.distances[kind].get(&self.model.body_of(unit, callee)?).copied();
        known.filter(|_| !f.attributes.noreturn)
    }

    /// The calls in a range of a function that come to a wait soonest, and how soon.
    fn nearest(
        &self,
        at: FunctionRef,
        range: (usize, usize),
        kind: usize,
        wanted: impl Fn(&Reference) -> bool,
    ) -> Option<(usize, Vec<&'a Reference>)> {
        let references = self.model.units[at.unit].facts.references.iter();
        let calls = references.filter(|r| {
            r.inside == Some(at.function) && (range.0..range.1).contains(&r.at) && matches!(r.usage, Usage::Call(..))
        });
        let calls = calls.filter(|r| wanted(r));
        let mut by_distance: BTreeMap<usize, Vec<&Reference>> = BTreeMap::new();
        for r in calls {
            if let Some(distance) = self.distance(at.unit, r, kind) {
                by_distance.entry(distance).or_default().push(r);
            }
        }
        by_distance.into_iter().next()
    }

    fn candidate<'l>(&self, unit: usize, of: &'l Loop) -> Option<Candidate<'l>> {
        let at = FunctionRef { unit, function: of.function };
        let (text, facts) = (self.model.units[unit].image.text.as_str(), &self.model.units[unit].facts);
        let always = |r: &Reference| happens_always(text, of, r.at);
        let range = (of.start, of.end);
        let near = || self.nearest(at, range, 0, |_| true).filter(|(d, _)| *d <= NEAR).map(|found| (0, found));
        // Farther away, a call that is made each time round says more than what it comes to.
        let each_time = || {
            let found = (0..KINDS.len()).filter_map(|k| self.nearest(at, range, k, always).map(|found| (k, found)));
            found.min_by_key(|(kind, (distance, _))| (*distance, *kind))
        };
        let any = || (0..KINDS.len()).find_map(|k| self.nearest(at, range, k, |_| true).map(|found| (k, found)));
        let (kind, (distance, calls)) = near().or_else(each_time).or_else(any)?;
        let stays = of.endless && !leaves(text, of, &facts.loops);
        let asks = calls.iter().any(|r| !(of.body..of.body_end).contains(&r.at));
        let (mut quiescent, mut through, mut behind) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for call in calls {
            let names = self.chain(unit, call, kind, &mut through, &mut behind);
            if !quiescent.contains(&names) {
                quiescent.push(names);
            }
        }
        let told = of.endless || of.until_told || asks;
        Some(Candidate { unit, of, quiescent, distance, kind, stays, told, through, behind })
    }

    /// A call, and the calls from there to the wait, as far as there is only one way: `process > wait`. If it goes on through a
    /// pointer to a function that waits until there is something to do, adds those that it may be.
    fn chain(
        &self,
        unit: usize,
        call: &Reference,
        kind: usize,
        through: &mut BTreeSet<FunctionRef>,
        behind: &mut BTreeSet<FunctionRef>,
    ) -> String {
        let Some(callee) = call.target.function() else { return String::new() };
        let mut names = self.model.units[unit].facts.functions[callee].name.clone();
        let mut next = self.model.body_of(unit, callee);
        while let Some(at) = next.filter(|at| through.insert(*at)) {
            if kind == 0 {
                behind.extend(self.through_pointer(at));
            }
            let definition = self.model.function(at).definition.as_ref();
            let Some((distance, calls)) = definition.and_then(|d| self.nearest(at, (d.body, d.end), kind, |_| true))
            else {
                break;
            };
            let called: BTreeSet<usize> = calls.iter().filter_map(|r| r.target.function()).collect();
            let (Some(only), 1) = (called.first(), called.len()) else { break };
            // Through a pointer it may be nearer.
            if self.distances[kind].get(&at) != Some(&(distance + 1)) || distance > NEAR {
                break;
            }
            names.push_str(" > ");
            names.push_str(&self.model.units[at.unit].facts.functions[*only].name);
            next = self.model.body_of(at.unit, *only);
        }
        names
    }

    /// Functions that wait themselves until there is something to do, and that a function without a nearer wait calls through
    /// a pointer.
    fn through_pointer(&self, at: FunctionRef) -> BTreeSet<FunctionRef> {
        let known = |at: &FunctionRef| self.distances[0].get(at).copied();
        let facts = &self.model.units[at.unit].facts;
        let calls = facts.indirect_calls.iter().filter(|c| c.inside == at.function);
        let prototypes: BTreeSet<&'a str> = calls.map(|c| c.prototype.as_str()).collect();
        let named = facts.references.iter().filter(|r| r.inside == Some(at.function));
        let nearer = named.filter_map(|r| self.distance(at.unit, r, 0)).any(|distance| distance <= 1);
        if prototypes.is_empty() || nearer || known(&at) != Some(2) {
            return BTreeSet::new();
        }
        let targets = prototypes.into_iter().flat_map(|prototype| self.targets.reached(prototype).called());
        targets.filter(|t| known(t) == Some(1)).collect()
    }

    /// Functions that can be reached from outside of loops: not only from inside one of these.
    fn outside(&self, loops: &[Candidate<'_>]) -> HashSet<FunctionRef> {
        let inside = |unit: usize, function: usize, at: usize| {
            let around =
                |c: &Candidate<'_>| c.unit == unit && c.of.function == function && (c.of.start..c.of.end).contains(&at);
            loops.iter().any(around)
        };
        self.graph.reached(self.model, inside)
    }

    /// Whether the loop is inside another one that is endless, and comes to a wait, too.
    fn is_inside(&self, c: &Candidate<'_>) -> bool {
        let loops = &self.model.units[c.unit].facts.loops;
        loops.iter().any(|l| {
            let around = l.function == c.of.function && l.start < c.of.start && c.of.end <= l.end;
            around && (l.endless || l.until_told)
        })
    }
}

/// Whether a function ends the program, by its text: its last statement does, and it has no other end.
fn ends_program(model: &Model, at: FunctionRef) -> bool {
    let Some(definition) = &model.function(at).definition else { return false };
    let Some(body) = model.units[at.unit].image.text.get(definition.body..definition.end) else { return false };
    let body = body.trim_end().trim_end_matches('}').trim_end();
    let Some(body) = body.strip_suffix(';') else { return false };
    let start = body.rfind([';', '{', '}']).map_or(0, |at| at + 1);
    let last = body.get(start..).unwrap_or("").trim_start();
    let name: &str = last.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
    let ends = matches!(name, "exit" | "_exit" | "_Exit" | "abort" | "__builtin_unreachable" | "__builtin_trap");
    ends && !Lexer::new(body, 0).any(|t| t.kind == Kind::Identifier && body.get(t.start..t.end) == Some("return"))
}

/// Whether a call in a loop is made each time round: it stands in no branch.
fn happens_always(text: &str, of: &Loop, at: usize) -> bool {
    if !(of.body..of.body_end).contains(&at) {
        return true;
    }
    let (mut braces, mut parens) = (0usize, 0usize);
    // The first word of the statement, and whether its condition is over.
    let (mut first, mut decided) = ("", false);
    for token in Lexer::new(text, of.body).take_while(|t| t.start < at) {
        match text.get(token.start..token.end).unwrap_or("") {
            "{" => (braces, first) = (braces + 1, ""),
            "}" => (braces, first) = (braces.saturating_sub(1), ""),
            ";" if parens == 0 => first = "",
            "(" => parens += 1,
            ")" => {
                parens = parens.saturating_sub(1);
                decided = parens == 0;
            }
            word if first.is_empty() => (first, decided) = (word, false),
            _ => {}
        }
    }
    let branch = first == "else" || (["if", "switch", "for", "while"].contains(&first) && decided);
    braces <= usize::from(of.compound) && !branch
}

/// Whether something in a loop leads out of it: `return`, `goto`, or a `break` of its own.
fn leaves(text: &str, of: &Loop, loops: &[Loop]) -> bool {
    // The end of the `switch` that we are in.
    let mut switch_end = 0;
    let mut switch = false;
    for token in Lexer::new(text, of.body).take_while(|t| t.start < of.body_end) {
        let inner = || loops.iter().any(|l| of.start < l.start && (l.start..l.end).contains(&token.start));
        match text.get(token.start..token.end) {
            Some("return" | "goto" | "longjmp" | "siglongjmp") => return true,
            Some("switch") => switch = true,
            Some("{") if switch => {
                switch = false;
                switch_end = switch_end.max(end_of_block(text, token.start));
            }
            Some("break") if token.start >= switch_end && !inner() => return true,
            _ => {}
        }
    }
    false
}

fn end_of_block(text: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for token in Lexer::new(text, open) {
        match text.get(token.start..token.end) {
            Some("{") => depth += 1,
            Some("}") if depth == 1 => return token.end,
            Some("}") => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// `main`, if it waits for the end of other threads: it has no loop, and must be at rest for them to be updated.
fn joins(model: &Model) -> Option<Suggestion> {
    let is_main = |f: &Function| f.name == "main" && f.definition.is_some();
    let units = model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none());
    let mut found = units.filter_map(|(unit, u)| {
        u.facts.functions.iter().position(is_main).map(|function| FunctionRef { unit, function })
    });
    let main = found.next()?;
    let facts = &model.units[main.unit].facts;
    let name = |r: &&Reference| r.target.function().map(|f| facts.functions[f].name.clone());
    let calls = facts.references.iter().filter(|r| r.inside == Some(main.function));
    let calls = calls.filter(|r| is_blocking_call(model, main.unit, r));
    let names: BTreeSet<String> = calls.filter_map(|r| name(&r)).filter(|n| JOINS.contains(&n.as_str())).collect();
    let definition = facts.functions[main.function].definition.as_ref()?;
    (!names.is_empty()).then(|| Suggestion {
        name: "main".into(),
        function: "main".into(),
        place: format!("{}:{}", definition.file, definition.line),
        entry: true,
        why: "waits for the end of other threads".into(),
        quiescent: names.into_iter().collect(),
        ..Suggestion::default()
    })
}

/// The entry of a function that waits for a loop which calls it through a pointer: what else the pointer may lead to, and what
/// is called on the way, is no rest then.
fn behind_pointer(model: &Model, c: &Candidate<'_>, at: FunctionRef) -> Option<Suggestion> {
    let (facts, f) = (&model.units[at.unit].facts, model.function(at));
    let definition = f.definition.as_ref()?;
    let calls =
        facts.references.iter().filter(|r| r.inside == Some(at.function) && is_blocking_call(model, at.unit, r));
    let names = calls.filter_map(|r| r.target.function()).map(|called| facts.functions[called].name.clone());
    let quiescent: BTreeSet<String> = names.filter(|name| READINESS.contains(&name.as_str())).collect();
    let looping = &model.units[c.unit].facts.functions[c.of.function];
    let file = looping.definition.as_ref().map_or("", |d| d.file.as_str());
    Some(Suggestion {
        name: f.name.clone(),
        function: f.name.clone(),
        file: (homonyms(model, &f.name) > 1).then(|| model.units[at.unit].name.clone()),
        place: format!("{}:{}", definition.file, definition.line),
        entry: true,
        why: format!("the loop in {} ({file}:{}) waits here, by way of a pointer", looping.name, c.of.line),
        quiescent: quiescent.into_iter().collect(),
        ..Suggestion::default()
    })
}

/// How many functions have a name.
fn homonyms(model: &Model, name: &str) -> usize {
    model.definitions().filter(|at| model.function(*at).name == name).count()
}

fn suggestion(model: &Model, c: &Candidate<'_>, doubtful: bool) -> Suggestion {
    let (unit, l) = (c.unit, c.of);
    let facts = &model.units[unit].facts;
    let function = &facts.functions[l.function];
    let own: Vec<&Loop> = facts.loops.iter().filter(|x| x.function == l.function).collect();
    let ordinal = own.iter().position(|x| x.start == l.start).unwrap_or(0) as u32 + 1;
    let only_endless = l.endless && own.iter().filter(|x| x.endless).count() == 1;
    let file = function.definition.as_ref().map_or_else(String::new, |d| d.file.clone());
    Suggestion {
        name: if ordinal == 1 { function.name.clone() } else { format!("{}-{ordinal}", function.name) },
        function: function.name.clone(),
        file: (homonyms(model, &function.name) > 1).then(|| model.units[unit].name.clone()),
        place: format!("{file}:{}", l.line),
        loop_ordinal: (own.len() > 1 && !only_endless).then_some(ordinal),
        entry: false,
        doubtful,
        why: format!("{} loop that waits in {}", if l.endless { "an endless" } else { "a" }, c.quiescent.join(", ")),
        quiescent: c.quiescent.clone(),
    }
}
