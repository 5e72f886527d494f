//! Transformers: the code that makes new objects of old ones, as text that is compiled at the end of a unit.
//!
//! For each changed struct there is one function. What is evident is generated: new fields are zero, numbers are
//! converted, arrays keep what fits. The rest is for a person to decide, in the file given with `--transform`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::analyse::model::Model;
use crate::diff::ctypes::{Scope, array, convert};
use crate::diff::directives::{Directives, Section};
use crate::diff::starts::Beginning;
use crate::diff::types::{Planned, Types};
use crate::facts::{Field, TypeDefinition, TypeKind, same_type};
use crate::layout::is_beside;
use crate::layout::place::{Change, own_fields};

/// Code that the patch runs at its commit.
#[derive(Clone, Debug)]
pub struct Carry {
    /// For messages.
    pub name: String,
    /// The function of the patch, `int (*)(void)`.
    pub symbol: String,
    /// It only fills what objects did not have before: after an undo, nobody looks there.
    pub reversible: bool,
    /// It overwrites what the running program has.
    pub resets: bool,
}

/// What is added to the units of a patch.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    /// Text for the end of units, by unit.
    pub texts: BTreeMap<usize, String>,
    /// The types that have a transformer, with whether a person wrote it.
    pub transformed: BTreeMap<String, bool>,
    /// State transformers, in order.
    pub carries: Vec<Carry>,
    /// Sentences about what nobody has decided.
    pub refusals: Vec<String>,
}

/// The symbol of a type's transformer.
pub fn transformer_symbol(label: &str) -> String {
    format!("dsu_transformer_{label}")
}

/// What all generated text may use.
pub const PRELUDE: &str = "extern void dsu_out_of_range(void);";

impl Additions {
    /// Transformers for all changed types. `replaced` are the units of the patch.
    pub fn new<'a>(
        new: &Model,
        types: &Types,
        directives: &Directives,
        replaced: impl Iterator<Item = &'a usize> + Clone,
    ) -> Self {
        let mut additions = Self::default();
        let mut homes: BTreeMap<String, usize> = BTreeMap::new();
        for planned in types.planned.values().filter(|p| p.to_transform().next().is_some()) {
            let function = format!("dsu_transform_{}", planned.label);
            let section = directives.sections.iter().find(|s| s.functions.contains(&function));
            let unit = match section {
                Some(section) => home(new, types, section, replaced.clone()),
                None => replaced.clone().copied().find(|u| defines(new, *u, planned)),
            };
            // Where the section is for no unit of the patch, that is told below.
            let Some(unit) = unit else { continue };
            if !defines(new, unit, planned) {
                additions.refusals.push(format!(
                    "{function} is to be compiled in unit {}, which does not define {}: say in which with #pragma dsu unit \"NAME.c\"",
                    new.units[unit].name, planned.name
                ));
            }
            homes.insert(function.clone(), unit);
            let scope = Scope::new(new, &new.units[unit]);
            let mut text = format!("\n# 1 \"<dsu>\"\n{PRELUDE} {}\n", declarations(planned, &scope));
            if section.is_none() {
                let (body, todo) = body(planned, &scope);
                additions.refusals.extend(todo.iter().map(|t| undecided(planned, t)));
                let _ = writeln!(text, "{} {{ {} }}", signature(planned), body.join(" "));
            }
            let symbol = transformer_symbol(&planned.label);
            let _ = writeln!(
                text,
                "void {symbol}(void *, const void *); extern void dsu_misplaced(void) __attribute__((error(\"fields are not where they \
                 were planned\"))); __attribute__((used)) void {symbol}(void *dsu_new, const void *dsu_old) {{ if ({}) dsu_misplaced(); \
                 {function}(dsu_new, dsu_old); }}",
                misplaced(planned)
            );
            additions.texts.entry(unit).or_default().push_str(&text);
            additions.transformed.insert(planned.name.clone(), section.is_some());
        }
        additions.written(new, types, directives, &homes, replaced);
        additions
    }

    /// What a person wrote sees variables as the update makes them, and has the last word on them; those aside that stay in
    /// place and get their new initial value, which must not be lost to the running program if the transformer says no.
    pub fn order_carries(&mut self) {
        self.carries.sort_by_key(|carry| match carry.resets {
            _ if carry.name == STATE => 1,
            true => 2,
            false => 0,
        });
    }

    /// What a person wrote, behind the declarations that it may use.
    fn written<'a>(
        &mut self,
        new: &Model,
        types: &Types,
        directives: &Directives,
        homes: &BTreeMap<String, usize>,
        replaced: impl Iterator<Item = &'a usize> + Clone,
    ) {
        for section in &directives.sections {
            for function in section.functions.iter().filter(|f| *f != STATE) {
                if !homes.contains_key(function) {
                    let known: Vec<&str> = homes.keys().map(String::as_str).collect();
                    let known = if known.is_empty() { "no type needs one".to_owned() } else { known.join(", ") };
                    self.refusals.push(format!("{function} transforms nothing that changed (there are: {known})"));
                }
            }
            let unit = home(new, types, section, replaced.clone());
            let Some(unit) = unit else {
                self.refusals
                    .push(format!("#pragma dsu unit \"{}\": the patch does not replace such a unit", section.unit));
                continue;
            };
            let text = self.texts.entry(unit).or_default();
            text.push_str(STRICT);
            text.push_str(&section.text);
            text.push_str("\n#pragma GCC diagnostic pop\n");
            if section.functions.iter().any(|f| f == STATE) {
                // Each unit can have one.
                let symbol = format!("dsu_carry_state_{}", self.carries.len());
                let _ = write!(
                    text,
                    "\n# 1 \"<dsu>\"\nint {symbol}(void); __attribute__((used)) int {symbol}(void) {{ return \
                     dsu_transform_state(); }}\n",
                );
                self.carries.push(Carry { name: STATE.to_owned(), symbol, reversible: false, resets: false });
            }
        }
    }
}

