//! Types in canonical form: typedefs resolved, structs by name, the same text in every unit.

use std::collections::HashMap;

use crate::clang::{self, Node, Type};
use crate::facts::{Field, TypeDefinition, TypeKind, TypeText};

/// Prints types canonically and remembers what it printed.
#[derive(Default)]
pub struct Printer {
    /// Names of structs, unions and enums without a tag, by identity: from the typedef that names them.
    typedef_names: HashMap<usize, String>,
}

impl Printer {
    /// Notes that a typedef gives a name to a struct, union or enum without a tag.
    pub fn note_typedef(&mut self, node: Node<'_>) {
        let (mut ty, mut name) = (node.ty().canonical(), node.name());
        // One of ours, of a struct that the program knows by another name.
        if name.starts_with("dsu_type_") {
            return;
        }
        // A pointer to it, or an array, may be all that has a name.
        while matches!(ty.kind(), clang::T_POINTER | clang::T_ARRAY | clang::T_INCOMPLETE_ARRAY) {
            (ty, name) = if ty.kind() == clang::T_POINTER {
                (ty.pointee().canonical(), format!("*{name}"))
            } else {
                (ty.element().canonical(), format!("{name}[]"))
            };
        }
        if !matches!(ty.kind(), clang::T_RECORD | clang::T_ENUM) {
            return;
        }
        if let Some(declaration) = ty.declaration() {
            if tag(declaration).is_none() {
                let known = self.typedef_names.entry(declaration.identity()).or_insert_with(|| name.clone());
                // Its own name is better than that of a pointer to it.
                if known.contains(['*', '[']) && !name.contains(['*', '[']) {
                    *known = name;
                }
            }
        }
    }

    /// The canonical form of a type.
    pub fn print(&self, ty: Type<'_>) -> String {
        let ty = ty.canonical();
        let qualifiers = match (ty.is_const(), ty.is_volatile()) {
            (false, false) => "",
            (true, false) => "const ",
            (false, true) => "volatile ",
            (true, true) => "const volatile ",
        };
        let rest = match ty.kind() {
            clang::T_POINTER => format!("*{}", self.print(ty.pointee())),
            clang::T_ARRAY => format!("[{}]{}", ty.length(), self.print(ty.element())),
            clang::T_INCOMPLETE_ARRAY => format!("[]{}", self.print(ty.element())),
            clang::T_VARIABLE_ARRAY => format!("[*]{}", self.print(ty.element())),
            clang::T_VECTOR | clang::T_COMPLEX => ty.spelling(),
            clang::T_FUNCTION | clang::T_FUNCTION_NO_PROTO => self.function(ty),
            clang::T_RECORD | clang::T_ENUM => self.tagged(ty),
            // Builtin types are spelt without typedefs once canonical; qualifiers are printed above.
            _ => ty.spelling().replace("const ", "").replace("volatile ", ""),
        };
        format!("{qualifiers}{rest}")
    }

    fn function(&self, ty: Type<'_>) -> String {
        let mut parameters: Vec<String> = ty.parameters().into_iter().map(|p| self.print(p)).collect();
        if ty.kind() == clang::T_FUNCTION_NO_PROTO {
            parameters.push("?".into());
        } else if ty.is_variadic() {
            parameters.push("...".into());
        }
        format!("fn({})->{}", parameters.join(","), self.print(ty.result()))
    }

    /// The prototype of a function by its declaration: an old-style definition counts with the
    /// types of its parameters.
    pub fn prototype(&self, node: Node<'_>) -> String {
        let ty = node.ty().canonical();
        if ty.kind() != clang::T_FUNCTION_NO_PROTO {
            return self.print(ty);
        }
        let parameters: Vec<String> =
            node.children().into_iter().filter(|c| c.kind() == clang::PARAMETER).map(|p| self.print(p.ty())).collect();
        format!("fn({})->{}", parameters.join(","), self.print(ty.result()))
    }

    fn tagged(&self, ty: Type<'_>) -> String {
        let Some(declaration) = ty.declaration() else { return ty.spelling() };
        self.name(declaration).unwrap_or_else(|| {
            let fields: Vec<String> = members(declaration)
                .map(|m| match m.kind() {
                    clang::FIELD => {
                        format!("{}:{:?}:{:?}:{}", m.name(), m.bit_offset(), m.bit_width(), self.print(m.ty()))
                    }
                    _ => self.print(m.ty()),
                })
                .collect();
            // The constants of an enum are values, not storage.
            let size = (ty.size().unwrap_or(0), ty.align().unwrap_or(0));
            format!("{}{{{};{}:{}}}", keyword(declaration), fields.join(";"), size.0, size.1)
        })
    }

