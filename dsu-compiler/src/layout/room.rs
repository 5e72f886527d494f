//! Room for later: what a unit's layouts become when structs get a stamp and slop at their end.
//!
//! By arithmetic where the rules of the platform alone decide, which is nearly always: then no text has to be parsed
//! again. The rewritten text asserts the sizes, so the compiler has the last word.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::facts::{Field, TypeDefinition, TypeKind, UnitFacts};
use crate::layout::natural::{Part, align_up, natural};
use crate::layout::{SLOP, STAMP, Shape, Shapes};

/// Slop in bytes by the name of the struct.
pub type Room = BTreeMap<String, u64>;

/// Why arithmetic is not enough: a type that has to be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intricate(pub String);

/// Shapes that say no more than that structs get stamp and slop behind their own members.
pub fn additions(facts: &UnitFacts, room: &Room) -> Shapes {
    let with_room = |t: &TypeDefinition| {
        let mut with_room = t.clone();
        with_room.fields.extend(ours(t.line, *room.get(&t.name)?));
        Some((t.name.clone(), Shape::of(&with_room)?))
    };
    facts.types.iter().filter_map(with_room).collect()
}

/// The shapes of all structs of a unit that have a stamp.
pub fn shapes_of(facts: &UnitFacts) -> Shapes {
    facts.types.iter().filter_map(|t| Some((t.name.clone(), Shape::of(t)?))).collect()
}

/// The members that a struct with room has at its end.
fn ours(line: u32, slop: u64) -> [Field; 2] {
    let field = |name: &str, ty: String, size, align| Field {
        name: name.to_owned(),
        offset: 0,
        bits: None,
        ty,
        size,
        align,
        since: 0,
        declaration: (0, 0),
        line,
    };
    [field(STAMP, "unsigned long".into(), 8, 8), field(SLOP, format!("[{slop}]unsigned char"), slop, 1)]
}

/// Gives a unit's structs room: the layouts of its types, and the sizes of its variables.
///
/// # Errors
/// When the text has to be parsed for it; then nothing was changed.
pub fn give(facts: &mut UnitFacts, room: &Room) -> Result<(), Intricate> {
    let mut giver = Giver { types: HashMap::new(), room, done: HashMap::new(), begun: HashSet::new() };
    for t in facts.types.iter().filter(|t| t.kind != TypeKind::Enum) {
        giver.types.insert(&t.name, t);
    }
    let types: Vec<TypeDefinition> = facts
        .types
        .iter()
        .map(|t| if t.kind == TypeKind::Enum { Ok(t.clone()) } else { giver.definition(&t.name) })
        .collect::<Result<_, _>>()?;
    let mut sizes = Vec::with_capacity(facts.variables.len());
    for v in &facts.variables {
        let changed = if v.size > 0 { giver.size(&v.ty)? } else { None };
        sizes.push(changed.map_or(v.size, |(size, _)| size));
    }
    facts.types = types;
    for (v, size) in facts.variables.iter_mut().zip(sizes) {
        v.size = size;
    }
    Ok(())
}

struct Giver<'a> {
    types: HashMap<&'a str, &'a TypeDefinition>,
    room: &'a Room,
    done: HashMap<&'a str, TypeDefinition>,
    /// Types whose definition is being made: met again inside itself, a type is named there, not embedded.
    begun: HashSet<&'a str>,
}

impl<'a> Giver<'a> {
    /// The definition of a type as it becomes.
    fn definition(&mut self, name: &str) -> Result<TypeDefinition, Intricate> {
        if let Some(known) = self.done.get(name) {
            return Ok(known.clone());
        }
        let Some((&name, &t)) = self.types.get_key_value(name) else { return Err(Intricate(name.to_owned())) };
        if !self.begun.insert(name) {
            return Err(Intricate(name.to_owned()));
        }
        let mut new = t.clone();
        let mut changed = false;
        for field in &mut new.fields {
            if let Some((size, align)) = self.size(&field.ty)? {
                changed |= (field.size, field.align) != (size, align);
                (field.size, field.align) = (size, align);
            }
        }
        let slop = self.room.get(name);
        if let Some(slop) = slop {
            new.fields.extend(ours(t.line, *slop));
        }
        if changed || slop.is_some() {
            if t.attributed || !is_plain(t) {
                return Err(Intricate(name.to_owned()));
            }
            lay_out(&mut new);
        }
        self.done.insert(name, new.clone());
        Ok(new)
    }

