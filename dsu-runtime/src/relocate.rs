//! Relocating the image of a patch (x86-64).

use crate::binding::Binder;
use crate::elf::{Elf, Range, segment_flags};
use crate::image::Image;
use crate::refusal::{Refusal, Result, decimal};
use crate::registry::Place;
use dsu_abi::status::Status;

/// Relocation types of the x86-64 psABI.
mod kind {
    pub const NONE: u32 = 0;
    pub const WORD64: u32 = 1;
    pub const GLOB_DAT: u32 = 6;
    pub const JUMP_SLOT: u32 = 7;
    pub const RELATIVE: u32 = 8;
    pub const DTPMOD64: u32 = 16;
    pub const DTPOFF64: u32 = 17;
    pub const TPOFF64: u32 = 18;
    pub const IRELATIVE: u32 = 37;
}

/// Names of the relocation types that are not supported, for messages.
fn kind_name(kind: u32) -> String {
    let name = match kind {
        2 => "R_X86_64_PC32",
        4 => "R_X86_64_PLT32",
        5 => "R_X86_64_COPY",
        10 => "R_X86_64_32",
        11 => "R_X86_64_32S",
        24 => "R_X86_64_PC64",
        36 => "R_X86_64_TLSDESC",
        _ => return ["number ", &decimal(kind.into())].concat(),
    };
    name.to_string()
}

/// Symbol types.
const STT_TLS: u8 = 6;
const STT_GNU_IFUNC: u8 = 10;

/// A dynamic symbol.
#[derive(Clone, Copy)]
pub struct Symbol {
    /// Offset of its name in the strings.
    pub name: u32,
    /// Binding and type.
    pub info: u8,
    /// 0 if it is undefined.
    pub section: u16,
    /// Address in the image, or offset in the thread-local block.
    pub value: u64,
}

impl Symbol {
    /// Reads symbol `index`.
    pub fn read(image: &Image, elf: &Elf, index: u64) -> Result<Self> {
        let bytes = elf.symbols.checked_add(index * 24).and_then(|address| image.loaded::<24>(address));
        let bytes = bytes.ok_or_else(|| Refusal::damaged("a symbol is not there"))?;
        let [n0, n1, n2, n3, info, _, s0, s1, value @ ..] = bytes;
        let [v0, v1, v2, v3, v4, v5, v6, v7, ..] = value;
        Ok(Self {
            name: u32::from_le_bytes([n0, n1, n2, n3]),
            info,
            section: u16::from_le_bytes([s0, s1]),
            value: u64::from_le_bytes([v0, v1, v2, v3, v4, v5, v6, v7]),
        })
    }

    /// Its name.
    pub fn text(&self, image: &Image, elf: &Elf) -> Result<&'static str> {
        string(image, elf, self.name.into())
    }

    /// Whether this is its name.
    pub fn is_named(&self, image: &Image, elf: &Elf, name: &[u8]) -> bool {
        let offset = u64::from(self.name);
        offset < elf.strings.size && image.has_text(elf.strings.address.wrapping_add(offset), name)
    }

    fn is_weak(&self) -> bool {
        self.info >> 4 == 2
    }

    fn kind(&self) -> u8 {
        self.info & 15
    }
}

/// A string of the dynamic section.
pub fn string(image: &Image, elf: &Elf, offset: u64) -> Result<&'static str> {
    if offset >= elf.strings.size {
        return Err(Refusal::damaged("a name points outside of it"));
    }
    image.text(elf.strings.address.wrapping_add(offset))
}

struct Relocation {
    place: u64,
    kind: u32,
    symbol: u64,
    addend: u64,
}

/// Notes what symbol `index` is bound to. It was read from the file, so its index is bounded by the file's size.
fn note(bound: &mut Vec<Option<Place>>, index: usize, place: Place) {
    if bound.len() <= index {
        bound.resize(index + 1, None);
    }
    if let Some(entry) = bound.get_mut(index) {
        *entry = Some(place);
    }
}

/// Relocates an image whose segments are writable.
pub struct Relocator<'a> {
    image: &'a Image,
    elf: &'a Elf,
    binder: &'a mut Binder,
    /// Module of the patch's own thread-local variables.
    module: u64,
    /// What each symbol is bound to, as found so far.
    bound: Vec<Option<Place>>,
    /// Places to be filled by functions of the patch, when it is executable: (place, resolver).
    indirect: Vec<(u64, u64)>,
}

impl<'a> Relocator<'a> {
    /// For `image`, whose own thread-local variables are in module `module`.
    pub fn new(image: &'a Image, elf: &'a Elf, binder: &'a mut Binder, module: u64) -> Result<Self> {
        let mut bound = Vec::with_capacity(binder.manifest().imports.len() as usize + 1);
        binder.imports(image, |symbol, place| {
            if symbol as usize >= bound.len() {
                // A small file does not make for a long list.
                Symbol::read(image, elf, symbol.into())?;
            }
            note(&mut bound, symbol as usize, place);
            Ok(())
        })?;
        Ok(Self { image, elf, binder, module, bound, indirect: Vec::new() })
    }

    /// Applies all relocations but the indirect ones, which it returns: (place, resolver), addresses in the image.
    pub fn run(mut self) -> Result<Vec<(u64, u64)>> {
        self.packed(self.elf.relr)?;
        self.table(self.elf.rela)?;
        self.table(self.elf.plt_rela)?;
        Ok(self.indirect)
    }

