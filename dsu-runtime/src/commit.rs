//! Preparing, committing and undoing a patch, as a transaction.
//!
//! Nearly everything that can fail happens in [`prepare`], which changes nothing that the program can see; dropping what
//! it returns leaves no trace. [`Prepared::commit`] fails only where a state transformer of the patch says no: then
//! nothing was published.

use crate::binding::{self, Binder, Library};
use crate::carry::{self, Carry};
use crate::elf::{self, Elf, Segment, segment_flags};
use crate::image::{Image, Source};
use crate::journal::{self, Entry};
use crate::layer::{self, Layer};
use crate::manifest::{Manifest, target, text};
use crate::migrate::{self, Exclusive};
use crate::refusal::{Refusal, Result, decimal};
use crate::registry::{Place, Variable};
use crate::rehearse::Objects;
use crate::relocate::{Relocator, string};
use crate::sys::{self, PAGE, SignalsBlocked, page_down, page_up};
use crate::types::{Change, Published};
use crate::{control, tls, unwind};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};
use dsu_abi::{
    Id,
    control::AppliedPatch,
    patch::{PatchCopy, PatchFunction, PatchVariable},
    registry::variable_flags,
    status::Status,
};

/// What a commit changed: previous values of slots, and of variables.
#[derive(Debug, Default)]
pub struct UndoLog {
    slots: Vec<(u64, u64)>,
    copies: Vec<(u64, Vec<u8>)>,
}

/// New contents of a variable.
struct CopyPlan {
    destination: u64,
    source: u64,
    size: u64,
}

/// A patch that is loaded, checked and bound; committed or dropped.
pub struct Prepared {
    entry: Box<Entry>,
    image: Image,
    libraries: Vec<Library>,
    stores: Vec<(u64, u64)>,
    copies: Vec<CopyPlan>,
    unprotected: Unprotected,
    change: Change,
    carries: Vec<Carry>,
    /// Objects for a rehearsal.
    pub objects: Vec<Objects>,
    has_tls: bool,
    name: &'static str,
    kept: String,
}

/// What a patch is prepared for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To see whether it can be applied. No code of the patch runs.
    Check,
    /// To be committed.
    Apply,
}

/// Loads, checks and binds the patch file `file`, which is the start of a page-aligned buffer of the runtime.
pub fn prepare(file: &[u8], source: Source, purpose: Purpose) -> Result<Prepared> {
    let elf = elf::parse(file)?;
    let image = Image::map(file, &elf, source)?;
    let manifest = Manifest::read(&image, &elf)?;
    if source == Source::Copy {
        manifest.verify(file, &image)?;
    }
    let mut layer = Layer::default();
    let change = Change::read(&image, &manifest, &mut layer)?;
    binding::check_types(&image, &manifest, &mut layer)?;
    let needed = elf.needed.iter().map(|&name| string(&image, &elf, name)).collect::<Result<Vec<_>>>()?;
    let module = tls::reserve();
    if let Some(segment) = &elf.tls {
        tls::register(&image, segment)?;
    }
    let mut binder = Binder::new(manifest, change, &needed)?;
    let indirect = Relocator::new(&image, &elf, &mut binder, module)?.run()?;
    let manifest = binder.manifest();
    let mut plan = Plan {
        image: &image,
        elf: &elf,
        layer,
        stores: Vec::new(),
        undo: UndoLog::default(),
        copies: Vec::new(),
        kept: Vec::new(),
    };
    plan.functions(manifest)?;
    plan.variables(manifest, module)?;
    binding::add_imports(&image, manifest, &mut plan.layer)?;
    plan.copies(manifest)?;
    let Plan { mut layer, stores, undo, copies, kept, .. } = plan;
    let kept = kept.join(", ");
    layer.finish();
    image.protect()?;
    for (place, resolver) in indirect.into_iter().filter(|_| purpose == Purpose::Apply) {
        // SAFETY: the resolver lies in the patch's code, which is executable by now; `IRELATIVE` says it takes nothing
        // and returns an address.
        let resolve: extern "C" fn() -> u64 = unsafe { core::mem::transmute(image.at(resolver)) };
        image.write(place, resolve())?;
    }
    image.protect_relro(&elf)?;
    let frames = unwind::find(&image, &elf);
    let carries = carry::read(&image, manifest)?;
    let objects = (0..manifest.objects.len()).map(|index| {
        let (at, record) = manifest.objects.get(&image, index)?;
        binder.change().objects(&image, at, &record)
    });
    let objects = objects.collect::<Result<_>>()?;
    let slots = read_only_slots(stores.iter().map(|store| store.0));
    let unprotected = Unprotected::new(slots.chain(copies.iter().map(|copy| (copy.destination, copy.size))))?;
    let entry = Box::new(Entry {
        public: describe(&image, manifest),
        layer,
        undo,
        segments: image.segments().to_vec(),
        relro: elf.relro,
        bias: image.bias(),
        frames,
        types: Published::default(),
        irreversible: manifest.irreversible,
    });
    let name = manifest.name;
    let (libraries, change) = binder.into_parts();
    let has_tls = elf.tls.is_some();
    Ok(Prepared { entry, image, libraries, stores, copies, unprotected, change, carries, objects, has_tls, name, kept })
}

