//! Files that exist in memory only, for what takes a path.

use anyhow::{Result, bail};
use std::{
    fs::File,
    io::Write as _,
    os::fd::{AsRawFd as _, FromRawFd as _},
    path::PathBuf,
};

/// A file with these contents.
pub struct MemoryFile(File);

impl MemoryFile {
    /// Makes one.
    ///
    /// # Errors
    /// When the system has no room for it.
    pub fn new(data: &[u8]) -> Result<Self> {
        // SAFETY: the name is NUL terminated.
        let descriptor = unsafe { libc::memfd_create(c"fuzz".as_ptr(), libc::MFD_CLOEXEC) };
        if descriptor < 0 {
            bail!("memfd_create: {}", std::io::Error::last_os_error());
        }
        // SAFETY: made above, and owned by nothing else.
        let mut file = unsafe { File::from_raw_fd(descriptor) };
        file.write_all(data)?;
        Ok(Self(file))
    }

    /// A path to it, good as long as it lives.
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    /// The file itself.
    pub fn into_file(self) -> File {
        self.0
    }
}
