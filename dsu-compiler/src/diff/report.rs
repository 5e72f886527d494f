//! What `dsu-diff` tells: what changed, what takes effect when, what does not, and what a person must know.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use crate::description::Description;
use crate::diff::compare::{Changes, old_function};
use crate::diff::data::{Basis, Data, Fate};
use crate::diff::pairing::Pairing;
use crate::diff::runs::Runs;
use crate::diff::sets::{self, Sets};
use crate::diff::started;
use crate::diff::starts::Beginning;
use crate::diff::transform::{self, Additions};
use crate::diff::types::{self, Planned};
use crate::facts::{Field, same_type};
use crate::layout::place::{Change, own_fields};
use crate::layout::{SLOP, is_beside, side_table};

/// The report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DiffReport {
    /// `patch`, `unchanged` or `refused`.
    pub outcome: String,
    /// Identity of the patch.
    pub patch: String,
    /// State it applies to.
    pub from: String,
    /// State it leads to.
    pub to: String,
    /// Replaced units.
    pub units: Vec<UnitReport>,
    /// Types that changed.
    pub types: Vec<TypeReport>,
    /// Variables the patch adds.
    pub variables_added: Vec<String>,
    /// Constant or never-written variables that get a new value.
    pub variables_overwritten: Vec<String>,
    /// Tables that grew and live in the patch.
    pub tables_grown: Vec<String>,
    /// Variables that moved into the patch, with their running value.
    pub variables_moved: Vec<String>,
    /// Variables whose changed structs get their new fields from the new initialiser.
    pub variables_seeded: Vec<String>,
    /// What a person decided about variables.
    pub variables_decided: Vec<String>,
    /// Variables whose initialiser changed but whose running value is kept.
    pub values_kept: Vec<String>,
    /// Changed code that runs only after an event.
    pub deferred: Vec<String>,
    /// Changed code that will not run in a live process.
    pub not_run: Vec<String>,
    /// What a person should decide or know.
    pub decisions: Vec<String>,
    /// Lines of the file given with `--transform`: blank lines, comments and directives do not count.
    pub hand_written_lines: usize,
    /// Why the patch cannot be undone, if it cannot.
    pub irreversible: Option<String>,
    /// Why there is no patch, if there is none.
    pub refused: Vec<String>,
}

/// A replaced unit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UnitReport {
    /// Its name.
    pub name: String,
    /// The unit is new.
    pub added: bool,
    /// Functions whose text changed.
    pub changed: Vec<String>,
    /// Functions that changed through what they depend on.
    pub affected: Vec<String>,
    /// Functions with another prototype.
    pub prototypes: Vec<String>,
    /// New functions.
    pub added_functions: Vec<String>,
    /// Removed functions.
    pub removed_functions: Vec<String>,
    /// Changed variables.
    pub variables: Vec<String>,
    /// Variables that are gone.
    pub removed_variables: Vec<String>,
}

/// A type that changed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TypeReport {
    /// Its name.
    pub name: String,
    /// Where the new source defines it.
    pub place: String,
    /// What changed, field by field.
    pub fields: Vec<String>,
    /// Who made the transformer: `generated`, `written`, or `none` where no object needs one.
    pub transformer: String,
    /// Bytes of an object, before and after.
    pub size: u64,
    /// Bytes of slop that are left.
    pub room: u64,
    /// Fields that are not in the objects but beside them, in a side table.
    pub beside: Vec<String>,
    /// Bytes of a block of the side table: what each object takes in addition that new code touches.
    pub block: u64,
}

impl TypeReport {
    fn new(planned: &Planned, additions: &Additions) -> Self {
        let field = |c: &Change| match c {
            Change::Added(f) => {
                format!("{} added ({}), line {}{}", f.name, f.ty, f.line, beginning(planned, &f.name, additions))
            }
            Change::Removed(f) => format!("{} removed ({})", f.name, f.ty),
            Change::Retyped(was, now) => {
                format!("{} retyped from {} to {}, line {}", now.name, was.described(), now.described(), now.line)
            }
            Change::Renamed(was, now) => format!("{} renamed to {}", was.name, now.name),
            Change::Widened(_, now) => format!("{} has more members, line {}", display_name(now), now.line),
        };
        let transformer = match additions.transformed.get(&planned.name) {
            Some(true) => "written",
            Some(false) => "generated",
            None => "none",
        };
        Self {
            name: planned.name.clone(),
            place: format!("{}:{}", planned.new.file, planned.new.line),
            fields: planned.changes.iter().map(field).collect(),
            transformer: transformer.to_owned(),
            size: planned.new.size,
            beside: own_fields(&planned.new).filter(|f| is_beside(&planned.new, f)).map(|f| f.name.clone()).collect(),
            block: side_table(&planned.new).map_or(0, |(_, block)| block),
            room: planned.new.fields.iter().filter(|f| f.name == SLOP).map(|f| f.size).sum(),
        }
    }
}

