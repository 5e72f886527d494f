//! Writes the assembler files that `dsu-cc` and `dsu-diff` would emit: a program's control block and registry, and a
//! patch's manifest.

use dsu_abi::{PROTOCOL, key_of};
use object::{Object, ObjectSection, ObjectSymbol};
use std::collections::HashMap;
use std::fmt::Write;

/// A function of a program or of a patch; symbols may be empty.
pub struct Function {
    pub name: &'static str,
    pub fingerprint: u64,
    /// Patches: the code.
    pub code: &'static str,
    pub slot: &'static str,
    pub stub: &'static str,
}

/// A variable of a program or of a patch.
pub struct Variable {
    pub name: &'static str,
    pub fingerprint: u64,
    pub size: u64,
    pub symbol: &'static str,
    pub thread_local: bool,
}

/// An undefined symbol of a patch.
pub struct Import {
    pub symbol: &'static str,
    pub name: &'static str,
    pub fingerprint: u64,
    /// Name after the commit, or empty.
    pub new_name: &'static str,
    pub fallback: &'static str,
    pub kind: u32,
}

/// New contents of a variable.
pub struct Copy {
    pub name: &'static str,
    pub fingerprint: u64,
    pub size: u64,
    pub source: &'static str,
}

#[derive(Default)]
pub struct Program {
    pub build: u8,
    pub functions: Vec<Function>,
    pub variables: Vec<Variable>,
    pub foreign: Vec<&'static str>,
    /// Name, layout and size.
    pub types: Vec<(&'static str, u64, u64)>,
    pub update_points: Vec<(&'static str, &'static str, &'static str, u32)>,
    pub units: Vec<&'static str>,
}

#[derive(Default)]
pub struct Patch {
    pub name: &'static str,
    pub id: u8,
    pub from: u8,
    pub to: u8,
    pub imports: Vec<Import>,
    pub functions: Vec<Function>,
    pub variables: Vec<Variable>,
    pub copies: Vec<Copy>,
    pub types: Vec<(&'static str, u64)>,
    pub changed_types: Vec<ChangedType>,
    /// Name and function of state transformers.
    pub carries: Vec<(&'static str, &'static str)>,
    pub objects: Vec<Objects>,
    /// Why it cannot be undone, or empty.
    pub irreversible: &'static str,
    /// The patches it is made to follow, or empty.
    pub after: &'static str,
    pub lineage: &'static str,
    /// Lines of assembler put behind the header.
    pub extra: String,
}

/// A type that a patch changes.
pub struct ChangedType {
    pub name: &'static str,
    pub old_layout: u64,
    pub new_layout: u64,
    pub size: u64,
    /// The transformer, or empty.
    pub transform: &'static str,
    pub stamp_offset: u32,
    pub flags: u32,
    /// Bytes of a block of its side table, and where objects have its number.
    pub block: (u32, u32),
}

/// Objects of a changed type in a variable.
pub struct Objects {
    pub variable: &'static str,
    pub fingerprint: u64,
    pub changed: &'static str,
    pub offset: u64,
    pub stride: u64,
    pub count: u64,
}

/// Text of the records, and of the strings they refer to.
struct Emitter {
    text: String,
    strings: String,
    count: usize,
}

fn key(name: &str) -> u64 {
    key_of(name.as_bytes())
}

impl Emitter {
    fn new() -> Self {
        Self { text: String::new(), strings: String::new(), count: 0 }
    }

    fn line(&mut self, line: &str) {
        writeln!(self.text, "\t{line}").unwrap();
    }

    fn quad(&mut self, value: u64) {
        self.line(&format!(".quad {value:#x}"));
    }

    fn long(&mut self, value: u32) {
        self.line(&format!(".long {value}"));
    }

    fn reference(&mut self, symbol: &str) {
        self.line(&if symbol.is_empty() { ".long 0".to_string() } else { format!(".long {symbol} - .") });
    }

    fn string(&mut self, text: &str) {
        let label = format!(".Lstring{}", self.count);
        self.count += 1;
        writeln!(self.strings, "{label}: .asciz \"{text}\"").unwrap();
        self.reference(&label);
    }

    fn id(&mut self, byte: u8) {
        self.line(&format!(".fill 16, 1, {byte:#x}"));
    }

    fn table(&mut self, label: &str, count: usize) {
        self.line(&format!(".quad {label} - ."));
        self.quad(count as u64);
    }

    fn label(&mut self, label: &str) {
        writeln!(self.text, "{label}:").unwrap();
    }
}

impl Program {
    pub fn assembler(&self) -> String {
        let mut functions: Vec<_> = self.functions.iter().collect();
        functions.sort_by_key(|function| (key(function.name), function.fingerprint));
        let mut variables: Vec<_> = self.variables.iter().collect();
        variables.sort_by_key(|variable| key(variable.name));
        let mut foreign = self.foreign.clone();
        foreign.sort_by_key(|name| key(name));
        let mut types = self.types.clone();
        types.sort_by_key(|(name, ..)| key(name));

        let mut e = Emitter::new();
        e.line(".section .dsu.control, \"aw\"");
        e.line(".balign 64");
        for symbol in ["dsu_control", "dsu_pending"] {
            e.line(&format!(".globl {symbol}"));
            e.line(&format!(".hidden {symbol}"));
        }
        e.label("dsu_control");
        e.line(".ascii \"DSUCTRL\\0\"");
        e.long(PROTOCOL);
        e.long(2048);
        e.label("dsu_pending");
        e.long(0);
        e.long(1);
        e.id(self.build);
        e.id(self.build);
        e.line(".quad dsu_thread@tpoff");
        e.table(".Lfunctions", functions.len());
        e.table(".Lvariables", variables.len());
        e.table(".Lforeign", foreign.len());
        e.table(".Ltypes", types.len());
        e.table(".Lupdate_points", self.update_points.len());
        e.table(".Lunits", self.units.len());
        e.line(".zero 2048 - (. - dsu_control)");

        e.line(".section .dsu.registry, \"a\"");
        e.line(".balign 8");
        e.label(".Lfunctions");
        for function in functions {
            e.quad(key(function.name));
            e.quad(function.fingerprint);
            e.string(function.name);
            e.reference(function.slot);
            e.reference(function.stub);
            e.long(0);
        }
        e.label(".Lvariables");
        for variable in variables {
            e.quad(key(variable.name));
            e.quad(variable.fingerprint);
            e.quad(variable.size);
            e.line(&if variable.thread_local { format!(".quad {}@dtpoff", variable.symbol) } else { ".quad 0".into() });
            e.string(variable.name);
            e.reference(if variable.thread_local { "" } else { variable.symbol });
            e.long(u32::from(variable.thread_local));
            e.long(0);
        }
        e.label(".Lforeign");
        for name in foreign {
            e.quad(key(name));
            e.string(name);
            e.reference(name);
        }
        e.label(".Ltypes");
        for (name, layout, size) in types {
            e.quad(key(name));
            e.quad(layout);
            e.quad(size);
            e.string(name);
            e.long(0);
        }
        e.label(".Lupdate_points");
        for (name, function, file, line) in &self.update_points {
            e.string(name);
            e.string(function);
            e.string(file);
            e.long(*line);
            e.quad(0);
        }
        e.label(".Lunits");
        for (index, name) in self.units.iter().enumerate() {
            e.id(index as u8 + 1);
            e.string(name);
            e.long(0);
        }
        let mut text = e.text + &e.strings;
        text += "\t.text\n";
        for function in self.functions.iter().filter(|function| !function.stub.is_empty()) {
            let (stub, slot) = (function.stub, function.slot);
            write!(text, "\t.globl {stub}\n\t.hidden {stub}\n\t.type {stub}, @function\n{stub}:\n").unwrap();
            write!(text, "\t.cfi_startproc\n\tjmp *{slot}(%rip)\n\t.cfi_endproc\n\t.size {stub}, . - {stub}\n")
                .unwrap();
        }
        text + "\t.section .note.GNU-stack, \"\", @progbits\n"
    }
}

impl Patch {
    /// The imports as they are in the manifest.
    fn sorted_imports(&self) -> Vec<&Import> {
        let mut imports: Vec<_> = self.imports.iter().collect();
        imports.sort_by_key(|import| key(import.name));
        imports
    }

    /// Puts the numbers of the imports' symbols into the linked patch, as `dsu-diff` does.
    pub fn number_imports(&self, file: &mut [u8]) {
        let elf = object::File::parse(&*file).unwrap();
        let undefined = elf.dynamic_symbols().filter(ObjectSymbol::is_undefined);
        let numbers: HashMap<_, _> = undefined.map(|s| (s.name().unwrap().to_owned(), s.index().0 as u32)).collect();
        let section = elf.section_by_name(".dsu.patch").unwrap();
        let start = section.file_range().unwrap().0 as usize;
        // The imports stand behind the header.
        for (at, import) in self.sorted_imports().into_iter().enumerate() {
            let number = numbers.get(import.symbol).copied().unwrap_or(0);
            let place = start + 256 + at * 48;
            file[place..place + 4].copy_from_slice(&number.to_le_bytes());
        }
    }

    pub fn assembler(&self) -> String {
        let imports = self.sorted_imports();

        let mut e = Emitter::new();
        e.line(".section .dsu.patch, \"aR\"");
        e.line(".balign 8");
        e.line(".globl dsu_patch");
        e.line(".type dsu_patch, @object");
        e.label("dsu_patch");
        e.line(".ascii \"DSUPATCH\"");
        e.long(PROTOCOL);
        e.long(256);
        e.id(self.id);
        e.id(self.from);
        e.id(self.to);
        e.table(".Limports", imports.len());
        e.table(".Lfunctions", self.functions.len());
        e.table(".Lvariables", self.variables.len());
        e.table(".Lcopies", self.copies.len());
        e.table(".Ltypes", self.types.len());
        e.table(".Ltypes", 0);
        e.string(self.name);
        if self.irreversible.is_empty() {
            e.reference("");
        } else {
            e.string(self.irreversible);
        }
        if self.after.is_empty() {
            e.reference("");
        } else {
            e.string(self.after);
        }
        e.long(0);
        e.table(".Lchanged_types", self.changed_types.len());
        e.table(".Lcarries", self.carries.len());
        e.table(".Llineage", self.lineage.len());
        e.table(".Lobjects", self.objects.len());
        e.line(".zero 16");
        e.line(".size dsu_patch, . - dsu_patch");

        e.label(".Limports");
        for import in imports {
            let new = if import.new_name.is_empty() { import.name } else { import.new_name };
            e.long(0);
            e.long(import.kind);
            e.quad(key(import.name));
            e.quad(import.fingerprint);
            e.quad(key(new));
            e.string(import.name);
            if import.new_name.is_empty() {
                e.reference("");
            } else {
                e.string(import.new_name);
            }
            e.reference(import.fallback);
            e.long(0);
        }
        e.label(".Lfunctions");
        for function in &self.functions {
            e.quad(key(function.name));
            e.quad(function.fingerprint);
            e.quad(key(function.name));
            e.string(function.name);
            e.reference(function.code);
            e.reference(function.slot);
            e.reference(function.stub);
            e.quad(0);
        }
        e.label(".Lvariables");
        for variable in &self.variables {
            e.quad(key(variable.name));
            e.quad(variable.fingerprint);
            e.quad(variable.size);
            e.line(&if variable.thread_local { format!(".quad {}@dtpoff", variable.symbol) } else { ".quad 0".into() });
            e.string(variable.name);
            e.reference(if variable.thread_local { "" } else { variable.symbol });
            e.long(u32::from(variable.thread_local));
            e.long(0);
        }
        e.label(".Lcopies");
        let mut copies: Vec<_> = self.copies.iter().collect();
        copies.sort_by_key(|copy| key(copy.name));
        for copy in copies {
            e.quad(key(copy.name));
            e.quad(copy.fingerprint);
            e.quad(copy.size);
            e.string(copy.name);
            e.reference(copy.source);
        }
        e.label(".Ltypes");
        for (name, layout) in &self.types {
            e.quad(key(name));
            e.quad(*layout);
            e.string(name);
            e.long(0);
        }
        self.changes(&mut e);
        e.text += &self.extra;
        // Ends the unwind information: nothing else does, as patches are linked without start-up files.
        let end = "\t.section .eh_frame, \"a\", @progbits\n\t.long 0\n";
        e.text + &e.strings + end + "\t.section .note.GNU-stack, \"\", @progbits\n"
    }

    /// Tables of changed types, state transformers, lineage, objects.
    fn changes(&self, e: &mut Emitter) {
        e.label(".Lchanged_types");
        for changed in &self.changed_types {
            e.quad(key(changed.name));
            e.quad(changed.old_layout);
            e.quad(changed.new_layout);
            e.quad(changed.size);
            e.string(changed.name);
            e.reference(changed.transform);
            e.long(changed.stamp_offset);
            e.long(changed.flags);
            e.long(changed.block.0);
            e.long(changed.block.1);
        }
        e.label(".Lcarries");
        for (name, function) in &self.carries {
            e.string(name);
            e.reference(function);
        }
        e.label(".Lobjects");
        for objects in &self.objects {
            e.quad(key(objects.variable));
            e.quad(objects.fingerprint);
            e.quad(key(objects.changed));
            e.quad(objects.offset);
            e.quad(objects.stride);
            e.quad(objects.count);
            e.string(objects.variable);
            e.long(0);
        }
        e.label(".Llineage");
        e.line(&format!(".ascii \"{}\"", self.lineage));
    }
}
