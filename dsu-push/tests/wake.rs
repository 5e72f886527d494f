//! Processes asleep in a system call are woken, updated, and do not notice.

#![allow(missing_docs)]

mod support;

use std::time::Duration;
use support::{Program, Push, built, install, path};

/// Sleeps that end by themselves, after two seconds.
const TIMED: &[&str] = &["poll", "select", "epoll_wait", "nanosleep", "sleep"];

/// Sleeps that never end.
const ENDLESS: &[&str] = &["read", "recv", "accept", "pause", "sigsuspend", "sem_wait"];

#[test]
fn time_outs_are_kept_and_no_call_is_interrupted() {
    let programs: Vec<_> = TIMED.iter().map(|how| (how, Program::start(&[how]))).collect();
    for (how, program) in &programs {
        let (pid, two) = (program.pid_text(), path(&built().to_two));
        for _ in 0..3 {
            let push = Push::run(&["--json", &pid, &two]);
            assert_eq!((push.code, push.outcome().as_str()), (0, "done"), "{how}: {push:?}");
            assert!(push.json()["stops"].as_u64() >= Some(1), "{how}: it was asleep: {push:?}");
            Push::run(&["--undo", &pid]).expect(0, &["undid two"]);
        }
        Push::run(&[&pid, &two]).expect(0, &["applied two (1 unit), pause"]);
    }
    for (how, program) in &programs {
        let returned = program.returned();
        assert_eq!((returned.result, returned.errno, returned.answer), (0, 0, 2), "{how}: {returned:?}");
        assert!((2.0..2.6).contains(&returned.seconds), "{how}: {returned:?}");
    }
}

#[test]
fn endless_sleeps_go_on() {
    for how in ENDLESS {
        let program = Program::start(&[how]);
        let (pid, two) = (program.pid_text(), path(&built().to_two));
        for _ in 0..5 {
            Push::run(&[&pid, &two]).expect(0, &["applied two"]);
            Push::run(&["--undo", &pid]).expect(0, &["undid two"]);
        }
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(program.pending_lines(), Vec::<String>::new(), "{how}");
    }
}

#[test]
fn old_behaviour_before_and_new_after_and_old_again() {
    let built = built();
    let mut program = Program::start(&["stdin"]);
    let pid = program.pid_text();
    let (two, three) = (path(&built.to_two), path(&built.to_three));
    assert_eq!(program.poke().answer, 1);
    Push::run(&["--dry-run", &pid, &two]).expect(0, &["can take two (1 unit); checked in"]);
    assert_eq!(program.poke().answer, 1);
    Push::run(&["--dry-run", &pid, &three]).expect(3, &["refused", "is for state"]);
    Push::run(&[&pid, &two]).expect(0, &["applied two"]);
    assert_eq!(program.poke().answer, 2);
    Push::run(&[&pid, &two]).expect(0, &["already applied two"]);
    Push::run(&[&pid, &three]).expect(0, &["applied three"]);
    assert_eq!(program.poke().answer, 3);

    let status = Push::run(&["--status", "--json", &pid]).json();
    let names = |key: &str| -> Vec<String> {
        let list = status[key].as_array().expect("a list");
        list.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names("patches"), ["three", "two"]);
    assert_eq!(names("update_points"), ["main", "worker"]);
    assert_eq!(names("units"), ["answer.c", "main.c", "rest.c"]);
    assert_eq!(status["units"][0]["replaced_by"], "three");
    assert_eq!(status["state"], status["patches"][0]["to"]);
    assert_eq!(status["threads"][0]["inside"], "main");
    Push::run(&["--status", &pid])
        .expect(0, &["patches, newest first:\n    three", "blocked in read, at update point main"]);

    let oldest = status["patches"][1]["id"].as_str().expect("an id");
    Push::run(&["--undo", &pid, oldest]).expect(3, &["patch two is not the newest: undo three first"]);
    Push::run(&["--undo", &pid, "nonsense"]).expect(3, &["no patch nonsense is in force", "three (", "two ("]);
    Push::run(&["--undo", &pid, "three"]).expect(0, &["undid three, pause"]);
    assert_eq!(program.poke().answer, 2);
    Push::run(&["--undo", &pid, &oldest[..12]]).expect(0, &["undid two"]);
    assert_eq!(program.poke().answer, 1);
    Push::run(&["--undo", &pid]).expect(3, &["nothing to undo"]);
}

#[test]
fn a_busy_process_is_not_stopped() {
    let program = Program::start(&["busy"]);
    let push = Push::run(&["--json", &program.pid_text(), &path(&built().to_two)]);
    assert_eq!((push.code, push.outcome().as_str()), (0, "done"), "{push:?}");
}

