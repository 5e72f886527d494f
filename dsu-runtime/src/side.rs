//! Side tables: room for fields that do not fit into the objects of a changed type.
//!
//! A table has one block for each object that needs one. The object knows its block by number, the block its object by
//! address; only if both agree the block is the object's. So whatever the 8 bytes in the object are (zero in an object
//! just made, the number of another's block in a copy, anything in memory that was used for something else), nothing but
//! its own block is ever used for an object, and no block for two.
//!
//! Two objects of a type that live at the same time lie at least its size apart. So memory is divided into *places* of
//! that size, in each of which at most one object begins, and each place has one block at most: when another object
//! begins there, the one before is dead, and its block is cleared and taken over. Where patched code frees an object by
//! itself, the block is given back before, and serves any other. So there are never more blocks than objects fit into the
//! memory that such objects were ever in.
//!
//! Addresses are reserved when the patch is loaded, for as many blocks as there can be objects in the machine's memory
//! (`sysinfo`), and made accessible piece by piece, the first for hundreds of thousands of objects: `mprotect` is the only
//! system call that is made later.
//! Blocks never move. All changes are made under the lock of [`crate::migrate`]; what a signal handler that interrupts
//! one of them, in the same thread, does in between is kept.

use crate::refusal::{Refusal, Result};
use crate::sys::{Mapping, page_up, protect};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// No table has more addresses than this.
const MOST: u64 = 1 << 43;
/// Bytes of blocks that become accessible at a time.
const PIECE: u64 = 64 << 20;
/// Cells of the first index.
const FIRST: u64 = 1024;
/// How many indices are accessible from the start: they serve for a million objects.
const READY: u32 = 11;

/// What the types of two versions must have in common to use the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Bytes of an object.
    pub object: u64,
    /// Bytes of a block.
    pub block: u64,
    /// Where an object has the number of its block.
    pub offset: u64,
}

/// A side table.
pub struct SideTable {
    form: Form,
    blocks: Mapping,
    /// The number of blocks that addresses are reserved for, number 0 included.
    capacity: u64,
    /// The first number that was never used.
    next: AtomicU64,
    /// Where to look for a block whose object is dead.
    hand: AtomicU64,
    /// The block that was given back last, or 0; its second word is the one given back before.
    released: AtomicU64,
    /// The block that is being cleared.
    clearing: AtomicU64,
    /// Indices from places to blocks: cells with the number of a block, or 0.
    cells: Mapping,
    /// The number of indices in use, each with twice the cells of the one before. Only the last one grows.
    indices: AtomicU32,
    /// The number of cells used in the last index.
    filled: AtomicU64,
}

impl SideTable {
    /// Reserves a table; given back when dropped.
    pub fn new(form: Form) -> Result<Self> {
        let objects = (memory_limit() / form.object.max(1)).clamp(1 << 16, 1 << 30);
        let capacity = objects.min(MOST / form.block.max(16)) + 1;
        let reserve = |length| {
            let what = "reserving addresses for a side table (mmap; see ulimit -v)";
            Mapping::new(length, libc::PROT_NONE).map_err(|_| Refusal::system(what))
        };
        let blocks = reserve(capacity * form.block)?;
        // None is more than half full.
        let most = (1..).find(|index| start_of(*index) / 2 >= capacity).unwrap_or(1);
        let cells = reserve(start_of(most) * 4)?;
        let table = Self {
            form,
            blocks,
            capacity,
            next: AtomicU64::new(1),
            hand: AtomicU64::new(1),
            released: AtomicU64::new(0),
            clearing: AtomicU64::new(0),
            cells,
            indices: AtomicU32::new(0),
            filled: AtomicU64::new(0),
        };
        let (cells, ready) = (table.cells.address(), start_of(READY.min(most)) * 4);
        let accessible = protect(cells, cells + ready, libc::PROT_READ | libc::PROT_WRITE).is_ok();
        if !accessible || !table.open_blocks() || !table.open_index() {
            return Err(Refusal::system("making memory for a side table accessible (mprotect)"));
        }
        Ok(table)
    }

