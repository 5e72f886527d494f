//! Every way to fail: its message, its exit code, and the target unharmed.

#![allow(missing_docs)]

mod support;

use object::{Object, ObjectSection};
use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use support::{Program, Push, built, install, path, run};

fn two() -> String {
    path(&built().to_two)
}

fn is_root() -> bool {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn usage() {
    Push::run(&[]).expect(2, &["Usage: dsu-push"]);
    Push::run(&["1"]).expect(2, &["a process and a patch are needed"]);
    Push::run(&["server", &two()]).expect(2, &["`server` is not a process number"]);
    Push::run(&["--timeout", "soon", "1", &two()]).expect(2, &["not a number"]);
    Push::run(&["--undo", "--status", "1"]).expect(2, &["cannot be used with"]);
    Push::run(&["--all", "x", "1", &two()]).expect(2, &["not both"]);
    Push::run(&["--help"]).expect(0, &["Exit codes:", "--family"]);
}

#[test]
fn bad_patch_files() {
    let program = Program::start(&["read"]);
    let pid = program.pid_text();
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).expect("a file");
        path(&file)
    };
    Push::run(&[&pid, "/nonexistent/fix.dsu"]).expect(1, &["cannot read /nonexistent/fix.dsu", "No such file"]);
    Push::run(&[&pid, "/tmp"]).expect(1, &["/tmp is not a patch", "not a regular file"]);
    Push::run(&[&pid, &file("empty", b"")]).expect(1, &["is not a patch: it is empty"]);
    Push::run(&[&pid, &file("text", b"hello")]).expect(1, &["not an ELF file", "dsu-diff"]);
    Push::run(&[&pid, &path(&built().one)]).expect(1, &["no section .dsu.patch"]);
    let patch = std::fs::read(&built().to_two).expect("the patch");
    for length in [5, 64, 100, 700, patch.len() / 2, patch.len() - 1] {
        let push = Push::run(&[&pid, &file("short", &patch[..length])]);
        assert!(matches!(push.code, 1 | 3), "{length}: {push:?}");
    }
    let elf = object::File::parse(&*patch).expect("an ELF file");
    let section = elf.section_by_name(".dsu.patch").expect("a manifest");
    let (at, _) = section.file_range().expect("in the file");
    let with = |offset: usize, byte: u8| {
        let mut bytes = patch.clone();
        bytes[at as usize + offset] = byte;
        file("changed", &bytes)
    };
    Push::run(&[&pid, &with(0, b'X')]).expect(1, &["does not begin as one"]);
    Push::run(&[&pid, &with(8, 99)]).expect(3, &["speaks protocol 99, this dsu-push speaks protocol"]);
    Push::run(&[&pid, &with(13, 0)]).expect(1, &["wrong size"]);
    Push::run(&[&pid, &with(151, 0xff)]).expect(1, &["its table of units is out of bounds"]);
    Push::run(&[&pid, &with(163, 0x7f)]).expect(1, &["a name in its manifest is out of bounds"]);
    // The manifest's tables that only the runtime reads: damage is seen before, and what is wrong without damage refused by it.
    Push::run(&[&pid, &with(95, 0xff)]).expect(1, &["is damaged: its checksum is wrong"]);
    let mut bytes = patch.clone();
    bytes[at as usize + 95] = 0xff;
    bytes[at as usize + 240..at as usize + 248].fill(0);
    let push = Push::run(&["--json", &pid, &file("changed", &bytes)]);
    assert_eq!((push.code, push.outcome().as_str()), (3, "bad-patch"), "{push:?}");
    Push::run(&[&pid, &two()]).expect(0, &["applied two"]);
}

#[test]
fn wrong_state_names_both() {
    let program = Program::start(&["read"]);
    let push = Push::run(&["--json", &program.pid_text(), &path(&built().to_three)]);
    assert_eq!((push.code, push.outcome().as_str()), (3, "wrong-state"), "{push:?}");
    let status = Push::run(&["--json", "--status", &program.pid_text()]).json();
    let state = status["state"].as_str().expect("a state");
    assert!(push.json()["message"].as_str().is_some_and(|text| text.contains(state)), "{push:?}");
    push.expect(3, &["patch three is for state", "without patches", "dsu-diff OLD NEW"]);
}

#[test]
fn not_updatable() {
    let mut sleep = Command::new("sleep").arg("60").spawn().expect("sleep");
    let pid = sleep.id().to_string();
    Push::run(&[&pid, &two()]).expect(3, &["was not built with dsu-cc", ".dsu.control", "make CC=dsu-cc"]);
    Push::run(&["--status", &pid]).expect(3, &["was not built with dsu-cc"]);
    sleep.kill().expect("it runs");
    sleep.wait().expect("it ends");

    // Without update points, dsu-cc links a plain program.
    let program = Program::spawn(Command::new(&built().without_points).arg("read"));
    Push::run(&[&program.pid_text(), &two()]).expect(3, &["or not with update points", ".dsu.control"]);
}

/// The program with another byte in its control block.
fn with_control_byte(name: &str, offset: usize, byte: u8) -> Program {
    let mut bytes = std::fs::read(&built().one).expect("the program");
    let elf = object::File::parse(&*bytes).expect("an ELF file");
    let (at, _) = elf.section_by_name(".dsu.control").expect("a block").file_range().expect("in the file");
    bytes[at as usize + offset] = byte;
    let contents = built().dir.join(format!("{name}.bytes"));
    std::fs::write(&contents, bytes).expect("a copy");
    let file = built().dir.join(name);
    install(&contents, &file);
    Program::spawn(Command::new(&file).arg("read"))
}

