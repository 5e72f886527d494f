//! Definitions of structs, unions and enums.

use serde::{Deserialize, Serialize};

use crate::facts::fingerprint;

/// Struct, union or enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TypeKind {
    /// A struct.
    Struct,
    /// A union.
    Union,
    /// An enum.
    Enum,
}

/// The definition of a struct, union or enum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDefinition {
    /// `struct tag`, `union tag`, `enum tag`, or the name of the typedef that names it.
    pub name: String,
    /// What it is.
    pub kind: TypeKind,
    /// Size in bytes.
    pub size: u64,
    /// Alignment in bytes.
    pub align: u64,
    /// Its fields, or constants.
    pub fields: Vec<Field>,
    /// Where its text is in the unit.
    pub text: TypeText,
    /// Attributes decide on its layout: `packed`, `aligned`, `#pragma pack`.
    pub attributed: bool,
    /// Its last member is an array without a length.
    pub flexible: bool,
    /// Defined inside a function.
    pub local: bool,
    /// The user's file.
    pub file: String,
    /// The user's line.
    pub line: u32,
}

/// Where the definition of a struct or union stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeText {
    /// The keyword `struct` or `union`.
    pub keyword: usize,
    /// Behind the `{`.
    pub open: usize,
    /// The `}`.
    pub close: usize,
    /// First byte of the declaration it is in (of `typedef`, `static` and the like, if there is one).
    pub start: usize,
    /// Behind the `;` of the outermost declaration it is in.
    pub after: usize,
}

/// A field of a struct or union, or a constant of an enum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name; empty for an unnamed member.
    pub name: String,
    /// Offset in bits; for a constant, its value.
    pub offset: i64,
    /// Width in bits of a bit-field.
    pub bits: Option<u32>,
    /// Its type in canonical form; empty for a constant.
    pub ty: String,
    /// Size in bytes of its type.
    pub size: u64,
    /// Alignment in bytes of its type.
    pub align: u64,
    /// The version of the struct in which it appeared: 0 if objects of the base program have it.
    pub since: u32,
    /// Its declaration, for a member without a name.
    pub declaration: (usize, usize),
    /// The user's line.
    pub line: u32,
}

impl Field {
    /// Its type in words, with the width of a bit-field.
    pub fn described(&self) -> String {
        let ty = readable(&self.ty);
        match self.bits {
            Some(bits) => format!("{ty}:{bits}"),
            None => ty,
        }
    }
}

/// A canonical type for people: of structs and unions without a name, what they have inside is left out.
pub fn readable(ty: &str) -> String {
    let mut depth = 0usize;
    let mut text = String::new();
    for c in ty.chars() {
        depth -= usize::from(c == '}' && depth > 0);
        if depth == 0 {
            text.push(c);
        }
        if c == '{' {
            text.push_str(if depth == 0 { "..." } else { "" });
            depth += 1;
        }
    }
    text
}

impl TypeDefinition {
    /// Fingerprint of the layout: everything but where it is defined. The constants of an enum are not
    /// part of it: they are values, not storage.
    pub fn layout(&self) -> u64 {
        let mut text = format!("{} {:?} {} {}", self.name, self.kind, self.size, self.align);
        if self.kind == TypeKind::Enum {
            return fingerprint(&text);
        }
        for f in &self.fields {
            text += &format!(";{} {} {:?} {} {}", f.name, f.offset, f.bits, f.ty, f.size);
        }
        fingerprint(&text)
    }
}