fn describe(image: &Image, manifest: &Manifest) -> AppliedPatch {
    let (address, size) = image.memory();
    AppliedPatch {
        next: 0,
        patch: manifest.header.patch,
        from: manifest.header.from,
        to: manifest.header.to,
        name: manifest.name.as_ptr() as u64,
        name_len: manifest.name.len() as u64,
        image: address,
        image_size: size,
        applied_at: sys::wall_clock(),
        pause_ns: 0,
        header: image.at(manifest.address),
        types: 0,
        type_count: 0,
        out_of_range: 0,
    }
}

/// What the commit will do, while it is being worked out.
struct Plan<'a> {
    image: &'a Image,
    elf: &'a Elf,
    layer: Layer,
    stores: Vec<(u64, u64)>,
    undo: UndoLog,
    copies: Vec<CopyPlan>,
    /// Variables that keep a value which an earlier version of the program may have written.
    kept: Vec<&'a str>,
}

impl Plan<'_> {
    fn functions(&mut self, manifest: &Manifest) -> Result<()> {
        for index in 0..manifest.functions.len() {
            let (at, record) = manifest.functions.get(self.image, index)?;
            let x = segment_flags::X;
            let code = target(self.image, at, offset_of!(PatchFunction, code), record.code, 1, x)?;
            let slot = target(self.image, at, offset_of!(PatchFunction, slot), record.slot, 8, segment_flags::W)?;
            let stub = target(self.image, at, offset_of!(PatchFunction, stub), record.stub, 1, x)?;
            let code = code.ok_or_else(|| Refusal::damaged("a function has no code"))?;
            if slot.is_some_and(|slot| self.is_read_only(slot)) {
                return Err(Refusal::damaged("a slot is read-only"));
            }
            let old = layer::function(record.old_key, record.fingerprint).unwrap_or_default();
            let gone = layer::gone_function(record.key, record.fingerprint);
            let known = binding::merge(old, gone.slot, gone.stub);
            let merged = binding::merge(known, slot.unwrap_or(0), stub.unwrap_or(0));
            if merged.slot != 0 {
                // SAFETY: a slot of the process, or one of the patch's own, checked above.
                let previous = unsafe { slot_at(merged.slot) }.load(Ordering::Relaxed);
                if previous != code {
                    self.stores.push((merged.slot, code));
                    self.undo.slots.push((merged.slot, previous));
                }
            }
            self.layer.add_function(record.key, record.fingerprint, merged);
            if record.old_key != record.key {
                self.layer.hide_function(record.old_key, record.fingerprint);
            }
        }
        Ok(())
    }

    /// Whether the word at memory address `address` cannot be written once the image is protected.
    fn is_read_only(&self, address: u64) -> bool {
        let relro = self.elf.relro;
        let address = self.image.image_address(address);
        relro.size != 0 && address >= page_down(relro.address) && address < page_down(relro.address + relro.size)
    }

    fn variables(&mut self, manifest: &Manifest, module: u64) -> Result<()> {
        for index in 0..manifest.variables.len() {
            let (at, record) = manifest.variables.get(self.image, index)?;
            let place = if record.flags & variable_flags::TLS != 0 {
                let size = self.elf.tls.map_or(0, |segment| segment.size);
                if record.tls_offset > size || record.size > size - record.tls_offset {
                    return Err(Refusal::damaged("a thread-local variable lies outside of it"));
                }
                Place::ThreadLocal { module, offset: record.tls_offset }
            } else {
                let offset = offset_of!(PatchVariable, address);
                let address = target(self.image, at, offset, record.address, record.size, 0)?;
                Place::Address(address.ok_or_else(|| Refusal::damaged("a variable has no address"))?)
            };
            let variable = Variable { fingerprint: record.fingerprint, size: record.size, place };
            self.layer.add_variable(record.key, variable);
            if record.flags & variable_flags::WRITTEN != 0 {
                self.layer.add_written(record.key);
            }
        }
        Ok(())
    }

    fn copies(&mut self, manifest: &Manifest) -> Result<()> {
        let mut last = None;
        for index in 0..manifest.copies.len() {
            let (at, record) = manifest.copies.get(self.image, index)?;
            // Else a small patch could take much memory: the value before is kept for the undo.
            if last.replace(record.key).is_some_and(|last| last >= record.key) {
                return Err(Refusal::damaged("the variables that it sets are not in order"));
            }
            let name = text(self.image, at, offset_of!(PatchCopy, name), record.name)?;
            let source = target(self.image, at, offset_of!(PatchCopy, source), record.source, record.size, 0)?;
            let source = source.ok_or_else(|| Refusal::damaged("new contents of a variable are missing"))?;
            let Some(variable) = layer::variable(record.key) else {
                return Err(Refusal::incompatible(&["variable ", name, " is not in the running program"]));
            };
            let Place::Address(destination) = variable.place else {
                return Err(Refusal::incompatible(&["variable ", name, " is thread-local in the running program"]));
            };
            if variable.fingerprint != record.fingerprint || variable.size != record.size {
                let text = ["variable ", name, " has another type in the running program than the patch expects"];
                return Err(Refusal::incompatible(&text));
            }
            if layer::is_written(record.key) {
                self.kept.push(name);
                continue;
            }
            // SAFETY: a variable of the process of that size.
            let old = unsafe { core::slice::from_raw_parts(destination as *const u8, record.size as usize) };
            self.undo.copies.push((destination, old.to_vec()));
            self.copies.push(CopyPlan { destination, source, size: record.size });
        }
        Ok(())
    }
}

