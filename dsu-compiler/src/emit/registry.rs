//! `program.s`: control block, registry and stubs of an updatable executable.

use core::mem::offset_of;

use dsu_abi::control::{self, Control};
use dsu_abi::registry::{function_flags, variable_flags};
use dsu_abi::{Id, PROTOCOL, key_of, section};

use crate::emit::asm::Assembly;
use crate::program::ProgramError;

/// A function for the registry.
pub struct FunctionEntry {
    /// Registry name.
    pub name: String,
    /// Fingerprint of the prototype.
    pub fingerprint: u64,
    /// Label of slot and stub symbols.
    pub label: String,
    /// It has a slot.
    pub slot: bool,
    /// It has a stub.
    pub stub: bool,
    /// Its own symbol is a stub, too.
    pub by_name: Vec<String>,
    /// On an update path.
    pub path: bool,
    /// Internal linkage.
    pub internal: bool,
}

/// A variable for the registry, or one that a patch brings.
#[derive(Clone, Debug)]
pub struct VariableEntry {
    /// Registry name.
    pub name: String,
    /// Fingerprint of the type.
    pub fingerprint: u64,
    /// Symbol of its address.
    pub symbol: String,
    /// Size in bytes.
    pub size: u64,
    /// Thread-local.
    pub thread_local: bool,
    /// Internal linkage or none.
    pub internal: bool,
    /// The program may write it.
    pub written: bool,
}

/// A type for the registry.
pub struct TypeEntry {
    /// Its name.
    pub name: String,
    /// Fingerprint of its layout.
    pub layout: u64,
    /// Size in bytes.
    pub size: u64,
}

/// An update point for the registry.
pub struct PointEntry {
    /// Its name.
    pub name: String,
    /// Registry name of its function.
    pub function: String,
    /// The user's file.
    pub file: String,
    /// The user's line.
    pub line: u32,
}

/// A unit for the registry.
#[derive(Clone, Debug)]
pub struct UnitEntry {
    /// Its name.
    pub name: String,
    /// Identity of what it says.
    pub content: Id,
    /// It cannot be replaced.
    pub kept: bool,
}

/// Everything the registry holds.
#[derive(Default)]
pub struct Registry {
    /// Identity of the build.
    pub build: Id,
    /// Functions.
    pub functions: Vec<FunctionEntry>,
    /// Variables.
    pub variables: Vec<VariableEntry>,
    /// Symbols outside the rewritten units.
    pub foreign: Vec<String>,
    /// Types.
    pub types: Vec<TypeEntry>,
    /// Update points.
    pub points: Vec<PointEntry>,
    /// Units.
    pub units: Vec<UnitEntry>,
}

/// Sorts by the key of a name and refuses names that share one.
fn by_key<T>(list: &mut [T], name: impl Fn(&T) -> &str) -> Result<(), ProgramError> {
    list.sort_by_key(|entry| key_of(name(entry).as_bytes()));
    for pair in list.windows(2) {
        let (a, b) = (name(&pair[0]), name(&pair[1]));
        if key_of(a.as_bytes()) == key_of(b.as_bytes()) {
            return Err(ProgramError::Collision(a.to_owned(), b.to_owned()));
        }
    }
    Ok(())
}

impl Registry {
    /// The assembler text.
    ///
    /// # Errors
    /// When two names have the same key.
    pub fn assemble(mut self) -> Result<String, ProgramError> {
        by_key(&mut self.functions, |f| &f.name)?;
        by_key(&mut self.variables, |v| &v.name)?;
        by_key(&mut self.types, |t| &t.name)?;
        self.foreign.sort();
        self.foreign.dedup();
        by_key(&mut self.foreign, |f| f)?;
        let mut asm = Assembly::default();
        self.control(&mut asm);
        self.tables(&mut asm);
        self.stubs(&mut asm);
        Ok(asm.finish(section::REGISTRY, "a"))
    }