    /// What it is for.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The address of the blocks.
    pub fn address(&self) -> u64 {
        self.blocks.address()
    }

    /// The address of a block.
    pub fn at(&self, number: u64) -> u64 {
        self.blocks.address() + number * self.form.block
    }

    fn owner(&self, number: u64) -> &AtomicU64 {
        // SAFETY: the number is one of an accessible block, or 0; blocks are aligned and stay for ever.
        unsafe { AtomicU64::from_ptr(self.at(number) as *mut u64) }
    }

    /// How many blocks are accessible: the first word, which patches look at, too.
    fn accessible(&self) -> &AtomicU64 {
        self.owner(0)
    }

    fn is_number(&self, number: u64) -> bool {
        number.wrapping_sub(1) < self.accessible().load(Ordering::Acquire)
    }

    /// The bytes of `object` that say which block is its own.
    ///
    /// # Safety
    /// `object` is an object of the type.
    unsafe fn link(&self, object: u64) -> &'static AtomicU64 {
        // SAFETY: in the object; aligned, as objects with a stamp are.
        unsafe { AtomicU64::from_ptr((object + self.form.offset) as *mut u64) }
    }

    /// The block that object and block agree on.
    fn own(&self, object: u64, number: u64) -> bool {
        self.is_number(number) && self.owner(number).load(Ordering::Acquire) == object
    }

    /// The block of an object: its own, or else a fresh one, with what is in the block that it names, if it names one: it
    /// is a copy of the object that has it. The lock is held. Also tells whether a block was used for the first time.
    ///
    /// # Safety
    /// `object` is an object of the type.
    pub unsafe fn attach(&self, object: u64) -> (u64, bool) {
        // SAFETY: as the caller promises.
        let named = unsafe { self.link(object) }.load(Ordering::Acquire);
        if self.own(object, named) {
            return (self.at(named), false);
        }
        // SAFETY: as the caller promises.
        unsafe { self.begin(object, named, Some(named).filter(|n| self.is_number(*n))) }
    }

    /// A cleared block for an object that has none that counts. The lock is held.
    ///
    /// # Safety
    /// `object` is an object of the type.
    pub unsafe fn renew(&self, object: u64) -> (u64, bool) {
        // SAFETY: as the caller promises.
        let named = unsafe { self.link(object) }.load(Ordering::Acquire);
        // SAFETY: as the caller promises.
        unsafe { self.begin(object, named, None) }
    }

    /// A block for code of an undone patch, for an object that names a block of another table. The lock is held.
    pub fn lend(&self, object: u64) -> (u64, bool) {
        let own = self.find(object / self.form.object).filter(|number| self.own(object, *number));
        if let Some(number) = own {
            return (self.at(number), false);
        }
        let (number, first) = self.take(object);
        self.fill(number, object, None);
        (self.at(number), first)
    }

    /// Gives an object that names block `named` a block of its own.
    ///
    /// # Safety
    /// `object` is an object of the type.
    unsafe fn begin(&self, object: u64, named: u64, original: Option<u64>) -> (u64, bool) {
        let (number, first) = self.take(object);
        let outer = self.clearing.swap(number, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        let link = unsafe { self.link(object) };
        let now = link.load(Ordering::Acquire);
        if now != named && self.own(object, now) {
            // A signal handler has used the object meanwhile.
            self.clearing.store(outer, Ordering::Relaxed);
            return (self.at(now), first);
        }
        self.fill(number, object, original);
        self.clearing.store(outer, Ordering::Relaxed);
        match link.compare_exchange(named, number, Ordering::AcqRel, Ordering::Acquire) {
            // A signal handler has used the object meanwhile: what it wrote counts.
            Err(other) if self.own(object, other) => (self.at(other), first),
            Err(_) => {
                link.store(number, Ordering::Release);
                (self.at(number), first)
            }
            Ok(_) => (self.at(number), first),
        }
    }

    /// Makes a block that of an object, with what is in another, or cleared.
    fn fill(&self, number: u64, object: u64, original: Option<u64>) {
        let owner = self.owner(number);
        owner.store(0, Ordering::Release);
        let (to, length) = ((self.at(number) + 8) as *mut u8, self.form.block as usize - 8);
        // A signal handler of this thread must not use the block before it is complete.
        core::sync::atomic::compiler_fence(Ordering::SeqCst);
        match original.filter(|original| *original != number) {
            // SAFETY: two different accessible blocks, behind their first words.
            Some(original) => unsafe {
                core::ptr::copy_nonoverlapping((self.at(original) + 8) as *const u8, to, length);
            },
            // SAFETY: an accessible block, behind its first word. Its object is dead, or new.
            None => unsafe { core::ptr::write_bytes(to, 0, length) },
        }
        core::sync::atomic::compiler_fence(Ordering::SeqCst);
        owner.store(object, Ordering::Release);
    }

    /// A block for the place that an object is in: that of the place, or one that was never used.
    fn take(&self, object: u64) -> (u64, bool) {
        let place = object / self.form.object;
        let busy = self.clearing.load(Ordering::Relaxed);
        if let Some(number) = self.find(place).filter(|number| *number != busy) {
            return (number, false);
        }
        let (number, first) = self.unused();
        self.note(place, number);
        (number, first)
    }

    /// Gives back the block of an object that is about to be freed, if it has one. The lock is held.
    ///
    /// # Safety
    /// `object` is an object of the type, and nobody uses it any more.
    pub unsafe fn release(&self, object: u64) {
        // SAFETY: as the caller promises.
        let link = unsafe { self.link(object) };
        let number = link.load(Ordering::Acquire);
        if !self.own(object, number) || number == self.clearing.load(Ordering::Relaxed) {
            return;
        }
        self.forget(object / self.form.object, number);
        self.owner(number).store(0, Ordering::Release);
        link.store(0, Ordering::Relaxed);
        let next = self.next_released(number);
        // Frees are not made in signal handlers, so that what is read of the list stays true until it is exchanged.
        let _ = self.released.fetch_update(Ordering::AcqRel, Ordering::Acquire, |first| {
            next.store(first, Ordering::Relaxed);
            Some(number)
        });
    }

    /// The word of a released block that names the one released before it.
    fn next_released(&self, number: u64) -> &AtomicU64 {
        // SAFETY: blocks have two words at least, are accessible, aligned, and stay for ever.
        unsafe { AtomicU64::from_ptr((self.at(number) + 8) as *mut u64) }
    }

    /// A block that was given back, one that was never used, or one whose object is dead.
    fn unused(&self) -> (u64, bool) {
        let next = |first: u64| (first != 0).then(|| self.next_released(first).load(Ordering::Relaxed));
        if let Ok(number) = self.released.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            return (number, false);
        }
        loop {
            let number = self.next.load(Ordering::Relaxed);
            if number < self.capacity && (self.is_number(number) || self.open_blocks()) {
                self.next.fetch_add(1, Ordering::Relaxed);
                return (number, true);
            }
            if let Some(number) = self.dead() {
                return (number, false);
            }
            // There is no memory for fields of an object for which there was memory. Nothing else is safe.
            crate::sys::doze(1_000_000);
        }
    }

    /// A block whose object does not exist any more: its memory is gone, or does not name the block.
    fn dead(&self) -> Option<u64> {
        let used = self.next.load(Ordering::Relaxed);
        for _ in 1..used {
            let number = 1 + self.hand.fetch_add(1, Ordering::Relaxed) % (used - 1).max(1);
            let object = self.owner(number).load(Ordering::Relaxed);
            let alive = object == 0 || read_word(object + self.form.offset) == Some(number);
            if !alive {
                return Some(number);
            }
        }
        None
    }

    /// Makes more blocks accessible; false if there is no memory for that.
    fn open_blocks(&self) -> bool {
        let end = page_up(self.capacity * self.form.block);
        let open = match self.next.load(Ordering::Relaxed) {
            1 => 0,
            _ => page_up((self.accessible().load(Ordering::Relaxed) + 1) * self.form.block),
        };
        let wanted = (open + PIECE.max(page_up(2 * self.form.block))).min(end);
        let base = self.blocks.address();
        if open >= wanted || protect(base + open, base + wanted, libc::PROT_READ | libc::PROT_WRITE).is_err() {
            return false;
        }
        let number = (wanted / self.form.block).min(self.capacity) - 1;
        self.accessible().store(number, Ordering::Release);
        true
    }

    /// Makes one more index accessible.
    fn open_index(&self) -> bool {
        let index = self.indices.load(Ordering::Relaxed);
        let (from, to) = (start_of(index) * 4, start_of(index + 1) * 4);
        let base = self.cells.address();
        let open = || index < READY || protect(base + from, base + to, libc::PROT_READ | libc::PROT_WRITE).is_ok();
        if to > self.cells.length() || !open() {
            return false;
        }
        self.filled.store(0, Ordering::Relaxed);
        self.indices.store(index + 1, Ordering::Release);
        true
    }

    /// The cells of an index, from the one for `place` on.
    fn cells(&self, index: u32, place: u64) -> impl Iterator<Item = &AtomicU32> {
        let (first, count) = (start_of(index), FIRST << index);
        let hash = spread(place);
        (0..count).map(move |step| {
            let cell = first + (hash + step) % count;
            // SAFETY: a cell of an index in use; never unmapped.
            unsafe { AtomicU32::from_ptr((self.cells.address() + cell * 4) as *mut u32) }
        })
    }

    /// The block of a place.
    fn find(&self, place: u64) -> Option<u64> {
        for index in (0..self.indices.load(Ordering::Acquire)).rev() {
            for cell in self.cells(index, place) {
                let number = u64::from(cell.load(Ordering::Acquire));
                if number == 0 {
                    break;
                }
                if self.owner(number).load(Ordering::Relaxed) / self.form.object == place {
                    return Some(number);
                }
            }
        }
        None
    }

    /// Takes the block of a place out of the index that it is in. What follows in the same run of cells moves up, so that it is still
    /// found (Knuth, The Art of Computer Programming, volume 3, algorithm 6.4R).
    fn forget(&self, place: u64, number: u64) {
        let holds = |cell: &&AtomicU32| u64::from(cell.load(Ordering::Acquire)) == number;
        let used = |cell: &&AtomicU32| cell.load(Ordering::Acquire) != 0;
        let last = self.indices.load(Ordering::Acquire);
        let found = |index: &u32| self.cells(*index, place).take_while(used).any(|cell| holds(&cell));
        let Some(index) = (0..last).rev().find(found) else { return };
        let Some(mut free) = self.cells(index, place).find(holds) else { return };
        // How far a cell is behind the first one for a place.
        let count = FIRST << index;
        let distance = |place: u64, cell: &AtomicU32| {
            let position = (core::ptr::from_ref(cell) as u64 - self.cells.address()) / 4 - start_of(index);
            position.wrapping_sub(spread(place)) % count
        };
        for cell in self.cells(index, place).skip_while(|cell| !core::ptr::eq(*cell, free)).skip(1).take_while(used) {
            let moved = cell.load(Ordering::Acquire);
            let home = self.owner(moved.into()).load(Ordering::Relaxed) / self.form.object;
            if distance(home, free) < distance(home, cell) {
                free.store(moved, Ordering::Release);
                free = cell;
            }
        }
        free.store(0, Ordering::Release);
        if index + 1 == last {
            self.filled.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Enters the block of a place. If there is no memory for that, the block is only found by its object.
    fn note(&self, place: u64, number: u64) {
        let index = self.indices.load(Ordering::Relaxed) - 1;
        if self.filled.load(Ordering::Relaxed) * 2 >= FIRST << index && !self.open_index() {
            return;
        }
        let index = self.indices.load(Ordering::Relaxed) - 1;
        for cell in self.cells(index, place) {
            if cell.compare_exchange(0, number as u32, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                self.filled.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// Where the cell for a place is in an index, modulo the number of its cells.
fn spread(place: u64) -> u64 {
    place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

/// The first cell of an index.
fn start_of(index: u32) -> u64 {
    (FIRST << index) - FIRST
}

/// Bytes that all objects of the process together can have at most.
fn memory_limit() -> u64 {
    // SAFETY: both calls fill in what they are given, which may be all zeros.
    let (info, limit) = unsafe {
        let (mut info, mut limit) = (core::mem::zeroed::<libc::sysinfo>(), core::mem::zeroed::<libc::rlimit>());
        libc::sysinfo(&raw mut info);
        libc::getrlimit(libc::RLIMIT_AS, &raw mut limit);
        (info, limit)
    };
    let memory = (info.totalram.saturating_add(info.totalswap)).saturating_mul(u64::from(info.mem_unit));
    memory.min(limit.rlim_cur).max(1)
}

/// Eight bytes of memory that may not be there.
fn read_word(address: u64) -> Option<u64> {
    let mut word = 0u64;
    let local = libc::iovec { iov_base: (&raw mut word).cast(), iov_len: 8 };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: 8 };
    // SAFETY: the kernel checks the remote side; the local one is `word`.
    let read = unsafe { libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0) };
    (read == 8).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form { object: 64, block: 48, offset: 8 };

    /// Memory for objects: stamp, number of the block, six words more.
    struct Memory(Vec<u64>);

    impl Memory {
        fn new(objects: usize) -> Self {
            Self(vec![0; objects * 8])
        }

        fn object(&mut self, word: usize) -> u64 {
            (&raw mut self.0[word]) as u64
        }
    }

    fn table() -> SideTable {
        SideTable::new(FORM).expect("addresses")
    }

    fn attach(table: &SideTable, object: u64) -> &'static AtomicU64 {
        // SAFETY: an object in a test's memory, and the first field in its block.
        unsafe { AtomicU64::from_ptr((table.attach(object).0 + 8) as *mut u64) }
    }

    #[test]
    fn an_object_keeps_its_block() {
        let (table, mut memory) = (table(), Memory::new(4));
        let (a, b) = (memory.object(0), memory.object(8));
        attach(&table, a).store(1, Ordering::Relaxed);
        attach(&table, b).store(2, Ordering::Relaxed);
        assert_eq!(attach(&table, a).load(Ordering::Relaxed), 1);
        assert_eq!(attach(&table, b).load(Ordering::Relaxed), 2);
        assert_eq!((memory.0[1], memory.0[9]), (1, 2));
    }

    #[test]
    fn one_that_begins_in_the_same_place_takes_the_block_cleared() {
        let (table, mut memory) = (table(), Memory::new(4));
        let a = memory.object(0);
        attach(&table, a).store(1, Ordering::Relaxed);
        memory.0[1] = 0;
        assert_eq!(attach(&table, a).load(Ordering::Relaxed), 0);
        assert_eq!(memory.0[1], 1);
        // Anywhere in the place: what was at `a` is dead then.
        let start = (a / 64 * 64 + 63 - a) / 8;
        let word = if start == 0 { 0 } else { start as usize };
        let other = memory.object(word);
        assert_eq!(other / 64, a / 64);
        attach(&table, other).store(3, Ordering::Relaxed);
        assert_eq!(table.next.load(Ordering::Relaxed), 2);
        if other != a {
            memory.0[1] = 1;
            assert!(!table.own(a, 1));
        }
        // SAFETY: an object in the test's memory.
        let (renewed, first) = unsafe { table.renew(other) };
        assert!(!first && renewed == table.at(1));
        assert_eq!(attach(&table, other).load(Ordering::Relaxed), 0);
    }

    #[test]
    fn whatever_an_object_says_its_block_is_its_own() {
        let (table, mut memory) = (table(), Memory::new(4));
        let (a, b) = (memory.object(0), memory.object(8));
        attach(&table, a).store(7, Ordering::Relaxed);
        for garbage in [0, 1, 2, 100, u64::MAX, table.address(), a] {
            memory.0[9] = garbage;
            let field = attach(&table, b);
            let copied = garbage == 1;
            assert_eq!(field.load(Ordering::Relaxed), if copied { 7 } else { 0 }, "{garbage}");
            field.store(9, Ordering::Relaxed);
            assert_eq!(attach(&table, a).load(Ordering::Relaxed), 7);
            field.store(0, Ordering::Relaxed);
        }
    }

    #[test]
    fn many_objects_in_several_indices_and_pieces() {
        const COUNT: usize = 500_000;
        let (table, mut memory) = (table(), Memory::new(COUNT));
        for n in 0..COUNT {
            attach(&table, memory.object(n * 8)).store(n as u64, Ordering::Relaxed);
        }
        assert!(table.indices.load(Ordering::Relaxed) > 5);
        for n in 0..COUNT {
            assert_eq!(attach(&table, memory.object(n * 8)).load(Ordering::Relaxed), n as u64);
            memory.0[n * 8 + 1] = 0;
        }
        // Once more, all anew: no block is used that was not used before.
        let used = table.next.load(Ordering::Relaxed);
        for n in 0..COUNT {
            assert_eq!(attach(&table, memory.object(n * 8)).load(Ordering::Relaxed), 0);
        }
        assert_eq!(table.next.load(Ordering::Relaxed), used);
    }

    #[test]
    fn blocks_that_are_given_back_serve_others() {
        const LIVE: usize = 3000;
        const PLACES: usize = 100_000;
        let (table, mut memory) = (table(), Memory::new(PLACES));
        let mut random = 1u64;
        let mut live: Vec<(usize, u64)> = Vec::new();
        let mut taken = vec![false; PLACES];
        for n in 0..300_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = (random >> 33) as usize % PLACES;
            if !taken[place] {
                taken[place] = true;
                let field = attach(&table, memory.object(place * 8));
                assert_eq!(field.swap(n, Ordering::Relaxed), 0);
                live.push((place, n));
            }
            if live.len() > LIVE {
                let (place, n) = live.swap_remove((random >> 20) as usize % live.len());
                let object = memory.object(place * 8);
                assert_eq!(attach(&table, object).load(Ordering::Relaxed), n);
                // SAFETY: an object in the test's memory.
                unsafe { table.release(object) };
                assert_eq!(memory.0[place * 8 + 1], 0);
                taken[place] = false;
            }
        }
        for (place, n) in &live {
            assert_eq!(attach(&table, memory.object(place * 8)).load(Ordering::Relaxed), *n);
            let found = table.find(memory.object(place * 8) / FORM.object);
            assert_eq!(found, Some(memory.0[place * 8 + 1]));
        }
        // No more blocks and cells than live at a time.
        assert_eq!(table.next.load(Ordering::Relaxed), LIVE as u64 + 2);
        assert!(table.indices.load(Ordering::Relaxed) <= 4);
        // Giving back what is not one's own changes nothing.
        let stranger = memory.object(8 * (0..PLACES).find(|p| !taken[*p]).expect("one"));
        let own = memory.object(live[0].0 * 8);
        let number = memory.0[live[0].0 * 8 + 1];
        // SAFETY: objects in the test's memory.
        unsafe {
            *((stranger + 8) as *mut u64) = number;
            table.release(stranger);
        }
        assert_eq!(attach(&table, own).load(Ordering::Relaxed), live[0].1);
    }

    #[test]
    fn blocks_of_the_dead_serve_when_there_are_no_others() {
        let (mut table, mut memory) = (table(), Memory::new(8));
        table.capacity = 5;
        for n in 0..4 {
            attach(&table, memory.object(n * 8)).store(n as u64 + 10, Ordering::Relaxed);
        }
        memory.0[2 * 8 + 1] = 0;
        let field = attach(&table, memory.object(5 * 8));
        assert_eq!((field.load(Ordering::Relaxed), memory.0[5 * 8 + 1]), (0, 3));
        for n in [0, 1, 3] {
            assert_eq!(attach(&table, memory.object(n * 8)).load(Ordering::Relaxed), n as u64 + 10);
        }
    }

    #[test]
    fn code_of_undone_patches_gets_blocks_that_the_object_does_not_know() {
        let (table, mut memory) = (table(), Memory::new(2));
        let a = memory.object(0);
        memory.0[1] = 77;
        let (block, first) = table.lend(a);
        assert_eq!((table.lend(a), memory.0[1], first), ((block, false), 77, true));
    }
}
