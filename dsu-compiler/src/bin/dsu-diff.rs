//! dsu-diff
fn main() {}
