//! Reading and writing the memory of another process.

use dsu_abi::{
    control::{AppliedPatch, Control, Response, ThreadState, TypeStatus},
    patch::{PatchFunction, PatchHeader},
    registry::{FunctionRecord, UnitRecord, UpdatePointRecord},
};
use std::mem::{MaybeUninit, size_of};

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The process is gone.
    #[error("the process is gone")]
    Gone,
    /// The kernel does not let us.
    #[error("permission denied")]
    Permission,
    /// Nothing is mapped there.
    #[error("address {0:#x} is not mapped in the process")]
    Unmapped(u64),
    /// Anything else.
    #[error(transparent)]
    System(std::io::Error),
}

/// Plain data: any bytes make a valid value.
///
/// # Safety
///
/// The type must be `repr(C)`, free of padding and references, and valid for every bit pattern.
pub unsafe trait Plain: Sized {}

// SAFETY: integers and the contract's structs, which consist of integers, byte arrays and atomics
// of integers without padding (checked in `dsu-abi`).
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for Control {}
// SAFETY: as above.
unsafe impl Plain for Response {}
// SAFETY: as above.
unsafe impl Plain for ThreadState {}
// SAFETY: as above.
unsafe impl Plain for AppliedPatch {}
// SAFETY: as above.
unsafe impl Plain for TypeStatus {}
// SAFETY: as above.
unsafe impl Plain for PatchHeader {}
// SAFETY: as above.
unsafe impl Plain for PatchFunction {}
// SAFETY: as above.
unsafe impl Plain for FunctionRecord {}
// SAFETY: as above.
unsafe impl Plain for UnitRecord {}
// SAFETY: as above.
unsafe impl Plain for UpdatePointRecord {}

/// The value whose bytes are `bytes`; `None` if there are too few.
pub fn from_bytes<T: Plain>(bytes: &[u8]) -> Option<T> {
    // SAFETY: the length is checked, `Plain` accepts any bytes, and the read does not need alignment.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// The words that `bytes` consist of; what is left over at the end is not among them.
pub fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(size_of::<u64>()).filter_map(from_bytes)
}

/// The memory of a process.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pid: i32,
}

impl Memory {
    /// The memory of process `pid`. Touches nothing yet.
    pub fn new(pid: i32) -> Self {
        Self { pid }
    }

    /// Fills `buffer` from `address`.
    pub fn read_into(&self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        let mut done = 0;
        while done < buffer.len() {
            let rest = &mut buffer[done..];
            let local = libc::iovec { iov_base: rest.as_mut_ptr().cast(), iov_len: rest.len() };
            let at = address.wrapping_add(done as u64);
            let remote = libc::iovec { iov_base: at as *mut libc::c_void, iov_len: rest.len() };
            // SAFETY: `local` describes `rest`, which is ours; the kernel checks `remote`.
            let n = unsafe { libc::process_vm_readv(self.pid, &local, 1, &remote, 1, 0) };
            done += transferred(n, at)?;
        }
        Ok(())
    }

    /// Writes `bytes` to `address`.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            let local = libc::iovec { iov_base: rest.as_ptr().cast_mut().cast(), iov_len: rest.len() };
            let at = address.wrapping_add(done as u64);
            let remote = libc::iovec { iov_base: at as *mut libc::c_void, iov_len: rest.len() };
            // SAFETY: `local` describes `rest`, which is only read; the kernel checks `remote`.
            let n = unsafe { libc::process_vm_writev(self.pid, &local, 1, &remote, 1, 0) };
            done += transferred(n, at)?;
        }
        Ok(())
    }

    /// Reads a value.
    pub fn read<T: Plain>(&self, address: u64) -> Result<T, MemoryError> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the slice covers exactly `value`; its bytes are only written to (by the kernel).
        let bytes = unsafe {
            value.as_mut_ptr().cast::<u8>().write_bytes(0, size_of::<T>());
            std::slice::from_raw_parts_mut(value.as_mut_ptr().cast::<u8>(), size_of::<T>())
        };
        self.read_into(address, bytes)?;
        // SAFETY: every byte was filled, and `Plain` types are valid for any bytes.
        Ok(unsafe { value.assume_init() })
    }

    /// Reads `length` bytes.
    pub fn read_bytes(&self, address: u64, length: usize) -> Result<Vec<u8>, MemoryError> {
        let mut bytes = vec![0; length];
        self.read_into(address, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a NUL-terminated string of at most `limit` bytes, never past the page it needs.
    pub fn read_string(&self, address: u64, limit: usize) -> Result<String, MemoryError> {
        let mut text = Vec::new();
        while text.len() < limit {
            let at = address.wrapping_add(text.len() as u64);
            let chunk = ((64 - at % 64) as usize).min(limit - text.len());
            let bytes = self.read_bytes(at, chunk)?;
            match bytes.iter().position(|&b| b == 0) {
                Some(end) => {
                    text.extend_from_slice(&bytes[..end]);
                    break;
                }
                None => text.extend_from_slice(&bytes),
            }
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Writes a 32-bit word.
    pub fn write_u32(&self, address: u64, value: u32) -> Result<(), MemoryError> {
        self.write(address, &value.to_le_bytes())
    }

    /// Writes a 64-bit word.
    pub fn write_u64(&self, address: u64, value: u64) -> Result<(), MemoryError> {
        self.write(address, &value.to_le_bytes())
    }
}

/// Interprets the result of a transfer.
fn transferred(n: isize, address: u64) -> Result<usize, MemoryError> {
    if n > 0 {
        return Ok(n as usize);
    }
    if n == 0 {
        return Err(MemoryError::Unmapped(address));
    }
    let error = std::io::Error::last_os_error();
    Err(match error.raw_os_error() {
        Some(libc::ESRCH) => MemoryError::Gone,
        Some(libc::EPERM) => MemoryError::Permission,
        Some(libc::EFAULT) => MemoryError::Unmapped(address),
        _ => MemoryError::System(error),
    })
}