/// The slot at `address`.
///
/// # Safety
/// `address` is that of a slot: mapped for ever, aligned.
unsafe fn slot_at(address: u64) -> &'static AtomicU64 {
    // SAFETY: as the caller promises.
    unsafe { AtomicU64::from_ptr(address as *mut u64) }
}

/// The memory of those slots that are the executable's: they are read-only, but for updates. Those of patches, undone ones
/// included, can always be written.
fn read_only_slots(slots: impl Iterator<Item = u64>) -> impl Iterator<Item = (u64, u64)> {
    let (bias, segments, _) = executable();
    let ours = move |slot: u64| {
        let at = slot.wrapping_sub(bias);
        segments.iter().any(|segment| at >= segment.address && at < segment.end())
    };
    slots.filter(move |&slot| ours(slot)).map(|slot| (slot, size_of::<u64>() as u64))
}

impl Prepared {
    /// The patch's name. Its text is in the image: not to be used when that is gone.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How many state transformers it has.
    pub fn carry_count(&self) -> usize {
        self.carries.len()
    }

    /// What `--dry-run` says.
    pub fn describe(&self) -> String {
        ["patch ", self.name, " can be applied"].concat()
    }

    /// Puts the patch in force. Every other thread is at rest. `began` is told of each state transformer before it runs.
    pub fn commit(self, began: impl FnMut(&str)) -> Result<String> {
        let exclusive = Exclusive::take()?;
        let Self {
            mut entry, image, libraries, stores, copies, unprotected, change, carries, has_tls, name, kept, ..
        } = self;
        entry.public.applied_at = sys::wall_clock();
        let to = entry.public.to;
        // From here on, code of the patch may run and leave pointers to itself behind, whatever comes of it.
        image.leak();
        libraries.into_iter().for_each(Library::leak);
        if let Some(frames) = &mut entry.frames {
            frames.register();
        }
        if has_tls {
            tls::commit();
        }
        // A signal handler shall see the program before the commit or after it.
        let signals = SignalsBlocked::new();
        entry.types = change.publish();
        migrate::take_out_of_range();
        if let Err(refusal) = carry::run(&carries, name, began) {
            entry.types.withdraw();
            return Err(refusal);
        }
        let statuses = entry.types.statuses;
        (entry.public.types, entry.public.type_count) = (statuses.as_ptr() as u64, statuses.len() as u64);
        entry.public.out_of_range = migrate::take_out_of_range();
        let lossy = entry.public.out_of_range;
        for copy in &copies {
            // SAFETY: the destination is a variable of the process, writable while `unprotected` lives; the source lies
            // in the image.
            unsafe {
                let (source, destination) = (copy.source as *const u8, copy.destination as *mut u8);
                core::ptr::copy_nonoverlapping(source, destination, copy.size as usize);
            }
        }
        for &(slot, code) in &stores {
            // SAFETY: checked when it was planned; writable while `unprotected` lives.
            unsafe { slot_at(slot) }.store(code, Ordering::Release);
        }
        control::set_state(to);
        journal::push(entry);
        drop(signals);
        drop((unprotected, exclusive));
        let (stores, copies) = (decimal(stores.len() as u64), decimal(copies.len() as u64));
        let lossy = match lossy {
            0 => String::new(),
            count => ["; ", &decimal(count), " values were out of the range of their new types"].concat(),
        };
        let kept = if kept.is_empty() {
            String::new()
        } else {
            ["; kept the running values of ", &kept, ", which an earlier version of the program wrote"].concat()
        };
        let parts =
            ["applied patch ", name, ": ", &stores, " functions switched, ", &copies, " variables set", &lossy, &kept];
        Ok(parts.concat())
    }
}

