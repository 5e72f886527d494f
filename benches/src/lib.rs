//! Micro-benchmarks live in `benches/`: run them with `cargo bench`. Whole programs are measured by `cargo xtask bench`.
