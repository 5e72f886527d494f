//! Where a unit's text depends on how structs are laid out: definitions, accesses, initialiser lists.

use std::collections::{HashMap, HashSet};

use crate::clang::{Bodies, ClangError};
use crate::facts::{
    Field, Function, Item, TypeDefinition, TypeKind, TypeText, UnitFacts, Variable, extract, same_type,
};
use crate::layout::{self, Shape, Shapes};
use crate::rewrite::{RewriteError, access, initializer, shape};
use crate::text::edits::{Edits, Overlap};
use crate::text::lexer::{Kind, Lexer, after_semicolon};
use crate::unit::UnitImage;

/// Attributes that decide on layouts.
const LAYOUT: &[&str] = &["packed", "aligned", "ms_struct", "gcc_struct", "transparent_union"];

/// Fills in where the definitions of structs and unions stand, and whether attributes decide on their layout. `members`
/// are the ranges of the declarations of members.
pub(super) fn place(facts: &mut UnitFacts, text: &str, flags: &[String], members: &[(usize, usize)]) {
    let mut seen = HashSet::new();
    // A struct that is defined in the declaration of a variable is part of that, too.
    facts.types.retain(|t| seen.insert((t.text.keyword, t.kind)));
    let all = |flag: &String| flag.starts_with("-fpack-struct") || flag == "-mms-bitfields";
    let (packed, all_packed) = (pragma_pack(text), flags.iter().any(all));
    let mut records = Vec::new();
    for t in facts.types.iter_mut().filter(|t| t.kind != TypeKind::Enum) {
        let (start, end) = (t.text.keyword, t.text.after);
        let open = opening_brace(text, start, end);
        if let Some(open) = open.filter(|_| text.as_bytes().get(end.wrapping_sub(1)) == Some(&b'}')) {
            t.text = TypeText { keyword: start, open, close: end - 1, start, after: end };
            records.push((open, end));
        } else {
            t.text = TypeText::default();
        }
    }
    let bodies: HashSet<(usize, usize)> = facts.functions.iter().filter_map(body).collect();
    for t in facts.types.iter_mut().filter(|t| t.kind != TypeKind::Enum) {
        let own = after_semicolon(text, t.text.close + 1).unwrap_or(t.text.close + 1);
        t.attributed |= all_packed
            || packed.iter().any(|(from, to)| (*from..*to).contains(&t.text.keyword))
            || has_layout_attribute(text.get(..own).unwrap_or(""), t.text.keyword)
            || t.fields.iter().any(misplaced);
        if !t.local && t.text.open > 0 {
            surround(&mut t.text, &facts.items, &bodies, text, &records, members);
        }
    }
}

/// Whether a field stands where its type alone would not be.
fn misplaced(field: &Field) -> bool {
    field.bits.is_none() && field.align > 0 && field.offset % (field.align as i64 * 8) != 0
}

/// Whether attributes behind `from` decide on layouts.
fn has_layout_attribute(text: &str, from: usize) -> bool {
    // Inside an attribute, one more than the brackets that are open.
    let (mut depth, mut previous) = (0, "");
    for token in Lexer::new(text, from) {
        let word = &text[token.start..token.end];
        match word {
            "_Alignas" | "alignas" => return true,
            "__attribute__" | "__attribute" => depth = 1,
            "[" if previous == "[" => depth = 2,
            "(" | "[" if depth > 0 => depth += 1,
            ")" | "]" if depth > 0 => depth = if depth == 2 { 0 } else { depth - 1 },
            _ if depth > 1 && LAYOUT.contains(&word.trim_matches('_')) => return true,
            _ => {}
        }
        previous = word;
    }
    false
}

fn body(function: &Function) -> Option<(usize, usize)> {
    function.definition.as_ref().map(|d| (d.start, d.end))
}

/// The `{` of a definition that starts with its keyword.
fn opening_brace(text: &str, start: usize, end: usize) -> Option<usize> {
    let mut depth = 0;
    for token in Lexer::new(text.get(..end)?, start) {
        match text.as_bytes()[token.start] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'{' if depth == 0 && token.kind == Kind::Punctuation => return Some(token.end),
            _ => {}
        }
    }
    None
}