    /// `DT_RELR`: an even entry is an address; an odd one a bitmap of the 63 words after.
    fn packed(&mut self, range: Range) -> Result<()> {
        self.check(range)?;
        let mut next = 0_u64;
        for index in 0..range.size / 8 {
            let entry = u64::from_le_bytes(self.image.read(range.address.wrapping_add(index * 8))?);
            if entry & 1 == 0 {
                self.add_bias(entry)?;
                next = entry.wrapping_add(8);
            } else {
                for bit in (0..63).filter(|bit| entry >> (bit + 1) & 1 != 0) {
                    self.add_bias(next.wrapping_add(bit * 8))?;
                }
                next = next.wrapping_add(63 * 8);
            }
        }
        Ok(())
    }

    /// A table of relocations must be in the file.
    fn check(&self, range: Range) -> Result<()> {
        if range.size == 0 || self.image.holds(range.address, range.size) {
            return Ok(());
        }
        Err(Refusal::damaged("its relocations are outside of it"))
    }

    fn add_bias(&self, place: u64) -> Result<()> {
        let value = u64::from_le_bytes(self.image.read(place)?);
        self.image.write(place, self.image.at(value))
    }

    fn table(&mut self, range: Range) -> Result<()> {
        self.check(range)?;
        for index in 0..range.size / 24 {
            let entry: [u64; 3] = self.image.record(range.address.wrapping_add(index * 24))?;
            let [place, info, addend] = entry;
            self.apply(&Relocation { place, kind: info as u32, symbol: info >> 32, addend })?;
        }
        Ok(())
    }

    fn apply(&mut self, relocation: &Relocation) -> Result<()> {
        let Relocation { place, addend, .. } = *relocation;
        let value = match relocation.kind {
            kind::NONE => return Ok(()),
            kind::RELATIVE => self.image.at(addend),
            kind::WORD64 => self.address(relocation)?.wrapping_add(addend),
            kind::GLOB_DAT | kind::JUMP_SLOT => self.address(relocation)?,
            kind::DTPMOD64 => self.thread_local(relocation)?.0,
            kind::DTPOFF64 => self.thread_local(relocation)?.1.wrapping_add(addend),
            kind::TPOFF64 => {
                let (module, offset) = self.thread_local(relocation)?;
                let static_offset = crate::tls::static_offset(module, offset.wrapping_add(addend));
                static_offset.ok_or_else(|| {
                    let text = "the patch accesses a thread-local variable that is not the executable's own by the \
                                initial-exec model: compile it without -ftls-model";
                    Refusal::new(Status::Incompatible, &[text])
                })?
            }
            kind::IRELATIVE => {
                if !self.image.contains(addend, 1, segment_flags::X) || !self.image.contains(place, 8, segment_flags::W)
                {
                    return Err(Refusal::damaged("a resolver of an indirect function is not in its code"));
                }
                self.indirect.push((place, addend));
                return Ok(());
            }
            other => {
                let text = ["the patch needs a relocation that is not supported: ", &kind_name(other)];
                return Err(Refusal::new(Status::BadPatch, &text));
            }
        };
        self.image.write(place, value)
    }

    /// What the symbol of a relocation is bound to.
    fn bind(&mut self, index: u64) -> Result<Place> {
        let slot = index as usize;
        if let Some(Some(bound)) = self.bound.get(slot) {
            return Ok(*bound);
        }
        let symbol = Symbol::read(self.image, self.elf, index)?;
        let bound = self.bind_symbol(&symbol)?;
        note(&mut self.bound, slot, bound);
        Ok(bound)
    }

    fn bind_symbol(&mut self, symbol: &Symbol) -> Result<Place> {
        if symbol.section == 0 {
            let name = symbol.text(self.image, self.elf)?;
            return self.binder.bind(name, symbol.is_weak());
        }
        match symbol.kind() {
            STT_TLS => Ok(Place::ThreadLocal { module: self.own_module()?, offset: symbol.value }),
            STT_GNU_IFUNC => {
                let name = symbol.text(self.image, self.elf)?;
                Err(Refusal::new(Status::BadPatch, &["the patch exports the indirect function ", name]))
            }
            _ => Ok(Place::Address(self.image.at(symbol.value))),
        }
    }

    fn address(&mut self, relocation: &Relocation) -> Result<u64> {
        match self.bind(relocation.symbol)? {
            Place::Address(address) => Ok(address),
            Place::ThreadLocal { .. } => Err(Refusal::damaged("it takes a thread-local variable for another")),
        }
    }

    /// The module of the patch's own thread-local variables. If it has none, the number means nothing yet.
    fn own_module(&self) -> Result<u64> {
        match self.elf.tls {
            Some(_) => Ok(self.module),
            None => Err(Refusal::damaged("it refers to thread-local variables that it does not have")),
        }
    }

    /// Module and offset. Without a symbol: the patch's own.
    fn thread_local(&mut self, relocation: &Relocation) -> Result<(u64, u64)> {
        if relocation.symbol == 0 {
            return Ok((self.own_module()?, 0));
        }
        match self.bind(relocation.symbol)? {
            Place::ThreadLocal { module, offset } => Ok((module, offset)),
            Place::Address(_) => {
                let symbol = Symbol::read(self.image, self.elf, relocation.symbol)?;
                let name = symbol.text(self.image, self.elf)?;
                let text = ["the patch uses the thread-local variable ", name, " of a library, which is not supported"];
                Err(Refusal::new(Status::Incompatible, &text))
            }
        }
    }
}
