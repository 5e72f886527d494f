//! Update points and update paths.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::analyse::callgraph::{CallGraph, is_blocking};
use crate::analyse::model::{FunctionRef, Model};
use crate::analyse::outside::Sites;
use crate::config::{Config, UpdatePoint};
use crate::facts::{Reference, Target, Usage};
use crate::program::ProgramError;
use crate::text::lexer::{Kind, Lexer};

/// Where in its function an update point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// At the head of a loop, by index in the unit's facts.
    Loop(usize),
    /// At the entry of the function.
    Entry,
    /// Where the source says so, by `DSU_UPDATE_POINT`.
    Annotation,
}

/// A quiescent call: a thread asleep in it stands at the update point.
///
/// It may lie in a function further down: `quiescent = ["process > wait"]` means the call of `wait` in
/// `process`, but only in the activation of `process` that the update point's own function called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiescent {
    /// The calls that lead to it, from the point's function on, the quiescent call last.
    pub chain: Vec<CallRef>,
}

/// A call in the program's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallRef {
    /// Index of the unit.
    pub unit: usize,
    /// Index of the reference in the unit's facts.
    pub reference: usize,
}

/// An update point of the program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// Its name.
    pub name: String,
    /// The function it is in.
    pub function: FunctionRef,
    /// Where in it.
    pub place: Place,
    /// Its quiescent calls.
    pub quiescent: Vec<Quiescent>,
    /// The user's file.
    pub file: String,
    /// The user's line.
    pub line: u32,
    /// Functions that can be on a stack while a thread stands here.
    pub path: BTreeSet<FunctionRef>,
}

/// All update points and what follows from them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Points {
    /// The points.
    pub list: Vec<Point>,
    /// Union of their update paths.
    pub path: BTreeSet<FunctionRef>,
    /// Functions below quiescent calls: their blocking calls are wrapped.
    pub below: BTreeSet<FunctionRef>,
    /// For functions of the path: the first offset at which they may stand during an update other than in a call of a function of
    /// the path.
    pub standing: Sites,
}

impl Points {
    /// Resolves the configured points and finds the annotated ones.
    ///
    /// # Errors
    /// When a configured function, loop or call does not exist or is ambiguous.
    pub fn new(model: &Model, graph: &CallGraph, config: &Config) -> Result<Self, ProgramError> {
        let mut points = Self::default();
        for entry in &config.update_points {
            for function in find_functions(model, entry)? {
                let point = configured(model, entry, function)?;
                points.list.push(point);
            }
        }
        annotated(model, &mut points);
        let suspended = graph.suspended();
        for i in 0..points.list.len() {
            let point = &points.list[i];
            let mut path = graph.ancestors(point.function);
            path.extend(&suspended);
            let mut below = BTreeSet::new();
            for quiescent in &point.quiescent {
                let callees: Vec<_> = quiescent.chain.iter().map(|call| callee(model, *call)).collect();
                if let Some((Some(last), between)) = callees.split_last().map(|(l, b)| (*l, b)) {
                    below.extend(graph.ways_to_wait(last));
                    path.extend(between.iter().flatten());
                } else {
                    path.extend(callees.iter().flatten());
                }
            }
            path.extend(&below);
            points.path.extend(&path);
            points.below.extend(&below);
            points.list[i].path = path;
        }
        points.standing = graph.standing(&points.path);
        Ok(points)
    }
}

/// The function of the program that a call calls.
fn callee(model: &Model, CallRef { unit, reference }: CallRef) -> Option<FunctionRef> {
    let Target::Function(function) = model.units[unit].facts.references[reference].target else { return None };
    model.body_of(unit, function)
}

fn find_functions(model: &Model, entry: &UpdatePoint) -> Result<Vec<FunctionRef>, ProgramError> {
    let by_name = |at: &FunctionRef| model.function(*at).name == entry.function;
    let candidates: Vec<FunctionRef> = model.definitions().filter(by_name).collect();
    let fits = |at: &FunctionRef| {
        entry.file.as_ref().is_none_or(|file| {
            let unit = &model.units[at.unit];
            std::path::Path::new(&unit.image.source).ends_with(file) || std::path::Path::new(&unit.name).ends_with(file)
        })
    };
    let found: Vec<FunctionRef> = candidates.iter().copied().filter(fits).collect();
    let files =
        |list: &[FunctionRef]| list.iter().map(|at| model.units[at.unit].name.clone()).collect::<Vec<_>>().join(", ");
    match found.as_slice() {
        [] if candidates.is_empty() => {
            let kept = model.units.iter().filter_map(|u| u.kept.as_ref().map(|k| format!("{} ({k})", u.name)));
            let kept: Vec<String> = kept.collect();
            let hint =
                if kept.is_empty() { String::new() } else { format!("; units kept as they are: {}", kept.join("; ")) };
            Err(ProgramError::Point(entry.function.clone(), format!("the program defines no such function{hint}")))
        }
        [] => Err(ProgramError::Point(
            entry.function.clone(),
            format!("it is not defined in {}, but in {}", entry.file.as_deref().unwrap_or("?"), files(&candidates)),
        )),
        [_] => Ok(found),
        several if several.iter().all(|at| model.function(*at).internal) && entry.file.is_none() => {
            Err(ProgramError::Point(
                entry.function.clone(),
                format!("several units define it ({}): add file = \"...\"", files(several)),
            ))
        }
        several => Ok(several.iter().copied().take(1).collect()),
    }
}

