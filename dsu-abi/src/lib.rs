//! The contract that `dsu-cc`, `libdsu`, `dsu-diff` and `dsu-push` share.
//!
//! Everything here is a fixed byte layout or a fixed name. A change to any of it is a change of
//! [`PROTOCOL`]. All multi-byte values are little endian; all structs are `repr(C)` with no
//! implicit padding, and their offsets are tested.
//!
//! | module | what |
//! |---|---|
//! | [`section`] | names of ELF sections and symbols |
//! | [`registry`] | the tables of functions, variables and types in an updatable executable |
//! | [`control`] | the control block through which `dsu-push` talks to `libdsu` |
//! | [`patch`] | the manifest of a patch |
//! | [`status`] | outcomes of a request |
//! | [`lineage`] | the file in which `dsu-push --lineage` says how a process came into its state |
//! | [`calls`] | blocking calls that `libdsu` wraps, and its entry points |
#![no_std]

pub mod calls;
pub mod control;
pub mod lineage;
pub mod patch;
pub mod registry;
pub mod section;
pub mod status;

/// Version of every layout in this crate. Tools refuse to talk to a runtime of another version.
pub const PROTOCOL: u32 = 5;

/// A 128-bit content identity: of a build, of a program state, or of a patch.
///
/// Computed by the tools (BLAKE3, truncated); only compared by the runtime.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(C)]
pub struct Id(pub [u8; 16]);

impl core::fmt::Display for Id {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl core::fmt::Debug for Id {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// The key of a name: FNV-1a, 64 bit (Fowler, Noll, Vo; draft-eastlake-fnv), and the last step of MurmurHash3 (Appleby;
/// `fmix64`), which spreads keys of similar names over all numbers. `libdsu` counts on that to find them.
///
/// `dsu-cc` and `dsu-diff` check that no two names of one program share a key.
pub const fn key_of(name: &[u8]) -> u64 {
    Fnv::new().and(name).finish()
}

/// The hash of [`key_of`], of bytes that come in parts.
#[derive(Clone, Copy, Debug)]
pub struct Fnv(u64);

impl Fnv {
    /// Of no bytes.
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// And these bytes.
    #[must_use]
    pub const fn and(self, bytes: &[u8]) -> Self {
        let mut hash = self.0;
        let mut i = 0;
        while i < bytes.len() {
            hash ^= bytes[i] as u64;
            hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
            i += 1;
        }
        Self(hash)
    }

    /// The hash, its bits spread.
    pub const fn finish(self) -> u64 {
        let mut hash = self.0;
        hash ^= hash >> 33;
        hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 33;
        hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }
}

impl Default for Fnv {
    fn default() -> Self {
        Self::new()
    }
}