/// The unit of the patch that a section is compiled in: the one that it names; else the first that defines the type that
/// it transforms first.
fn home<'a>(
    new: &Model,
    types: &Types,
    section: &Section,
    mut replaced: impl Iterator<Item = &'a usize>,
) -> Option<usize> {
    if !section.unit.is_empty() {
        return replaced.find(|u| std::path::Path::new(&new.units[**u].name).ends_with(&section.unit)).copied();
    }
    let label = |f: &String| f.strip_prefix("dsu_transform_").map(str::to_owned);
    let mut planned = section.functions.iter().filter_map(label);
    let first = planned.find_map(|label| types.planned.values().find(|p| p.label == label));
    replaced.copied().find(|u| first.is_none_or(|p| defines(new, *u, p)))
}

fn defines(new: &Model, unit: usize, planned: &Planned) -> bool {
    new.units[unit].facts.types.iter().any(|t| t.name == planned.name && !t.local)
}

fn undecided(planned: &Planned, (was, now, reason): &(Option<Field>, Field, String)) -> String {
    format!(
        "{}: what becomes of field {} ({}:{}){} must be decided: {reason}; write dsu_transform_{} (dsu-diff --template FILE.c gives \
         the start) and give it with --transform FILE.c",
        planned.name,
        now.name,
        planned.new.file,
        now.line,
        was.as_ref().map_or_else(String::new, |w| format!(", retyped from {} to {},", w.described(), now.described())),
        planned.label
    )
}

/// The name of the old layout.
fn old_name(planned: &Planned) -> String {
    format!("{}_old", planned.name)
}

fn signature(planned: &Planned) -> String {
    format!("static void dsu_transform_{}({} *new, const {} *old)", planned.label, planned.name, old_name(planned))
}