/// Ranges for which a `#pragma pack` is in force.
fn pragma_pack(text: &str) -> Vec<(usize, usize)> {
    let (mut ranges, mut stack, mut since) = (Vec::new(), Vec::new(), None);
    if !text.contains("pack") {
        return ranges;
    }
    for token in Lexer::new(text, 0).filter(|t| t.kind == Kind::Directive) {
        let words: String = text[token.start..token.end].split_whitespace().collect();
        let Some(arguments) = words.strip_prefix("#pragmapack(").and_then(|w| w.strip_suffix(')')) else { continue };
        let before = since;
        if arguments.starts_with("push") {
            stack.push(since);
        }
        if arguments.starts_with("pop") {
            since = stack.pop().flatten();
        } else if arguments.is_empty() {
            since = None;
        } else if arguments.contains(|c: char| c.is_ascii_digit()) {
            since = Some(token.start);
        }
        if let Some(from) = before.filter(|_| before != since) {
            ranges.push((from, token.start));
        }
    }
    ranges.extend(since.map(|from| (from, text.len())));
    ranges
}

/// Fills in the declarations that a definition is part of: its own, and the outermost one.
fn surround(
    place: &mut TypeText,
    items: &[Item],
    bodies: &HashSet<(usize, usize)>,
    text: &str,
    records: &[(usize, usize)],
    members: &[(usize, usize)],
) {
    let (keyword, close) = (place.keyword, place.close);
    let around = |(start, end): (usize, usize)| start <= keyword && close < end;
    // Behind the brace of the struct it stands in, if it does.
    let inside = records.iter().filter(|(open, end)| *open <= keyword && close + 1 < *end).map(|r| r.0).max();
    let first_behind = items.partition_point(|i| i.start <= keyword);
    let here = || items[..first_behind].iter().rev().take_while(|i| i.end > keyword);
    let declarations = here().map(|i| (i.start, i.end)).chain(members.iter().copied());
    let own = declarations.filter(|d| around(*d) && inside.is_none_or(|open| open <= d.0));
    place.start = own.map(|d| d.0).min().unwrap_or(keyword);
    let outermost = here().min_by_key(|i| (i.start, std::cmp::Reverse(i.end)));
    place.after = match outermost {
        Some(i) if bodies.contains(&(i.start, i.end)) => i.end,
        Some(i) => after_semicolon(text, i.end).unwrap_or(i.end),
        None => after_semicolon(text, close + 1).unwrap_or(close + 1),
    };
}