fn configured(model: &Model, entry: &UpdatePoint, function: FunctionRef) -> Result<Point, ProgramError> {
    let problem = |text: String| ProgramError::Point(entry.function.clone(), text);
    let facts = &model.units[function.unit].facts;
    let definition = facts.functions[function.function].definition.as_ref();
    let definition = definition.ok_or_else(|| problem("it has no definition".into()))?;
    let loops: Vec<usize> = (0..facts.loops.len()).filter(|i| facts.loops[*i].function == function.function).collect();
    let place = if entry.entry {
        Place::Entry
    } else {
        let endless: Vec<usize> = loops.iter().copied().filter(|i| facts.loops[*i].endless).collect();
        let index = match (entry.loop_ordinal, loops.as_slice(), endless.as_slice()) {
            (Some(n), ..) => (n as usize).checked_sub(1).and_then(|n| loops.get(n)).copied(),
            (None, [only], _) | (None, _, [only]) => Some(*only),
            _ => None,
        };
        let lines: Vec<String> = loops.iter().map(|i| facts.loops[*i].line.to_string()).collect();
        Place::Loop(index.ok_or_else(|| {
            let lines = lines.join(", ");
            problem(match (loops.len(), entry.loop_ordinal) {
                (0, _) => "it has no loop: name the function that has it, or say entry = true".to_owned(),
                (1, Some(n)) => format!("it has one loop (line {lines}), and no loop = {n}"),
                (n, Some(ordinal)) => format!("it has {n} loops (lines {lines}), and no loop = {ordinal}"),
                (n, None) => format!("it has {n} loops (lines {lines}): say which one with loop = N, or entry = true"),
            })
        })?)
    };
    let (range, line, default_name) = match place {
        Place::Loop(i) => {
            let l = &facts.loops[i];
            let ordinal = loops.iter().position(|x| *x == i).unwrap_or(0) + 1;
            ((l.start, l.end), l.line, format!("{}#{ordinal}", entry.function))
        }
        _ => ((definition.body, definition.end), definition.line, entry.function.clone()),
    };
    let mut quiescent = Vec::new();
    if entry.quiescent.is_empty() {
        quiescent.extend(waiting_calls(model, function, range));
    }
    for names in &entry.quiescent {
        let found = chains(model, function, range, names).map_err(problem)?;
        quiescent.extend(found);
    }
    Ok(Point {
        name: entry.name.clone().unwrap_or(default_name),
        function,
        place,
        quiescent,
        file: definition.file.clone(),
        line,
        path: BTreeSet::new(),
    })
}

/// Calls in a range of a function for which `wanted` holds.
fn calls_in(
    model: &Model,
    function: FunctionRef,
    range: (usize, usize),
    wanted: impl Fn(&Reference, &str) -> bool,
) -> Vec<CallRef> {
    let unit = function.unit;
    let fits = |(index, r): &(usize, &Reference)| {
        r.inside == Some(function.function)
            && (range.0..range.1).contains(&r.at)
            && matches!(r.usage, Usage::Call(..))
            && wanted(r, model.reference_name(unit, *index))
    };
    let references = model.units[unit].facts.references.iter().enumerate();
    references.filter(fits).map(|(reference, _)| CallRef { unit, reference }).collect()
}

/// The library calls in a range that wait: quiescent if the configuration names no others.
fn waiting_calls(model: &Model, function: FunctionRef, range: (usize, usize)) -> Vec<Quiescent> {
    let waits = |r: &Reference, name: &str| {
        let library = matches!(r.target, Target::Function(f) if model.definition_of(function.unit, f).is_none());
        library && dsu_abi::calls::WAITING.contains(&name)
    };
    calls_in(model, function, range, waits).into_iter().map(|call| Quiescent { chain: vec![call] }).collect()
}

