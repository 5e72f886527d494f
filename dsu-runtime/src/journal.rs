//! The patches in force: a list that `dsu-push --status` reads from outside.
//!
//! Only the thread that holds the leadership reads or changes it.

use crate::commit::UndoLog;
use crate::control;
use crate::layer::Layer;
use core::sync::atomic::Ordering;
use dsu_abi::{Id, control::AppliedPatch};

/// A patch in force: what the pusher sees, then what the runtime needs.
#[repr(C)]
pub struct Entry {
    /// What the pusher sees.
    pub public: AppliedPatch,
    /// What it added to the registry.
    pub layer: Layer,
    /// How to undo it.
    pub undo: UndoLog,
    /// Its segments, for the protection of its variables.
    pub segments: Vec<crate::elf::Segment>,
    /// Its part that is read-only after relocation.
    pub relro: crate::elf::Range,
    /// Address in memory minus address in the image.
    pub bias: u64,
    /// What unwinding and debugging need to know.
    pub frames: Option<crate::unwind::Frames>,
    /// The types it changed.
    pub types: crate::types::Published,
    /// Why it cannot be undone, if so.
    pub irreversible: Option<&'static str>,
}

fn newest() -> *mut Entry {
    control::applied().0.load(Ordering::Acquire) as *mut Entry
}

/// The patches in force, newest first.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    let mut next = newest();
    core::iter::from_fn(move || {
        // SAFETY: the list holds leaked boxes; a popped one is freed only when no reader is left, as all are leaders.
        let entry = unsafe { next.as_ref() }?;
        next = entry.public.next as *mut Entry;
        Some(entry)
    })
}

/// Whether this patch is in force.
pub fn holds(patch: Id) -> bool {
    entries().any(|entry| entry.public.patch == patch)
}

/// How many of them change the type of this name.
pub fn changes_of(key: u64) -> u32 {
    entries().filter(|entry| entry.types.statuses.iter().any(|status| status.key == key)).count() as u32
}

/// Puts a patch in force on the list.
pub fn push(mut entry: Box<Entry>) {
    let (head, count) = control::applied();
    entry.public.next = head.load(Ordering::Relaxed);
    head.store(Box::into_raw(entry) as u64, Ordering::Release);
    count.fetch_add(1, Ordering::Release);
}

/// Takes the newest one off the list.
pub fn pop() -> Option<Box<Entry>> {
    let entry = newest();
    if entry.is_null() {
        return None;
    }
    // SAFETY: `push` leaked it from a box; it leaves the list here.
    let entry = unsafe { Box::from_raw(entry) };
    let (head, count) = control::applied();
    head.store(entry.public.next, Ordering::Release);
    count.fetch_sub(1, Ordering::Release);
    Some(entry)
}

/// Notes the pause of the newest one.
pub fn set_pause(pause_ns: u64) {
    let entry = newest();
    if !entry.is_null() {
        // SAFETY: the leader's; the pusher only reads it.
        unsafe { (*entry).public.pause_ns = pause_ns };
    }
}