/// What a new field is in objects from before, where one might not expect it.
fn beginning(planned: &Planned, field: &str, additions: &Additions) -> String {
    let generated = additions.transformed.get(&planned.name) == Some(&false);
    match planned.beginnings.get(field).filter(|_| generated) {
        Some(Beginning::Always(value, place)) => format!("; {value} in existing objects, as {place} begins it"),
        Some(Beginning::Varies(place)) => {
            format!("; 0 in existing objects, though {place} begins it with something else")
        }
        None => String::new(),
    }
}

fn display_name(field: &Field) -> &str {
    if field.name.is_empty() { "(union without a name)" } else { &field.name }
}

/// What looks like a renamed field.
fn perhaps_renamed(planned: &Planned) -> Option<String> {
    let gone = planned.changes.iter().filter_map(|c| if let Change::Removed(f) = c { Some(f) } else { None });
    let added = planned.changes.iter().filter_map(|c| if let Change::Added(f) = c { Some(f) } else { None });
    let (gone, added): (Vec<_>, Vec<_>) = (gone.collect(), added.collect());
    let ([was], [now]) = (gone.as_slice(), added.as_slice()) else { return None };
    (same_type(&was.ty, &now.ty) && was.bits == now.bits).then(|| {
        format!(
            "field {0} of {1} is gone and {2} of the same type is new ({3}:{4}): if it is the same field, say `#pragma dsu rename {1} {0} \
             {2}` in a file given with --transform; else its value is lost",
            was.name, planned.name, now.name, planned.new.file, now.line
        )
    })
}

impl DiffReport {
    /// Collects the report.
    pub fn new(basis: &Basis<'_>, changes: &Changes, data: &Data, sets: &Sets, additions: &Additions) -> Self {
        let (old, new, pairing) = (basis.old, basis.new, basis.pairing);
        let mut report = Self {
            outcome: if changes.replaced.is_empty() { "unchanged" } else { "patch" }.to_owned(),
            from: old.state.to_string(),
            to: new.state.to_string(),
            values_kept: data.kept_values.clone(),
            decisions: types::changed_constants(&old.model, &new.model),
            not_run: sets.not_found.clone(),
            types: basis.types.planned.values().map(|p| TypeReport::new(p, additions)).collect(),
            variables_decided: data.decided.clone(),
            hand_written_lines: basis.directives.lines,
            irreversible: transform::irreversible(basis.types, additions),
            ..Self::default()
        };
        report.decisions.extend(basis.types.planned.values().filter_map(perhaps_renamed));
        report.decisions.extend(data.anew.iter().cloned());
        for &unit in &changes.replaced {
            let mut c = changes.units.get(&unit).cloned().unwrap_or_default();
            // What changed of linker sets is told with the sets.
            let was = pairing.old_of[unit].map(|o| &old.model.units[o].facts);
            let entries: BTreeSet<String> =
                was.into_iter().chain([&new.model.units[unit].facts]).flat_map(sets::names_of_entries).collect();
            c.variables.retain(|name| !entries.contains(name));
            c.variables_removed.retain(|name| !entries.contains(name));
            report.units.push(UnitReport {
                name: new.model.units[unit].name.clone(),
                added: pairing.old_of[unit].is_none(),
                changed: c.bodies,
                affected: c.affected,
                prototypes: c.prototypes,
                added_functions: c.added,
                removed_functions: c.removed,
                variables: c.variables,
                removed_variables: c.variables_removed,
            });
        }
        report.flags(old, new, pairing);
        report.variables(new, data, additions);
        let (_, after) = Runs::of_both(old, new, pairing);
        report.effects(old, new, pairing, changes, &after);
        report.decisions.extend(started::variables(&new.model, data, &after));
        report
    }

    /// Replaced units are compiled with the new flags, the others stay as they were compiled.
    fn flags(&mut self, old: &Description, new: &Description, pairing: &Pairing) {
        let differ = |(unit, old_unit): (usize, &Option<usize>)| {
            let before = &old.model.units[(*old_unit)?].image.flags;
            (*before != new.model.units[unit].image.flags).then(|| new.model.units[unit].name.clone())
        };
        let units: Vec<String> = pairing.old_of.iter().enumerate().filter_map(differ).collect();
        if !units.is_empty() {
            self.decisions.push(format!(
                "compiler flags changed for {} units ({}{}): only replaced units are compiled with the new ones",
                units.len(),
                units.iter().take(3).cloned().collect::<Vec<_>>().join(", "),
                if units.len() > 3 { ", ..." } else { "" }
            ));
        }
    }

