//! Whole-program analysis: who defines what, what is on an update path, what needs a slot or a stub.

pub mod allocators;
pub mod callgraph;
pub mod flow;
mod limits;
pub mod model;
mod outside;
pub mod points;
mod remembered;
pub mod suggest;
mod targets;
#[cfg(test)]
mod test_model;
pub mod wrap;

pub use suggest::suggest;
