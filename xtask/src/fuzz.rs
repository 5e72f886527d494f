//! `cargo xtask fuzz`: libFuzzer on everything that reads bytes from outside.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{cmd, deps, paths, tools, ui};

/// How much of it.
pub struct Effort {
    /// Seconds per target.
    pub seconds: u64,
    /// Without AddressSanitizer.
    pub plain: bool,
    /// Only this input.
    pub input: Option<PathBuf>,
}

/// The target that the fuzzers are built for; naming it keeps the flags away from build scripts and macros.
const MACHINE: &str = "x86_64-unknown-linux-gnu";

/// What makes the compiler count which code an input reaches and what it is compared with, for libFuzzer. All of it is
/// stable.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// Fuzzes one target, or all in turn.
pub fn task(only: Option<&str>, effort: &Effort) -> Result<()> {
    deps::fuzz()?;
    tools::build()?;
    let folder = paths::work("fuzz");
    let step = ui::step("programs and patches to start from");
    let mut seeds =
        cmd::command(env!("CARGO"), ["run", "--release", "--quiet", "-p", "dsu-fuzz", "--bin", "fuzz-seeds"]);
    seeds.arg("--").arg(paths::tool("")).arg(&folder).current_dir(paths::root());
    cmd::output(&mut seeds, cmd::LONG)?;
    step.done("");
    // One directory of inputs per target.
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.join("corpus"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let chosen: Vec<&String> = names.iter().filter(|name| only.is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        bail!("there is no such target, only: {}", names.join(", "));
    }
    let program = build(effort.plain)?;
    let mut failed = Vec::new();
    for name in chosen {
        ui::stage(&format!("Fuzz {name}"));
        if !fuzz(name, &program, &folder, effort)? {
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("inputs that fail were found for: {}", failed.join(", ")) }
}

/// Builds the fuzzer.
fn build(plain: bool) -> Result<PathBuf> {
    // Of its own, as every change of flags builds everything anew.
    let directory = paths::root().join("target").join(if plain { "fuzz-plain" } else { "fuzz" });
    let mut flags = COVERAGE.join(" ");
    let mut cargo =
        cmd::command(env!("CARGO"), ["build", "--release", "--quiet", "-p", "dsu-fuzz", "--features=libfuzzer"]);
    cargo.args(["--target", MACHINE, "--bin", "fuzz", "--target-dir"]).arg(&directory).current_dir(paths::root());
    if !plain {
        // The sanitizer comes with the stable compiler, too, but its flag is not stable.
        flags.push_str(" -Zsanitizer=address");
        cargo.env("RUSTC_BOOTSTRAP", "1");
    }
    cargo.env("RUSTFLAGS", flags);
    let step = ui::step("build the fuzzer");
    cmd::output(&mut cargo, cmd::LONG)?;
    step.done("");
    Ok(directory.join(MACHINE).join("release").join("fuzz"))
}

/// Runs a target, with its output as it comes; false if it found an input that fails.
fn fuzz(name: &str, program: &Path, folder: &Path, effort: &Effort) -> Result<bool> {
    let corpus = folder.join("corpus").join(name);
    let found = folder.join("found").join(name);
    fs::create_dir_all(&found)?;
    let mut command = Command::new(program);
    command
        .env("DSU_FUZZ_TARGET", name)
        .env("DSU_FUZZ_SEEDS", folder)
        .env("ASAN_OPTIONS", "detect_leaks=0:allocator_may_return_null=1");
    command.args(["-timeout=20", "-rss_limit_mb=3000", "-max_len=1048576", "-print_final_stats=1"]);
    command.arg(format!("-artifact_prefix={}/", found.display()));
    match &effort.input {
        Some(input) => command.arg(input),
        None => command.arg(format!("-max_total_time={}", effort.seconds)).arg(&corpus),
    };
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    if !status.success() {
        ui::note(&format!("{status}; the input is in {}", found.display()));
    }
    Ok(status.success())
}