    fn variables(&mut self, new: &Description, data: &Data, additions: &Additions) {
        let seeded = additions.carries.iter().filter(|c| c.reversible);
        self.variables_seeded = seeded.map(|c| c.name.clone()).collect();
        for (at, fate) in &data.fates {
            let name = new.model.units[at.unit].facts.local_name(new.model.variable(*at));
            match fate {
                Fate::New => self.variables_added.push(name),
                Fate::Overwrite(_) => self.variables_overwritten.push(name),
                Fate::Grown(_) => self.tables_grown.push(name),
                Fate::Moved(_) => self.variables_moved.push(name),
                // Told with the decisions.
                Fate::Bind(_) | Fate::Private | Fate::Afresh(_) => {}
            }
        }
    }

    /// When changed code takes effect. `after`: the new functions that can run.
    fn effects(
        &mut self,
        old: &Description,
        new: &Description,
        pairing: &Pairing,
        changes: &Changes,
        after: &Runs<'_>,
    ) {
        for (&unit, c) in &changes.units {
            let facts = &new.model.units[unit].facts;
            for name in c.bodies.iter().chain(&c.affected).chain(&c.prototypes).chain(&c.added) {
                let Some(function) = facts.functions.iter().position(|f| f.name == *name && f.definition.is_some())
                else {
                    continue;
                };
                let f = &facts.functions[function];
                let place = f.definition.as_ref().map(|d| format!("{}:{}", d.file, d.line)).unwrap_or_default();
                let at = crate::analyse::model::FunctionRef { unit, function };
                let before = old_function(&old.model, &new.model, pairing, at);
                if name == "main" {
                    self.not_run.push(format!(
                        "main ({place}) is on the stack of a running process: its new version runs at the next start"
                    ));
                } else if f.attributes.constructor {
                    self.not_run.push(format!(
                        "{name} ({place}) is a constructor or destructor: it does not run in a live process"
                    ));
                } else if old.points.list.iter().any(|p| Some(p.function) == before) {
                    self.deferred.push(format!(
                        "{name} ({place}) holds an update point: an activation that is running finishes in the old version, the next call runs the new one"
                    ));
                } else if before.is_some_and(|b| old.points.path.contains(&b)) {
                    self.deferred.push(format!(
                        "{name} ({place}) is on an update path: an activation that is on a stack finishes in the old version"
                    ));
                } else if !after.can(at) && before.is_some() && !c.affected.contains(name) {
                    self.not_run.push(format!(
                        "{name} ({place}) is only called while the program starts, if at all: its new version runs at the next start"
                    ));
                }
            }
        }
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        if self.units.is_empty() && self.refused.is_empty() {
            return "no change that the compiler sees: no patch is needed\n".to_owned();
        }
        for unit in &self.units {
            let _ = writeln!(out, "unit {}{}", unit.name, if unit.added { " (new)" } else { "" });
            let mut list = |what: &str, names: &[String]| {
                if !names.is_empty() {
                    let _ = writeln!(out, "  {what}: {}", names.join(", "));
                }
            };
            list("changed", &unit.changed);
            list("changed through what they use", &unit.affected);
            list("new prototype", &unit.prototypes);
            list("added", &unit.added_functions);
            list("removed", &unit.removed_functions);
            list("variables changed", &unit.variables);
            list("variables gone (old code that still runs keeps using them)", &unit.removed_variables);
        }
        for t in &self.types {
            let _ = writeln!(out, "type {} ({}): transformer {}", t.name, t.place, t.transformer);
            t.fields.iter().for_each(|f| {
                let _ = writeln!(out, "  field {f}");
            });
            if t.block > 0 {
                let _ = writeln!(
                    out,
                    "  in a side table, as the objects have no room: {} ({} bytes for each object that is used; an access looks \
                     up one number more)",
                    t.beside.join(", "),
                    t.block
                );
            }
        }
        let mut list = |what: &str, lines: &[String]| {
            if !lines.is_empty() {
                let _ = writeln!(out, "{what}:");
                lines.iter().for_each(|l| {
                    let _ = writeln!(out, "  {l}");
                });
            }
        };
        list("variables added", &self.variables_added);
        list("variables with a new value (nothing writes them)", &self.variables_overwritten);
        list("tables that grew (the patch holds them)", &self.tables_grown);
        list("variables moved into the patch, with their running values", &self.variables_moved);
        list("variables whose new fields start as initialised", &self.variables_seeded);
        list("variables as you decided", &self.variables_decided);
        list("initialisers changed, running values kept", &self.values_kept);
        list("takes effect later", &self.deferred);
        list("does not run in a live process", &self.not_run);
        list("for you to decide", &self.decisions);
        list("refused", &self.refused);
        if let Some(reason) = &self.irreversible {
            let _ = writeln!(out, "cannot be undone: {reason}; the way back is a patch (dsu-diff --pid or --after)");
        }
        if self.hand_written_lines > 0 {
            let _ = writeln!(out, "hand-written lines: {}", self.hand_written_lines);
        }
        out
    }
}