/// Why the facts of a unit could not be had with other layouts.
#[derive(Debug, thiserror::Error)]
pub enum ReshapeError {
    /// libclang.
    #[error(transparent)]
    Clang(#[from] ClangError),
    /// A definition cannot be rewritten.
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    /// The parser does not accept the definitions as rewritten.
    #[error("with the layouts of {types}, the parser says: {message}")]
    Parser {
        /// The types concerned.
        types: String,
        /// What it says.
        message: String,
    },
    /// A type or variable is not there any more.
    #[error("{0} is not found again once {1} is laid out anew")]
    Missing(String, String),
    /// The layout is not the one wanted.
    #[error("{file}:{line}: {ty} cannot be laid out as planned: {what}")]
    Mismatch {
        /// The type.
        ty: String,
        /// The user's file.
        file: String,
        /// The user's line.
        line: u32,
        /// What differs.
        what: String,
    },
}

impl From<Overlap> for ReshapeError {
    fn from(overlap: Overlap) -> Self {
        Self::Rewrite(overlap.into())
    }
}

/// The facts of a unit whose types have the given shapes: offsets of text are those of the original, sizes and layouts
/// those of the rewritten text, which are checked against the shapes. The calling thread must have entered the library.
///
/// # Errors
/// When the layouts cannot be had.
pub fn reshape(image: &UnitImage, facts: &UnitFacts, shapes: &Shapes) -> Result<UnitFacts, ReshapeError> {
    let mut result = read_again(image, facts, shapes)?;
    for t in &mut result.types {
        if let Some(shape) = shapes.get(&t.name) {
            take_versions(t, shape);
            verify(t, shape)?;
        }
    }
    Ok(result)
}

/// The same, with whatever layouts the definitions as rewritten give.
///
/// # Errors
/// When the text cannot be rewritten, or the parser does not accept it then.
pub fn read_again(image: &UnitImage, facts: &UnitFacts, shapes: &Shapes) -> Result<UnitFacts, ReshapeError> {
    // What has another shape so far loses it.
    let shaped =
        |t: &&TypeDefinition| shapes.contains_key(&t.name) || t.fields.iter().any(|f| layout::is_ours(&f.name));
    let concerned: Vec<&str> = facts.types.iter().filter(shaped).map(|t| t.name.as_str()).collect();
    let mut result = facts.clone();
    if concerned.is_empty() {
        return Ok(result);
    }
    let mut edits = Edits::default();
    shape::definitions(facts, &image.text, shapes, &mut edits)?;
    // In another order, members would get values that are not for them.
    initializer::lists(facts, &image.text, shapes, &mut edits)?;
    if facts.types.iter().any(|t| shapes.get(&t.name).is_some_and(Shape::has_side_table)) {
        // The objects do not have all members that the source names.
        access::accesses(facts, &image.text, shapes, &mut edits)?;
    }
    let text = edits.apply(&image.text)?;
    let again = extract::read(&text, &image.flags, bodies_matter(facts))?;
    if let Some(message) = again.errors.first().filter(|_| facts.errors.is_empty()) {
        return Err(ReshapeError::Parser { types: concerned.join(", "), message: message.clone() });
    }
    take_types(&mut result, &again, &concerned)?;
    take_variables(&mut result, &again, &concerned)?;
    Ok(result)
}

/// Whether anything inside functions may change its size.
fn bodies_matter(facts: &UnitFacts) -> Bodies {
    let declared = |v: &Variable| !v.scalar && v.declarations.iter().any(|d| d.function.is_some());
    if facts.variables.iter().any(declared) || facts.types.iter().any(|t| t.local) {
        Bodies::Parse
    } else {
        Bodies::Skip
    }
}

fn take_types(result: &mut UnitFacts, again: &UnitFacts, concerned: &[&str]) -> Result<(), ReshapeError> {
    // A name may be defined several times, in functions.
    let mut found: HashMap<&str, Vec<&TypeDefinition>> = HashMap::new();
    for t in again.types.iter().rev() {
        found.entry(&t.name).or_default().push(t);
    }
    for t in &mut result.types {
        let new = found.get_mut(t.name.as_str()).and_then(Vec::pop).filter(|new| new.kind == t.kind);
        let new = new.ok_or_else(|| ReshapeError::Missing(t.name.clone(), concerned.join(", ")))?;
        (t.size, t.align) = (new.size, new.align);
        let mut fields: Vec<Field> = new.fields.iter().map(|f| placed(t, f)).collect();
        if fields.iter().any(|f| f.name == layout::BLOCK) {
            let block = format!("struct dsu_side_{}", layout::label_of(&t.name));
            let block = again.types.iter().find(|t| t.name == block);
            let beside = block.map(|b| b.fields.as_slice()).unwrap_or_default().iter();
            let behind = i64::try_from(t.size * 8).unwrap_or(i64::MAX);
            fields.extend(beside.map(|f| Field { offset: f.offset + behind, ..placed(t, f) }));
        }
        t.fields = fields;
    }
    Ok(())
}

/// A field of another text's definition of a type, with its place in the text of this one. Members that are not in it, such as those
/// of ours, stand where the definition ends.
pub fn placed(t: &TypeDefinition, field: &Field) -> Field {
    let end = (t.text.close, t.text.close);
    let (declaration, line) = declared(t, field).map_or((end, t.line), |own| (own.declaration, own.line));
    Field { declaration, line, ..field.clone() }
}

/// The field of the source that one of the rewritten definition is.
fn declared<'a>(t: &'a TypeDefinition, field: &Field) -> Option<&'a Field> {
    let unnamed = |f: &Field| f.name.is_empty() && f.bits.is_none();
    let same = |f: &&Field| if unnamed(field) { unnamed(f) && f.ty == field.ty } else { f.name == field.name };
    t.fields.iter().find(same)
}

