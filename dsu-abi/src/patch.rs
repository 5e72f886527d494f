//! The manifest of a patch: a header and tables in the loaded part of the patch shared object,
//! with self-relative references like those of [`crate::registry`].
//!
//! A patch is an ordinary ELF shared object. Its undefined symbols are bound by `libdsu`'s loader:
//! a symbol listed in `imports` from the process's registry, any other from the libraries of the
//! process (`dlsym`). Its `DT_INIT`/`DT_INIT_ARRAY` functions are not run.

use crate::{
    Id,
    registry::{Rel32, Table},
};

/// First bytes of a patch header.
pub const MAGIC: [u8; 8] = *b"DSUPATCH";

/// The header, first in section `.dsu.patch`; the dynamic symbol `dsu_patch`. 256 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PatchHeader {
    /// +0: [`MAGIC`].
    pub magic: [u8; 8],
    /// +8: [`crate::PROTOCOL`].
    pub protocol: u32,
    /// +12: size of this struct.
    pub size: u32,
    /// +16: identity of the patch.
    pub patch: Id,
    /// +32: the state it applies to.
    pub from: Id,
    /// +48: the state it leads to.
    pub to: Id,
    /// +64: [`ImportRecord`]s, sorted by `key`: so is the registry, which is then read from one end to the other.
    pub imports: Table,
    /// +80: [`PatchFunction`]s, sorted by `old_key`.
    pub functions: Table,
    /// +96: [`PatchVariable`]s, sorted by `key`: variables the process did not have.
    pub variables: Table,
    /// +112: [`PatchCopy`]s, sorted by `key`, each once: new initial values for variables of the process.
    pub copies: Table,
    /// +128: [`RequiredType`]s.
    pub types: Table,
    /// +144: [`crate::registry::UnitRecord`]s: the replaced units.
    pub units: Table,
    /// +160: name of the patch, NUL terminated.
    pub name: Rel32,
    /// +164: why the patch cannot be undone, NUL terminated; none if it can.
    pub irreversible: Rel32,
    /// +168: names of the patches between the build and the state `from`, oldest first, separated by `, `, NUL terminated;
    /// none if it was made from two builds. For messages.
    pub after: Rel32,
    /// +172: zero.
    pub reserved: u32,
    /// +176: [`PatchType`]s: types whose layout the patch changes.
    pub changed_types: Table,
    /// +192: [`PatchCarry`]s: state transformers, in the order in which they run.
    pub carries: Table,
    /// +208: bytes: the description of the state the patch leads to, compressed against that of the state before.
    pub lineage: Table,
    /// +224: [`PatchObject`]s: static objects of changed types, for rehearsals.
    pub objects: Table,
    /// +240: [`checksum`] of the file; 0: none.
    pub checksum: u64,
    /// +248: zero.
    pub reserved2: u64,
}

/// Bytes of an ELF header, which tools may rewrite.
const ELF_HEADER: u64 = 64;

/// The checksum of a patch file: [`crate::key_of`] the contents of its loaded segments, (offset, length) each, without the ELF header
/// and without the checksum, which is at offset `field`. None if a segment is not in the file.
///
/// Debug information is left out: it may be stripped.
pub fn checksum(file: &[u8], segments: impl IntoIterator<Item = (u64, u64)>, field: u64) -> Option<u64> {
    let mut hash = crate::Fnv::new();
    for (offset, length) in segments {
        let (start, end) = (offset.max(ELF_HEADER), offset.checked_add(length)?);
        let inside = (start..end).contains(&field);
        let parts = if inside { [(start, field), (field + 8, end)] } else { [(start, end), (end, end)] };
        for (from, to) in parts {
            hash = hash.and(file.get(usize::try_from(from.min(to)).ok()?..usize::try_from(to).ok()?)?);
        }
    }
    Some(hash.finish().max(1))
}

/// Symbol of the header in the patch's dynamic symbol table.
pub const HEADER_SYMBOL: &str = "dsu_patch";

