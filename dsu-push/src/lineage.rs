//! `--lineage`: what the patches in a process say of the states they led to, for `dsu-diff`.

use crate::{Error, Result, control::Remote, process::Process};
use dsu_abi::{
    lineage::{MAGIC, Step},
    patch::PatchHeader,
};
use std::mem::offset_of;

/// Longest lineage that is believed: the program may not be one of ours.
const LIMIT: u64 = 1 << 30;

/// The lineage of process `pid`, in the format of [`dsu_abi::lineage`], and the number of its patches.
pub fn lineage(pid: i32) -> Result<(Vec<u8>, usize)> {
    lineage_of(&Process::open(pid)?)
}

/// The lineage of a process.
pub fn lineage_of(process: &Process) -> Result<(Vec<u8>, usize)> {
    let remote = Remote::open(process)?;
    // The list may change while it is read: then it is read again.
    for _ in 0..100 {
        let (state, applied) = (remote.read()?.state, remote.applied()?);
        let mut file = MAGIC.to_vec();
        for patch in applied.iter().rev() {
            let header: PatchHeader = process.memory.read(patch.header)?;
            let (table, field) = (header.lineage, offset_of!(PatchHeader, lineage) as u64);
            if table.count > LIMIT.saturating_sub(file.len() as u64) {
                return Err(Error::DamagedControl(format!("the lineage of patch {} is too long", patch.name)));
            }
            let bytes = process.memory.read_bytes(table.resolve(patch.header + field), table.count as usize)?;
            let step = Step { from: patch.from, to: patch.to, bytes: &bytes };
            file.extend_from_slice(&step.head());
            file.extend_from_slice(&bytes);
        }
        if remote.read()?.state == state && applied.first().map_or(state, |newest| newest.to) == state {
            return Ok((file, applied.len()));
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(Error::Busy { by: "another dsu-push".into() })
}
