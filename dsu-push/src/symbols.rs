//! Names for addresses in a process: which function is a thread in?

use crate::{
    memory::{Plain, from_bytes, words},
    process::Process,
};
use dsu_abi::{
    control::Control,
    registry::{FunctionRecord, Rel32},
};
use std::{
    collections::BTreeMap,
    fs,
    mem::{offset_of, size_of},
};

/// How far up the stack to look for the program's own function.
const STACK: usize = 16 << 10;

/// Longest function we believe in where no symbol table tells.
const LONGEST: u64 = 64 << 10;

/// Names functions of a process: those in the executable's symbol table, and the current versions
/// in the registry, which knows those from patches too and survives `strip`.
#[derive(Debug)]
pub struct Namer<'p> {
    process: &'p Process,
    slots: BTreeMap<u64, String>,
    code: Vec<(u64, u64)>,
}

impl<'p> Namer<'p> {
    /// Reads the registry of `process`.
    pub fn new(process: &'p Process) -> Self {
        let slots = current_functions(process).unwrap_or_default();
        Self { process, slots, code: executable_ranges(process.pid) }
    }

    /// The function that `address` is in.
    pub fn name(&self, address: u64) -> Option<String> {
        self.code.iter().find(|(start, end)| (*start..*end).contains(&address))?;
        let symbols = self.process.image.symbols();
        let offset = address.wrapping_sub(self.process.bias);
        let after = symbols.partition_point(|symbol| symbol.address <= offset);
        if let Some(symbol) = after.checked_sub(1).map(|index| &symbols[index]) {
            if offset - symbol.address < symbol.size {
                return Some(symbol.name.clone());
            }
        }
        let (start, name) = self.slots.range(..=address).next_back()?;
        (address - start < LONGEST).then(|| name.clone())
    }

    /// The program's innermost function on a stack, given its pointer and the program counter.
    pub fn innermost(&self, counter: u64, stack: u64) -> Option<String> {
        let own = |address| self.name(address).filter(|name| !name.starts_with("dsu_") && !name.starts_with('_'));
        if let Some(name) = own(counter) {
            return Some(name);
        }
        // No unwinding: the first word that can be a return address into the program.
        let memory = &self.process.memory;
        let bytes = (0..4).find_map(|halvings| memory.read_bytes(stack & !7, STACK >> halvings).ok())?;
        words(&bytes).find_map(|word| {
            let name = own(word.wrapping_sub(1))?;
            let before = memory.read_bytes(word.wrapping_sub(7), 7).ok()?;
            crate::arch::ends_with_call(&before).then_some(name)
        })
    }
}

/// Executable mappings.
fn executable_ranges(pid: i32) -> Vec<(u64, u64)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.lines()
        .filter_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            (rest.as_bytes().get(2) == Some(&b'x'))
                .then_some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
        })
        .collect()
}

/// Functions with a slot, by the address of their current version.
fn current_functions(process: &Process) -> Option<BTreeMap<u64, String>> {
    let memory = &process.memory;
    let block: Control = memory.read(process.control).ok()?;
    let first = block.functions.resolve(process.control + offset_of!(Control, functions) as u64);
    let mut functions = BTreeMap::new();
    for (address, record) in records::<FunctionRecord>(process, first, block.functions.count)? {
        let field = |offset: usize, reference: Rel32| reference.resolve(address + offset as u64);
        let Some(slot) = field(offset_of!(FunctionRecord, slot), record.slot) else { continue };
        let Some(name) = field(offset_of!(FunctionRecord, name), record.name) else { continue };
        let (Ok(code), Ok(name)) = (memory.read::<u64>(slot), memory.read_string(name, 512)) else { continue };
        functions.insert(code, name);
    }
    Some(functions)
}

/// As many records are looked at: how many there are, the process says, which may be mistaken.
pub const MOST_RECORDS: u64 = 1 << 20;

/// A table of records in a process, each with its address; `None` if it makes no sense.
pub fn records<T: Plain>(process: &Process, first: u64, count: u64) -> Option<Vec<(u64, T)>> {
    let size = size_of::<T>() as u64;
    if count > MOST_RECORDS {
        return None;
    }
    let bytes = process.memory.read_bytes(first, (count * size) as usize).ok()?;
    bytes
        .chunks_exact(size as usize)
        .enumerate()
        .map(|(index, chunk)| Some((first + index as u64 * size, from_bytes(chunk)?)))
        .collect()
}
