//! Several processes: families and all instances of a program.

#![allow(missing_docs)]

mod support;

use std::{process::Command, time::Duration};
use support::{Program, Push, built, path};

fn two() -> String {
    path(&built().to_two)
}

/// Processes whose parent is `parent`.
fn children(parent: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).expect("it is there");
    text.split_whitespace().map(|word| word.parse().expect("a number")).collect()
}

#[test]
fn a_family_is_updated_as_a_whole() {
    let program = Program::start(&["-c", "6", "read", "pause"]);
    let pid = program.pid_text();
    assert_eq!(children(program.pid()).len(), 6);
    Push::run(&["--family", "--dry-run", &pid, &two()]).expect(0, &["can take two"]);
    let push = Push::run(&["--family", &pid, &two()]);
    push.expect(0, &["7 processes, all in state"]);
    assert_eq!(push.out.matches("applied two (1 unit), pause").count(), 7, "{push:?}");
    let again = Push::run(&["--family", "--json", &pid, &two()]);
    assert_eq!(again.out.matches("\"already-applied\"").count(), 7, "{again:?}");
    let undo = Push::run(&["--family", "--undo", &pid]);
    undo.expect(0, &["7 processes, all in state"]);
    assert_eq!(undo.out.matches("undid two").count(), 7, "{undo:?}");
    Push::run(&["--family", "--undo", &pid]).expect(3, &["no patch is in force in any"]);
    // Without --family, it is one process.
    let push = Push::run(&[&pid, &two()]);
    assert_eq!(push.out.lines().count(), 1, "{push:?}");
    let status = Push::run(&["--family", "--status", "--json", &pid]);
    assert_eq!(status.out.lines().count(), 7, "{status:?}");
    // The others follow.
    let push = Push::run(&["--family", "--json", &pid, &two()]);
    push.expect(0, &["\"already-applied\"", "\"done\""]);
}

#[test]
fn several_processes_and_the_worst_outcome() {
    let programs = [Program::start(&["read"]), Program::start(&["stuck"])];
    let mut sleep = Command::new("sleep").arg("60").spawn().expect("sleep");
    let pids = [programs[0].pid_text(), programs[1].pid_text(), sleep.id().to_string()];
    let push = Push::run(&["--timeout", "0.5", "--json", &pids[0], &pids[1], &pids[2], &two()]);
    push.expect(3, &["\"done\"", "\"timed-out\"", "\"not-updatable\""]);
    assert_eq!(push.out.lines().count(), 3, "{push:?}");
    sleep.kill().expect("it runs");
    sleep.wait().expect("it ends");
}

#[test]
fn all_instances_of_a_program() {
    // A copy, so that other tests' processes are not meant. The build is the same nevertheless, so
    // the count is at least ours.
    let programs: Vec<_> = (0..3).map(|_| Program::spawn(Command::new(&built().two).arg("read"))).collect();
    let three = path(&built().to_three);
    let push = Push::run(&["--all", &path(&built().two), &three]);
    push.expect(0, &["3 processes, all in state"]);
    for program in &programs {
        assert!(push.out.contains(&format!("pid {}: applied three", program.pid())), "{push:?}");
    }
    Push::run(&["--all", &path(&built().two), "--undo"]).expect(0, &["undid three", "3 processes"]);
    drop(programs);
    Push::run(&["--all", &path(&built().two), &three]).expect(1, &["no process that you may see runs this build"]);
    Push::run(&["--all", "/bin/true", &three]).expect(3, &["was not built with dsu-cc"]);
    Push::run(&["--all", "/nonexistent", &three]).expect(1, &["cannot read the executable"]);
}

#[test]
fn processes_that_fork_and_end_meanwhile() {
    let program = Program::start(&["-c", "3", "breed"]);
    let pid = program.pid_text();
    for _ in 0..10 {
        let push = Push::run(&["--family", "--json", &pid, &two()]);
        assert_eq!(push.code, 0, "{push:?}");
        for line in push.out.lines() {
            let report: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let outcome = report["outcome"].as_str().expect("an outcome");
            assert!(matches!(outcome, "done" | "already-applied" | "skipped"), "{push:?}");
        }
        let undo = Push::run(&["--family", "--undo", &pid]);
        assert_eq!(undo.code, 0, "{undo:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn many_processes() {
    let program = Program::start(&["-c", "100", "read"]);
    let push = Push::run(&["--family", &program.pid_text(), &two()]);
    push.expect(0, &["101 processes, all in state"]);
    println!("101 processes in {:?}", push.took);
}
