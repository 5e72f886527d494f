//! dsu-cc
fn main() {}
