//! The pusher, or the target, killed at any moment.

#![allow(missing_docs)]

mod support;

use std::{process::Stdio, time::Duration};
use support::{Program, Push, built, path};

/// A small generator of numbers: the moments need not be the same in each run, but the test should
/// not depend on a crate for that.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(u64::from(std::process::id()) << 20 | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Starts `dsu-push` and kills it some time later.
fn push_and_kill(arguments: &[&str], random: &mut Random) {
    let mut command = Push::command();
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("dsu-push can be run");
    std::thread::sleep(Duration::from_micros(random.below(4000)));
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

#[test]
fn the_pusher_killed_at_any_moment() {
    let two = path(&built().to_two);
    let mut random = Random::new();
    for arguments in [&["read"][..], &["nanosleep"], &["busy"], &["read", "pause", "busy"], &["-s", "read"]] {
        let mut program = Program::start(arguments);
        let pid = program.pid_text();
        let (mut applied, mut already) = (0, 0);
        for _ in 0..60 {
            push_and_kill(&[&pid, &two], &mut random);
            let push = Push::run(&["--timeout", "5", "--json", &pid, &two]);
            assert_eq!(push.code, 0, "{arguments:?}: {push:?}");
            match push.outcome().as_str() {
                "done" => applied += 1,
                _ => already += 1,
            }
            push_and_kill(&["--undo", &pid], &mut random);
            let undo = Push::run(&["--timeout", "5", "--undo", &pid]);
            assert!(undo.code == 0 || undo.err.contains("nothing to undo"), "{arguments:?}: {undo:?}");
        }
        println!("{arguments:?}: {applied} times before it was applied, {already} times after");
        program.assert_well();
        for line in program.pending_lines() {
            assert!(line.starts_with("nanosleep 0 0 2."), "{arguments:?}: {line}");
        }
    }
}

#[test]
fn the_target_killed_at_any_moment() {
    let two = path(&built().to_two);
    let mut random = Random::new();
    for round in 0..40 {
        let arguments = [&["read"][..], &["read", "pause", "busy"]][round % 2];
        let mut program = Program::start(arguments);
        let (pid, two) = (program.pid_text(), two.clone());
        let pusher = std::thread::spawn(move || Push::run(&["--timeout", "5", "--json", &pid, &two]));
        std::thread::sleep(Duration::from_micros(1000 + random.below(4000)));
        program.child.kill().expect("it can be killed");
        program.child.wait().expect("it ends");
        let push = pusher.join().expect("it ends");
        let outcome = push.outcome();
        assert!(matches!(outcome.as_str(), "done" | "vanished" | "no-process" | "zombie"), "{push:?}");
        assert!(push.took < Duration::from_secs(2), "{push:?}");
    }
}

#[test]
fn many_pushers_at_once() {
    let two = path(&built().to_two);
    let mut program = Program::start(&["read", "pause", "busy"]);
    let pid = program.pid_text();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..15 {
                    Push::run(&[&pid, &two]).expect(0, &["applied two"]);
                    let undo = Push::run(&["--undo", &pid]);
                    assert!(undo.code == 0 || undo.err.contains("nothing to undo"), "{undo:?}");
                }
            });
        }
    });
    let _ = Push::run(&["--undo", &pid]);
    program.assert_well();
}
