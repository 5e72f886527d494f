//! Generating the assembler files that go beside rewritten units: registry and manifest.

pub mod asm;
pub mod patch;
pub mod registry;
