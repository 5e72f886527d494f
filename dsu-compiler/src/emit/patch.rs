//! `patch.s`: the manifest of a patch, and the stubs it brings.

use core::mem::offset_of;
use std::path::Path;

use dsu_abi::patch::{HEADER_SYMBOL, MAGIC, NO_STAMP, PatchHeader, import_kind, type_flags};
use dsu_abi::{Id, PROTOCOL, key_of, section};

use crate::emit::asm::{Assembly, quote};
use crate::emit::registry::{UnitEntry, VariableEntry, function_flags_of, unit_record, variable_record};

/// An undefined symbol of the patch and what it is bound to.
#[derive(Clone, Debug)]
pub struct Import {
    /// The ELF symbol.
    pub symbol: String,
    /// One of [`import_kind`].
    pub kind: u32,
    /// Registry name to look up.
    pub name: String,
    /// Registry name after the commit, if it differs.
    pub new_name: Option<String>,
    /// Fingerprint it must have.
    pub fingerprint: u64,
    /// Symbol of the patch to bind if the process has no such entry.
    pub fallback: Option<String>,
}

/// A function of the patch.
#[derive(Clone, Debug)]
pub struct PatchFunctionEntry {
    /// Registry name.
    pub name: String,
    /// Registry name of its older version.
    pub old_name: String,
    /// Fingerprint of the prototype.
    pub fingerprint: u64,
    /// Label of its symbols.
    pub label: String,
    /// The patch brings a stub.
    pub stub: bool,
    /// On an update path.
    pub path: bool,
    /// Internal linkage.
    pub internal: bool,
}

/// New contents for a variable.
#[derive(Clone, Debug)]
pub struct CopyEntry {
    /// Registry name of the destination.
    pub name: String,
    /// Fingerprint of its type.
    pub fingerprint: u64,
    /// Size in bytes.
    pub size: u64,
    /// Symbol of the contents.
    pub symbol: String,
}

/// A type that the patch changes.
#[derive(Clone, Debug)]
pub struct ChangedType {
    /// Its name.
    pub name: String,
    /// Fingerprint of the layout before.
    pub old_layout: u64,
    /// Fingerprint of the layout after.
    pub new_layout: u64,
    /// Size of an object in bytes.
    pub size: u64,
    /// Symbol of the transformer, if objects need one.
    pub transform: Option<String>,
    /// Where an object has its stamp.
    pub stamp_offset: Option<u32>,
    /// The transformer may run twice.
    pub repeatable: bool,
    /// Bytes of a block of its side table, and where an object has the number of its own.
    pub side_table: Option<(u32, u32)>,
}

/// Objects of a changed type in a variable of the process, at equal distances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectsEntry {
    /// Registry name of the variable.
    pub name: String,
    /// Fingerprint of its type.
    pub fingerprint: u64,
    /// Name of the objects' type.
    pub changed: String,
    /// Where the first one is in the variable.
    pub offset: u64,
    /// From one to the next; 0 if there is one.
    pub stride: u64,
    /// How many there are.
    pub count: u64,
}

/// The manifest.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Identity of the patch.
    pub patch: Id,
    /// The state it applies to.
    pub from: Id,
    /// The state it leads to.
    pub to: Id,
    /// Its name.
    pub name: String,
    /// Imports.
    pub imports: Vec<Import>,
    /// Functions.
    pub functions: Vec<PatchFunctionEntry>,
    /// Variables.
    pub variables: Vec<VariableEntry>,
    /// Copies.
    pub copies: Vec<CopyEntry>,
    /// Types relied on: name and layout.
    pub types: Vec<(String, u64)>,
    /// Types that change.
    pub changed_types: Vec<ChangedType>,
    /// Objects of these, for rehearsals.
    pub objects: Vec<ObjectsEntry>,
    /// Names of the patches that lead to `from`, oldest first.
    pub after: Vec<String>,
    /// State transformers: name and symbol.
    pub carries: Vec<(String, String)>,
    /// Why the patch cannot be undone, if it cannot.
    pub irreversible: Option<String>,
    /// Replaced units.
    pub units: Vec<UnitEntry>,
    /// Labels of functions that need a stub of the patch's own, as the process may have none.
    pub stubs: Vec<String>,
}

impl Manifest {
    /// Sorts the tables as the runtime expects them.
    pub fn sort(&mut self) {
        self.imports.sort_by_key(|i| key_of(i.name.as_bytes()));
        self.functions.sort_by_key(|f| key_of(f.old_name.as_bytes()));
        self.variables.sort_by_key(|v| key_of(v.name.as_bytes()));
        self.copies.sort_by_key(|c| key_of(c.name.as_bytes()));
    }

    /// The assembler text; `lineage` is the file with the contents of section `.dsu.lineage`.
    pub fn assemble(&self, lineage: &Path) -> String {
        let mut asm = Assembly::default();
        self.header(&mut asm);
        self.records(&mut asm);
        asm.line(format!("\t.section {},\"a\",@progbits\n.Ldsu_lineage:", section::LINEAGE));
        asm.line(format!("\t.incbin {}\n.Ldsu_lineage_end:", quote(&lineage.display().to_string())));
        asm.line("\t.text");
        for label in &self.stubs {
            let stub = format!("dsu_newstub_{label}");
            asm.line(format!("\t.p2align 4\n\t.type {stub}, @function"));
            asm.label(&stub);
            // The slot may be the process's or the patch's own: whichever the import was bound to.
            asm.line(format!("\tmovq dsu_slot_{label}@GOTPCREL(%rip), %r11\n\tjmp *(%r11)"));
            asm.line(format!("\t.size {stub}, . - {stub}"));
        }
        // What the compiler's start files define in an ordinary shared object: atexit refers to it.
        asm.line("\t.data\n\t.p2align 3\n\t.weak __dso_handle\n\t.hidden __dso_handle\n__dso_handle:\n\t.quad 0");
        asm.finish(section::PATCH, "aw")
    }