    /// Size and alignment of a type by its canonical form, if it is a struct or union of the unit, or an array of them.
    fn size(&mut self, ty: &str) -> Result<Option<(u64, u64)>, Intricate> {
        let (count, element) = elements(ty);
        if element.contains('{') && !element.starts_with(['*', 'f']) {
            // Without a name: what is inside may have become larger.
            let inside: Vec<&str> = self.types.keys().copied().filter(|name| embeds(element, name)).collect();
            for name in inside {
                if self.is_changed(name) {
                    return Err(Intricate(name.to_owned()));
                }
            }
            return Ok(None);
        }
        let Some(t) = self.types.get(element).copied() else { return Ok(None) };
        if t.name != element {
            return Ok(None);
        }
        let new = self.definition(element)?;
        Ok(Some((new.size * count, new.align)))
    }

    fn is_changed(&mut self, name: &str) -> bool {
        let before = self.types.get(name).map(|t| (t.size, t.align));
        self.definition(name).map_or(true, |new| Some((new.size, new.align)) != before)
    }
}

/// Whether a type without a name holds one of this name: a pointer to it does not.
fn embeds(ty: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    ty.match_indices(name).any(|(at, _)| {
        let before = ty[..at].trim_end_matches("const ").trim_end_matches("volatile ");
        !before.ends_with('*') && !before.ends_with(word) && !ty[at + name.len()..].starts_with(word)
    })
}

/// The number of elements and their type, of arrays of arrays, too; any other type is one of itself.
pub fn elements(ty: &str) -> (u64, &str) {
    let mut ty = ty;
    let mut count = 1;
    loop {
        if let Some(rest) = ty.strip_prefix("const ").or(ty.strip_prefix("volatile ")) {
            ty = rest;
        } else if let Some((length, rest)) = ty.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            count *= length.parse::<u64>().unwrap_or(0);
            ty = rest;
        } else {
            return (count, ty);
        }
    }
}

/// Whether the rules of the platform give a type the layout that it has.
fn is_plain(t: &TypeDefinition) -> bool {
    let mut again = t.clone();
    lay_out(&mut again);
    again == *t
}

