//! The compiler half of dynamic software updating for C.

pub mod analyse;
pub mod clang;
pub mod config;
pub mod description;
pub mod diff;
pub mod driver;
pub mod elf;
pub mod emit;
pub mod facts;
pub mod layout;
pub mod lineage;
pub mod program;
pub mod rewrite;
pub mod text;
pub mod unit;
