//! The image of a patch in memory: its segments, mapped, and bounds-checked access to them.

use crate::elf::{Elf, Segment, segment_flags};
use crate::refusal::{Refusal, Result};
use crate::sys::{Mapping, PAGE, page_down, page_up, protect};

/// Whether the patch file's memory may be taken over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Pages of the file are moved into the image where possible: no copy, no page fault. The file is gone after.
    Consume,
    /// The file is left as it is.
    Copy,
}

/// A patch in memory. Unmapped when dropped, unless it is leaked.
pub struct Image {
    memory: Mapping,
    /// Address in memory minus address in the image.
    bias: u64,
    segments: Vec<Segment>,
}

impl Image {
    /// Maps the segments of `file`, readable and writable for now.
    pub fn map(file: &[u8], elf: &Elf, source: Source) -> Result<Self> {
        let (Some(first), Some(last)) = (elf.segments.first(), elf.segments.last()) else {
            return Err(Refusal::damaged("it has no segments"));
        };
        let start = page_down(first.address);
        // One page more, which stays inaccessible: whatever runs over the end, here or in the patch, hits nothing else.
        let memory = Mapping::new(page_up(last.end()) - start + PAGE, libc::PROT_NONE)?;
        let bias = memory.address().wrapping_sub(start);
        let image = Self { memory, bias, segments: elf.segments.clone() };
        for segment in &image.segments {
            image.fill(file, segment, source)?;
        }
        Ok(image)
    }

    /// Brings one segment into the image.
    ///
    /// Only pages that hold nothing but this segment are moved: the first and the last page of a segment may belong to
    /// others, too, and the first page of the file holds its header.
    fn fill(&self, file: &[u8], segment: &Segment, source: Source) -> Result<()> {
        protect(self.at(segment.address), self.at(segment.end()), libc::PROT_READ | libc::PROT_WRITE)?;
        let (start, end) = (segment.offset, segment.offset + segment.file_size);
        let address_of = |offset: u64| segment.address + (offset - start);
        let (first, last) = (page_up(start.max(1)).min(end), page_down(end));
        let congruent = start % PAGE == segment.address % PAGE;
        if source == Source::Consume
            && congruent
            && first < last
            && self.take(file, first, address_of(first), last - first)
        {
            self.copy(file, start, segment.address, first - start);
            self.copy(file, last, address_of(last), end - last);
        } else {
            self.copy(file, start, segment.address, end - start);
        }
        Ok(())
    }

    /// Moves `length` bytes of whole pages out of the file into the image; false where the system cannot.
    fn take(&self, file: &[u8], offset: u64, address: u64, length: u64) -> bool {
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP;
        let from = file.as_ptr() as u64 + offset;
        let to = self.at(address);
        let length = length as usize;
        // SAFETY: whole pages of the file's buffer, which is private to the runtime and page aligned, move to pages of
        // this image. The buffer's pages stay mapped (DONTUNMAP): reading them again gives zeros.
        let moved = unsafe { libc::mremap(from as *mut libc::c_void, length, length, flags, to as *mut libc::c_void) };
        moved != libc::MAP_FAILED
    }

    fn copy(&self, file: &[u8], offset: u64, address: u64, length: u64) {
        let Some(bytes) = file.get(offset as usize..(offset + length) as usize) else { return };
        // SAFETY: the destination lies in a segment, which is writable at this time.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(address) as *mut u8, bytes.len()) };
    }

    /// Where address `address` of the image is in memory.
    pub fn at(&self, address: u64) -> u64 {
        self.bias.wrapping_add(address)
    }

    /// Where the address `memory` is in the image.
    pub fn image_address(&self, memory: u64) -> u64 {
        memory.wrapping_sub(self.bias)
    }

    /// Address in memory minus address in the image.
    pub fn bias(&self) -> u64 {
        self.bias
    }

    /// The memory that the image occupies.
    pub fn memory(&self) -> (u64, u64) {
        (self.memory.address(), self.memory.length() - PAGE)
    }

    /// The segments.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The segment that holds the `size` bytes at `address`.
    pub fn segment_of(&self, address: u64, size: u64) -> Option<&Segment> {
        let holds = |segment: &&Segment| {
            address >= segment.address && address - segment.address <= segment.size && size <= segment.end() - address
        };
        self.segments.iter().find(holds)
    }

