//! Fuzzers of everything that reads bytes from outside.
//!
//! Each target is a function that takes any bytes and must return: an input that is not what it should be is an error
//! value, never a panic, a crash, a hang or unbounded memory. The same functions are run by libFuzzer
//! (`cargo xtask fuzz`) and, for a short time and with mutations that are the same in every run, by `cargo test`.
//!
//! | target | what reads | bytes |
//! |---|---|---|
//! | `loader` | `libdsu` | patch files |
//! | `patch` | `dsu-push` | patch files |
//! | `image` | `dsu-push` | executables |
//! | `memory` | `dsu-push` | control block, registry, patches in force of a process |
//! | `object` | `dsu-cc` | objects and executables |
//! | `archive` | `dsu-cc` | archives |
//! | `unit` | `dsu-cc` | section `.dsu.unit` |
//! | `program` | `dsu-diff` | section `.dsu.program` |
//! | `lineage` | `dsu-diff` | section `.dsu.lineage`, and what `dsu-push --lineage` writes |
//! | `config` | `dsu-cc` | `dsu.toml` |
//! | `transform` | `dsu-diff` | transform files |
//! | `response` | `dsu-cc` | response files |
//! | `text` | `dsu-cc`, `dsu-diff` | C text |

pub mod compiler;
pub mod executable;
pub mod loader;
pub mod memory_file;
pub mod mutate;
pub mod push;
pub mod random;
pub mod seeds;

use executable::Context;
use mutate::Mutator;
use std::{path::PathBuf, sync::OnceLock};

/// Something to fuzz.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: that of the fuzz target, and of the directory of its inputs.
    pub name: &'static str,
    /// Takes an input.
    pub run: fn(&Context, &[u8]),
    /// Changes an input.
    pub mutate: Mutator,
    /// How many mutated inputs `cargo test` takes: one or two seconds of each target.
    pub inputs: u64,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "loader", run: loader::run, mutate: mutate::elf, inputs: 400 },
    Target { name: "patch", run: |_, data| push::patch(data), mutate: mutate::elf, inputs: 400 },
    Target { name: "image", run: |_, data| push::executable(data), mutate: mutate::elf, inputs: 400 },
    Target { name: "memory", run: |_, data| push::memory(data), mutate: mutate::words, inputs: 400 },
    Target { name: "object", run: |_, data| compiler::object(data), mutate: mutate::elf, inputs: 400 },
    Target { name: "archive", run: |_, data| compiler::archive(data), mutate: mutate::bytes, inputs: 400 },
    Target { name: "unit", run: |_, data| compiler::unit(data), mutate: mutate::bytes, inputs: 400 },
    Target { name: "program", run: compiler::program, mutate: mutate::either, inputs: 60 },
    Target { name: "lineage", run: compiler::lineage, mutate: mutate::bytes, inputs: 200 },
    Target { name: "config", run: |_, data| compiler::config(data), mutate: mutate::bytes, inputs: 400 },
    Target { name: "transform", run: |_, data| compiler::transform(data), mutate: mutate::bytes, inputs: 60 },
    Target { name: "response", run: |_, data| compiler::response(data), mutate: mutate::bytes, inputs: 400 },
    Target { name: "text", run: |_, data| compiler::text(data), mutate: mutate::bytes, inputs: 400 },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Variable that names the target that libFuzzer is to run.
pub const TARGET: &str = "DSU_FUZZ_TARGET";

/// Variable with the directory in which [`seeds::make`] left what the targets need.
pub const SEEDS: &str = "DSU_FUZZ_SEEDS";

/// What the targets need, from the directory that [`SEEDS`] names.
///
/// # Panics
/// When it is not there: no target can run then.
pub fn context() -> &'static Context {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    CONTEXT.get_or_init(|| {
        let directory = std::env::var_os(SEEDS).map(PathBuf::from).unwrap_or_default();
        Context::read(&directory.join("context")).unwrap_or_else(|error| {
            panic!("no programs to start from: {error:#}; use `cargo xtask fuzz`, or set {SEEDS}")
        })
    })
}