    fn header(&self, asm: &mut Assembly) {
        asm.line(format!("\t.section {},\"aw\",@progbits\n\t.p2align 4", section::PATCH));
        asm.line(format!("\t.globl {HEADER_SYMBOL}\n\t.type {HEADER_SYMBOL}, @object\n{HEADER_SYMBOL}:"));
        asm.bytes(&MAGIC);
        asm.long(PROTOCOL);
        asm.long(size_of::<PatchHeader>() as u32);
        asm.id(self.patch);
        asm.id(self.from);
        asm.id(self.to);
        asm.table(".Ldsu_imports", self.imports.len());
        asm.table(".Ldsu_functions", self.functions.len());
        asm.table(".Ldsu_variables", self.variables.len());
        asm.table(".Ldsu_copies", self.copies.len());
        asm.table(".Ldsu_types", self.types.len());
        asm.table(".Ldsu_units", self.units.len());
        asm.string(&self.name);
        match &self.irreversible {
            Some(reason) => asm.string(reason),
            None => asm.long(0),
        }
        match self.after.as_slice() {
            [] => asm.long(0),
            names => asm.string(&names.join(", ")),
        }
        asm.line(format!("\t.zero {}", offset_of!(PatchHeader, changed_types) - offset_of!(PatchHeader, reserved)));
        asm.table(".Ldsu_changed_types", self.changed_types.len());
        asm.table(".Ldsu_carries", self.carries.len());
        asm.line("1:\t.quad .Ldsu_lineage - 1b\n\t.quad .Ldsu_lineage_end - .Ldsu_lineage");
        asm.table(".Ldsu_objects", self.objects.len());
        // The checksum is put in after the link.
        let rest = size_of::<PatchHeader>() - offset_of!(PatchHeader, checksum);
        asm.line(format!("\t.zero {rest}\n\t.size {HEADER_SYMBOL}, . - {HEADER_SYMBOL}\n\t.p2align 3"));
    }

    fn records(&self, asm: &mut Assembly) {
        asm.line(".Ldsu_imports:");
        for i in &self.imports {
            let new_name = i.new_name.as_ref().filter(|n| **n != i.name);
            // The symbol's number is put in after the link.
            asm.long(0);
            asm.long(i.kind);
            asm.quad(key_of(i.name.as_bytes()));
            asm.quad(if i.kind == import_kind::FOREIGN { 0 } else { i.fingerprint });
            asm.quad(key_of(new_name.unwrap_or(&i.name).as_bytes()));
            asm.string(&i.name);
            match new_name {
                Some(name) => asm.string(name),
                None => asm.long(0),
            }
            asm.relative(i.fallback.as_deref());
            asm.long(0);
        }
        asm.line(".Ldsu_functions:");
        for f in &self.functions {
            asm.quad(key_of(f.name.as_bytes()));
            asm.quad(f.fingerprint);
            asm.quad(key_of(f.old_name.as_bytes()));
            asm.string(&f.name);
            asm.relative(Some(&format!("dsu_code_{}", f.label)));
            asm.relative(Some(&format!("dsu_newslot_{}", f.label)));
            asm.relative(f.stub.then(|| format!("dsu_newstub_{}", f.label)).as_deref());
            asm.long(function_flags_of(f.path, f.internal));
            asm.long(0);
        }
        asm.line(".Ldsu_variables:");
        for v in &self.variables {
            variable_record(asm, v);
        }
        asm.line(".Ldsu_copies:");
        for c in &self.copies {
            asm.quad(key_of(c.name.as_bytes()));
            asm.quad(c.fingerprint);
            asm.quad(c.size);
            asm.string(&c.name);
            asm.relative(Some(&c.symbol));
        }
        asm.line(".Ldsu_types:");
        for (name, layout) in &self.types {
            asm.quad(key_of(name.as_bytes()));
            asm.quad(*layout);
            asm.string(name);
            asm.long(0);
        }
        asm.line(".Ldsu_changed_types:");
        for t in &self.changed_types {
            asm.quad(key_of(t.name.as_bytes()));
            asm.quad(t.old_layout);
            asm.quad(t.new_layout);
            asm.quad(t.size);
            asm.string(&t.name);
            asm.relative(t.transform.as_deref());
            asm.long(t.stamp_offset.unwrap_or(NO_STAMP));
            asm.long(if t.repeatable { type_flags::REPEATABLE } else { 0 });
            let (block, at) = t.side_table.unwrap_or_default();
            asm.long(block);
            asm.long(at);
        }
        asm.line(".Ldsu_carries:");
        for (name, symbol) in &self.carries {
            asm.string(name);
            asm.relative(Some(symbol));
        }
        asm.line("\t.p2align 3\n.Ldsu_objects:");
        for o in &self.objects {
            asm.quad(key_of(o.name.as_bytes()));
            asm.quad(o.fingerprint);
            asm.quad(key_of(o.changed.as_bytes()));
            asm.quad(o.offset);
            asm.quad(o.stride);
            asm.quad(o.count);
            asm.string(&o.name);
            asm.long(0);
        }
        asm.line(".Ldsu_units:");
        for u in &self.units {
            unit_record(asm, &u.name, u.content, u.kept);
        }
    }
}
