//! The compiler half of dynamic software updating for C.

pub mod analyse;
pub mod config;
pub mod driver;
pub mod program;
pub mod unit;
