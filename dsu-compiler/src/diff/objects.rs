//! Objects of changed types in variables of the process: those whose transformers a rehearsal can run.

use std::collections::BTreeMap;

use crate::diff::types::Types;
use crate::emit::patch::ObjectsEntry;
use crate::facts::{Field, TypeDefinition, TypeKind, Variable};
use crate::layout::is_beside;
use crate::layout::room::elements;

/// How deep structs are looked into.
const DEPTH: u32 = 8;

/// No more groups of objects are listed for one variable.
const MOST: usize = 64;

/// The objects of types with a transformer in a variable of the running program.
///
/// `layouts` are the types as they are there. What cannot be described (arrays in arrays of structs beyond some number) is
/// left out: it is not rehearsed, which is no error.
pub fn of_variable(
    name: &str,
    (variable, fingerprint): (&Variable, u64),
    layouts: &BTreeMap<String, &TypeDefinition>,
    (types, is_transformed): (&Types, &dyn Fn(&str) -> bool),
) -> Vec<ObjectsEntry> {
    let mut found = Vec::new();
    let look = Look { layouts, types, is_transformed };
    look.groups(&variable.ty, 0, DEPTH, &mut found);
    let entry = |g: Group| ObjectsEntry {
        name: name.to_owned(),
        fingerprint,
        changed: g.ty,
        offset: g.offset,
        stride: g.stride,
        count: g.count,
    };
    found.into_iter().map(entry).collect()
}

struct Look<'a> {
    layouts: &'a BTreeMap<String, &'a TypeDefinition>,
    types: &'a Types,
    is_transformed: &'a dyn Fn(&str) -> bool,
}

/// Objects at equal distances.
struct Group {
    ty: String,
    offset: u64,
    stride: u64,
    count: u64,
}

impl Look<'_> {
    /// Adds the groups of objects in one of a canonical type that begins at `offset`.
    fn groups(&self, ty: &str, offset: u64, depth: u32, found: &mut Vec<Group>) {
        let (count, element) = elements(ty);
        let Some(definition) = self.layouts.get(element).filter(|_| depth > 0 && count > 0) else { return };
        let size = definition.size;
        let stamped = self.types.planned.get(element).is_some_and(|p| p.stamp_offset().is_some());
        if stamped && (self.is_transformed)(element) && found.len() < MOST {
            let stride = if count > 1 { size } else { 0 };
            found.push(Group { ty: element.to_owned(), offset, stride, count });
        }
        let mut inside = Vec::new();
        let inside_it = |f: &&Field| f.bits.is_none() && !is_beside(definition, f);
        let fields = definition.fields.iter().filter(|f| inside_it(f) && definition.kind == TypeKind::Struct);
        for field in fields {
            let Ok(bits) = u64::try_from(field.offset) else { continue };
            self.groups(&field.ty, bits / 8, depth - 1, &mut inside);
        }
        for group in inside {
            // Each element of an array has one such group: they can be told as one if they have one object each.
            let apart = if group.count == 1 { 1 } else { count };
            for index in 0..apart.min((MOST - found.len().min(MOST)) as u64) {
                let one = group.count == 1 && count > 1;
                found.push(Group {
                    ty: group.ty.clone(),
                    offset: offset + group.offset + index * size,
                    stride: if one { size } else { group.stride },
                    count: if one { count } else { group.count },
                });
            }
        }
    }
}
