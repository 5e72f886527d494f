//! Types that changed shape.

use std::collections::{BTreeMap, HashMap};

use crate::analyse::model::Model;
use crate::diff::pairing::Pairing;
use crate::facts::{Field, TypeDefinition, TypeKind};
use crate::program::types_of;

/// A sentence for each type that both programs have and that is laid out differently.
///
/// Types are compared unit by unit, as units need not agree on what a tag means; a type that is new in its
/// unit must be one that the old program knows, if it knows that name at all.
pub fn changed_shapes(old: &Model, new: &Model, pairing: &Pairing) -> Vec<String> {
    let mut anywhere: HashMap<&str, Vec<&TypeDefinition>> = HashMap::new();
    for t in old.units.iter().flat_map(|u| &u.facts.types) {
        anywhere.entry(&t.name).or_default().push(t);
    }
    let mut found = BTreeMap::new();
    for (unit, u) in new.units.iter().enumerate() {
        for after in &u.facts.types {
            let here: Vec<&TypeDefinition> = pairing.old_of[unit]
                .map(|o| old.units[o].facts.types.iter().filter(|t| t.name == after.name).collect())
                .unwrap_or_default();
            let known =
                if here.is_empty() { anywhere.get(after.name.as_str()).cloned().unwrap_or_default() } else { here };
            if let Some(before) = known.first().filter(|_| known.iter().all(|t| t.layout() != after.layout())) {
                found
                    .entry((after.name.clone(), after.layout()))
                    .or_insert_with(|| describe(&after.name, before, after, old, new));
            }
        }
    }
    found.into_values().collect()
}

fn describe(name: &str, before: &TypeDefinition, after: &TypeDefinition, old: &Model, new: &Model) -> String {
    let mut parts = Vec::new();
    for field in &after.fields {
        match before.fields.iter().find(|f| f.name == field.name) {
            None => parts.push(format!("field {} added ({}:{})", label(field), after.file, field.line)),
            Some(f) if f.ty != field.ty || f.bits != field.bits || f.size != field.size => parts.push(format!(
                "field {} retyped from {} to {} ({}:{})",
                label(field),
                f.ty,
                field.ty,
                after.file,
                field.line
            )),
            Some(f) if f.offset != field.offset => parts.push(format!("field {} moved", label(field))),
            Some(_) => {}
        }
    }
    for field in &before.fields {
        if !after.fields.iter().any(|f| f.name == field.name) {
            parts.push(format!("field {} removed ({}:{})", label(field), before.file, field.line));
        }
    }
    if parts.is_empty() {
        parts.push(format!(
            "size {} became {}, alignment {} became {}",
            before.size, after.size, before.align, after.align
        ));
    }
    let users = users(new, after).or_else(|| users(old, before)).unwrap_or_default();
    format!(
        "{name} changed shape: {}{users}; live objects have the old layout, and this version of dsu-diff cannot convert them: \
         keep the layout, or restart the program for this change",
        parts.join(", ")
    )
}

/// Who uses a type's fields: the first three places.
fn users(model: &Model, ty: &TypeDefinition) -> Option<String> {
    let mut places = Vec::new();
    for unit in &model.units {
        for field_use in unit.facts.field_uses.iter().filter(|u| u.ty == ty.name) {
            let function = &unit.facts.functions[field_use.inside];
            let file = function.definition.as_ref().map_or("", |d| d.file.as_str());
            if !places.iter().any(|p: &String| p.starts_with(&format!("{} ", function.name))) {
                places.push(format!("{} (field {}, {file}:{})", function.name, field_use.field, field_use.line));
            }
        }
    }
    let more = places.len().saturating_sub(3);
    places.truncate(3);
    let rest = if more > 0 { format!(" and {more} more functions") } else { String::new() };
    (!places.is_empty()).then(|| format!("; used by {}{rest}", places.join(", ")))
}

fn label(field: &Field) -> &str {
    if field.name.is_empty() { "(unnamed)" } else { &field.name }
}

/// A sentence for each enumeration constant whose value changed: stored values keep their old meaning.
pub fn changed_constants(old: &Model, new: &Model) -> Vec<String> {
    let old_types: HashMap<String, &TypeDefinition> = types_of(old).into_iter().collect();
    let mut found = Vec::new();
    for (name, after) in types_of(new).into_iter().filter(|(_, t)| t.kind == TypeKind::Enum) {
        let Some(before) = old_types.get(&name) else { continue };
        for constant in &after.fields {
            if let Some(was) = before.fields.iter().find(|f| f.name == constant.name && f.offset != constant.offset) {
                found.push(format!(
                    "{} of {name} was {} and is {} ({}:{}): values stored before the update keep the old meaning",
                    constant.name, was.offset, constant.offset, after.file, constant.line
                ));
            }
        }
    }
    found
}
