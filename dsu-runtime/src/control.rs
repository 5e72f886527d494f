//! Access to the control block, which `dsu-cc` put into the executable.

use core::sync::atomic::{AtomicU32, AtomicU64};
use dsu_abi::{
    Id,
    control::{Control, Request, Response},
    registry::Table,
};

unsafe extern "C" {
    #[link_name = "dsu_control"]
    static mut CONTROL: Control;
}

/// The control block.
pub fn control() -> *mut Control {
    &raw mut CONTROL
}

/// Not 0 while a request waits.
pub fn pending() -> &'static AtomicU32 {
    // SAFETY: the block lives as long as the process; this field is only accessed atomically.
    unsafe { &(*control()).pending }
}

/// What the pusher wrote. It may be writing at any time: every field is atomic or read once.
pub fn request() -> &'static Request {
    // SAFETY: as above; the non-atomic fields of a request are written before its sequence number.
    unsafe { &(*control()).request }
}

/// Where the answer goes.
pub fn response() -> *mut Response {
    // SAFETY: in bounds of the block.
    unsafe { &raw mut (*control()).response }
}

/// The state the process is in.
pub fn state() -> Id {
    // SAFETY: only a leader writes it, and only a leader calls this.
    unsafe { (*control()).state }
}

/// Sets the state the process is in. For the leader.
pub fn set_state(state: Id) {
    // SAFETY: as above. The pusher may read it half written; it checks it against the sequence number of the answer.
    unsafe { (*control()).state = state }
}

/// The newest entry of the journal, and their number.
pub fn applied() -> (&'static AtomicU64, &'static AtomicU32) {
    // SAFETY: these fields are only accessed atomically.
    unsafe { (&(*control()).applied, &(*control()).applied_count) }
}

/// One of the registry's tables: address of the first record, and number of records.
pub fn table(field: fn(*const Control) -> *const Table) -> (u64, u64) {
    let table = field(control());
    // SAFETY: `field` projects to a table in the block, which is constant.
    let value = unsafe { *table };
    (value.resolve(table as u64), value.count)
}
