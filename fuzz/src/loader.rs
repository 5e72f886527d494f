//! Patch files, as `libdsu` takes them: over the control block, in a process that plays the updatable program.
//!
//! Checking a patch changes nothing, so it is done in the fuzzer's own process. One that passes is applied and undone in
//! a child. No code of a patch runs: only state transformers and the resolvers of indirect functions would, so patches
//! that may have them are not applied. What lies behind the end of an image cannot be accessed (see `image` of the
//! runtime), so that a reference which is not checked well is a crash.

use crate::executable::Context;
use anyhow::{Context as _, Result, bail, ensure};
use core::{
    cell::UnsafeCell,
    mem::{MaybeUninit, offset_of},
};
use dsu_abi::{
    PROTOCOL,
    control::{Control, MAGIC, flags, op},
    patch::{self, PatchHeader},
    registry::{ForeignRecord, FunctionRecord, Rel32, Table, TypeRecord, VariableRecord, variable_flags},
    status::Status,
};
use std::sync::{Once, OnceLock, atomic::Ordering::Relaxed};

/// Largest input: the runtime takes more, but nothing else becomes of it.
const LARGEST: usize = 1 << 20;
/// Bytes for the registry, and for the variables and slots it names.
const ARENA: usize = 1 << 18;

/// Something of which everything here has a pointer.
#[repr(C, align(64))]
struct Shared<T>(UnsafeCell<T>);
// SAFETY: one thread at a time fuzzes.
unsafe impl<T> Sync for Shared<T> {}

/// What `dsu-cc` would have put into the program; filled in by [`become_program`].
#[unsafe(export_name = "dsu_control")]
static CONTROL: Shared<MaybeUninit<Control>> = Shared(UnsafeCell::new(MaybeUninit::zeroed()));

/// The control block.
fn control() -> *mut Control {
    CONTROL.0.get().cast()
}

/// The registry's records, and the slots, stubs and variables they refer to: in the executable, where the runtime
/// expects them.
static MEMORY: Shared<[u8; ARENA]> = Shared(UnsafeCell::new([0; ARENA]));

/// Gives out parts of [`MEMORY`].
struct Arena {
    used: usize,
}

impl Arena {
    /// The address of `size` bytes, aligned.
    fn take(&mut self, size: usize) -> Result<u64> {
        let start = self.used;
        self.used = (start + size).next_multiple_of(16);
        ensure!(self.used <= ARENA, "the patches to start from import more than fits");
        Ok(MEMORY.0.get() as u64 + start as u64)
    }

    /// A table of records, each made from its address.
    fn table<T>(&mut self, field: *const Table, count: usize, mut make: impl FnMut(usize, u64) -> T) -> Result<Table> {
        let first = self.take(count * size_of::<T>())?;
        for index in 0..count {
            let at = first + (index * size_of::<T>()) as u64;
            // SAFETY: in the arena, and aligned: sixteen bytes are enough for the contract's records.
            unsafe { (at as *mut T).write(make(index, at)) };
        }
        Ok(Table { offset: first.wrapping_sub(field as u64) as i64, count: count as u64 })
    }
}

/// A reference from the field at `record + offset`.
fn refer(record: u64, offset: usize, to: u64) -> Rel32 {
    Rel32(to.wrapping_sub(record + offset as u64) as i32)
}

