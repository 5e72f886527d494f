//! Patches that change types: rehearsals, figures, lineage. They are made by hand, with the fixture of the runtime.

#![allow(missing_docs)]

#[path = "../../dsu-runtime/tests/support/mod.rs"]
mod runtime;
mod support;

use runtime::{
    Session, build_patch, build_program,
    emit::Patch,
    shapes::{PLAIN, patch, program, source},
};
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use support::{Push, path};

/// A running program with a struct that changes shape.
struct Shapes {
    dir: tempfile::TempDir,
    session: Session,
    pid: String,
}

impl Shapes {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let session = Session::start(&build_program(dir.path(), &program(), "shapes.c"));
        let pid = session.pid().to_string();
        let mut shapes = Self { dir, session, pid };
        shapes.expect("expect 1", "expect 1");
        shapes
    }

    /// Builds version `number`, as changed.
    fn build(&self, number: usize, change: impl FnOnce(&mut Patch)) -> String {
        let mut patch = patch(number);
        change(&mut patch);
        let text = self.dir.path().join(format!("{}.c", patch.name));
        std::fs::write(&text, source(number) + PLAIN).expect("a file");
        path(&build_patch(self.dir.path(), &text, &patch, &[]))
    }

    fn with_carry(&self, carry: &'static str) -> String {
        self.build(1, |patch| patch.carries = vec![(carry, carry)])
    }

    #[track_caller]
    fn expect(&mut self, command: &str, answer: &str) {
        assert_eq!(self.session.ask(command), answer, "{command}");
    }

    /// Sees that nothing has changed and no child is left.
    #[track_caller]
    fn assert_untouched(&mut self) {
        self.expect("sum", "sum 1999000 of 2000");
        self.expect("runs", "runs 0");
        self.expect("wait", "waitpid -1 errno 10 signals 0");
        assert!(self.children().is_empty());
    }

    fn children(&self) -> Vec<String> {
        // Of each thread: any of them may lead.
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid)).expect("its threads");
        let files = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
        files.flat_map(|file| file.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Starts a rehearsal that does not end by itself; returns the pusher, and the child that it takes place in.
    fn endless(&self, limit: &str) -> (std::process::Child, String) {
        let file = self.with_carry("endless");
        let arguments = ["--rehearse", "--timeout", "60", "--rehearsal-limit", limit, &self.pid, &file];
        let mut pusher = Push::command().args(arguments).stderr(Stdio::null()).spawn().expect("dsu-push can be run");
        loop {
            if let Some(child) = self.children().first() {
                return (pusher, child.clone());
            }
            assert!(pusher.try_wait().expect("its status").is_none(), "no rehearsal was seen");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn what_goes_wrong_in_a_rehearsal_changes_nothing() {
    let mut shapes = Shapes::start();
    for threads in 0..3 {
        let pid = shapes.pid.clone();
        for (carry, code, says) in [
            ("crash", 3, "crashed in the state transformer crash: signal 11 (segmentation fault); nothing was changed"),
            ("endless", 3, "was ended, as it was still in the state transformer endless after 200 ms"),
            ("bad", 3, "the state transformer bad of patch p1 returned -42; nothing was changed"),
        ] {
            let file = shapes.with_carry(carry);
            for dry in [true, false] {
                let mut command = Push::command();
                command.args(["--rehearse", "--rehearsal-limit", "0.2", &pid, &file]);
                Push::of(if dry { command.arg("--dry-run") } else { &mut command }).expect(code, &[says]);
                shapes.assert_untouched();
            }
        }
        let file = shapes.with_carry("good");
        let push = Push::run(&["--rehearse", "--dry-run", &pid, &file]);
        push.expect(0, &["can take p1 (0 units): 1 state transformer and 0 static objects rehearsed, pause"]);
        shapes.assert_untouched();
        if threads == 2 {
            Push::run(&["--rehearse", &pid, &file]).expect(0, &["applied p1", "; rehearsed before, pause"]);
            shapes.expect("runs", "runs 1000000");
            shapes.expect("sum", "sum 2001000 of 2000");
            Push::run(&["--rehearse", &pid, &file]).expect(0, &["already applied p1"]);
        }
        shapes.expect("worker", "worker started");
    }
}

#[test]
fn a_pusher_killed_during_a_rehearsal() {
    let mut shapes = Shapes::start();
    shapes.expect("worker", "worker started");
    let pid = shapes.pid.clone();
    let good = shapes.build(1, |patch| patch.name = "good");
    for wait in [0, 20, 300] {
        let (mut pusher, _) = shapes.endless("20");
        std::thread::sleep(Duration::from_millis(wait));
        pusher.kill().expect("it can be killed");
        pusher.wait().expect("it ends");
        // The next one does not wait for the end of the rehearsal.
        let start = Instant::now();
        Push::run(&[&pid, &good]).expect(0, &["applied good"]);
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
        shapes.expect("sum", "sum 2001000 of 2000");
        Push::run(&["--undo", &pid]).expect(0, &["undid good"]);
        shapes.expect("wait", "waitpid -1 errno 10 signals 0");
    }
    // Nobody comes: then it ends by itself.
    let (mut pusher, _) = shapes.endless("2");
    pusher.kill().expect("it can be killed");
    pusher.wait().expect("it ends");
    shapes.expect("wait", "waitpid -1 errno 10 signals 0");
    assert!(shapes.children().is_empty());
}

#[test]
fn a_program_that_ends_takes_its_rehearsal_with_it() {
    let shapes = Shapes::start();
    let (mut pusher, child) = shapes.endless("60");
    drop(shapes);
    assert!(!pusher.wait().expect("it ends").success());
    let start = Instant::now();
    let lives = || {
        let status = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z")
    };
    while lives() {
        assert!(start.elapsed() < Duration::from_secs(5), "the rehearsal goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_confined_process_is_not_rehearsed() {
    let mut shapes = Shapes::start();
    shapes.expect("filter", "filtered");
    let (pid, file) = (shapes.pid.clone(), shapes.with_carry("crash"));
    let push = Push::run(&["--json", "--rehearse", &pid, &file]);
    assert_eq!((push.code, push.outcome().as_str()), (3, "rehearsal-failed"), "{push:?}");
    push.expect(3, &["cannot rehearse: the process has seccomp filters"]);
    shapes.assert_untouched();
}

#[test]
fn status_counts_objects() {
    let mut shapes = Shapes::start();
    let pid = shapes.pid.clone();
    let types = |patch: usize| {
        let status = Push::run(&["--json", "--status", &pid]).json();
        status["patches"][patch]["types"].clone()
    };
    let figures = |version: u32, migrated: u64, out_of_range: u64| {
        serde_json::json!([
            { "name": "struct item", "version": version, "migrated": migrated, "out_of_range": out_of_range, "blocks": 0 }
        ])
    };
    Push::run(&[&pid, &shapes.build(1, |_| {})]).expect(0, &["applied p1"]);
    assert_eq!(types(0), figures(1, 0, 0));
    shapes.expect("use 7", "8");
    assert_eq!(types(0), figures(1, 1, 0));
    shapes.expect("sum", "sum 2001000 of 2000");
    Push::run(&[&pid, &shapes.build(2, |_| {})]).expect(0, &["applied p2"]);
    shapes.expect("use 500", "502");
    assert_eq!((types(0), types(1)), (figures(2, 1, 1), figures(1, 2000, 4)));
    let says = "struct item  version 2, 1 object migrated, 1 values out of range";
    Push::run(&["--status", &pid]).expect(0, &[says, "struct item  version 1, 2000 objects migrated, 4 values"]);
}

#[test]
fn lineage() {
    let shapes = Shapes::start();
    let pid = shapes.pid.clone();
    let file = path(&shapes.dir.path().join("lineage"));
    let steps = |file: &str| {
        let bytes = std::fs::read(file).expect("the lineage");
        let steps = dsu_abi::lineage::steps(&bytes).expect("its magic");
        let text = |step: dsu_abi::lineage::Step| String::from_utf8_lossy(step.bytes).into_owned();
        steps.map(|step| text(step.expect("a step"))).collect::<Vec<_>>()
    };
    Push::run(&["--lineage", &file, &pid]).expect(0, &["wrote its lineage, 0 patches"]);
    assert!(steps(&file).is_empty());
    for (number, lineage) in [(1, "from nought to one"), (2, ""), (3, "and to three")] {
        let push = Push::run(&[&pid, &shapes.build(number, |patch| patch.lineage = lineage)]);
        assert_eq!(push.code, 0, "{push:?}");
    }
    Push::run(&["--lineage", &file, &pid]).expect(0, &["wrote its lineage, 3 patches"]);
    assert_eq!(steps(&file), ["from nought to one", "", "and to three"]);
    Push::run(&["--lineage", &file, &pid, &pid]).expect(0, &["3 patches"]);
    Push::run(&["--lineage", &file, &pid, "1"]).expect(2, &["--lineage takes one process number"]);
    Push::run(&["--lineage", "/nonexistent/x", &pid]).expect(1, &["cannot write the lineage"]);
    let patch = shapes.build(5, |patch| patch.after = "p1, p2b");
    let says = [
        &format!("patch p5 is for state {} (after p1, p2b), but", "a4".repeat(16)),
        &format!("in state {} (build {} with p1, p2, p3)", "a3".repeat(16), "a0".repeat(16)),
        "dsu-diff --pid PID",
    ];
    Push::run(&[&pid, &patch]).expect(3, &says);
}

#[test]
fn irreversible() {
    let shapes = Shapes::start();
    let pid = shapes.pid.clone();
    let patch = shapes.build(1, |patch| patch.irreversible = "struct item loses its field hits");
    Push::run(&[&pid, &patch]).expect(0, &["applied p1"]);
    let undo = Push::run(&["--json", "--undo", &pid]);
    assert_eq!((undo.code, undo.outcome().as_str()), (3, "irreversible"), "{undo:?}");
    undo.expect(3, &["patch p1 cannot be undone: struct item loses its field hits"]);
}

#[test]
fn twelve_in_a_row() {
    let mut shapes = Shapes::start();
    let pid = shapes.pid.clone();
    for number in 1..=12 {
        let file = shapes.build(number, |_| {});
        let push = Push::of(Command::new(env!("CARGO_BIN_EXE_dsu-push")).args(["--rehearse", &pid, &file]));
        assert_eq!(push.code, 0, "{push:?}");
        println!("{}", push.out.trim());
        shapes.expect("use 3", &(3 + number).to_string());
    }
    for _ in 1..=12 {
        assert_eq!(Push::run(&["--undo", &pid]).code, 0);
    }
    shapes.expect("use 3", "3");
}
