//! dsu-cc as a compiler driver: it must behave as the real compiler does, and what it adds must be there.
//!
//! Needs cc, make, binutils, autoconf, automake, libtool and cmake.

mod archives;
mod build_systems;
mod compile;
mod links;
mod sandbox;
