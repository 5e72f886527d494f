//! Where things are in this repository.

use std::path::PathBuf;

/// The top of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default()
}

/// Scratch space, ignored by git; `part` is one task's own folder in it.
pub fn work(part: &str) -> PathBuf {
    root().join("work").join(part)
}

/// A tool built by `cargo build --release`.
pub fn tool(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("release").join(name)
}
