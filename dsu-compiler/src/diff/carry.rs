//! Code that carries the values of variables over the commit, as text for the end of their units.

use std::fmt::Write as _;

use crate::analyse::model::{Model, VariableRef};
use crate::description::Description;
use crate::diff::ctypes::{Scope, array};
use crate::diff::data::{Data, Fate};
use crate::diff::rows::{Rows, rows};
use crate::diff::transform::{Additions, Carry, PRELUDE, copied};
use crate::diff::types::Types;
use crate::facts::{Field, TypeDefinition, TypeKind, Variable, same_type};
use crate::layout::place::Change;
use crate::layout::{is_beside, is_ours};

/// Adds the carries of all variables that need one. `additions` knows which types a person transforms.
pub fn add(old: &Description, new: &Description, types: &Types, data: &Data, additions: &mut Additions) {
    for (at, fate) in &data.fates {
        let writer = Writer { old: &old.model, new: &new.model, types, additions, at: *at };
        let body = match fate {
            Fate::Moved(before) => writer.moved(*before, data.rows.get(at)),
            Fate::Bind(_) if data.reset.contains(at) => Ok(writer.reset()),
            Fate::Bind(before) if data.seeded.contains(at) => writer.seeded(*before),
            _ => continue,
        };
        let name = new.model.units[at.unit].facts.local_name(new.model.variable(*at));
        match body {
            Ok(Some(body)) => {
                let symbol = format!("dsu_carry_{}", new.model.variable_label(*at));
                let resets = data.reset.contains(at);
                let reversible = matches!(fate, Fate::Bind(_)) && !resets;
                let text = additions.texts.entry(at.unit).or_default();
                let _ = write!(
                    text,
                    "\n# 1 \"<dsu>\"\n{PRELUDE} {} int {symbol}(void); __attribute__((used)) int {symbol}(void) {{ {} return 0; }}\n",
                    body.before, body.statements
                );
                additions.carries.push(Carry { name, symbol, reversible, resets });
            }
            Ok(None) => {}
            Err(reason) => additions.refusals.push(format!("variable {name}: {reason}")),
        }
    }
}

struct Body {
    /// Declarations in front of the function.
    before: String,
    statements: String,
}

struct Writer<'a> {
    old: &'a Model,
    new: &'a Model,
    types: &'a Types,
    additions: &'a Additions,
    at: VariableRef,
}

