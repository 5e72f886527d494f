//! Writing GNU assembler: records with self-relative references, and a pool of strings.

use std::collections::HashMap;
use std::fmt::Write as _;

use dsu_abi::Id;

/// An assembler file in the making.
#[derive(Default)]
pub struct Assembly {
    text: String,
    strings: HashMap<String, usize>,
}

impl Assembly {
    /// Appends a line.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// Defines a hidden global label here.
    pub fn label(&mut self, name: &str) {
        let _ = writeln!(self.text, "\t.globl {name}\n\t.hidden {name}\n{name}:");
    }

    /// A 64-bit value.
    pub fn quad(&mut self, value: u64) {
        let _ = writeln!(self.text, "\t.quad {value:#x}");
    }

    /// A 64-bit expression.
    pub fn quad_of(&mut self, expression: &str) {
        let _ = writeln!(self.text, "\t.quad {expression}");
    }

    /// A 32-bit value.
    pub fn long(&mut self, value: u32) {
        let _ = writeln!(self.text, "\t.long {value:#x}");
    }

    /// A [`dsu_abi::registry::Rel32`] to a symbol, or to nothing.
    pub fn relative(&mut self, symbol: Option<&str>) {
        match symbol {
            Some(symbol) => {
                let _ = writeln!(self.text, "\t.long {symbol} - .");
            }
            None => self.long(0),
        }
    }

    /// A [`dsu_abi::registry::Rel32`] to a NUL-terminated string.
    pub fn string(&mut self, string: &str) {
        let next = self.strings.len();
        let index = *self.strings.entry(string.to_owned()).or_insert(next);
        let _ = writeln!(self.text, "\t.long .Ldsu_string_{index} - .");
    }

    /// A [`dsu_abi::registry::Table`] of records at a label.
    pub fn table(&mut self, label: &str, count: usize) {
        let _ = writeln!(self.text, "1:\t.quad {label} - 1b\n\t.quad {count}");
    }

    /// A 128-bit identity.
    pub fn id(&mut self, id: Id) {
        self.bytes(&id.0);
    }

    /// Bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
        let _ = writeln!(self.text, "\t.byte {}", bytes.join(","));
    }

    /// The finished text: the strings used go to `section`.
    pub fn finish(mut self, section: &str, flags: &str) -> String {
        let _ = writeln!(self.text, "\t.section {section},\"{flags}\",@progbits");
        let mut strings: Vec<(String, usize)> = self.strings.into_iter().collect();
        strings.sort_by_key(|(_, index)| *index);
        for (string, index) in strings {
            let _ = writeln!(self.text, ".Ldsu_string_{index}:\n\t.string {}", quote(&string));
        }
        self.text.push_str("\t.section .note.GNU-stack,\"\",@progbits\n");
        self.text
    }
}

/// A string as an assembler literal.
pub fn quote(string: &str) -> String {
    let mut result = String::from("\"");
    for byte in string.bytes() {
        match byte {
            b'"' | b'\\' => {
                result.push('\\');
                result.push(char::from(byte));
            }
            0x20..0x7f => result.push(char::from(byte)),
            _ => {
                let _ = write!(result, "\\{byte:03o}");
            }
        }
    }
    result.push('"');
    result
}