/// The old layout.
fn declarations(planned: &Planned, scope: &Scope<'_>) -> String {
    let old = old_name(planned);
    let layout = scope.old_layout(&planned.old);
    let text = match planned.name.contains(' ') {
        true => format!("{old} {{{layout} }} __attribute__((may_alias));"),
        false => format!("typedef struct {{{layout} }} __attribute__((may_alias)) {old};"),
    };
    format!("{text} {};", signature(planned))
}

/// A condition that holds if the compiler lays out both as planned. It is for the compiler of the patch alone: while the
/// text is read, the types may still be as in the source.
fn misplaced(planned: &Planned) -> String {
    let (old, name) = (old_name(planned), &planned.name);
    let mut text = format!("sizeof({name}) != {} || sizeof({old}) != {}", planned.new.size, planned.old.size);
    for (ty, definition) in [(name, &planned.new), (&old, &planned.old)] {
        let inside = own_fields(definition).filter(|f| !is_beside(definition, f));
        for f in inside.filter(|f| f.bits.is_none() && !f.name.is_empty()) {
            let _ = write!(text, " || __builtin_offsetof({ty}, {}) != {}", f.name, f.offset / 8);
        }
    }
    text
}

type Todo = (Option<Field>, Field, String);

/// The statements of a generated transformer, and what it cannot decide.
fn body(planned: &Planned, scope: &Scope<'_>) -> (Vec<String>, Vec<Todo>) {
    let (mut lines, mut todo) = (Vec::new(), Vec::new());
    for (was, now) in planned.to_transform() {
        match statement(planned, was, now, scope) {
            Ok(line) => lines.push(line),
            Err(reason) => todo.push((was.cloned(), now.clone(), reason)),
        }
    }
    (lines, todo)
}

/// How a field comes by its value.
fn statement(planned: &Planned, was: Option<&Field>, now: &Field, scope: &Scope<'_>) -> Result<String, String> {
    let name = &now.name;
    let number = scope.number(&now.ty).is_some();
    if let (None, true, Some(Beginning::Always(value, _))) = (was, number, planned.beginnings.get(name)) {
        return Ok(format!("new->{name} = {value};"));
    }
    let zero = match now.bits {
        Some(_) => format!("new->{name} = 0;"),
        None => format!("__builtin_memset((void *)&new->{name}, 0, sizeof new->{name});"),
    };
    let Some(was) = was else { return Ok(zero) };
    let old = format!("old->{}", was.name);
    if let (Some(n), Some(o)) = (scope.number(&now.ty), scope.number(&was.ty)) {
        return Ok(convert(&format!("new->{name}"), &old, (n.narrowed(now.bits), o.narrowed(was.bits))));
    }
    copied((&format!("new->{name}"), &now.ty), (&old, &was.ty), scope).map(|copy| format!("{zero} {copy}"))
}

/// A statement that copies what two arrays have in common, or the number that a variable was.
pub fn copied((to, new): (&str, &str), (from, old): (&str, &str), scope: &Scope<'_>) -> Result<String, String> {
    if let (Some(n), Some(o)) = (scope.number(new), scope.number(old)) {
        return Ok(convert(to, from, (n, o)));
    }
    let (Some((length, element)), Some((before, old_element))) = (array(new), array(old)) else {
        return Err("nobody but a person knows how one becomes the other".to_owned());
    };
    let common = length.min(before);
    if same_type(element, old_element) {
        let end = format!(" {to}[{}] = 0;", length.saturating_sub(1));
        let text = crate::facts::unqualified(element) == "char" && length < before && length > 0;
        let end = if text { end } else { String::new() };
        return Ok(format!("__builtin_memcpy((void *){to}, {from}, {common} * sizeof {from}[0]);{end}"));
    }
    let numbers = scope.number(element).zip(scope.number(old_element));
    let numbers = numbers.ok_or_else(|| "the elements of the array have another type".to_owned())?;
    let one = convert(&format!("{to}[dsu_i]"), &format!("{from}[dsu_i]"), numbers);
    Ok(format!("for (unsigned long dsu_i = 0; dsu_i < {common}; dsu_i++) {one}"))
}

