//! The registry: what an updatable executable knows of itself, as tables in memory.
//!
//! `dsu-cc` emits the tables at link time, sorted, with self-relative references, so that they are
//! position independent and need neither relocation nor start-up work. `libdsu` searches them;
//! `dsu-push --status` reads them from outside.
//!
//! # Names
//!
//! | thing | registry name |
//! |---|---|
//! | external function or variable | `name` |
//! | `static` function or variable of a unit | `name@unit` |
//! | `static` variable inside a function | `function.name@unit` (a second one: `function.name#2@unit`) |
//!
//! `unit` is the path of the source file relative to the directory common to all units.

/// A reference to something `offset` bytes from this field itself; 0 means none.
///
/// Layout: `+0 offset: i32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Rel32(pub i32);

impl Rel32 {
    /// The address referred to, given the address of this field; `None` for an empty reference.
    pub fn resolve(self, field_address: u64) -> Option<u64> {
        (self.0 != 0).then(|| field_address.wrapping_add(self.0 as i64 as u64))
    }
}

/// An array of `count` records, `offset` bytes from this struct itself.
///
/// Layout: `+0 offset: i64, +8 count: u64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Table {
    /// Distance from the address of this struct to the first record.
    pub offset: i64,
    /// Number of records.
    pub count: u64,
}

impl Table {
    /// Address of the first record, given the address of this struct.
    pub fn resolve(self, field_address: u64) -> u64 {
        field_address.wrapping_add(self.offset as u64)
    }
}

/// A function of the program. Sorted by (`key`, `fingerprint`). 32 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FunctionRecord {
    /// +0: [`crate::key_of`] the registry name.
    pub key: u64,
    /// +8: fingerprint of the prototype.
    pub fingerprint: u64,
    /// +16: the registry name, NUL terminated.
    pub name: Rel32,
    /// +20: the slot, a pointer to the current version; none where nothing calls through one.
    pub slot: Rel32,
    /// +24: the stub that stands for the function's address; none where no address is taken.
    pub stub: Rel32,
    /// +28: [`function_flags`].
    pub flags: u32,
}

/// Flags of [`FunctionRecord::flags`] and [`crate::patch::PatchFunction::flags`].
pub mod function_flags {
    /// The function can be on a stack while a thread stands at an update point: an old version
    /// may go on running after a commit.
    pub const UPDATE_PATH: u32 = 1;
    /// Internal linkage.
    pub const STATIC: u32 = 2;
}

/// A variable of the program with static storage. Sorted by `key`. 48 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct VariableRecord {
    /// +0: [`crate::key_of`] the registry name.
    pub key: u64,
    /// +8: fingerprint of the type.
    pub fingerprint: u64,
    /// +16: size in bytes.
    pub size: u64,
    /// +24: for thread-local variables: offset in the executable's TLS block (`@dtpoff`).
    pub tls_offset: u64,
    /// +32: the registry name, NUL terminated.
    pub name: Rel32,
    /// +36: the variable; none if thread-local.
    pub address: Rel32,
    /// +40: [`variable_flags`].
    pub flags: u32,
    /// +44: zero.
    pub reserved: u32,
}

/// Flags of [`VariableRecord::flags`] and [`crate::patch::PatchVariable::flags`].
pub mod variable_flags {
    /// Thread-local: `tls_offset` holds, `address` is empty.
    pub const TLS: u32 = 1;
    /// Internal linkage or no linkage.
    pub const STATIC: u32 = 2;
    /// The program may write it: its value is not what it was initialised to.
    pub const WRITTEN: u32 = 4;
}

/// A symbol that rewritten units use but that no rewritten unit defines: assembler, units kept as
/// they are, static libraries, and `libdsu`'s own entry points. Sorted by `key`. 16 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ForeignRecord {
    /// +0: [`crate::key_of`] the symbol name.
    pub key: u64,
    /// +8: the symbol name, NUL terminated.
    pub name: Rel32,
    /// +12: its address.
    pub address: Rel32,
}

/// A struct, union or enum of the program. Sorted by `key`. 32 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TypeRecord {
    /// +0: [`crate::key_of`] the type name: `struct tag`, or `struct tag@unit` where units disagree.
    pub key: u64,
    /// +8: fingerprint of the layout: fields, offsets, types.
    pub layout: u64,
    /// +16: size in bytes.
    pub size: u64,
    /// +24: the type name, NUL terminated.
    pub name: Rel32,
    /// +28: version: 0 in a base build.
    pub version: u32,
}

/// An update point. 24 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct UpdatePointRecord {
    /// +0: its name, NUL terminated.
    pub name: Rel32,
    /// +4: registry name of the function it stands in.
    pub function: Rel32,
    /// +8: source file.
    pub file: Rel32,
    /// +12: source line.
    pub line: u32,
    /// +16: zero.
    pub reserved: u64,
}

/// A unit of the program. 24 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct UnitRecord {
    /// +0: identity of what the unit says (comments, white space and line numbers aside).
    pub content: crate::Id,
    /// +16: its name, NUL terminated.
    pub name: Rel32,
    /// +20: 1 if the unit was kept as it is and cannot be replaced.
    pub kept: u32,
}