/// An undo that is ready to be carried out.
pub struct PreparedUndo(Unprotected);

/// Checks that `patch` is the newest patch (any, if zero), and prepares its undoing.
pub fn prepare_undo(patch: Id) -> Result<PreparedUndo> {
    let Some(entry) = journal::entries().next() else {
        return Err(Refusal::new(Status::NothingToUndo, &["no patch is applied: nothing to undo"]));
    };
    if patch != Id::default() && patch != entry.public.patch {
        let newest = crate::registry::text_at(entry.public.name);
        let text: &[&str] = match journal::entries().find(|other| other.public.patch == patch) {
            Some(other) => {
                let name = crate::registry::text_at(other.public.name);
                &["patch ", name, " is not the newest: undo patch ", newest, " first"]
            }
            None => &["that patch is not applied; the newest is patch ", newest],
        };
        return Err(Refusal::new(Status::NotNewest, text));
    }
    if let Some(reason) = entry.irreversible {
        let name = crate::registry::text_at(entry.public.name);
        return Err(Refusal::new(Status::Irreversible, &["patch ", name, " cannot be undone: ", reason]));
    }
    let slots = read_only_slots(entry.undo.slots.iter().map(|store| store.0));
    let copies = entry.undo.copies.iter().map(|(destination, old)| (*destination, old.len() as u64));
    Ok(PreparedUndo(Unprotected::new(slots.chain(copies))?))
}

impl PreparedUndo {
    /// Puts everything back as it was. The image stays: old frames and pointers may still use it.
    pub fn commit(self) -> Result<String> {
        let exclusive = Exclusive::take()?;
        let signals = SignalsBlocked::new();
        let Some(entry) = journal::pop() else { return Ok(String::new()) };
        entry.types.withdraw();
        for (slot, previous) in entry.undo.slots.iter().rev() {
            // SAFETY: a slot that the commit has written, writable while `self` lives.
            unsafe { slot_at(*slot) }.store(*previous, Ordering::Release);
        }
        for (destination, old) in entry.undo.copies.iter().rev() {
            // SAFETY: a variable that the commit has written, writable while `self` lives.
            unsafe { core::ptr::copy_nonoverlapping(old.as_ptr(), *destination as *mut u8, old.len()) };
        }
        control::set_state(entry.public.from);
        drop(signals);
        drop((self.0, exclusive));
        let name = crate::registry::text_at(entry.public.name);
        entry.layer.retire();
        Ok(["undid patch ", name].concat())
    }
}

/// Pages made writable, and the protection they had. Restored when dropped.
struct Unprotected(Vec<(u64, u64, i32)>);

