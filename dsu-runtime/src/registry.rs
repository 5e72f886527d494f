//! The registry of the executable: lookups in the sorted tables that `dsu-cc` emitted.

use crate::control;
use crate::search::find;
use core::ffi::{CStr, c_char};
use core::mem::offset_of;
use core::sync::atomic::{AtomicUsize, Ordering};
use dsu_abi::registry::{ForeignRecord, FunctionRecord, Rel32, TypeRecord, VariableRecord, variable_flags};

/// A function of the process: where it is called through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Address of its slot, 0 if it has none.
    pub slot: u64,
    /// Address of its stub, 0 if it has none.
    pub stub: u64,
}

/// Where a variable of the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At an address.
    Address(u64),
    /// At an offset of the thread-local block of a module.
    ThreadLocal {
        /// Module, as `__tls_get_addr` takes it.
        module: u64,
        /// Offset in the module's block.
        offset: u64,
    },
}

/// A variable of the process.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Fingerprint of its type.
    pub fingerprint: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is.
    pub place: Place,
}

/// The executable is the dynamic loader's first module.
pub const EXECUTABLE_MODULE: u64 = 1;

/// The records of a table.
fn records<T>((address, count): (u64, u64)) -> &'static [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: `dsu-cc` emitted `count` records of this type there; they are constant.
    unsafe { core::slice::from_raw_parts(address as *const T, count as usize) }
}

/// Where a table was last found to have a key. A patch asks in the order of the keys: what it wants next is near.
struct Hint(AtomicUsize);

impl Hint {
    /// The index of a record with this key.
    fn index<T>(&self, records: &[T], key: u64, key_of: impl Fn(&T) -> u64) -> Option<usize> {
        let from = self.0.load(Ordering::Relaxed);
        let near = records.get(from..).into_iter().flatten().take(NEAR).position(|record| key_of(record) == key);
        let all = || find(records.len(), key, |at| Ok(records.get(at).map_or(u64::MAX, &key_of))).ok().flatten();
        let found = near.map(|at| from + at).or_else(all)?;
        self.0.store(found, Ordering::Relaxed);
        Some(found)
    }
}

/// How many records are looked at before the table is searched.
const NEAR: usize = 4;

static FUNCTIONS: Hint = Hint(AtomicUsize::new(0));
static VARIABLES: Hint = Hint(AtomicUsize::new(0));
static FOREIGN: Hint = Hint(AtomicUsize::new(0));
static TYPES: Hint = Hint(AtomicUsize::new(0));

fn resolve<T>(record: &T, offset: usize, field: Rel32) -> u64 {
    field.resolve(core::ptr::from_ref(record) as u64 + offset as u64).unwrap_or(0)
}

fn functions() -> &'static [FunctionRecord] {
    // SAFETY: projections in bounds of the block.
    records(control::table(|control| unsafe { &raw const (*control).functions }))
}

/// The function of this name and prototype.
pub fn function(key: u64, fingerprint: u64) -> Option<Function> {
    let records = functions();
    let any = FUNCTIONS.index(records, key, |record| record.key)?;
    // Those of one name are side by side.
    let named = |record: &&FunctionRecord| record.key == key;
    let (before, from) = records.split_at(any);
    let mut all = before.iter().rev().take_while(named).chain(from.iter().take_while(named));
    let record = all.find(|record| record.fingerprint == fingerprint)?;
    Some(Function {
        slot: resolve(record, offset_of!(FunctionRecord, slot), record.slot),
        stub: resolve(record, offset_of!(FunctionRecord, stub), record.stub),
    })
}

/// Whether there is a function of this name, with whatever prototype.
pub fn has_function(key: u64) -> bool {
    FUNCTIONS.index(functions(), key, |record| record.key).is_some()
}

fn variable_record(key: u64) -> Option<&'static VariableRecord> {
    // SAFETY: projections in bounds of the block.
    let records = records::<VariableRecord>(control::table(|control| unsafe { &raw const (*control).variables }));
    records.get(VARIABLES.index(records, key, |record| record.key)?)
}

/// Whether the executable's own code writes the variable of this name.
pub fn is_written(key: u64) -> bool {
    variable_record(key).is_some_and(|record| record.flags & variable_flags::WRITTEN != 0)
}

/// The variable of this name.
pub fn variable(key: u64) -> Option<Variable> {
    let record = variable_record(key)?;
    let place = if record.flags & variable_flags::TLS != 0 {
        Place::ThreadLocal { module: EXECUTABLE_MODULE, offset: record.tls_offset }
    } else {
        Place::Address(resolve(record, offset_of!(VariableRecord, address), record.address))
    };
    Some(Variable { fingerprint: record.fingerprint, size: record.size, place })
}

/// The address of a symbol outside the rewritten units.
pub fn foreign(key: u64) -> Option<u64> {
    // SAFETY: projections in bounds of the block.
    let records = records::<ForeignRecord>(control::table(|control| unsafe { &raw const (*control).foreign }));
    let record = records.get(FOREIGN.index(records, key, |record| record.key)?)?;
    Some(resolve(record, offset_of!(ForeignRecord, address), record.address)).filter(|&address| address != 0)
}

fn type_record(key: u64) -> Option<&'static TypeRecord> {
    // SAFETY: projections in bounds of the block.
    let records = records::<TypeRecord>(control::table(|control| unsafe { &raw const (*control).types }));
    records.get(TYPES.index(records, key, |record| record.key)?)
}

/// The layout of a type.
pub fn type_layout(key: u64) -> Option<u64> {
    type_record(key).map(|record| record.layout)
}

/// The size of its objects.
pub fn type_size(key: u64) -> Option<u64> {
    type_record(key).map(|record| record.size)
}

/// The NUL-terminated string at `address`, which the runtime has checked or `dsu-cc` emitted.
pub fn text_at(address: u64) -> &'static str {
    // SAFETY: as said.
    unsafe { CStr::from_ptr(address as *const c_char) }.to_str().unwrap_or("?")
}
