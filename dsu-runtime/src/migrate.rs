//! Bringing objects to the version of their type that the code wants: `dsu_migrate`.
//!
//! Patches call it where they find that an object does not have the stamp of the version they were made for. That may be
//! anywhere: in any thread, in a signal handler, in a transformer, in a process forked from the one that took the patch.
//!
//! * One lock for the whole process; its owner may enter again, for other objects. Nothing but waiting for another
//!   thread, and now and then making more blocks of a side table accessible, makes a system call, so that a process whose seccomp filters are in force again is not killed for one.
//! * While its transformers run, an object has a stamp of its own. Whoever finds that and holds the lock is in one of
//!   these transformers, or in a signal handler that interrupted it: the object is left as it is, or, if all transformers
//!   may run twice, made complete at once. Whoever finds it without is in a process that was forked meanwhile, or has
//!   copied the object: the transformers run (again).
//! * A child process finds the lock as it was at the moment of the fork: it is taken from threads that are not in it.
//! * Before the transformers run, an object gets a cleared block in the side table of its type, if that has one
//!   ([`crate::side`]), unless the version it comes from has the same table.
//! * Threads are not cancelled in a transformer, and it does not change `errno`. It must not be left by `longjmp`, and
//!   must not wait for a thread that may wait for the lock.

use crate::refusal::{Refusal, Result};
use crate::side::SideTable;
use crate::sys::{self, Mapping, PAGE};
use crate::thread;
use crate::types::{self, Kind, Mark, Node, Table};
use core::ffi::c_int;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use dsu_abi::control::TypeStatus;
use dsu_abi::status::Status;

/// Who holds the lock: [`thread::address`], or 0. Bit 0: someone may wait for it.
static OWNER: AtomicU64 = AtomicU64::new(0);
const AWAITED: u64 = 1;

/// A word that is 1 in the process that has set it, and 0 in every process that was forked from it since.
static FORKED: AtomicPtr<AtomicU32> = AtomicPtr::new(core::ptr::null_mut());

/// Figures of the version that is being made, by the thread that holds the lock.
static CURRENT: AtomicPtr<TypeStatus> = AtomicPtr::new(core::ptr::null_mut());

/// Values out of range outside of transformers of objects.
static OUTSIDE: AtomicU64 = AtomicU64::new(0);