/// How an undefined symbol of the patch is bound. 48 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ImportRecord {
    /// +0: index of its dynamic symbol; 0 where no relocation refers to it. Put in after the link.
    pub symbol: u32,
    /// +4: [`import_kind`].
    pub kind: u32,
    /// +8: key of the registry name to look up in the process.
    pub key: u64,
    /// +16: fingerprint the entry must have (functions: prototype; variables: type).
    pub fingerprint: u64,
    /// +24: key under which the entry is known after the commit; differs from `key` where a
    /// function or variable moved or was renamed, else equal.
    pub new_key: u64,
    /// +32: the registry name, NUL terminated, for messages.
    pub name: Rel32,
    /// +36: name after the commit, NUL terminated, where `new_key` differs; else none.
    pub new_name: Rel32,
    /// +40: what to bind in the patch where the process has no such entry; none: then refuse.
    pub fallback: Rel32,
    /// +44: zero.
    pub reserved: u32,
}

/// Values of [`ImportRecord::kind`].
pub mod import_kind {
    /// Address of a function's slot. Looked up by (`key`, `fingerprint`).
    pub const SLOT: u32 = 1;
    /// Address of a function's stub: what stands for the function as a pointer, and what a call by
    /// name reaches. Looked up by (`key`, `fingerprint`).
    pub const STUB: u32 = 2;
    /// Address of a variable; its fingerprint must match, else refuse.
    pub const VARIABLE: u32 = 3;
    /// A thread-local variable of the executable (module and offset); as `VARIABLE`.
    pub const TLS: u32 = 4;
    /// A symbol of the executable outside the rewritten units; fingerprint 0, not checked.
    pub const FOREIGN: u32 = 5;
    /// The newest stamp of a type, as an absolute value; `key` is that of the type's name. Version 0 has the stamp 0.
    pub const STAMP: u32 = 6;
    /// The side table of the newest version of a type: the address of its blocks; `key` is that of the type's name.
    ///
    /// Blocks are numbered from 1; in the place of number 0 there is the number of those that can be read. The first 8
    /// bytes of a block are the address of the object that it belongs to.
    pub const SIDE_TABLE: u32 = 7;
    /// Added to `VARIABLE` and `TLS`: the new program may write the variable.
    pub const WRITTEN: u32 = 0x100;
}

/// A function that the patch defines. 48 bytes.
///
/// Commit: if the process has an entry (`key`, `fingerprint`) with a slot, that slot is set to
/// `code`; an entry without a slot gets `slot`, and one without a stub gets `stub`. If it has no
/// entry, one is added. `slot` initially holds `code`, and `stub` jumps through `slot` — unless the
/// entry has a slot of its own: then the patch's `slot` import is bound to that, and `stub`, too,
/// must jump through the entry's slot (it does so through the patch's GOT).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PatchFunction {
    /// +0: key of the registry name.
    pub key: u64,
    /// +8: fingerprint of the prototype.
    pub fingerprint: u64,
    /// +16: key under which an older version is found, if the function moved; else equal to `key`.
    pub old_key: u64,
    /// +24: the registry name, NUL terminated.
    pub name: Rel32,
    /// +28: the code.
    pub code: Rel32,
    /// +32: the patch's own slot.
    pub slot: Rel32,
    /// +36: the patch's own stub; may be none.
    pub stub: Rel32,
    /// +40: [`crate::registry::function_flags`].
    pub flags: u32,
    /// +44: zero.
    pub reserved: u32,
}

/// A variable that the patch defines and later patches may bind to. 48 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PatchVariable {
    /// +0: key of the registry name.
    pub key: u64,
    /// +8: fingerprint of the type.
    pub fingerprint: u64,
    /// +16: size in bytes.
    pub size: u64,
    /// +24: for thread-local variables: offset in the patch's TLS block.
    pub tls_offset: u64,
    /// +32: the registry name, NUL terminated.
    pub name: Rel32,
    /// +36: the variable; none if thread-local.
    pub address: Rel32,
    /// +40: [`crate::registry::variable_flags`].
    pub flags: u32,
    /// +44: zero.
    pub reserved: u32,
}

/// New contents for a constant or never-written variable of the process. 32 bytes.
///
/// A variable that an earlier version of the program in this process may have written keeps its value.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PatchCopy {
    /// +0: key of the registry name of the destination.
    pub key: u64,
    /// +8: fingerprint of its type.
    pub fingerprint: u64,
    /// +16: bytes to copy: the size of the variable.
    pub size: u64,
    /// +24: the registry name, NUL terminated.
    pub name: Rel32,
    /// +28: the new contents, in the patch.
    pub source: Rel32,
}

