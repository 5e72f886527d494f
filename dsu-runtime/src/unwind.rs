//! Exceptions, backtraces and cancellation through patched code; and whether a signal handler runs.

use crate::elf::{Elf, segment_flags};
use crate::image::Image;
use core::ffi::{CStr, c_int, c_void};
use std::ffi::CString;

type Register = unsafe extern "C" fn(frames: *const c_void);
type Find = unsafe extern "C" fn(pc: *const c_void, bases: *mut [*const c_void; 3]) -> *const c_void;

unsafe extern "C" {
    fn __register_frame(frames: *const c_void);
    fn _Unwind_Find_FDE(pc: *const c_void, bases: *mut [*const c_void; 3]) -> *const c_void;
    fn _Unwind_Backtrace(trace: extern "C" fn(*mut c_void, *mut c_void) -> c_int, argument: *mut c_void) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut c_void, before: *mut c_int) -> usize;
}

/// Whether the calling thread runs a signal handler.
///
/// On the main thread's stack, a scan for the return address of signal frames tells most of the time that it does not;
/// where it finds one, that may be a remnant, and only the unwinder can tell.
pub fn in_signal_handler() -> bool {
    may_have_signal_frame() && has_signal_frame()
}

fn may_have_signal_frame() -> bool {
    unsafe extern "C" {
        fn dsu_rt_stack_has(values: *const u64, count: usize) -> c_int;
    }
    let Some(restorers) = restorers() else { return true };
    // SAFETY: reads the values, and this thread's stack.
    unsafe { dsu_rt_stack_has(restorers.as_ptr(), restorers.len()) != 0 }
}

/// The addresses that signal handlers return to: nearly always the same one, of the C library. `None`: too many.
fn restorers() -> Option<[u64; 4]> {
    /// `struct sigaction` of the kernel.
    #[repr(C)]
    #[derive(Default)]
    struct Action {
        handler: u64,
        flags: u64,
        restorer: u64,
        mask: u64,
    }
    let mut found = [0; 4];
    let mut count = 0;
    for signal in 1..=64 {
        let mut action = Action::default();
        // SAFETY: asks for the action; a signal that runs its handler once has it no more, but still the restorer.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, core::ptr::null::<Action>(), &raw mut action, 8) };
        if action.restorer != 0 && !found.contains(&action.restorer) {
            *found.get_mut(count)? = action.restorer;
            count += 1;
        }
    }
    Some(found)
}

/// Whether there is a signal frame on the calling thread's stack.
///
/// Its program counter is that of the interrupted instruction, not one after a call: that is how it is known.
fn has_signal_frame() -> bool {
    extern "C" fn look(context: *mut c_void, found: *mut c_void) -> c_int {
        const NO_REASON: c_int = 0;
        const END_OF_STACK: c_int = 5;
        let mut before = 0;
        // SAFETY: called by the unwinder with its context and the argument given below.
        unsafe {
            _Unwind_GetIPInfo(context, &raw mut before);
            if before != 0 {
                *found.cast::<bool>() = true;
                return END_OF_STACK;
            }
        }
        NO_REASON
    }
    let mut found = false;
    // SAFETY: `look` gets a pointer to `found`, which outlives the call.
    unsafe { _Unwind_Backtrace(look, (&raw mut found).cast()) };
    found
}

/// The unwind information of an image, checked and not yet registered.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    start: u64,
    code: u64,
    /// Known once they are registered.
    shared: Option<Unwinder>,
}

/// An unwinder: each copy of libgcc in a process has its own list of what was registered.
#[derive(Clone, Copy, Debug)]
struct Unwinder {
    register: Register,
    find: Find,
}

impl Unwinder {
    /// The one that `libdsu` was linked with.
    const OWN: Self = Self { register: __register_frame, find: _Unwind_Find_FDE };

    /// The shared libgcc of the process, if there is one and it is another. The C library and C++ unwind with that.
    ///
    /// It is not loaded for this: where it is missing, programs end threads and throw nothing through it, and the process may
    /// have locked itself out of the file system.
    fn shared() -> Option<Self> {
        let name = loaded_libgcc()?;
        // SAFETY: ordinary use of the dynamic loader, in ordinary program context; it finds the name among what is loaded. The
        // handle is kept, and with it the library. What it exports under these names has these types.
        unsafe {
            let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
            let symbol =
                |name: &CStr| Some(libc::dlsym(handle, name.as_ptr())).filter(|p| !handle.is_null() && !p.is_null());
            let register = symbol(c"__register_frame")?;
            let find = symbol(c"_Unwind_Find_FDE")?;
            (register as usize != Self::OWN.register as usize).then(|| Self {
                register: core::mem::transmute::<*mut c_void, Register>(register),
                find: core::mem::transmute::<*mut c_void, Find>(find),
            })
        }
    }
}