    /// Whether the `size` bytes at `address` lie in one segment that has `flags`.
    pub fn contains(&self, address: u64, size: u64, flags: u32) -> bool {
        self.segment_of(address, size).is_some_and(|segment| segment.flags & flags == flags)
    }

    /// Whether the `size` bytes at `address` came out of the file. Tables must have: a small file has small tables.
    pub fn holds(&self, address: u64, size: u64) -> bool {
        self.segment_of(address, size).is_some_and(|segment| address - segment.address + size <= segment.file_size)
    }

    /// The `N` bytes at `address`, if they came out of the file.
    pub fn loaded<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        // SAFETY: in a segment, all of which are readable.
        self.holds(address, N as u64).then(|| unsafe { core::ptr::read_unaligned(self.at(address) as *const [u8; N]) })
    }

    /// Whether the NUL-terminated string at `address` is `text`.
    pub fn has_text(&self, address: u64, text: &[u8]) -> bool {
        if self.segment_of(address, text.len() as u64 + 1).is_none() {
            return false;
        }
        // SAFETY: in a segment, all of which are readable.
        let bytes = unsafe { core::slice::from_raw_parts(self.at(address) as *const u8, text.len() + 1) };
        bytes.split_last() == Some((&0, text))
    }

    /// Reads `N` bytes at `address`.
    pub fn read<const N: usize>(&self, address: u64) -> Result<[u8; N]> {
        if self.segment_of(address, N as u64).is_none() {
            return Err(outside());
        }
        // SAFETY: in a segment, all of which are readable.
        Ok(unsafe { core::ptr::read_unaligned(self.at(address) as *const [u8; N]) })
    }

    /// Reads a record at `address`.
    pub fn record<T: Copy>(&self, address: u64) -> Result<T> {
        if self.segment_of(address, size_of::<T>() as u64).is_none() {
            return Err(outside());
        }
        // SAFETY: in a segment, all of which are readable; `T` is one of dsu-abi's records, valid for any bytes.
        Ok(unsafe { core::ptr::read_unaligned(self.at(address) as *const T) })
    }

    /// Writes a word at `address`, which must lie in a writable segment. Only while the image is being relocated.
    pub fn write(&self, address: u64, value: u64) -> Result<()> {
        if !self.contains(address, 8, segment_flags::W) {
            return Err(Refusal::damaged("a relocation points outside its data"));
        }
        // SAFETY: in a segment, all of which are writable at this time.
        unsafe { core::ptr::write_unaligned(self.at(address) as *mut u64, value) };
        Ok(())
    }

    /// The NUL-terminated string at `address`: at most 4096 bytes of UTF-8.
    pub fn text(&self, address: u64) -> Result<&'static str> {
        let segment = self.segment_of(address, 1).ok_or_else(outside)?;
        let length = (segment.end() - address).min(4096) as usize;
        // SAFETY: in a segment. The strings of a patch are constant once it is relocated, and live as long as the image:
        // callers keep what they need for longer only if the image is leaked.
        let bytes = unsafe { core::slice::from_raw_parts(self.at(address) as *const u8, length) };
        let end = bytes.iter().position(|&byte| byte == 0).ok_or_else(outside)?;
        core::str::from_utf8(&bytes[..end]).map_err(|_| Refusal::damaged("a name is not UTF-8"))
    }

    /// Gives every segment its protection.
    pub fn protect(&self) -> Result<()> {
        for segment in &self.segments {
            let mut protection = libc::PROT_READ;
            if segment.flags & segment_flags::W != 0 {
                continue;
            }
            if segment.flags & segment_flags::X != 0 {
                protection |= libc::PROT_EXEC;
            }
            protect(self.at(segment.address), self.at(segment.end()), protection)?;
        }
        Ok(())
    }

    /// Makes the part read-only that was written by relocations only.
    pub fn protect_relro(&self, elf: &Elf) -> Result<()> {
        let (from, to) = (elf.relro.address, page_down(elf.relro.address + elf.relro.size));
        if page_down(from) < to { protect(self.at(from), self.at(to), libc::PROT_READ) } else { Ok(()) }
    }

    /// Keeps the image for ever.
    pub fn leak(self) {
        self.memory.leak();
    }
}

fn outside() -> Refusal {
    Refusal::damaged("a reference points outside of it")
}
