//! Programs with several threads: the barrier, what blocks it, and how long the others are held.

#![allow(missing_docs)]

mod support;

use std::time::Duration;
use support::{Program, Push, built, path};

fn two() -> String {
    path(&built().to_two)
}

#[test]
fn all_kinds_of_threads_come_to_rest() {
    for workers in [
        &["read", "pause", "sem_wait", "poll"][..],
        &["read", "busy"],
        &["busy", "busy", "busy"],
        &["busy", "churn", "churn"],
        &["pause", "churn", "busy", "sem_wait"],
    ] {
        let program = Program::start(workers);
        let pid = program.pid_text();
        for _ in 0..10 {
            Push::run(&["--json", &pid, &two()]).expect(0, &["\"done\""]);
            Push::run(&["--undo", &pid]).expect(0, &["undid two"]);
        }
    }
}

#[test]
fn the_blocking_thread_is_named() {
    let program = Program::start(&["read", "pause", "stuck"]);
    let push = Push::run(&["--timeout", "0.5", "--json", &program.pid_text(), &two()]);
    assert_eq!((push.code, push.outcome().as_str()), (4, "timed-out"), "{push:?}");
    push.expect(
        4,
        &["(housekeeper) is in pause", "called from stuck()", "not at an update point", "nothing was changed"],
    );
    assert!(push.took < Duration::from_secs(2), "{push:?}");
    let json = push.json();
    let blockers = json["blockers"].as_array().expect("blockers");
    assert_eq!(blockers.len(), 1, "{push:?}");
    assert_eq!(blockers[0]["thread"], "housekeeper");
    assert_eq!(blockers[0]["call"], "pause");
    assert_eq!(blockers[0]["function"], "stuck");
    assert_eq!(blockers[0]["why"], "not-at-point");

    let spinning = Program::start(&["read", "spin"]);
    let push = Push::run(&["--timeout", "0.5", &spinning.pid_text(), &two()]);
    push.expect(4, &["is running in stuck()", "not at an update point"]);
    // A check needs no barrier.
    Push::run(&["--dry-run", &program.pid_text(), &two()]).expect(0, &["can take two"]);
}

#[test]
fn a_single_thread_elsewhere_is_named() {
    for (how, says) in [("stuck", "is in pause"), ("spin", "is running in s")] {
        let program = Program::start(&[how]);
        let push = Push::run(&["--timeout", "0.3", &program.pid_text(), &two()]);
        push.expect(4, &["not now: timed out after 0.3 s, nothing was changed", says]);
    }
}

#[test]
fn a_stopped_process_stays_stopped_and_is_named() {
    for arguments in [&["read"][..], &["read", "pause"]] {
        let mut program = Program::start(arguments);
        program.signal(libc::SIGSTOP);
        let push = Push::run(&["--timeout", "0.3", &program.pid_text(), &two()]);
        push.expect(4, &["is stopped by job control", "kill -CONT"]);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.pid())).expect("it is there");
        assert!(stat.contains(") T "), "{stat}");
        program.signal(libc::SIGCONT);
        program.assert_well();
    }
}

#[test]
fn a_process_that_is_continued_in_time() {
    let program = Program::start(&["read"]);
    program.signal(libc::SIGSTOP);
    let pid = program.pid_text();
    let pusher = std::thread::spawn(move || Push::run(&[&pid, &two()]));
    std::thread::sleep(Duration::from_millis(200));
    program.signal(libc::SIGCONT);
    pusher.join().expect("it ends").expect(0, &["applied two"]);
}

#[test]
fn stopped_and_continued_while_being_pushed() {
    let mut program = Program::start(&["read", "busy"]);
    let pid = program.pid_text();
    let pusher = std::thread::spawn(move || {
        for _ in 0..100 {
            Push::run(&[&pid, &two()]).expect(0, &["applied two"]);
            Push::run(&["--undo", &pid]).expect(0, &["undid two"]);
        }
    });
    while !pusher.is_finished() {
        program.signal(libc::SIGSTOP);
        std::thread::sleep(Duration::from_micros(500));
        program.signal(libc::SIGCONT);
        std::thread::sleep(Duration::from_micros(1500));
    }
    pusher.join().expect("the pushes succeed");
    program.assert_well();
}

#[test]
fn others_are_not_held_for_the_whole_time() {
    // The main thread returns every two seconds; a thread is in the way all the time.
    let program = Program::start(&["nanosleep", "spin"]);
    let push = Push::run(&["--timeout", "4", &program.pid_text(), &two()]);
    push.expect(4, &["spin", "nothing was changed"].map(|word| if word == "spin" { "stuck" } else { word }));
    let returned = program.returned();
    assert!((2.0..3.5).contains(&returned.seconds), "{returned:?}");
}