#[test]
fn signals_meanwhile_arrive_once_each() {
    for how in ["read", "epoll_wait", "nanosleep"] {
        let program = Program::start(&[how]);
        let (pid, two) = (program.pid_text(), path(&built().to_two));
        let pusher = std::thread::spawn(move || {
            for _ in 0..60 {
                Push::run(&[&pid, &two]).expect(0, &["applied two"]);
                Push::run(&["--undo", &pid]).expect(0, &["undid two"]);
            }
        });
        // Each is sent when the one before has been handled, so none is merged with another.
        let mut sent = 0;
        while !pusher.is_finished() {
            program.signal(libc::SIGUSR1);
            sent += 1;
            std::thread::sleep(Duration::from_micros(300 + 700 * (sent % 7)));
        }
        pusher.join().expect("the pushes succeed");
        program.signal(libc::SIGUSR1);
        let mut last = 0;
        while let Some(line) = {
            std::thread::sleep(Duration::from_millis(100));
            program.pending_lines().pop()
        } {
            last = line.split_whitespace().nth(4).and_then(|word| word.parse().ok()).expect("a number");
        }
        assert!(last <= sent as u32 + 1 && last > sent as u32 / 2, "{how}: {last} of {sent}");
    }
}

#[test]
fn an_ignored_signal_does_not_show() {
    // SIGWINCH is ignored, so it must not make the call return, not even while the thread is traced.
    let program = Program::start(&["epoll_wait"]);
    let (pid, two) = (program.pid_text(), path(&built().to_two));
    let pusher = std::thread::spawn(move || {
        for _ in 0..100 {
            Push::run(&[&pid, &two]).expect(0, &["applied two"]);
            Push::run(&["--undo", &pid]).expect(0, &["undid two"]);
        }
    });
    while !pusher.is_finished() {
        program.signal(libc::SIGWINCH);
        std::thread::sleep(Duration::from_micros(200));
    }
    pusher.join().expect("the pushes succeed");
    for line in program.pending_lines() {
        assert!(line.starts_with("epoll_wait 0 0 2."), "{line}");
    }
}

#[test]
fn threads_that_all_wait_for_a_condition_variable() {
    for arguments in [&["cond"][..], &["cond", "cond", "cond"]] {
        let mut program = Program::start(arguments);
        for _ in 0..10 {
            program.assert_well();
        }
    }
    // Signals that arrive at the same time are not lost, and the others go on.
    let mut program = Program::start(&["cond", "waker", "cond"]);
    for _ in 0..20 {
        program.assert_well();
    }
    let program = Program::start(&["cond_until"]);
    let (pid, two) = (program.pid_text(), path(&built().to_two));
    Push::run(&[&pid, &two]).expect(0, &["applied two"]);
    let returned = program.returned();
    assert_eq!((returned.result, returned.errno, returned.answer), (0, 0, 2), "{returned:?}");
    assert!((2.0..2.6).contains(&returned.seconds), "{returned:?}");
}

#[test]
fn a_call_of_a_signal_handler_is_left_alone() {
    for arguments in [&["read"][..], &["pause", "busy"], &["cond"]] {
        let program = Program::start(arguments);
        let (pid, two) = (program.pid_text(), path(&built().to_two));
        // SAFETY: sends a signal to the main thread of our own child, which was not waited for.
        assert_eq!(unsafe { libc::syscall(libc::SYS_tgkill, program.pid(), program.pid(), libc::SIGUSR2) }, 0);
        std::thread::sleep(std::time::Duration::from_millis(50));
        let push = Push::run(&["--timeout", "0.5", &pid, &two]);
        push.expect(4, &["nanosleep", "called from on_long_signal()", "in a signal handler"]);
        // When the handler has returned, all is well.
        let push = Push::run(&[&pid, &two]);
        push.expect(0, &["applied two"]);
        let line = program.line();
        assert!(line.starts_with("handler 0 "), "{arguments:?}: {line}");
    }
}

fn is_root() -> bool {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn filters_that_cannot_be_suspended_are_respected() {
    use std::os::unix::process::CommandExt;
    if !is_root() {
        return;
    }
    let mut program = Program::start(&["-u", "-s", "read"]);
    let (pid, two) = (program.pid_text(), path(&built().to_two));
    for operation in [&[][..], &["--dry-run"]] {
        // From a place where another user may run it.
        let copy = std::path::Path::new("/tmp").join(format!("dsu-push-{}", std::process::id()));
        let patch = copy.with_extension("dsu");
        install(env!("CARGO_BIN_EXE_dsu-push").as_ref(), &copy);
        install(two.as_ref(), &patch);
        let mut command = std::process::Command::new(&copy);
        command.args(operation).args([&pid, &path(&patch)]).uid(65534).gid(65534);
        let push = Push::of(&mut command);
        std::fs::remove_file(copy).expect("the copy");
        std::fs::remove_file(patch).expect("the copy");
        push.expect(3, &["has seccomp filters", "run dsu-push as root"]);
    }
    let status = Push::run(&["--status", "--json", &pid]).json();
    assert_eq!(status["pending"], false, "{status}");
    program.assert_well();
}

#[test]
fn seccomp_filters_are_suspended() {
    if !is_root() {
        return;
    }
    for how in ["read", "nanosleep", "poll"] {
        let mut program = Program::start(&["-s", how]);
        for _ in 0..20 {
            program.assert_well();
        }
    }
    for arguments in [["-s", "read"].as_slice(), &["-s", "busy"], &["-s", "read", "pause", "busy"]] {
        let mut program = Program::start(arguments);
        program.assert_well();
    }
}