impl Unprotected {
    fn new(places: impl Iterator<Item = (u64, u64)>) -> Result<Self> {
        let places = places.filter(|(_, size)| *size != 0);
        let ranges = places.map(|(address, size)| (page_down(address), page_up(address + size), ())).collect();
        let mut pages = Vec::new();
        for (from, to, ()) in merged(ranges) {
            split_by_protection(from, to, &mut pages)?;
        }
        // Neighbours of one kind are changed together.
        let merged = merged(pages);
        let mut done = Self(Vec::with_capacity(merged.len()));
        for (from, to, protection) in merged {
            sys::protect(from, to, protection | libc::PROT_WRITE)?;
            done.0.push((from, to, protection));
        }
        Ok(done)
    }
}

/// Joins ranges of one kind that overlap or touch.
fn merged<Kind: Ord>(mut ranges: Vec<(u64, u64, Kind)>) -> Vec<(u64, u64, Kind)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64, Kind)> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if last.2 == range.2 && range.0 <= last.1 => last.1 = last.1.max(range.1),
            _ => merged.push(range),
        }
    }
    merged
}

impl Drop for Unprotected {
    fn drop(&mut self) {
        for &(from, to, protection) in &self.0 {
            // It worked in the other direction; and writable pages do no harm.
            let _ = sys::protect(from, to, protection);
        }
    }
}

/// Adds those of the pages `from..to` to `pages` that are not writable, with the protection they have.
fn split_by_protection(from: u64, to: u64, pages: &mut Vec<(u64, u64, i32)>) -> Result<()> {
    for page in (from..to).step_by(PAGE as usize) {
        match protection_of(page) {
            None => return Err(Refusal::new(Status::Internal, &["a variable is not in the executable or a patch"])),
            Some(protection) if protection & libc::PROT_WRITE != 0 => {}
            Some(protection) => match pages.last_mut() {
                Some(last) if last.1 == page && last.2 == protection => last.1 += PAGE,
                _ => pages.push((page, page + PAGE, protection)),
            },
        }
    }
    Ok(())
}

/// The protection of a page of the executable or of a patch.
fn protection_of(page: u64) -> Option<i32> {
    let in_patch = journal::entries().find_map(|entry| {
        let at = page.wrapping_sub(entry.bias);
        segment_protection(at, &entry.segments, (entry.relro.address, entry.relro.address + entry.relro.size))
    });
    in_patch.or_else(|| {
        let (bias, segments, relro) = executable();
        segment_protection(page.wrapping_sub(bias), &segments, relro)
    })
}

fn segment_protection(at: u64, segments: &[Segment], relro: (u64, u64)) -> Option<i32> {
    let holds = |segment: &&Segment| at >= page_down(segment.address) && at < page_up(segment.end());
    let flags = segments.iter().find(holds)?.flags;
    let read_only = at >= page_down(relro.0) && at < page_down(relro.1);
    let write = if flags & segment_flags::W != 0 && !read_only { libc::PROT_WRITE } else { 0 };
    let execute = if flags & segment_flags::X != 0 { libc::PROT_EXEC } else { 0 };
    Some(libc::PROT_READ | write | execute)
}

/// Load bias, segments and read-only part of the executable, as the dynamic loader knows them.
fn executable() -> (u64, Vec<Segment>, (u64, u64)) {
    type Found = (u64, Vec<Segment>, (u64, u64));
    unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _: usize, found: *mut libc::c_void) -> i32 {
        // SAFETY: called by `dl_iterate_phdr` with its information and the argument given below.
        let (info, found) = unsafe { (&*info, &mut *found.cast::<Found>()) };
        found.0 = info.dlpi_addr;
        // SAFETY: as the information says.
        let headers = unsafe { core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        for header in headers {
            let (address, size) = (header.p_vaddr, header.p_memsz);
            match header.p_type {
                libc::PT_LOAD => {
                    found.1.push(Segment { offset: 0, address, file_size: 0, size, flags: header.p_flags });
                }
                libc::PT_GNU_RELRO => found.2 = (address, address + size),
                _ => {}
            }
        }
        // The executable comes first.
        1
    }
    let mut found: Found = (0, Vec::new(), (0, 0));
    // SAFETY: `look` gets a pointer to `found`, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut found).cast()) };
    found
}