/// A type whose layout the patch relies on. 24 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RequiredType {
    /// +0: key of the type name.
    pub key: u64,
    /// +8: fingerprint of the layout it must have, if the process knows the type.
    pub layout: u64,
    /// +16: the type name, NUL terminated.
    pub name: Rel32,
    /// +20: zero.
    pub reserved: u32,
}

/// A type whose layout the patch changes. 56 bytes.
///
/// The patch has one transformer for it, which takes an object from the version before to the new one, in place.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PatchType {
    /// +0: key of the type name.
    pub key: u64,
    /// +8: fingerprint of the layout it must have in the process.
    pub old_layout: u64,
    /// +16: fingerprint of the layout it has after the commit.
    pub new_layout: u64,
    /// +24: size of an object in bytes: the same before and after.
    pub size: u64,
    /// +32: the type name, NUL terminated.
    pub name: Rel32,
    /// +36: `void (*)(T *new, const T_old *old)`; none where no object needs it (fields only removed or reordered).
    pub transform: Rel32,
    /// +40: offset of the object's stamp, a multiple of 8; [`NO_STAMP`] where the type has none (then `transform` is none).
    pub stamp_offset: u32,
    /// +44: [`type_flags`].
    pub flags: u32,
    /// +48: size in bytes of the blocks of the type's side table, a multiple of 16; 0 where all fields are in the objects.
    pub block: u32,
    /// +52: offset in an object of the 8 bytes that say which block is its own, a multiple of 8; 0 without a side table.
    pub block_offset: u32,
}

/// [`PatchType::stamp_offset`] of a type whose objects have no stamp.
pub const NO_STAMP: u32 = u32::MAX;

/// Flags of [`PatchType::flags`].
pub mod type_flags {
    /// The transformer only fills the new fields from the old ones of the same object: it may run twice. A signal handler
    /// that uses an object whose transformer it has interrupted then finds it complete.
    pub const REPEATABLE: u32 = 1;
}

/// A state transformer: runs once, at commit, before anything is published. 8 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PatchCarry {
    /// +0: its name, NUL terminated, for messages.
    pub name: Rel32,
    /// +4: `int (*)(void)`; anything but 0 refuses the patch.
    pub function: Rel32,
}

/// Objects of a changed type in a variable of the process: a rehearsal runs the type's transformer on them. 56 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PatchObject {
    /// +0: key of the variable's registry name in the process.
    pub variable: u64,
    /// +8: fingerprint of the variable's type.
    pub fingerprint: u64,
    /// +16: key of the objects' type: one of the patch's [`PatchType`]s, with a stamp.
    pub changed: u64,
    /// +24: offset of the first object in the variable.
    pub offset: u64,
    /// +32: distance between objects, 0 if there is only one.
    pub stride: u64,
    /// +40: number of objects.
    pub count: u64,
    /// +48: the variable's registry name, NUL terminated, for messages.
    pub name: Rel32,
    /// +52: zero.
    pub reserved: u32,
}

const _: () = {
    use crate::registry::*;
    use core::mem::{offset_of, size_of};
    assert!(size_of::<PatchHeader>() == 256);
    assert!(offset_of!(PatchHeader, changed_types) == 176);
    assert!(size_of::<PatchType>() == 56);
    assert!(size_of::<PatchCarry>() == 8);
    assert!(size_of::<PatchObject>() == 56);
    assert!(offset_of!(PatchHeader, after) == 168);
    assert!(offset_of!(PatchHeader, lineage) == 208);
    assert!(offset_of!(PatchHeader, objects) == 224);
    assert!(offset_of!(PatchHeader, imports) == 64);
    assert!(offset_of!(PatchHeader, name) == 160);
    assert!(size_of::<ImportRecord>() == 48);
    assert!(size_of::<PatchFunction>() == 48);
    assert!(size_of::<PatchVariable>() == 48);
    assert!(size_of::<PatchCopy>() == 32);
    assert!(size_of::<RequiredType>() == 24);
    assert!(size_of::<FunctionRecord>() == 32);
    assert!(size_of::<VariableRecord>() == 48);
    assert!(size_of::<ForeignRecord>() == 16);
    assert!(size_of::<TypeRecord>() == 32);
    assert!(size_of::<UpdatePointRecord>() == 24);
    assert!(size_of::<UnitRecord>() == 24);
};
