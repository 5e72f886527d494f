//! Thread-local variables that patches define.
//!
//! The dynamic loader knows nothing of patches, so each patch with thread-local variables gets a
//! module number of our own, far above the loader's, and calls our `__tls_get_addr` (in
//! `c/thread.c`). A thread's block is made when the thread first uses it and freed when it ends.

use crate::elf::TlsSegment;
use crate::image::Image;
use crate::refusal::{Refusal, Result};
use crate::registry::EXECUTABLE_MODULE;
use core::ffi::c_void;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// First module number of ours; `c/thread.c` has the same.
pub const MODULES: u64 = 1 << 62;

/// As many patches with thread-local variables as a process can take, undone ones included.
const LIMIT: usize = 1024;

/// What is known of a module.
struct Module {
    /// Initial values.
    source: u64,
    initialised: u64,
    size: u64,
    align: u64,
    /// A block to share for threads that cannot get memory for their own: wrong, but better than ending the program.
    spare: *mut c_void,
}

/// By number. Entries are leaked: they are read without a lock.
static TABLE: [AtomicPtr<Module>; LIMIT] = [const { AtomicPtr::new(core::ptr::null_mut()) }; LIMIT];
static COUNT: AtomicU64 = AtomicU64::new(0);
/// Key whose destructor frees the blocks of a thread, plus one.
static KEY: AtomicU32 = AtomicU32::new(0);

/// The blocks of a thread, `struct dsu_tls_blocks` of `c/thread.c`.
#[repr(C)]
struct Blocks {
    count: u64,
    blocks: *mut *mut c_void,
}

unsafe extern "C" {
    fn dsu_rt_tls_blocks() -> *mut Blocks;
    fn dsu_rt_executable_tls() -> i64;
}

/// A module number for a patch being prepared. Only leaders call this, one after the other, so the
/// number is free again if the patch is dropped.
pub fn reserve() -> u64 {
    MODULES + COUNT.load(Ordering::Relaxed)
}

/// Makes the reserved module known. Nothing uses it until the patch runs; `Err` changes nothing.
pub fn register(image: &Image, segment: &TlsSegment) -> Result<()> {
    let index = COUNT.load(Ordering::Relaxed);
    let Some(entry) = TABLE.get(index as usize) else {
        return Err(Refusal::new(dsu_abi::status::Status::NoMemory, &["too many patches with thread-local variables"]));
    };
    if !image.contains(segment.address, segment.file_size, 0) && segment.file_size != 0 {
        return Err(Refusal::damaged("its thread-local variables lie outside of it"));
    }
    make_key()?;
    let (source, initialised) = (image.at(segment.address), segment.file_size);
    let (size, align) = (segment.size.max(1), segment.align.max(16));
    let mut module = Module { source, initialised, size, align, spare: core::ptr::null_mut() };
    module.spare = allocate(&module);
    if module.spare.is_null() {
        return Err(Refusal::system("allocation"));
    }
    let old = entry.swap(Box::into_raw(Box::new(module)), Ordering::Release);
    if !old.is_null() {
        // SAFETY: left by a patch that was prepared and dropped: never used.
        unsafe {
            let old = Box::from_raw(old);
            libc::free(old.spare);
        }
    }
    Ok(())
}

/// The patch for which a module was reserved is in force: the number is taken.
pub fn commit() {
    COUNT.fetch_add(1, Ordering::Release);
}

/// Offset from the thread pointer of a variable of the executable.
pub fn static_offset(module: u64, offset: u64) -> Option<u64> {
    // SAFETY: asks for the address of the executable's own block, which libdsu's own variables are in.
    (module == EXECUTABLE_MODULE).then(|| unsafe { dsu_rt_executable_tls() as u64 }.wrapping_add(offset))
}

fn make_key() -> Result<()> {
    if KEY.load(Ordering::Relaxed) != 0 {
        return Ok(());
    }
    let mut key = 0;
    // SAFETY: creates a key with a destructor of ours.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(free_blocks)) } != 0 {
        return Err(Refusal::system("pthread_key_create"));
    }
    KEY.store(key + 1, Ordering::Release);
    Ok(())
}

/// Runs when a thread ends. Variables used after that (by other destructors) start anew.
unsafe extern "C" fn free_blocks(_: *mut c_void) {
    // SAFETY: this thread's own blocks, allocated below and by `block`.
    unsafe {
        let own = dsu_rt_tls_blocks();
        let (count, blocks) = ((*own).count, (*own).blocks);
        (*own).count = 0;
        (*own).blocks = core::ptr::null_mut();
        for index in 0..count as usize {
            let block = *blocks.add(index);
            if TABLE.get(index).is_none_or(|entry| {
                let module = entry.load(Ordering::Acquire);
                module.is_null() || (*module).spare != block
            }) {
                libc::free(block);
            }
        }
        libc::free(blocks.cast());
    }
}

/// A new block with initial values, or null.
fn allocate(module: &Module) -> *mut c_void {
    let mut block = core::ptr::null_mut();
    // SAFETY: the block is at least as large as its initialised part, which lies in the image.
    unsafe {
        if libc::posix_memalign(&raw mut block, module.align as usize, module.size as usize) != 0 {
            return core::ptr::null_mut();
        }
        core::ptr::copy_nonoverlapping(module.source as *const u8, block.cast(), module.initialised as usize);
        let rest = (module.size - module.initialised.min(module.size)) as usize;
        core::ptr::write_bytes(block.cast::<u8>().add(module.initialised as usize), 0, rest);
    }
    block
}

/// The shared block of module number `index`.
pub fn spare(index: u64) -> *mut c_void {
    let entry = TABLE.get(index as usize).map_or(core::ptr::null_mut(), |entry| entry.load(Ordering::Acquire));
    // SAFETY: entries are never freed once their module is in use.
    if entry.is_null() { core::ptr::null_mut() } else { unsafe { (*entry).spare } }
}

/// The calling thread's block of module number `index`, made if it has none.
pub fn block(index: u64) -> *mut c_void {
    let spare = spare(index);
    let Some(entry) =
        TABLE.get(index as usize).map(|entry| entry.load(Ordering::Acquire)).filter(|entry| !entry.is_null())
    else {
        return spare;
    };
    // SAFETY: this thread's own list of blocks; entries of the table are never freed once in use.
    unsafe {
        let own = dsu_rt_tls_blocks();
        if index >= (*own).count {
            let count = index + 8;
            let grown =
                libc::realloc((*own).blocks.cast(), count as usize * size_of::<*mut c_void>()).cast::<*mut c_void>();
            if grown.is_null() {
                return spare;
            }
            core::ptr::write_bytes(grown.add((*own).count as usize), 0, (count - (*own).count) as usize);
            (*own).blocks = grown;
            (*own).count = count;
        }
        let place = (*own).blocks.add(index as usize);
        if (*place).is_null() {
            let fresh = allocate(&*entry);
            *place = if fresh.is_null() { spare } else { fresh };
            // Any value but null makes the destructor run.
            libc::pthread_setspecific(KEY.load(Ordering::Acquire) - 1, own.cast());
        }
        *place
    }
}
