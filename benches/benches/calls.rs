//! What a call costs in a plain and in an updatable program: inside a unit, between units (through a slot), through a pointer
//! (through a stub), an update point at rest, and a system call inside a quiescent call.
//!
//! The program in `program/` is built both ways and times itself, so that what is measured is the code `dsu-cc` makes.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const KINDS: [&str; 5] = ["direct", "between-units", "through-pointer", "update-point", "system-call"];

/// Runs a command that must succeed and returns what it printed.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn build(folder: &Path, compiler: &Path, name: &str) -> PathBuf {
    let program = folder.join(name);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("program");
    let mut command = Command::new(compiler);
    command.args(["-O2", "-o"]).arg(&program).args(["main.c", "other.c"]).current_dir(sources);
    output(&mut command);
    program
}

fn calls(criterion: &mut Criterion) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), PathBuf::from);
    output(Command::new(env!("CARGO")).args(["build", "--release", "--quiet"]).current_dir(&top));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let programs = [
        ("plain", build(folder.path(), Path::new("cc"), "plain")),
        ("updatable", build(folder.path(), &target.join("release").join("dsu-cc"), "updatable")),
    ];
    for kind in KINDS {
        let mut group = criterion.benchmark_group(kind);
        for (name, program) in &programs {
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter_custom(|times| {
                    let text = output(Command::new(program).arg(kind).arg(times.to_string()));
                    Duration::from_nanos(text.trim().parse().expect("a number of nanoseconds"))
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = calls
}
criterion_main!(benches);