    /// The name of a struct, union or enum: `struct tag`, or the typedef that names it.
    pub fn name(&self, declaration: Node<'_>) -> Option<String> {
        // One that is local to a function has nothing to do with others of its name.
        let function = declaration.parent().filter(|p| p.kind() == clang::FUNCTION && p.is_definition());
        let place = function.map(|f| format!(" in {}", f.name())).unwrap_or_default();
        tag(declaration)
            .map(|tag| format!("{} {tag}{place}", keyword(declaration)))
            .or_else(|| self.typedef_names.get(&declaration.identity()).cloned())
    }

    /// The definition of a named struct, union or enum.
    pub fn definition(&self, node: Node<'_>) -> Option<TypeDefinition> {
        let name = self.name(node)?;
        let (file, line) = node.presumed();
        let kind = match node.kind() {
            clang::STRUCT => TypeKind::Struct,
            clang::UNION => TypeKind::Union,
            _ => TypeKind::Enum,
        };
        let fields: Vec<Field> = if kind == TypeKind::Enum {
            node.children()
                .into_iter()
                .filter(|c| c.kind() == clang::ENUM_CONSTANT)
                .map(|c| Field {
                    name: c.name(),
                    offset: c.enum_value(),
                    bits: None,
                    ty: String::new(),
                    size: 0,
                    align: 0,
                    since: 0,
                    declaration: (0, 0),
                    line: c.presumed().1,
                })
                .collect()
        } else {
            node.children()
                .into_iter()
                .filter(|c| c.kind() == clang::FIELD || is_unnamed_member(*c))
                .map(|f| Field {
                    name: if f.is_anonymous() { String::new() } else { f.name() },
                    offset: bit_offset(node, f).map_or(-1, |o| o as i64),
                    bits: f.bit_width(),
                    ty: self.print(f.ty()),
                    size: f.ty().size().unwrap_or(0),
                    align: f.ty().align().unwrap_or(1),
                    since: 0,
                    declaration: f.range(),
                    line: f.presumed().1,
                })
                .collect()
        };
        let (size, align) = (node.ty().size()?, node.ty().align()?);
        // `struct tag;` as a member, which some dialects take for the members of that struct, is not among the children.
        let embeds = kind != TypeKind::Enum && node.ty().member_count() != fields.len();
        Some(TypeDefinition {
            name,
            kind,
            size,
            align,
            fields,
            text: TypeText::default(),
            attributed: embeds,
            flexible: is_flexible(node),
            local: false,
            file,
            line,
        })
    }
}

/// Whether a node is a struct or union that is a member without a name.
pub(super) fn is_unnamed_member(node: Node<'_>) -> bool {
    matches!(node.kind(), clang::STRUCT | clang::UNION) && node.is_unnamed_member()
}

/// Offset in bits of a member, which may be one without a name: that starts where its first named one says.
pub(super) fn bit_offset(record: Node<'_>, member: Node<'_>) -> Option<u64> {
    if member.kind() == clang::FIELD {
        return member.bit_offset();
    }
    let mut todo = vec![member];
    while let Some(node) = todo.pop() {
        for child in node.children() {
            if child.kind() == clang::FIELD && !child.name().is_empty() {
                let name = child.name();
                return record.ty().offset_of(&name)?.checked_sub(member.ty().offset_of(&name)?);
            }
            if is_unnamed_member(child) {
                todo.push(child);
            }
        }
    }
    None
}

/// Whether a struct ends in an array whose length is not to be believed: none, 0, or the 1 of old C.
fn is_flexible(record: Node<'_>) -> bool {
    let last = record.children().into_iter().rfind(|c| c.kind() == clang::FIELD || is_unnamed_member(*c));
    last.is_some_and(|last| {
        let ty = last.ty().canonical();
        match ty.kind() {
            clang::T_INCOMPLETE_ARRAY => true,
            clang::T_ARRAY => ty.length() <= 1,
            clang::T_RECORD => ty.declaration().is_some_and(is_flexible),
            _ => false,
        }
    })
}

/// Fields, and structs and unions without a tag inside: those may be members without a name.
fn members(declaration: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    declaration.children().into_iter().filter(|c| match c.kind() {
        clang::FIELD => true,
        clang::STRUCT | clang::UNION => tag(*c).is_none(),
        _ => false,
    })
}

fn tag(declaration: Node<'_>) -> Option<String> {
    (!declaration.is_anonymous()).then(|| declaration.name())
}

fn keyword(declaration: Node<'_>) -> &'static str {
    match declaration.kind() {
        clang::STRUCT => "struct",
        clang::UNION => "union",
        _ => "enum",
    }
}