fn lay_out(t: &mut TypeDefinition) {
    let parts: Vec<Part> = t.fields.iter().map(Part::of_field).collect();
    if t.kind == TypeKind::Union {
        let align = parts.iter().map(|p| p.align).max().unwrap_or(1);
        let bytes = |p: &Part| p.bits.map_or(p.size, |bits| u64::from(bits).div_ceil(8));
        t.fields.iter_mut().for_each(|f| f.offset = 0);
        t.align = align;
        t.size = align_up(parts.iter().map(bytes).max().unwrap_or(0), align);
        return;
    }
    let laid_out = natural(&parts);
    for (field, offset) in t.fields.iter_mut().zip(&laid_out.offsets) {
        field.offset = i64::try_from(*offset).unwrap_or(i64::MAX);
    }
    t.align = laid_out.align;
    t.size = align_up(laid_out.end.div_ceil(8), laid_out.align);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{TypeText, Variable};

    fn field(name: &str, offset: i64, ty: &str, size: u64, align: u64) -> Field {
        Field {
            name: name.into(),
            offset,
            bits: None,
            ty: ty.into(),
            size,
            align,
            since: 0,
            declaration: (0, 0),
            line: 1,
        }
    }

    fn record(name: &str, kind: TypeKind, size: u64, align: u64, fields: Vec<Field>) -> TypeDefinition {
        TypeDefinition {
            name: name.into(),
            kind,
            size,
            align,
            fields,
            text: TypeText::default(),
            attributed: false,
            flexible: false,
            local: false,
            file: "a.c".into(),
            line: 1,
        }
    }

    fn facts() -> UnitFacts {
        let inner = record(
            "struct inner",
            TypeKind::Struct,
            68,
            4,
            vec![field("a", 0, "[16]int", 64, 4), field("b", 512, "char", 1, 1)],
        );
        let outer = record(
            "struct outer",
            TypeKind::Struct,
            144,
            8,
            vec![
                field("n", 0, "char", 1, 1),
                field("i", 32, "[2]struct inner", 136, 4),
                field("next", 1120, "*struct outer", 8, 8),
            ],
        );
        UnitFacts { types: vec![outer, inner], ..UnitFacts::default() }
    }

    #[test]
    fn structs_inside_grow_their_surroundings() {
        let mut facts = facts();
        // Not what C gives: `next` is not aligned.
        assert_eq!(
            give(&mut facts.clone(), &Room::from([("struct inner".into(), 8)])),
            Err(Intricate("struct outer".into()))
        );
        facts.types[0].fields[2].offset = 1152;
        facts.types[0].size = 152;
        facts.variables.push(variable("[3]const struct outer", 456));
        give(&mut facts, &Room::from([("struct inner".into(), 8)])).unwrap();
        let inner = &facts.types[1];
        assert_eq!((inner.size, inner.align), (88, 8));
        assert_eq!(inner.fields[2].offset, 72 * 8);
        let outer = &facts.types[0];
        assert_eq!((outer.fields[1].offset, outer.fields[1].size, outer.size), (64, 176, 192));
        assert_eq!(facts.variables[0].size, 576);
        assert_eq!(shapes_of(&facts).keys().collect::<Vec<_>>(), ["struct inner"]);
    }

    #[test]
    fn members_without_a_name_are_left_to_the_parser() {
        let mut facts = facts();
        let text = "union{x:Some(0):None:struct inner;y:Some(0):None:int;68:4}";
        facts.types.push(record("struct user", TypeKind::Struct, 68, 4, vec![field("", 0, text, 68, 4)]));
        facts.types.remove(0);
        let before = facts.types.clone();
        assert_eq!(give(&mut facts, &Room::from([("struct inner".into(), 8)])), Err(Intricate("struct inner".into())));
        assert_eq!(facts.types, before);
        assert_eq!(give(&mut facts, &Room::new()), Ok(()));
    }

    #[test]
    fn pointers_in_members_without_a_name_embed_nothing() {
        let mut facts = facts();
        facts.types.remove(0);
        let text = "struct{next:Some(0):None:*struct user;first:Some(64):None:*const struct inner;16:8}";
        facts.types.push(record("struct user", TypeKind::Struct, 16, 8, vec![field("", 0, text, 16, 8)]));
        give(&mut facts, &Room::from([("struct inner".into(), 8), ("struct user".into(), 8)])).unwrap();
        assert_eq!(facts.types[1].size, 32);
    }

    #[test]
    fn a_type_that_seems_to_hold_itself_is_left_to_the_parser() {
        let mut facts = facts();
        let text = "struct{call:Some(0):None:*f(struct user)void;8:8}";
        facts.types.push(record("struct user", TypeKind::Struct, 8, 8, vec![field("", 0, text, 8, 8)]));
        facts.types.remove(0);
        assert_eq!(give(&mut facts, &Room::new()), Err(Intricate("struct user".into())));
    }

    fn variable(ty: &str, size: u64) -> Variable {
        let (name, symbol) = ("v".into(), "v".into());
        Variable { name, symbol, reachable: true, ordinal: 1, ty: ty.into(), size, ..Variable::default() }
    }
}
