//! Layouts of structs that are not what the source alone would give: with room for later, or kept over a change.

use std::collections::BTreeMap;

use crate::facts::{Field, TypeDefinition, TypeKind};

pub mod natural;
pub mod place;
pub mod room;

/// Shapes by canonical type name.
pub type Shapes = BTreeMap<String, Shape>;

/// The member that says which version an object has.
pub const STAMP: &str = "dsu_stamp";
/// The member that is room for fields to come.
pub const SLOP: &str = "dsu_slop";
/// Prefix of the names of members that fill gaps.
pub const PAD: &str = "dsu_pad_";
/// Prefix of the names of members that hold the place of what is gone.
pub const GONE: &str = "dsu_gone_";
/// The member that says which block of the side table is the object's own.
pub const BLOCK: &str = "dsu_block";
/// The first member of a block: the address of its object.
pub const OWNER: &str = "dsu_owner";
/// The member of a block that is room for fields to come.
pub const SPARE: &str = "dsu_spare";
/// Prefix of the names of all members that are ours.
pub const OURS: &str = "dsu_";

/// How a struct or union is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Canonical name.
    pub name: String,
    /// The same as part of identifiers: unique in the program.
    pub label: String,
    /// Struct or union.
    pub kind: TypeKind,
    /// Size in bytes.
    pub size: u64,
    /// Alignment in bytes.
    pub align: u64,
    /// All members in order of their offsets, ours included. Those in the block of the side table come last: their offsets
    /// count on from the object's size.
    pub members: Vec<Member>,
    /// Named members stand in another order than in the source: initialiser lists need designators.
    pub reordered: bool,
    /// The source's own members as they are, then ours: nothing has to move.
    pub natural: bool,
}

impl Shape {
    /// A definition whose fields are laid out like this; what else there is to say comes from `like`.
    pub fn definition(&self, like: &TypeDefinition) -> TypeDefinition {
        let field = |m: &Member| {
            let declared = like.fields.iter().find(|f| f.name == m.name);
            Field {
                name: m.name.clone(),
                offset: i64::try_from(m.offset).unwrap_or(i64::MAX),
                bits: m.bits,
                ty: m.ty.clone(),
                size: m.size,
                align: m.align,
                since: m.since,
                declaration: declared.map_or((0, 0), |f| f.declaration),
                line: declared.map_or(like.line, |f| f.line),
            }
        };
        TypeDefinition {
            name: self.name.clone(),
            kind: self.kind,
            size: self.size,
            align: self.align,
            fields: self.members.iter().map(field).collect(),
            ..like.clone()
        }
    }

    /// The offset of the stamp in bytes, if objects have one.
    pub fn stamp_offset(&self) -> Option<u64> {
        self.members.iter().find(|m| m.name == STAMP).map(|m| m.offset / 8)
    }

    /// The members in the objects themselves.
    pub fn inside(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|m| !self.is_beside(m))
    }

    /// The members in blocks of the side table.
    pub fn beside(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|m| self.is_beside(m))
    }

    /// Whether a member is in the block of the side table.
    pub fn is_beside(&self, member: &Member) -> bool {
        member.offset >= self.size * 8 && self.has_side_table()
    }

    /// Whether objects have a block in a side table.
    pub fn has_side_table(&self) -> bool {
        self.members.iter().any(|m| m.name == BLOCK)
    }

    /// Bytes of a block in the side table, 0 without one.
    pub fn block(&self) -> u64 {
        let end = self.beside().map(|m| m.offset + m.bits.map_or(m.size * 8, u64::from)).max();
        end.map_or(0, |end| end.div_ceil(8) - self.size)
    }

    /// The layout of a type that has members of ours; `None` where the source alone gives it.
    pub fn of(ty: &TypeDefinition) -> Option<Self> {
        if ty.kind == TypeKind::Enum || !ty.fields.iter().any(|f| is_ours(&f.name)) {
            return None;
        }
        let members: Vec<Member> = ty
            .fields
            .iter()
            .map(|f| Member {
                name: f.name.clone(),
                offset: u64::try_from(f.offset).unwrap_or(0),
                bits: f.bits,
                ty: f.ty.clone(),
                size: f.size,
                align: f.align,
                since: f.since,
            })
            .collect();
        let own = members.iter().take_while(|m| !m.is_ours()).count();
        let room: Vec<&str> = members[own..].iter().map(|m| m.name.as_str()).collect();
        let natural = matches!(room.as_slice(), [STAMP] | [STAMP, SLOP]) && members.iter().all(|m| m.since == 0);
        Some(Self {
            name: ty.name.clone(),
            label: label_of(&ty.name),
            kind: ty.kind,
            size: ty.size,
            align: ty.align,
            members,
            reordered: false,
            natural,
        })
    }
}

/// A member of a [`Shape`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name; empty for a member without a name.
    pub name: String,
    /// Offset in bits.
    pub offset: u64,
    /// Width in bits of a bit-field.
    pub bits: Option<u32>,
    /// Canonical type.
    pub ty: String,
    /// Size in bytes of its type.
    pub size: u64,
    /// Alignment in bytes of its type.
    pub align: u64,
    /// The version of the struct in which it appeared.
    pub since: u32,
}

impl Member {
    /// Whether it is ours and not the program's.
    pub fn is_ours(&self) -> bool {
        is_ours(&self.name)
    }
}

/// Whether a member of this name is ours and not the program's.
pub fn is_ours(name: &str) -> bool {
    matches!(name, STAMP | SLOP | BLOCK | OWNER | SPARE) || name.starts_with(PAD) || name.starts_with(GONE)
}

/// Where an object of a type has the number of its block in the side table, and how large that block is, in bytes.
pub fn side_table(ty: &TypeDefinition) -> Option<(u64, u64)> {
    let block = ty.fields.iter().find(|f| f.name == BLOCK)?;
    let end = ty.fields.iter().filter(|f| is_beside(ty, f)).map(end_of).max()?;
    Some((u64::try_from(block.offset).ok()? / 8, end.div_ceil(8) - ty.size))
}

/// Whether a field of a type is in the block of the side table: its offset counts on from the size of an object.
pub fn is_beside(ty: &TypeDefinition, field: &Field) -> bool {
    u64::try_from(field.offset).is_ok_and(|offset| offset >= ty.size * 8) && ty.fields.iter().any(|f| f.name == BLOCK)
}

fn end_of(field: &Field) -> u64 {
    u64::try_from(field.offset).unwrap_or(0) + field.bits.map_or(field.size * 8, u64::from)
}

/// A type's name as part of identifiers.
pub fn label_of(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
