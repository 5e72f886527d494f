//! dsu-compiler