/// The calls that `NAME > NAME > NAME` stands for.
fn chains(model: &Model, function: FunctionRef, range: (usize, usize), names: &str) -> Result<Vec<Quiescent>, String> {
    let (first, rest) = names.split_once('>').map_or((names, None), |(a, b)| (a, Some(b)));
    let first = first.trim();
    let calls = calls_in(model, function, range, |_, name| name == first);
    if calls.is_empty() {
        let place = &model.function(function).name;
        return Err(format!("the quiescent call {first} is not called by name in {place} there"));
    }
    let Some(rest) = rest else {
        return Ok(calls.into_iter().map(|call| Quiescent { chain: vec![call] }).collect());
    };
    let mut found = Vec::new();
    for call in calls {
        let inner = callee(model, call).ok_or_else(|| format!("{first} is not a function of the program"))?;
        let definition = model.function(inner).definition.as_ref();
        let body = definition.map(|d| (d.body, d.end)).ok_or_else(|| format!("{first} has no definition"))?;
        for mut quiescent in chains(model, inner, body, rest)? {
            quiescent.chain.insert(0, call);
            found.push(quiescent);
        }
    }
    Ok(found)
}

/// What to say of quiescent calls that can never count: those of libraries, where no sleeping thread can be told.
pub fn strangers(model: &Model, points: &Points) -> Vec<String> {
    let mut notes = Vec::new();
    for point in &points.list {
        for call in point.quiescent.iter().filter_map(|q| q.chain.last()) {
            let name = model.reference_name(call.unit, call.reference);
            if callee(model, *call).is_none() && !is_blocking(name) {
                let note = format!(
                    "update point {}: a thread that sleeps in {name} is not at rest, as {name} is no function of the program, nor \
                     one of those of the C library that dsu-cc knows to wait; if it calls functions of the program back, \
                     name one of these in dsu.toml, with entry = true",
                    point.name
                );
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
    }
    notes
}

/// What to say of threads that have no update point: no patch can be applied while one of them runs.
pub fn pointless_threads(model: &Model, points: &Points) -> Vec<String> {
    let note = |at: FunctionRef| {
        let f = model.function(at);
        let place = f.definition.as_ref().map_or_else(String::new, |d| format!(" ({}:{})", d.file, d.line));
        format!(
            "a thread that runs {}{place} has no update point: while there is one, no patch can be applied; see \
             dsu-cc --suggest-update-points",
            f.name
        )
    };
    let mut notes: Vec<String> = model.thread_functions().difference(&points.path).map(|at| note(*at)).collect();
    let main = model.definitions().find(|at| model.function(*at).name == "main");
    if !points.list.is_empty() && main.is_some_and(|at| !points.path.contains(&at)) {
        notes.push(
            "the thread that runs main has no update point: while it runs, no patch can be applied; if it waits in a library that \
             calls functions of the program back, name one of these in dsu.toml, with entry = true"
                .to_owned(),
        );
    }
    notes
}

/// Points that the source itself declares.
fn annotated(model: &Model, points: &mut Points) {
    for (unit, u) in model.units.iter().enumerate().filter(|(_, u)| u.kept.is_none()) {
        for reference in &u.facts.references {
            let (Target::Function(callee), Usage::Call(start, end), Some(inside)) =
                (reference.target, reference.usage, reference.inside)
            else {
                continue;
            };
            if u.facts.functions[callee].name != "dsu_update_point" {
                continue;
            }
            let text = &u.image.text;
            let mut tokens = Lexer::new(text, start).take_while(|t| t.end <= end);
            let literal = tokens.find(|t| t.kind == Kind::Literal).and_then(|t| text.get(t.start + 1..t.end - 1));
            let name = literal.unwrap_or("annotation").to_owned();
            let function = FunctionRef { unit, function: inside };
            // The innermost loop around the annotation is the loop that waits; without one, the function.
            let around = u.facts.loops.iter().filter(|l| l.function == inside && (l.start..l.end).contains(&start));
            // The macro's own do-while is not the user's loop.
            let innermost = around.filter(|l| l.end - l.start > 2 * (end - start) + 200 || l.endless);
            let innermost = innermost.min_by_key(|l| l.end - l.start);
            let definition = u.facts.functions[inside].definition.as_ref();
            let range = innermost.map(|l| (l.start, l.end)).or(definition.map(|d| (d.body, d.end))).unwrap_or((0, 0));
            points.list.push(Point {
                name,
                function,
                place: Place::Annotation,
                quiescent: waiting_calls(model, function, range),
                file: definition.map(|d| d.file.clone()).unwrap_or_default(),
                line: innermost.map(|l| l.line).or(definition.map(|d| d.line)).unwrap_or(0),
                path: BTreeSet::new(),
            });
        }
    }
}

/// Whether a reference is a call of a blocking library function.
pub fn is_blocking_call(model: &Model, unit: usize, reference: &Reference) -> bool {
    let (Target::Function(function), Usage::Call(..)) = (reference.target, reference.usage) else { return false };
    let f = &model.units[unit].facts.functions[function];
    is_blocking(&f.name) && f.symbol == f.name && model.definition_of(unit, function).is_none() && !f.internal
}