    fn control(&self, asm: &mut Assembly) {
        asm.line(format!("\t.section {},\"aw\",@progbits\n\t.p2align 6", section::CONTROL));
        asm.label(section::CONTROL_SYMBOL);
        asm.bytes(&control::MAGIC);
        asm.long(PROTOCOL);
        asm.long(size_of::<Control>() as u32);
        asm.label(section::PENDING_SYMBOL);
        asm.long(0);
        asm.long(if self.points.is_empty() { 0 } else { control::flags::UPDATABLE });
        asm.id(self.build);
        asm.id(self.build);
        // An executable's thread-local variables lie below the thread pointer, so the upper half is all ones;
        // not every linker knows a 64-bit relocation for it.
        asm.line(format!("\t.long {}@tpoff\n\t.long -1", section::THREAD_SYMBOL));
        asm.table(".Ldsu_functions", self.functions.len());
        asm.table(".Ldsu_variables", self.variables.len());
        asm.table(".Ldsu_foreign", self.foreign.len());
        asm.table(".Ldsu_types", self.types.len());
        asm.table(".Ldsu_points", self.points.len());
        asm.table(".Ldsu_units", self.units.len());
        asm.line(format!("\t.zero {}", size_of::<Control>() - offset_of!(Control, applied)));
    }

    fn tables(&self, asm: &mut Assembly) {
        asm.line(format!("\t.section {},\"a\",@progbits\n\t.p2align 3\n.Ldsu_functions:", section::REGISTRY));
        for f in &self.functions {
            asm.quad(key_of(f.name.as_bytes()));
            asm.quad(f.fingerprint);
            asm.string(&f.name);
            asm.relative(f.slot.then(|| format!("dsu_slot_{}", f.label)).as_deref());
            asm.relative(f.has_stub().then(|| format!("dsu_stub_{}", f.label)).as_deref());
            asm.long(function_flags_of(f.path, f.internal));
        }
        asm.line(".Ldsu_variables:");
        for v in &self.variables {
            variable_record(asm, v);
        }
        asm.line(".Ldsu_foreign:");
        for name in &self.foreign {
            asm.quad(key_of(name.as_bytes()));
            asm.string(name);
            asm.relative(Some(name));
        }
        asm.line(".Ldsu_types:");
        for t in &self.types {
            asm.quad(key_of(t.name.as_bytes()));
            asm.quad(t.layout);
            asm.quad(t.size);
            asm.string(&t.name);
            asm.long(0);
        }
        asm.line(".Ldsu_points:");
        for p in &self.points {
            asm.string(&p.name);
            asm.string(&p.function);
            asm.string(&p.file);
            asm.long(p.line);
            asm.quad(0);
        }
        asm.line(".Ldsu_units:");
        for u in &self.units {
            unit_record(asm, &u.name, u.content, u.kept);
        }
    }

    fn stubs(&self, asm: &mut Assembly) {
        // Without `endbr64`: a program with libdsu in it is not marked for indirect branch tracking.
        asm.line("\t.text");
        for f in self.functions.iter().filter(|f| f.has_stub()) {
            asm.line("\t.p2align 3");
            for name in &f.by_name {
                asm.line(format!("\t.globl {name}\n\t.type {name}, @function\n{name}:"));
            }
            let stub = format!("dsu_stub_{}", f.label);
            asm.line(format!("\t.type {stub}, @function"));
            asm.label(&stub);
            asm.line(format!("\tjmp *dsu_slot_{}(%rip)\n\t.size {stub}, . - {stub}", f.label));
        }
    }
}

impl FunctionEntry {
    fn has_stub(&self) -> bool {
        self.stub || !self.by_name.is_empty()
    }
}

/// [`function_flags`] of a function on an update path or not, with internal linkage or not.
pub fn function_flags_of(path: bool, internal: bool) -> u32 {
    let path = if path { function_flags::UPDATE_PATH } else { 0 };
    path | if internal { function_flags::STATIC } else { 0 }
}

/// A [`dsu_abi::registry::VariableRecord`] or [`dsu_abi::patch::PatchVariable`], which are alike.
pub fn variable_record(asm: &mut Assembly, v: &VariableEntry) {
    let tls = v.thread_local;
    asm.quad(key_of(v.name.as_bytes()));
    asm.quad(v.fingerprint);
    asm.quad(v.size);
    asm.quad_of(&if tls { format!("{}@dtpoff", v.symbol) } else { "0".into() });
    asm.string(&v.name);
    asm.relative((!tls).then_some(v.symbol.as_str()));
    let written = if v.written { variable_flags::WRITTEN } else { 0 };
    let flags = if tls { variable_flags::TLS } else { 0 } | written;
    asm.long(flags | if v.internal { variable_flags::STATIC } else { 0 });
    asm.long(0);
}

/// A [`dsu_abi::registry::UnitRecord`].
pub fn unit_record(asm: &mut Assembly, name: &str, content: Id, kept: bool) {
    asm.id(content);
    asm.string(name);
    asm.long(u32::from(kept));
}
