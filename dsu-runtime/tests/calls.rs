//! The wrappers of blocking calls: a kick is never seen, a signal always, and times are kept.

#![allow(missing_docs)]

mod support;

use std::process::Command;
use support::emit::Program;
use support::*;

fn build(dir: &std::path::Path) -> std::path::PathBuf {
    let assembler = dir.join("program.s");
    std::fs::write(&assembler, Program::default().assembler()).unwrap();
    let output = dir.join("calls");
    run(Command::new("cc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&output)
        .args([fixture("calls.c"), assembler])
        .arg(library())
        .args(["-lgcc_s", "-lpthread", "-Wl,--gc-sections"]));
    output
}

#[test]
fn kicks_are_not_seen_and_times_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let program = build(dir.path());
    // Times are wall-clock times: on a busy machine, one run may be off.
    let outcomes: Vec<String> = (0..3)
        .map(|_| String::from_utf8_lossy(&Command::new(&program).output().unwrap().stdout).into_owned())
        .take_while(|text| text != "ok\n")
        .collect();
    assert!(outcomes.len() < 3, "{}", outcomes.join("\n"));
}

/// `cargo test -p dsu-runtime --test calls -- --ignored --nocapture` prints what the wrappers cost.
#[test]
#[ignore = "a measurement"]
fn cost() {
    let dir = tempfile::tempdir().unwrap();
    print!("{}", String::from_utf8_lossy(&Command::new(build(dir.path())).arg("bench").output().unwrap().stdout));
}