fn take_variables(result: &mut UnitFacts, again: &UnitFacts, concerned: &[&str]) -> Result<(), ReshapeError> {
    let function = |facts: &UnitFacts, v: &Variable| v.function.map(|f| facts.functions[f].name.clone());
    let found: HashMap<(Option<String>, &str, u32), &Variable> =
        again.variables.iter().map(|v| ((function(again, v), v.name.as_str(), v.ordinal), v)).collect();
    for index in 0..result.variables.len() {
        let v = &result.variables[index];
        let Some(new) = found.get(&(function(result, v), v.name.as_str(), v.ordinal)) else {
            // What functions declare is only looked at if something in them may change.
            if v.scalar && v.declarations.iter().all(|d| d.function.is_some()) {
                continue;
            }
            return Err(ReshapeError::Missing(v.name.clone(), concerned.join(", ")));
        };
        let (ty, size, element) = (new.ty.clone(), new.size, new.element.clone());
        let v = &mut result.variables[index];
        (v.ty, v.size, v.element) = (ty, size, element);
    }
    Ok(())
}

/// The versions in which members appeared are known to the shape alone.
fn take_versions(t: &mut TypeDefinition, shape: &Shape) {
    let mut unnamed = shape.members.iter().filter(|m| m.name.is_empty() && m.bits.is_none());
    for field in &mut t.fields {
        let member = match (field.name.is_empty(), field.bits) {
            (true, None) => unnamed.next(),
            (true, Some(_)) => None,
            (false, _) => shape.members.iter().find(|m| m.name == field.name),
        };
        field.since = member.map_or(0, |m| m.since);
    }
}

/// Compares a layout with the one wanted.
fn verify(t: &TypeDefinition, shape: &Shape) -> Result<(), ReshapeError> {
    let mismatch =
        |what: String| Err(ReshapeError::Mismatch { ty: t.name.clone(), file: t.file.clone(), line: t.line, what });
    if t.kind != shape.kind {
        return mismatch(format!("it is a {:?}", t.kind));
    }
    if (t.size, t.align) != (shape.size, shape.align) {
        let (want, align) = (shape.size, shape.align);
        return mismatch(format!("its size is {} (alignment {}), not {want} ({align})", t.size, t.align));
    }
    if t.kind == TypeKind::Enum {
        return Ok(());
    }
    for member in shape.members.iter().filter(|m| !m.name.is_empty()) {
        let Some(field) = t.fields.iter().find(|f| f.name == member.name) else {
            return mismatch(format!("it has no member {}", member.name));
        };
        let is = (field.offset, field.bits, field.size);
        let want = (member.offset as i64, member.bits, member.size);
        if is != want {
            return mismatch(format!(
                "{} is at bit {} with {} bytes, not at bit {} with {}",
                member.name, is.0, is.2, want.0, want.2
            ));
        }
        // What a type without a name contains is compared where its own members are.
        let comparable = !member.is_ours() && !member.ty.contains('{') && !field.ty.contains('{');
        if comparable && !same_type(&field.ty, &member.ty) {
            return mismatch(format!("{} is of type {}, not {}", member.name, field.ty, member.ty));
        }
    }
    let unnamed = |f: &&Field| f.name.is_empty() && f.bits.is_none();
    let offsets = shape.members.iter().filter(|m| m.name.is_empty() && m.bits.is_none());
    let (is, want): (Vec<i64>, Vec<i64>) =
        (t.fields.iter().filter(unnamed).map(|f| f.offset).collect(), offsets.map(|m| m.offset as i64).collect());
    if is != want {
        return mismatch(format!("its members without a name are at bits {is:?}, not {want:?}"));
    }
    match t.fields.iter().find(|f| !f.name.is_empty() && !shape.members.iter().any(|m| m.name == f.name)) {
        Some(extra) if !layout::is_ours(&extra.name) => mismatch(format!("nothing is planned for {}", extra.name)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