/// The shared libgcc that is loaded, as the dynamic loader names it.
fn loaded_libgcc() -> Option<CString> {
    unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
        // SAFETY: called by `dl_iterate_phdr` with its information, whose name is a string, and the argument given below.
        let (name, found) = unsafe { (CStr::from_ptr((*info).dlpi_name), &mut *found.cast::<Option<CString>>()) };
        let file = name.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        if file.starts_with(b"libgcc_s.so") {
            *found = Some(name.to_owned());
        }
        found.is_some().into()
    }
    let mut found: Option<CString> = None;
    // SAFETY: `look` gets a pointer to `found`, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut found).cast()) };
    found
}

/// Reads numbers in DWARF's encoding from the image.
struct Reader<'a> {
    image: &'a Image,
    at: u64,
    end: u64,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let [byte] = self.image.read::<1>(self.at).ok().filter(|_| self.at < self.end)?;
        self.at += 1;
        Some(byte)
    }

    fn u32(&mut self) -> Option<u32> {
        let value = self.image.read::<4>(self.at).ok().filter(|_| self.end.saturating_sub(self.at) >= 4)?;
        self.at += 4;
        Some(u32::from_le_bytes(value))
    }

    fn leb(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// `DW_EH_PE_pcrel | DW_EH_PE_sdata4`: how compilers encode addresses in position-independent code.
const PCREL_SDATA4: u8 = 0x1b;

/// Finds and checks the unwind information of an image.
///
/// libgcc ends the process over what it does not understand, so only the plain form that compilers emit is accepted:
/// anything else is left unregistered. The list must end with a zero length; where it is the last thing on its page,
/// the zero bytes behind it serve.
pub fn find(image: &Image, elf: &Elf) -> Option<Frames> {
    let header = elf.frame_header?;
    let [version, encoding, ..] = image.read::<4>(header.address).ok()?;
    if version != 1 || encoding != PCREL_SDATA4 {
        return None;
    }
    let offset = i32::from_le_bytes(image.read(header.address + 4).ok()?);
    let start = (header.address + 4).wrapping_add(i64::from(offset) as u64);
    let end = image.segment_of(start, 4)?.end();
    let (mut at, mut code) = (start, 0);
    // Where the last common entry is, and its kind: the frames after it mostly refer to it.
    let mut common = Vec::new();
    loop {
        if at == end {
            // The bytes after a segment, up to the end of its page, are mapped and zero.
            return (crate::sys::page_up(end) - end >= 4 && code != 0).then(|| Frames::new(image, start, code));
        }
        let mut reader = Reader { image, at, end };
        let length = u64::from(reader.u32()?);
        if length == 0 {
            return (code != 0).then(|| Frames::new(image, start, code));
        }
        let body = reader.at;
        if length < 8 || length > end - body || length % 4 != 0 {
            return None;
        }
        reader.end = body + length;
        let id = u64::from(reader.u32()?);
        if id == 0 {
            check_common(&mut reader)?;
            common.push(at);
        } else {
            let owner = body.checked_sub(id)?;
            common.binary_search(&owner).ok()?;
            let from = reader.at.wrapping_add(i64::from(reader.u32()? as i32) as u64);
            let size = u64::from(reader.u32()?);
            if !image.contains(from, size, segment_flags::X) {
                return None;
            }
            let skip = reader.leb()?;
            if skip > reader.end - reader.at {
                return None;
            }
            code = from;
        }
        at = body + length;
    }
}

/// A common information entry with augmentation `z`, addresses encoded the plain way.
///
/// libgcc stops at the first letter that it does not skip to look for `R`, and takes addresses for absolute ones then.
fn check_common(reader: &mut Reader<'_>) -> Option<()> {
    let version = reader.byte()?;
    if !matches!(version, 1 | 3) || reader.byte()? != b'z' {
        return None;
    }
    let (mut letters, mut count) = ([0_u8; 8], 0);
    loop {
        match reader.byte()? {
            0 => break,
            letter => *letters.get_mut(count)? = letter,
        }
        count += 1;
    }
    // Code and data alignment, return address.
    reader.leb()?;
    reader.leb()?;
    if version == 1 {
        reader.byte()?;
    } else {
        reader.leb()?;
    }
    let size = reader.leb()?;
    let end = reader.at.checked_add(size).filter(|&end| end <= reader.end)?;
    let mut plain = false;
    for letter in letters.into_iter().take(count) {
        match letter {
            b'R' if !plain => {
                plain = true;
                matches!(reader.byte()?, PCREL_SDATA4).then_some(())?;
            }
            b'L' => matches!(reader.byte()?, PCREL_SDATA4 | 0xff).then_some(())?,
            // The personality routine: indirect or not, relative, four bytes.
            b'P' => {
                matches!(reader.byte()?, PCREL_SDATA4 | 0x9b).then_some(())?;
                reader.u32()?;
            }
            b'S' if plain => {}
            _ => return None,
        }
    }
    (plain && reader.at <= end).then_some(())
}

impl Frames {
    fn new(image: &Image, start: u64, code: u64) -> Self {
        Self { start: image.at(start), code: image.at(code), shared: None }
    }

    fn unwinders(&self) -> impl Iterator<Item = Unwinder> {
        core::iter::once(Unwinder::OWN).chain(self.shared)
    }

    /// Makes the frames known to the unwinders, for ever.
    pub fn register(&mut self) {
        self.shared = Unwinder::shared();
        for unwinder in self.unwinders() {
            // SAFETY: the information was checked, is terminated, and stays mapped.
            unsafe { (unwinder.register)(self.start as *const c_void) };
        }
    }

    /// Has the unwinders sort what was registered, which they do at the first look-up, with `malloc`: better here than in a
    /// signal handler. It takes long, so this is not for a time when the program stands still.
    pub fn settle(&self) {
        for unwinder in self.unwinders() {
            let mut bases = [core::ptr::null(); 3];
            // SAFETY: a look-up, whose result is not used.
            unsafe { (unwinder.find)(self.code as *const c_void, &raw mut bases) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::{Range, Segment};
    use crate::image::Source;

    const ADDRESS: u64 = 0x1000;
    const CODE: u64 = 0x8000;

    /// An entry with its length before it.
    fn entry(mut body: Vec<u8>) -> Vec<u8> {
        body.resize(body.len().next_multiple_of(4), 0);
        [&(body.len() as u32).to_le_bytes(), body.as_slice()].concat()
    }

    /// A common entry of this version and with these letters; `rest` is what follows the alignments.
    fn common(version: u8, letters: &str, rest: &[u8]) -> Vec<u8> {
        entry([&[0, 0, 0, 0, version], letters.as_bytes(), &[0, 1, 0x78], rest].concat())
    }

    /// Whether the frames of an image are accepted: a common entry, that of a function, and `end`, which ends their
    /// segment `size` bytes after its begin.
    fn accepted(common: &[u8], end: &[u8], size: u64) -> bool {
        let length = (common.len() + 20 + end.len()) as u64;
        let (header, start) = (ADDRESS, ADDRESS + size - length);
        let body = start + common.len() as u64 + 4;
        let numbers = [(body - start) as i32, (CODE - (body + 4)) as i32, 16, 0];
        let function = entry(numbers.iter().flat_map(|number| number.to_le_bytes()).collect());
        let mut file = vec![1, PCREL_SDATA4, 0, 0];
        file.extend(((start - (header + 4)) as i32).to_le_bytes());
        file.resize((start - ADDRESS) as usize, 0xff);
        file.extend([common, &function, end].concat());
        let segment = |address, size, file_size, flags| Segment { offset: 0, address, file_size, size, flags };
        let segments = vec![segment(ADDRESS, size, size, 0), segment(CODE, 64, 0, segment_flags::X)];
        let frame_header = Some(Range { address: header, size: 8 });
        let elf = Elf { segments, frame_header, ..Elf::default() };
        Image::map(&file, &elf, Source::Copy).is_ok_and(|image| find(&image, &elf).is_some())
    }

    #[test]
    fn what_libgcc_reads_otherwise_is_refused() {
        let zeros = [0; 4];
        let plain = [16, 1, PCREL_SDATA4];
        assert!(accepted(&common(1, "zR", &plain), &zeros, 256));
        assert!(accepted(&common(1, "zRS", &plain), &zeros, 256));
        assert!(!accepted(&common(1, "zSR", &plain), &zeros, 256));
        assert!(!accepted(&common(1, "zB", &plain), &zeros, 256));
        assert!(!accepted(&common(1, "zRR", &[16, 2, PCREL_SDATA4, 0]), &zeros, 256));
        // The return address is one byte in version 1, and a number of any length in version 3.
        let long = [0x90, 1, 1, PCREL_SDATA4];
        assert!(!accepted(&common(1, "zR", &long), &zeros, 256));
        assert!(accepted(&common(3, "zR", &long), &zeros, 256));
    }

    #[test]
    fn a_list_without_an_end() {
        let common = common(1, "zR", &[16, 1, PCREL_SDATA4]);
        assert!(accepted(&common, &[], 4092), "the rest of the page is zeros");
        assert!(!accepted(&common, &[], 4094), "the length after the last one would be on two pages");
        assert!(!accepted(&common, &[], 4096));
    }
}