/// Makes this process look like the program that the patches in `context` are for.
fn become_program(context: &Context) -> Result<()> {
    let mut arena = Arena { used: 0 };
    let control = control();
    let name = arena.take(16)?;
    let places = (0..context.functions.len()).map(|_| arena.take(16)).collect::<Result<Vec<_>>>()?;
    let variables =
        context.variables.iter().map(|v| arena.take(v.size.clamp(8, 4096) as usize)).collect::<Result<Vec<_>>>()?;
    // SAFETY: projections in bounds of the block; nothing else uses it yet.
    let (functions, records, foreign, types) = unsafe {
        (
            &raw mut (*control).functions,
            &raw mut (*control).variables,
            &raw mut (*control).foreign,
            &raw mut (*control).types,
        )
    };
    let functions_table = arena.table(functions, context.functions.len(), |index, at| FunctionRecord {
        key: context.functions[index].0,
        fingerprint: context.functions[index].1,
        name: refer(at, offset_of!(FunctionRecord, name), name),
        slot: refer(at, offset_of!(FunctionRecord, slot), places[index]),
        stub: refer(at, offset_of!(FunctionRecord, stub), places[index] + 8),
        flags: 0,
    })?;
    let variables_table = arena.table(records, context.variables.len(), |index, at| {
        let known = &context.variables[index];
        VariableRecord {
            key: known.key,
            fingerprint: known.fingerprint,
            size: known.size.min(4096),
            tls_offset: 0,
            name: refer(at, offset_of!(VariableRecord, name), name),
            address: if known.thread_local {
                Rel32(0)
            } else {
                refer(at, offset_of!(VariableRecord, address), variables[index])
            },
            flags: if known.thread_local { variable_flags::TLS } else { 0 },
            reserved: 0,
        }
    })?;
    let foreign_table = arena.table(foreign, context.foreign.len(), |index, at| ForeignRecord {
        key: context.foreign[index],
        name: refer(at, offset_of!(ForeignRecord, name), name),
        address: refer(at, offset_of!(ForeignRecord, address), name),
    })?;
    let known: Vec<(u64, (u64, u64))> = context.types.iter().map(|(key, known)| (*key, *known)).collect();
    let types_table = arena.table(types, context.types.len(), |index, at| TypeRecord {
        key: known[index].0,
        layout: known[index].1.0,
        size: known[index].1.1,
        name: refer(at, offset_of!(TypeRecord, name), name),
        version: 0,
    })?;
    // SAFETY: as above; "x" is a name for everything.
    unsafe {
        *(name as *mut u8) = b'x';
        (*control).magic = MAGIC;
        (*control).protocol = PROTOCOL;
        (*control).size = size_of::<Control>() as u32;
        (*control).flags = flags::UPDATABLE;
        (*control).request.solo.store(1, Relaxed);
        *functions = functions_table;
        *records = variables_table;
        *foreign = foreign_table;
        *types = types_table;
        (*control).state = context.state;
    }
    Ok(())
}

/// Has `libdsu` serve one request.
fn serve(operation: u32, size: u64) -> Result<(Status, String)> {
    // SAFETY: the block lives for ever; the fields used are atomic.
    let (pending, request, response) =
        unsafe { (&(*control()).pending, &(*control()).request, &(*control()).response) };
    request.op.store(operation, Relaxed);
    request.size.store(size, Relaxed);
    request.target.store(std::process::id(), Relaxed);
    request.sequence.fetch_add(1, Relaxed);
    pending.store(1, Relaxed);
    static LOUD: Once = Once::new();
    let served = dsu::dsu_rt_serve();
    // The runtime silences panics, of which it has none.
    LOUD.call_once(|| drop(std::panic::take_hook()));
    ensure!(served == 1, "the runtime did not serve the request");
    ensure!(response.sequence.load(Relaxed) == request.sequence.load(Relaxed), "the request was not answered");
    let status = Status::from_code(response.status.load(Relaxed)).context("an unknown status")?;
    let length = (response.message_len.load(Relaxed) as usize).min(response.message.len());
    let message = String::from_utf8_lossy(&response.message[..length]).into_owned();
    // What the runtime says after a panic of its own.
    ensure!(!message.contains("the runtime itself"), "a panic in the runtime");
    Ok((status, message))
}

/// Sends a patch file.
fn send(data: &[u8], operation: u32) -> Result<(Status, String)> {
    let (status, message) = serve(op::RESERVE, data.len() as u64)?;
    ensure!(status == Status::Done, "no buffer: {message}");
    // SAFETY: in the block.
    let buffer = unsafe { (*control()).response.buffer.load(Relaxed) };
    // SAFETY: the runtime has mapped as many bytes there, for this purpose.
    unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), buffer as *mut u8, data.len()) };
    serve(operation, data.len() as u64)
}

/// Whether code of the patch may run while it is applied: a resolver that a relocation names, or a state transformer.
fn may_run_code(data: &[u8]) -> bool {
    let transforms = |header: &[u8]| {
        let count = offset_of!(PatchHeader, carries) + 8;
        header.get(count..count + 8).is_none_or(|count| count.iter().any(|&byte| byte != 0))
    };
    has_resolvers(data).unwrap_or(true)
        || (0..data.len()).any(|at| data[at..].starts_with(&patch::MAGIC) && transforms(&data[at..]))
}

/// The word at a place in a file.
fn word(data: &[u8], at: u64) -> Option<u64> {
    data.get(usize::try_from(at).ok()?..)?.first_chunk().copied().map(u64::from_le_bytes)
}

/// What the program headers of a patch describe.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