#[test]
fn control_blocks_of_other_kinds() {
    let push_to = |program: &Program| Push::run(&["--json", &program.pid_text(), &two()]);
    let other = push_to(&with_control_byte("other-protocol", 8, 77));
    let ours = format!("speaks protocol {}", dsu_abi::PROTOCOL);
    other.expect(3, &["other-protocol", "speaks protocol 77", &ours]);
    let pointless = with_control_byte("pointless", 20, 0);
    push_to(&pointless).expect(3, &["no-update-points", "without update points", "--suggest-update-points"]);
    Push::run(&["--status", &pointless.pid_text()]).expect(0, &["not updatable: built without update points"]);
    for (offset, says) in [(0, "it does not begin as one; nothing was changed"), (13, "its size is ")] {
        let damaged = with_control_byte(&format!("damaged-{offset}"), offset, 0xff);
        let says = ["the control block of the process is damaged: ", says].concat();
        push_to(&damaged).expect(1, &["damaged-control", &says]);
        Push::run(&["--status", &damaged.pid_text()]).expect(1, &[&says]);
    }
}

#[test]
fn stripped_replaced_and_deleted_executables_work() {
    let file = built().dir.join("stripped");
    run(Command::new("strip").arg("-o").arg(&file).arg(&built().one));
    let mut program = Program::spawn(Command::new(&file).arg("read"));
    program.assert_well();
    std::fs::copy("/bin/true", built().dir.join("other")).expect("a copy");
    std::fs::rename(built().dir.join("other"), &file).expect("replaced");
    program.assert_well();
    std::fs::remove_file(&file).expect("deleted");
    program.assert_well();
}

#[test]
fn gone_zombie_and_kernel_processes() {
    let mut child = Command::new("true").spawn().expect("true");
    let pid = child.id().to_string();
    std::thread::sleep(Duration::from_millis(50));
    Push::run(&[&pid, &two()]).expect(1, &["is a zombie", &format!("process {}", std::process::id())]);
    child.wait().expect("it has ended");
    let push = Push::run(&["--json", &pid, &two()]);
    assert_eq!((push.code, push.outcome().as_str()), (1, "no-process"), "{push:?}");
    push.expect(1, &[&format!("there is no process {pid}")]);
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name.starts_with("kthreadd")) && is_root() {
        Push::run(&["2", &two()]).expect(1, &["thread of the kernel"]);
    }
}

#[test]
fn traced_by_another_debugger() {
    let mut program = Program::start(&["read"]);
    let pid = program.pid();
    // A debugger of our own: this thread.
    // SAFETY: starts to trace our child; no memory is involved.
    let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) };
    assert_eq!(seized, 0);
    let push = Push::run(&["--json", &program.pid_text(), &two()]);
    assert_eq!((push.code, push.outcome().as_str()), (1, "traced"), "{push:?}");
    push.expect(1, &[&format!("process {}) is tracing", own_tid()), "quit it or detach it"]);
    // SAFETY: as above.
    unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, pid, 0, 0) };
    let mut status = 0;
    // SAFETY: writes one integer.
    unsafe { libc::waitpid(pid, &mut status, libc::__WALL) };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::ptrace(libc::PTRACE_DETACH, pid, 0, 0) }, 0);
    program.assert_well();
}

fn own_tid() -> i32 {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::gettid() }
}

#[test]
fn without_permission() {
    if !is_root() {
        return;
    }
    let program = Program::start(&["read"]);
    // Where another user can reach them.
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("readable");
    for (name, file) in [
        ("dsu-push", Path::new(env!("CARGO_BIN_EXE_dsu-push"))),
        ("two.dsu", &built().to_two),
        ("program", &built().one),
    ] {
        install(file, &dir.path().join(name));
    }
    let as_nobody = |name: &str| {
        let mut command = Command::new(dir.path().join(name));
        command.uid(65534).gid(65534).current_dir("/");
        command
    };
    let push = |pid: &str, json: bool| {
        let mut command = as_nobody("dsu-push");
        if json {
            command.arg("--json");
        }
        Push::of(command.arg(pid).arg(dir.path().join("two.dsu")))
    };
    push(&program.pid_text(), false)
        .expect(1, &["no permission", "it belongs to user 0, you are user 65534", "as root"]);
    assert_eq!(push(&program.pid_text(), true).outcome(), "no-permission");
    // One's own processes need no root.
    let own = Program::spawn(as_nobody("program").arg("read"));
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if matches!(scope.trim(), "" | "0") {
        push(&own.pid_text(), false).expect(0, &["applied two"]);
    } else {
        push(&own.pid_text(), false).expect(1, &["ptrace_scope"]);
    }
}

#[test]
fn busy_with_another_pusher() {
    let program = Program::start(&["stuck"]);
    let mut first = Push::command();
    first.args(["--timeout", "2", &program.pid_text(), &two()]).stderr(Stdio::null());
    let mut first = first.spawn().expect("a pusher");
    std::thread::sleep(Duration::from_millis(300));
    let push = Push::run(&["--timeout", "0.3", "--json", &program.pid_text(), &two()]);
    assert_eq!((push.code, push.outcome().as_str()), (4, "busy"), "{push:?}");
    push.expect(4, &["another dsu-push", "try again"]);
    assert_eq!(first.wait().expect("it ends").code(), Some(4));
}

#[test]
fn a_process_that_becomes_another_program() {
    let dir = tempfile::tempdir().expect("a folder");
    let (text, script) = (dir.path().join("text"), dir.path().join("script"));
    std::fs::write(&text, "#!/bin/sh\nread x\n").expect("written");
    install(&text, &script);
    let mut shell = Command::new(&script).stdin(Stdio::piped()).spawn().expect("a shell");
    Push::run(&[&shell.id().to_string(), &two()]).expect(3, &["this is an interpreter"]);
    shell.kill().expect("it runs");
    shell.wait().expect("it ends");
}
