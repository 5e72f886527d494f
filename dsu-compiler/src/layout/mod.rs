//! Layouts of structs that are not what the source alone would give: with room for later, or kept over a change.

use std::collections::BTreeMap;

use crate::facts::TypeKind;

/// Shapes by canonical type name.
pub type Shapes = BTreeMap<String, Shape>;

/// The member that says which version an object has.
pub const STAMP: &str = "dsu_stamp";
/// The member that is room for fields to come.
pub const SLOP: &str = "dsu_slop";
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
    /// All members in order of their offsets, ours included.
    pub members: Vec<Member>,
    /// Named members stand in another order than in the source: initialiser lists need designators.
    pub reordered: bool,
    /// The source's own members as they are, then ours: nothing has to move.
    pub natural: bool,
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
    name == STAMP || name == SLOP || name.starts_with("dsu_pad_") || name.starts_with("dsu_gone_")
}

/// A type's name as part of identifiers.
pub fn label_of(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
