//! The compiler driver: takes a C compiler's command line and does what is asked of it, and more.

pub mod interface;