impl Writer<'_> {
    fn variable(&self) -> &Variable {
        self.new.variable(self.at)
    }

    fn scope(&self) -> Scope<'_> {
        Scope::new(self.new, &self.new.units[self.at.unit])
    }

    /// How the end of the unit names the variable: those of functions only by the symbol they get. `new`: it is the patch's.
    fn name(&self, new: bool) -> Option<(String, String)> {
        let v = self.variable();
        if v.function.is_none() {
            return Some((String::new(), v.name.clone()));
        }
        let label = self.new.variable_label(self.at);
        let symbol = if new { format!("dsu_l_{label}") } else { format!("dsu_g_{label}") };
        let declared = self.scope().declare(&v.ty, &format!("dsu_x_{label}"))?;
        Some((format!("extern {declared} __asm__(\"{symbol}\");"), format!("dsu_x_{label}")))
    }

    /// From the old storage to the new one: row by row, where `rows` says which becomes which.
    fn moved(&self, before: VariableRef, rows: Option<&Vec<(usize, usize)>>) -> Result<Option<Body>, String> {
        let (o, v) = (self.old.variable(before), self.variable());
        let unknown = || "its type has no name outside of its function".to_owned();
        let (declaration, name) = self.name(true).ok_or_else(unknown)?;
        let old = format!("dsu_old_{}", self.new.variable_label(self.at));
        let scope = self.scope();
        // Elements without a name are declared like those of the new variable.
        let like_new = || match (array(&o.ty), array(&v.ty)) {
            (Some((length, was)), Some((_, is))) if same_type(was, is) => {
                Some(format!("__typeof__({name}[0]) {old}[{length}]"))
            }
            _ => None,
        };
        let declared = scope.declare(&o.ty, &old).or_else(like_new).ok_or_else(unknown)?;
        let statements = match rows {
            None => copied((&name, &v.ty), (&old, &o.ty), &scope)?,
            Some(rows) => {
                // Rows that stay side by side go together: from which old one on, to where, and how many.
                let mut runs: Vec<(usize, usize, usize)> = Vec::new();
                for (was, is) in rows {
                    match runs.last_mut() {
                        Some((from, to, count)) if *from + *count == *was && *to + *count == *is => *count += 1,
                        _ => runs.push((*was, *is, 1)),
                    }
                }
                let copy = |(was, is, count): &(usize, usize, usize)| {
                    format!("__builtin_memcpy((void *)&{name}[{is}], &{old}[{was}], {count} * sizeof {old}[0]);")
                };
                runs.iter().map(copy).collect()
            }
        };
        // Where a row is, the new initialiser says what its new fields start with.
        let seeds = self.seeds(&name).map_or_else(String::new, |seeds| format!(" {{ {seeds} }}"));
        Ok(Some(Body { before: format!("{declaration} extern {declared};"), statements: statements + &seeds }))
    }

    /// The text of the new initial value, as a variable of the carry's own.
    fn initial(&self, name: &str) -> Option<String> {
        let text = self.new.initializer(self.at)?;
        // Not constant: objects inside may have to be brought to their newest version.
        Some(format!("static __typeof__({name}) dsu_initial = {text}\n;"))
    }

    /// Everything as initialised.
    fn reset(&self) -> Option<Body> {
        let (before, name) = self.name(false)?;
        let statements = match self.initial(&name) {
            Some(initial) => format!("{initial} __builtin_memcpy((void *)&{name}, &dsu_initial, sizeof {name});"),
            None => format!("__builtin_memset((void *)&{name}, 0, sizeof {name});"),
        };
        Some(Body { before, statements })
    }

    /// New fields as initialised.
    fn seeded(&self, before: VariableRef) -> Result<Option<Body>, String> {
        if let Rows::Mapped(_) = rows((self.old, before), (self.new, self.at)) {
            return Err(format!(
                "its rows have another order in the new initialiser, which says what their new fields start with, and those of the \
                 running program stay where they are: keep the order, or say `#pragma dsu new {}` in a file given with --transform (it \
                 starts with its new initial value)",
                self.variable().name
            ));
        }
        let body = |(before, name): (String, String)| Some(Body { before, statements: self.seeds(&name)? });
        Ok(self.name(false).and_then(body))
    }

    /// Statements that give new fields their new initial values, if there are any.
    fn seeds(&self, name: &str) -> Option<String> {
        let statements = self.fields(&self.variable().ty, name, "dsu_initial", 0)?;
        Some(format!("{} {statements}", self.initial(name)?))
    }

    /// Assignments to the new fields of all objects of changed types inside; `None` if there are none.
    fn fields(&self, ty: &str, to: &str, from: &str, depth: u32) -> Option<String> {
        if !self.types.holds_changed(ty) || depth > 16 {
            return None;
        }
        if let Some((length, element)) = array(ty) {
            let i = format!("dsu_i{depth}");
            let inner = self.fields(element, &format!("{to}[{i}]"), &format!("{from}[{i}]"), depth + 1)?;
            return Some(format!("for (unsigned long {i} = 0; {i} < {length}; {i}++) {{ {inner} }}"));
        }
        let name = crate::layout::place::innermost(ty).0;
        let t = self.definition(name).filter(|t| t.kind == TypeKind::Struct)?;
        let mut text = String::new();
        let by_hand = self.additions.transformed.get(name).copied().unwrap_or(false);
        if let Some(planned) = self.types.planned.get(name).filter(|_| !by_hand) {
            for change in &planned.changes {
                let Change::Added(field) = change else { continue };
                let f = &field.name;
                // No initialiser has a value for it: it is what the transformer makes it.
                if planned.new.fields.iter().any(|p| p.name == *f && is_beside(&planned.new, p)) {
                    continue;
                }
                let _ = match field.bits {
                    Some(_) => write!(text, " {to}.{f} = {from}.{f};"),
                    None => write!(text, " __builtin_memcpy((void *)&{to}.{f}, &{from}.{f}, sizeof {to}.{f});"),
                };
            }
        }
        let added = |name: &str| {
            let planned = self.types.planned.get(&t.name);
            planned.is_some_and(|p| p.to_transform().any(|(_, now)| now.name == name))
        };
        let kept = |f: &&Field| !f.name.is_empty() && !is_ours(&f.name) && !added(&f.name) && !is_beside(t, f);
        for f in t.fields.iter().filter(kept) {
            let inner = self.fields(&f.ty, &format!("{to}.{}", f.name), &format!("{from}.{}", f.name), depth + 1);
            text.push_str(&inner.unwrap_or_default());
        }
        (!text.is_empty()).then_some(text)
    }

    fn definition(&self, name: &str) -> Option<&TypeDefinition> {
        self.new.units[self.at.unit].facts.types.iter().find(|t| t.name == name)
    }
}
