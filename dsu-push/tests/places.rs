//! Processes in unusual places: jails, namespaces, other programs.

#![allow(missing_docs)]

mod support;

use dsu_push::{memory::Memory, ptrace::Tracer};
use std::{
    process::{Command, Stdio},
    time::Duration,
};
use support::{Program, Push, built, path};

fn two() -> String {
    path(&built().to_two)
}

fn is_root() -> bool {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn a_daemon_in_jail() {
    if !is_root() {
        return;
    }
    let mut program = Program::start(&["-j", "stdin", "pause"]);
    let root = std::fs::read_link(format!("/proc/{}/root", program.pid())).expect("its root");
    program.assert_well();
    Push::run(&["--status", &program.pid_text()]).expect(0, &["blocked in read, at update point main"]);
    assert_eq!(std::fs::read_dir(&root).expect("the jail").count(), 0, "no file is left there");
    std::fs::remove_dir(root).expect("the jail is empty");
}

#[test]
fn in_a_pid_namespace() {
    if !is_root() {
        return;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--kill-child"]).arg(&built().one).arg("read");
    let outer = Program::spawn(&mut unshare);
    let children = format!("/proc/{0}/task/{0}/children", outer.pid());
    let pid = std::fs::read_to_string(children).expect("its child").trim().to_owned();
    let push = Push::run(&["--json", &pid, &two()]);
    assert_eq!((push.code, push.outcome().as_str()), (0, "done"), "{push:?}");
    Push::run(&["--undo", "--family", &outer.pid_text()]).expect(3, &["was not built with dsu-cc"]);
    Push::run(&["--undo", "--family", &pid]).expect(0, &["undid two"]);
}

#[test]
fn a_process_that_becomes_another_program_meanwhile() {
    let program = Program::start(&["exec"]);
    let push = Push::run(&["--json", "--timeout", "8", &program.pid_text(), &two()]);
    assert_eq!((push.code, push.outcome().as_str()), (1, "vanished"), "{push:?}");
    push.expect(1, &["the process went away meanwhile (it ended, or became another program)"]);
    assert!(push.took < Duration::from_secs(3), "{push:?}");
    Push::run(&[&program.pid_text(), &two()]).expect(3, &["was not built with dsu-cc"]);
}

#[test]
fn an_interrupted_push_takes_its_request_back() {
    let mut program = Program::start(&["stdin", "spin"]);
    let mut command = Push::command();
    command.args(["--timeout", "20", &program.pid_text(), &two()]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("a pusher");
    std::thread::sleep(Duration::from_millis(500));
    // SAFETY: sends a signal to our own child, which was not waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let output = child.wait_with_output().expect("it ends");
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(4) && says.contains("interrupted, nothing was changed"), "{says}");
    let status = Push::run(&["--status", "--json", &program.pid_text()]).json();
    assert_eq!(status["pending"], false, "{status}");
    assert_eq!(program.poke().answer, 1);
}

#[test]
fn the_thread_pointer_of_a_stopped_thread() {
    // As it is found where the C library is not glibc.
    let program = Program::start(&["epoll_wait"]);
    let pid = program.pid();
    let pointer = std::thread::spawn(move || Tracer::new(Memory::new(pid), 0).thread_pointer(pid, pid));
    let pointer = pointer.join().expect("it ends").expect("a pointer");
    let memory = Memory::new(pid);
    assert_eq!(memory.read::<u64>(pointer).expect("readable"), pointer);
    let returned = program.returned();
    assert_eq!((returned.result, returned.errno), (0, 0), "{returned:?}");
}