/// The program headers of a patch that the runtime takes.
fn segments(data: &[u8]) -> Option<Vec<Segment>> {
    let (table, count) = (word(data, 32)?, word(data, 56)? & 0xffff);
    let read = |at: u64| {
        let [kind, offset, address, size] = [0, 8, 16, 32].map(|field| word(data, at + field));
        Some(Segment { kind: kind? as u32, offset: offset?, address: address?, size: size? })
    };
    (0..count).map(|index| read(table + index * 56)).collect()
}

/// Whether a relocation of the patch names a resolver; `None` where its relocations are not to be found.
fn has_resolvers(data: &[u8]) -> Option<bool> {
    const IRELATIVE: u32 = 37;
    let segments = segments(data)?;
    let dynamic = segments.iter().rev().find(|segment| segment.kind == libc::PT_DYNAMIC)?;
    // By tag: size of the relocations for linkage, relocations, their size, relocations for linkage.
    let mut tables = [0; 24];
    for at in (0..dynamic.size / 16).map(|index| dynamic.offset + index * 16) {
        match word(data, at)? {
            0 => break,
            tag => *tables.get_mut(tag as usize).unwrap_or(&mut 0) = word(data, at + 8)?,
        }
    }
    let holds = |segment: &&Segment, address| {
        segment.kind == libc::PT_LOAD && address >= segment.address && address - segment.address < segment.size
    };
    for (address, size) in [(tables[7], tables[8]), (tables[23], tables[2])] {
        for address in (0..size / 24).map(|index| address + index * 24) {
            let segment = segments.iter().find(|segment| holds(segment, address))?;
            if word(data, segment.offset + (address - segment.address) + 8)? as u32 == IRELATIVE {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// Applies and undoes a patch, twice: the second time, something of the first is left.
fn apply_and_undo(data: &[u8]) -> Result<()> {
    for _ in 0..2 {
        let (status, message) = send(data, op::APPLY)?;
        ensure!(status == Status::Done, "checked, but not applied: {message}");
        if segments(data).is_some_and(|all| all.iter().any(|segment| segment.kind == libc::PT_TLS)) {
            dsu::dsu_rt_tls_block(0);
        }
        let (again, _) = send(data, op::CHECK)?;
        ensure!(again != Status::Done, "the same patch would be applied again");
        let (status, message) = serve(op::UNDO, 0)?;
        // A patch may say of itself that it cannot be undone.
        if status != Status::Done {
            ensure!(!message.is_empty(), "not undone, without a reason");
            return Ok(());
        }
    }
    Ok(())
}

/// Runs `work` in a child process. It must succeed, and soon.
fn in_child(work: impl FnOnce() -> Result<()>) -> Result<()> {
    // SAFETY: the child runs only what follows, and leaves without returning; this process has no locks held.
    match unsafe { libc::fork() } {
        -1 => bail!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: plain system calls.
            unsafe { libc::alarm(20) };
            let code = match work() {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("in the child: {error:#}");
                    1
                }
            };
            // SAFETY: ends the child without running what belongs to its parent.
            unsafe { libc::_exit(code) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child made above.
            while unsafe { libc::waitpid(child, &raw mut status, 0) } < 0 {
                let error = std::io::Error::last_os_error();
                ensure!(error.kind() == std::io::ErrorKind::Interrupted, "waitpid: {error}");
            }
            ensure!(status == 0, "the child that applied the patch ended with status {status:#x}");
            Ok(())
        }
    }
}

/// Pushes a patch file.
///
/// # Panics
/// When the runtime fails.
pub fn run(context: &Context, data: &[u8]) {
    if let Err(error) = push(context, data) {
        panic!("{error:#}");
    }
}

/// What became of a patch file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does not fit.
    Refused,
    /// It fits, and was not applied because its code may run then.
    Checked,
    /// It fits, and was applied and undone in a child.
    Applied,
}

/// Pushes a patch file.
///
/// # Errors
/// When the runtime fails.
pub fn push(context: &Context, data: &[u8]) -> Result<Fate> {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    let ready = READY.get_or_init(|| become_program(context).map_err(|error| error.to_string()));
    if let Err(error) = ready {
        bail!("{error}");
    }
    if data.is_empty() || data.len() > LARGEST {
        return Ok(Fate::Refused);
    }
    let (status, _) = send(data, op::CHECK)?;
    if status != Status::Done {
        return Ok(Fate::Refused);
    }
    if may_run_code(data) {
        return Ok(Fate::Checked);
    }
    in_child(|| apply_and_undo(data))?;
    Ok(Fate::Applied)
}
