//! What `dsu-push` reads: patch files, executables, and the memory of a target.

use crate::memory_file::MemoryFile;
use dsu_abi::{
    Id, PROTOCOL,
    control::{AppliedPatch, Control, MAGIC},
    patch::PatchHeader,
    registry::{FunctionRecord, UnitRecord, UpdatePointRecord},
};
use dsu_push::{
    control::{Remote, message},
    image::Image,
    lineage::lineage_of,
    memory::Memory,
    patchfile::PatchFile,
    process::Process,
    status::status_of,
    symbols::Namer,
    threads::is_own_call,
};
use std::{
    fs::File,
    mem::offset_of,
    sync::{Arc, OnceLock},
};

/// Opens a patch file.
pub fn patch(data: &[u8]) {
    let Ok(file) = MemoryFile::new(data) else { return };
    if let Ok(patch) = PatchFile::open(&file.path()) {
        assert_eq!(patch.bytes, data);
        assert!(patch.name.len() + patch.units.iter().map(String::len).sum::<usize>() <= 64 * data.len());
    }
}

/// Reads an executable.
pub fn executable(data: &[u8]) {
    let Ok(file) = MemoryFile::new(data) else { return };
    if let Ok(image) = Image::read(file.into_file()) {
        assert!(image.symbols().is_sorted());
    }
}

/// Where the target's memory is mapped: inputs may refer to themselves.
pub const BASE: u64 = 0x2000_0000_0000;
/// How much of it there is.
pub const SIZE: usize = 1 << 16;

/// Maps the memory of the target; this process is the target as well.
fn target() -> Option<&'static Process> {
    static TARGET: OnceLock<Option<Process>> = OnceLock::new();
    let make = || {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh mapping, where there is none.
        let mapped = unsafe { libc::mmap(BASE as *mut libc::c_void, SIZE, protection, flags, -1, 0) };
        if mapped as u64 != BASE {
            return None;
        }
        let pid = std::process::id() as i32;
        Some(Process {
            pid,
            inner_pid: pid,
            name: "target".into(),
            executable: "target".into(),
            image: Arc::new(Image::read(File::open("/proc/self/exe").ok()?).ok()?),
            bias: 0,
            control: BASE,
            memory: Memory::new(pid),
        })
    };
    TARGET.get_or_init(make).as_ref()
}

/// Looks at a process with these bytes in its memory, the control block first.
///
/// # Panics
/// When a field of the input makes `dsu-push` fail.
pub fn memory(data: &[u8]) {
    let process = target().expect("the target's memory cannot be mapped");
    // SAFETY: mapped above, and only this thread looks at it.
    let memory = unsafe { core::slice::from_raw_parts_mut(BASE as *mut u8, SIZE) };
    let length = data.len().min(SIZE);
    memory[..length].copy_from_slice(&data[..length]);
    memory[length..].fill(0);
    if let Ok(remote) = Remote::open(process) {
        let _ = (remote.require_updatable(), remote.pending(), remote.progress());
        if let (Ok(block), Ok(applied)) = (remote.read(), remote.applied())
            // Else it waits for another pusher to be done.
            && applied.first().is_none_or(|newest| newest.to == block.state)
        {
            let _ = lineage_of(process);
        }
        if let Ok(response) = remote.response() {
            let _ = message(&response);
        }
    }
    if let Ok(report) = status_of(process) {
        let _ = report.to_string();
    }
    let namer = Namer::new(process);
    let word = |at: usize| memory.get(at..).and_then(|rest| rest.first_chunk().copied()).map_or(0, u64::from_le_bytes);
    for at in [64, 512, SIZE - 64] {
        let _ = (namer.name(word(at)), namer.innermost(word(at), word(at + 8)));
        let _ = (namer.innermost(BASE, BASE + at as u64), is_own_call(&process.memory, word(at), word(at + 8)));
        let _ = is_own_call(&process.memory, BASE + at as u64 + 4096, BASE + at as u64);
    }
}

/// The memory of a target in good order: a control block, its tables, and a patch in force.
pub fn sample() -> Vec<u8> {
    const PATCH: usize = 4096;
    const HEADER: usize = PATCH + 256;
    const RECORDS: usize = 8192;
    const NAME: usize = 16384;
    let mut memory = vec![0; NAME + 64];
    let mut put = |at: usize, bytes: &[u8]| memory[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &MAGIC);
    put(offset_of!(Control, protocol), &PROTOCOL.to_le_bytes());
    put(offset_of!(Control, size), &(size_of::<Control>() as u32).to_le_bytes());
    put(offset_of!(Control, flags), &1_u32.to_le_bytes());
    put(offset_of!(Control, build), &Id([1; 16]).0);
    // Tables of three records each; the records' references to names are all to the same one.
    let mut table = |field: usize, first: usize, size: usize, references: &[usize]| {
        put(field, &((first as i64 - field as i64).to_le_bytes()));
        put(field + 8, &3_u64.to_le_bytes());
        for at in (0..3).map(|index| first + index * size) {
            for reference in references {
                put(at + reference, &((NAME as i32 - (at + reference) as i32).to_le_bytes()));
            }
        }
    };
    let names = [offset_of!(FunctionRecord, name), offset_of!(FunctionRecord, slot)];
    table(offset_of!(Control, functions), RECORDS, size_of::<FunctionRecord>(), &names);
    let names = [0, 4, 8];
    table(offset_of!(Control, update_points), RECORDS + 1024, size_of::<UpdatePointRecord>(), &names);
    let names = [offset_of!(UnitRecord, name)];
    table(offset_of!(Control, units), RECORDS + 2048, size_of::<UnitRecord>(), &names);
    table(HEADER + offset_of!(PatchHeader, units), RECORDS + 2048, size_of::<UnitRecord>(), &names);
    table(HEADER + offset_of!(PatchHeader, functions), RECORDS + 3072, 48, &[24]);
    put(offset_of!(Control, applied), &(BASE + PATCH as u64).to_le_bytes());
    put(offset_of!(Control, applied_count), &1_u32.to_le_bytes());
    put(PATCH + offset_of!(AppliedPatch, name), &(BASE + NAME as u64).to_le_bytes());
    put(PATCH + offset_of!(AppliedPatch, name_len), &4_u64.to_le_bytes());
    put(PATCH + offset_of!(AppliedPatch, header), &(BASE + HEADER as u64).to_le_bytes());
    put(NAME, b"name\0");
    memory
}