/// To be called before the first type is changed; changes nothing where it has been called before.
pub fn prepare() -> Result<()> {
    if !FORKED.load(Ordering::Relaxed).is_null() {
        return Ok(());
    }
    let page = Mapping::new(PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    // SAFETY: a page of our own.
    if unsafe { libc::madvise(page.address() as *mut libc::c_void, PAGE as usize, libc::MADV_WIPEONFORK) } != 0 {
        return Err(Refusal::system("madvise, which tells a process from its children,"));
    }
    let word = page.address() as *mut AtomicU32;
    page.leak();
    // SAFETY: in the page, which stays.
    unsafe { (*word).store(1, Ordering::Relaxed) };
    FORKED.store(word, Ordering::Release);
    Ok(())
}

/// Takes the lock from a thread of the process that this one was forked from.
fn take_from_parent(me: u64) {
    // Before the word is looked at: a thread of this process can have the lock only once the word is 1.
    let owner = OWNER.load(Ordering::Acquire);
    // SAFETY: null, or in a page that stays.
    let Some(word) = (unsafe { FORKED.load(Ordering::Acquire).as_ref() }) else { return };
    if word.load(Ordering::Acquire) == 0
        && word.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        && owner & !AWAITED != me
    {
        let _ = OWNER.compare_exchange(owner, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// The right to bring objects to other versions. Given up when dropped, unless the thread had it before.
struct Lock {
    nested: bool,
}

impl Lock {
    /// Waits for the lock, `limit` nanoseconds at most, if there is a limit.
    fn take(limit: Option<u64>) -> Option<Self> {
        let me = thread::address();
        take_from_parent(me);
        if OWNER.load(Ordering::Relaxed) & !AWAITED == me {
            return Some(Self { nested: true });
        }
        if OWNER.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            return Some(Self { nested: false });
        }
        wait(me, limit).then_some(Self { nested: false })
    }
}

/// Takes the lock when another thread has let go of it; false if it has not in time.
#[cold]
fn wait(me: u64, limit: Option<u64>) -> bool {
    const SPINS: u32 = 200;
    for _ in 0..SPINS {
        core::hint::spin_loop();
        if OWNER.load(Ordering::Relaxed) == 0
            && OWNER.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed).is_ok()
        {
            return true;
        }
    }
    let started = limit.map(|_| sys::now());
    // The half of the word that the kernel looks at: it holds the mark of those who wait.
    // SAFETY: the first half of an aligned word that stays; both halves are only accessed atomically.
    let half = unsafe { &*(&raw const OWNER).cast::<AtomicU32>() };
    loop {
        let owner = OWNER.load(Ordering::Relaxed);
        if owner == 0 {
            // There may be others who wait.
            if OWNER.compare_exchange(0, me | AWAITED, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                return true;
            }
        } else if owner & AWAITED != 0
            || OWNER.compare_exchange(owner, owner | AWAITED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            if started.zip(limit).is_some_and(|(started, limit)| sys::now().saturating_sub(started) > limit) {
                return false;
            }
            sys::wait_on(half, (owner | AWAITED) as u32, 20_000_000);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.nested && OWNER.swap(0, Ordering::Release) & AWAITED != 0 {
            // SAFETY: as in `wait`.
            sys::wake_all(unsafe { &*(&raw const OWNER).cast::<AtomicU32>() });
        }
    }
}

/// Keeps objects as they are while the table of types changes, except for what the calling thread does.
pub struct Exclusive(#[expect(dead_code, reason = "held, not used")] Lock);

impl Exclusive {
    /// Other threads are at rest, apart from signal handlers, which are waited for.
    pub fn take() -> Result<Self> {
        const LIMIT_NS: u64 = 100_000_000;
        match Lock::take(Some(LIMIT_NS)) {
            Some(lock) if !lock.nested => Ok(Self(lock)),
            _ => {
                Err(Refusal::new(Status::Busy, &["a transformer of an earlier patch is running; nothing was changed"]))
            }
        }
    }
}

/// The number of values that were out of range in state transformers since the last call.
pub fn take_out_of_range() -> u64 {
    OUTSIDE.swap(0, Ordering::Relaxed)
}

/// A transformer has met a value that the new type cannot hold.
pub fn out_of_range() {
    // SAFETY: null, or leaked.
    match unsafe { CURRENT.load(Ordering::Relaxed).as_ref() } {
        Some(status) => status.out_of_range.fetch_add(1, Ordering::Relaxed),
        None => OUTSIDE.fetch_add(1, Ordering::Relaxed),
    };
}

/// What is to be done to an object.
struct Work<'a> {
    table: &'a Table,
    kind: &'a Kind,
    /// The version it is of.
    node: u32,
    /// Whether it is being brought to another one.
    busy: bool,
    /// The version to start from.
    from: u32,
    /// The version to bring it to.
    to: u32,
}

impl<'a> Work<'a> {
    /// What an object with stamp `stamp` needs for code that wants what `wanted` means; `None` if nothing.
    fn plan(table: &'a Table, kind: &'a Kind, wanted: &Mark, stamp: u64) -> Option<Self> {
        let (node, busy) = match table.find(stamp) {
            Some(mark) if mark.kind == wanted.kind => (mark.node, mark.busy),
            _ => (types::BASE, false),
        };
        if !busy && table.serves(node, wanted.node) {
            return None;
        }
        let current = table.in_force(wanted.node);
        let to = if current { kind.head } else { wanted.node };
        let from = table.common(node, to);
        // Old code of a patch that was undone, while the type has gone on: its version would spoil the object.
        let spoils = !current && from != node && table.in_force(node);
        (!spoils).then_some(Self { table, kind, node, busy, from, to })
    }

    fn node(&self, index: u32) -> Option<&'static Node> {
        // The table is never freed.
        types::table().and_then(|table| table.node(index)).filter(|_| index != types::BASE)
    }

    /// Whether all the transformers may run twice.
    fn is_repeatable(&self) -> bool {
        let mut at = self.to;
        while at != self.from {
            let Some(node) = self.table.node(at) else { return true };
            if !node.repeatable {
                return false;
            }
            at = node.parent;
        }
        true
    }

    /// Runs the transformers, and gives the object its stamp.
    fn carry_out(&self, object: u64, place: &AtomicU64) {
        let busy = self.table.node(self.node).map_or(self.kind.busy, |node| node.busy);
        let done = self.table.node(self.to).map_or(0, |node| node.stamp);
        let errno = sys::errno();
        let cancel = cancellation(DISABLE);
        place.store(busy, Ordering::Relaxed);
        // A signal handler of this thread must not see the object changed before it is marked.
        core::sync::atomic::compiler_fence(Ordering::SeqCst);
        self.prepare_block(object);
        self.climb(object, self.to);
        place.store(done, Ordering::Release);
        cancellation(cancel);
        sys::set_errno(errno);
    }

    /// Gives the object the block that the transformers fill.
    fn prepare_block(&self, object: u64) {
        let Some((node, side)) = self.node(self.to).and_then(|node| Some((node, node.side?))) else { return };
        let keeps = self.table.side(self.from).is_some_and(|from| core::ptr::eq(from, side));
        // SAFETY: an object of the type that the table is for, as the caller of `migrate` promises.
        let (_, first) = unsafe { if keeps { side.attach(object) } else { side.renew(object) } };
        node.status.blocks.fetch_add(first.into(), Ordering::Relaxed);
    }

    /// Makes version `to` of the object, by way of all versions between.
    fn climb(&self, object: u64, to: u32) {
        if to == self.from {
            return;
        }
        let Some(node) = self.node(to) else { return };
        self.climb(object, node.parent);
        let outer = CURRENT.swap(core::ptr::from_ref(node.status).cast_mut(), Ordering::Relaxed);
        if node.transform != 0 {
            // SAFETY: an address in the code of a patch, which stays mapped; the manifest says that it is a transformer
            // of this type. Both pointers are to the same object: the old fields and the new ones do not overlap.
            unsafe {
                let transform: unsafe extern "C" fn(u64, u64) = core::mem::transmute(node.transform);
                transform(object, object);
            }
        }
        CURRENT.store(outer, Ordering::Relaxed);
        node.status.migrated.fetch_add(1, Ordering::Relaxed);
    }
}

/// `PTHREAD_CANCEL_DISABLE`.
const DISABLE: c_int = 1;

/// Sets whether the calling thread can be cancelled, and returns what held before. No system call.
fn cancellation(state: c_int) -> c_int {
    unsafe extern "C" {
        fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
    }
    let mut old = 0;
    // SAFETY: `state` is one of the two values; writes `old`.
    unsafe { pthread_setcancelstate(state, &raw mut old) };
    old
}

/// Brings `object` to the version whose stamp is `wanted`, or to the newest.
///
/// # Safety
/// `object` is an object of the type that `wanted` is a stamp of, as the patch whose code says so knows.
pub unsafe fn migrate(object: u64, wanted: u64) {
    let Some((table, wanted)) = types::table().and_then(|table| Some((table, table.find(wanted)?))) else { return };
    let Some(kind) = table.kind(wanted.kind).filter(|_| !wanted.busy) else { return };
    // SAFETY: in the object, as the caller promises, and aligned, as the offset is and all objects with stamps are.
    let place = unsafe { AtomicU64::from_ptr((object + u64::from(kind.stamp_offset)) as *mut u64) };
    if Work::plan(table, kind, wanted, place.load(Ordering::Acquire)).is_none() {
        return;
    }
    let Some(lock) = Lock::take(None) else { return };
    // Others may have done it meanwhile, or a patch may have come.
    let Some((table, kind)) = types::table().and_then(|table| Some((table, table.kind(wanted.kind)?))) else { return };
    let Some(work) = Work::plan(table, kind, wanted, place.load(Ordering::Acquire)) else { return };
    if work.busy && lock.nested && !work.is_repeatable() {
        return;
    }
    work.carry_out(object, place);
}

/// The version that a stamp means, if it has a side table: the number of its type, the version, the table.
fn side_table(stamp: u64) -> Option<(u32, &'static Node, &'static SideTable)> {
    let table = types::table()?;
    let mark = table.find(stamp)?;
    let node = table.node(mark.node)?;
    Some((mark.kind, node, node.side?))
}

/// The block of `object` in the side table of the version whose stamp is `wanted`; 0 if that has none.
///
/// # Safety
/// As for [`migrate`].
pub unsafe fn block(object: u64, wanted: u64) -> u64 {
    // SAFETY: as the caller promises.
    unsafe { migrate(object, wanted) };
    let Some((kind, node, side)) = side_table(wanted) else { return 0 };
    let errno = sys::errno();
    let cancel = cancellation(DISABLE);
    let Some(_lock) = Lock::take(None) else { return 0 };
    // SAFETY: as the caller promises.
    let (block, first) = unsafe {
        let other = is_in_another_table(object, kind, side);
        if other { side.lend(object) } else { side.attach(object) }
    };
    node.status.blocks.fetch_add(first.into(), Ordering::Relaxed);
    cancellation(cancel);
    sys::set_errno(errno);
    block
}

/// Gives back the block of `object`, which is about to be freed, if it has one in the side table of the version whose stamp is `wanted`.
///
/// # Safety
/// As for [`migrate`]; nobody uses the object any more.
pub unsafe fn forget_block(object: u64, wanted: u64) {
    let Some((_, _, side)) = side_table(wanted) else { return };
    let (errno, cancel) = (sys::errno(), cancellation(DISABLE));
    if let Some(_lock) = Lock::take(None) {
        // SAFETY: as the caller promises.
        unsafe { side.release(object) };
    }
    cancellation(cancel);
    sys::set_errno(errno);
}

/// Whether an object is of a version that has a side table, and not this one.
///
/// # Safety
/// `object` is an object of type `kind`.
unsafe fn is_in_another_table(object: u64, kind: u32, side: &SideTable) -> bool {
    let Some((table, kind)) = types::table().and_then(|table| Some((table, table.kind(kind)?))) else { return false };
    // SAFETY: in the object, as the caller promises, and aligned.
    let place = unsafe { AtomicU64::from_ptr((object + u64::from(kind.stamp_offset)) as *mut u64) };
    let mark = table.find(place.load(Ordering::Acquire));
    mark.and_then(|mark| table.side(mark.node)).is_some_and(|own| !core::ptr::eq(own, side))
}