/// A file with the signatures of all transformers of a patch, both layouts, and the generated bodies.
pub fn template(new: &Model, types: &Types) -> String {
    let mut text = String::from(
        "/*\n * Transformers, for dsu-diff --transform. Each makes an object of the new layout of one of the old, in place: fields\n \
         * that did not change are there already. The text sees everything that its unit sees.\n */\n",
    );
    let mut any = false;
    for planned in types.planned.values().filter(|p| p.to_transform().next().is_some()) {
        let defines =
            |u: &&crate::analyse::model::Unit| u.facts.types.iter().any(|t| t.name == planned.name && !t.local);
        let Some(unit) = new.units.iter().find(defines) else { continue };
        any = true;
        let _ = write!(
            text,
            "\n/*\n{}{} */\n{}\n{{\n",
            layout("before", &planned.old),
            layout("now", &planned.new),
            signature(planned)
        );
        for (was, now) in planned.to_transform() {
            match statement(planned, was, now, &Scope::new(new, unit)) {
                Ok(line) => {
                    let _ = writeln!(text, "    {line}");
                }
                Err(reason) => {
                    let _ = writeln!(
                        text,
                        "    _Static_assert(0, \"decide what becomes of {}: {reason}\"); /* TODO */",
                        now.name
                    );
                }
            }
        }
        text.push_str("}\n");
    }
    if !any {
        text.push_str("\n/* No type needs a transformer. */\n");
    }
    text.push_str(
        "\n/* Runs once, at the commit, with all threads at rest; anything but 0 refuses the patch, and nothing is changed.\n\
         int dsu_transform_state(void)\n{\n    return 0;\n}\n*/\n",
    );
    text
}

fn layout(when: &str, t: &TypeDefinition) -> String {
    let mut text = format!(" * {} {when}, {} bytes:\n", t.name, t.size);
    for f in own_fields(t) {
        let bits = f.bits.map_or_else(String::new, |b| format!(" : {b}"));
        let name = if f.name.is_empty() { "(unnamed)" } else { &f.name };
        let place = if is_beside(t, f) { "beside".to_owned() } else { format!("+{}", f.offset / 8) };
        let _ = writeln!(text, " *   {place:<6} {name:<24} {}{bits}", f.ty);
    }
    text
}

/// Name of a state transformer.
const STATE: &str = "dsu_transform_state";

/// Text by hand: what a function returns that nobody declared would be cut to an `int`.
const STRICT: &str = "\n#pragma GCC diagnostic push\n#pragma GCC diagnostic error \"-Wimplicit-function-declaration\"\n\
                      #pragma GCC diagnostic error \"-Wint-conversion\"\n";

/// Why the changes of types and variables cannot be taken back, if they cannot.
pub fn irreversible(types: &Types, additions: &Additions) -> Option<String> {
    for planned in types.planned.values() {
        let lost = planned.changes.iter().find_map(|c| match c {
            Change::Retyped(_, now) => Some((now.name.as_str(), "has a new type")),
            Change::Removed(was) => Some((was.name.as_str(), "was removed")),
            Change::Added(_) | Change::Renamed(..) | Change::Widened(..) => None,
        });
        if let Some((field, what)) = lost.filter(|_| planned.new.kind != TypeKind::Enum) {
            return Some(format!(
                "field {field} of {} {what}, and objects made since do not have it as it was",
                planned.name
            ));
        }
    }
    let carry = additions.carries.iter().find(|c| !c.reversible)?;
    if carry.name == STATE {
        return Some("a state transformer changed data as only it knows".to_owned());
    }
    Some(format!("{} was given a value by the patch", carry.name))
}
