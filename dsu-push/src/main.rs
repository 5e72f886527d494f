//! dsu-push
fn main() {}
