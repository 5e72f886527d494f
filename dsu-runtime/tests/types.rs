//! Types that change shape: stamps, transformers, state transformers, undo.

#![allow(missing_docs)]

mod support;

use dsu_abi::patch::type_flags;
use std::path::{Path, PathBuf};
use support::emit::{ChangedType, Objects, Patch};
use support::shapes::{ITEMS, PLAIN, patch, program, source};
use support::*;

struct Bench {
    dir: tempfile::TempDir,
    session: Session,
}

impl Bench {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = build_program(dir.path(), &program(), "shapes.c");
        Self { session: Session::start(&server), dir }
    }

    fn build(&self, patch: &Patch, text: &str) -> PathBuf {
        let source = self.dir.path().join(format!("{}.c", patch.name));
        std::fs::write(&source, text).unwrap();
        build_patch(self.dir.path(), &source, patch, &[])
    }

    /// Builds and pushes a patch.
    fn push(&mut self, patch: &Patch, text: &str) -> String {
        let file = self.build(patch, text);
        self.file("push", &file)
    }

    fn file(&mut self, command: &str, file: &Path) -> String {
        self.session.ask(&format!("{command} {}", file.display()))
    }

    /// Pushes version `number` as it is.
    #[track_caller]
    fn apply(&mut self, number: usize) {
        let says = self.push(&patch(number), &(source(number) + PLAIN));
        assert!(says.starts_with("status 0: applied patch"), "{says}");
    }

    #[track_caller]
    fn expect(&mut self, command: &str, answer: &str) {
        assert_eq!(self.session.ask(command), answer, "{command}");
    }
}

/// The sum of all items' numbers, each with `added` to it.
fn sum(added: u64) -> String {
    format!("sum {} of 2000", 1999 * 1000 + added * 2000)
}

#[test]
fn objects_follow_their_type() {
    let mut bench = Bench::start();
    bench.expect("use 7", "7");
    bench.apply(1);
    // A transformer runs once for each object, and leaves errno alone.
    bench.expect("use 7", "8");
    bench.expect("use 7", "8");
    bench.expect("runs", "runs 1");
    bench.expect("sum", &sum(1));
    bench.expect("runs", "runs 2000");
    bench.apply(2);
    bench.expect("use 7", "9");
    bench.expect("runs", "runs 2001");
    // Objects at any version, and fresh ones at none.
    bench.expect("fresh", "fresh");
    bench.expect("sum", &sum(2));
    bench.expect("runs", "runs 6001");
    bench.expect("race 8", &format!("sum {} runs 4000", 1999 * 1000 + 2 * 2000));
}

#[test]
fn twelve_in_a_row() {
    let mut bench = Bench::start();
    let mut pauses = Vec::new();
    for number in 1..=12 {
        bench.apply(number);
        let pause = bench.session.ask("pause");
        pauses.push(pause);
        bench.expect("use 3", &(3 + number).to_string());
        if number == 1 {
            bench.expect("keep", "kept");
            println!("{}", bench.session.ask("time"));
        }
    }
    println!("{}\n{}", pauses.join("\n"), bench.session.ask("time"));
    bench.expect("fresh", "fresh");
    bench.expect("use 5", "17");
    // Code that wants an older version takes objects of newer ones.
    bench.expect("stale 5", "6");
    // It brings an old one to the newest.
    bench.expect("stale 6", "7");
    bench.expect("use 6", "18");
    bench.expect("sum", &sum(12));
}

#[test]
fn undone_and_applied_again() {
    let mut bench = Bench::start();
    bench.apply(1);
    bench.apply(2);
    bench.expect("use 4", "6");
    let stamp = bench.session.ask("stamp 4");
    bench.expect("keep", "kept");
    bench.expect("undo", "status 0: undid patch p2");
    // Good for version 1 as it is.
    bench.expect("use 4", "5");
    bench.expect("use 5", "6");
    bench.expect("stamp 4", &stamp);
    // Old code of the undone version still finds what it wants.
    bench.expect("stale 5", "7");
    bench.expect("stamp 5", &stamp);
    bench.expect("runs", "runs 4");
    bench.apply(2);
    bench.expect("use 4", "6");
    bench.expect("runs", "runs 5");
    assert_ne!(bench.session.ask("stamp 4"), stamp);
    // But it does not touch what the new version has brought further.
    bench.expect("stale 4", "6");
    // An object of neither is taken to the undone version, and from there to the newest.
    bench.expect("stale 400", "402");
    bench.expect("use 400", "402");
    bench.expect("runs", "runs 8");
    bench.expect("undo", "status 0: undid patch p2");
    bench.expect("undo", "status 0: undid patch p1");
    bench.expect("use 4", "4");
    bench.expect("sum", &sum(0));
    bench.apply(1);
    bench.expect("sum", &sum(1));
}

#[test]
fn an_irreversible_patch_is_not_undone() {
    let mut bench = Bench::start();
    let patch = Patch { irreversible: "struct item loses its field hits", ..patch(1) };
    bench.push(&patch, &(source(1) + PLAIN));
    bench.expect("undo", "status 17: patch p1 cannot be undone: struct item loses its field hits");
    bench.expect("use 1", "2");
}

#[test]
fn state_transformers_run_once_and_may_refuse() {
    let mut bench = Bench::start();
    let text = source(1) + PLAIN;
    let bad = Patch { carries: vec![("good", "good"), ("move the table", "bad")], ..patch(1) };
    let says = "status 16: the state transformer move the table of patch p1 returned -42; nothing was changed";
    for round in 1..=3 {
        assert_eq!(bench.push(&bad, &text), says);
        // It has made version 1 of an object: that is one of version 0 again.
        bench.expect("runs", &format!("runs {}", round * 1_000_001));
        bench.expect("use 3", "3");
    }
    let good = Patch { carries: vec![("good", "good")], ..patch(1) };
    assert!(bench.push(&good, &text).starts_with("status 0"));
    bench.expect("runs", "runs 4000003");
    bench.expect("use 3", "4");
    bench.expect("runs", "runs 4000004");
    bench.expect("sum", &sum(1));
}

#[test]
fn transformers_nest() {
    let mut bench = Bench::start();
    // Each touches its neighbour, the last one the first: a ring.
    let ring = "static void after(struct item *new)\n\
                { at(&dsu_g_items[(new->id + 1) % 2000]); at(new); }\n";
    assert!(bench.push(&patch(1), &(source(1) + ring)).starts_with("status 0"));
    bench.expect("use 7", "8");
    bench.expect("runs", "runs 2000");
    bench.expect("race 4", &format!("sum {} runs 2000", 1999 * 1000 + 2000));
}

#[test]
fn forks_in_the_middle() {
    let mut bench = Bench::start();
    let slow = "static void after(struct item *new)\n\
                { (void)new; for (volatile int n = 0; n < 3000; n++) {} }\n";
    assert!(bench.push(&patch(1), &(source(1) + slow)).starts_with("status 0"));
    bench.expect("expect 1", "expect 1");
    bench.expect("fork", "children 50");
}

#[test]
fn signal_handlers_at_any_time() {
    let mut bench = Bench::start();
    let slow = "static void after(struct item *new)\n\
                { (void)new; for (volatile int n = 0; n < 3000; n++) {} }\n";
    let mut one = patch(1);
    one.changed_types[0].flags = type_flags::REPEATABLE;
    let file = bench.build(&one, &(source(1) + slow));
    bench.expect("expect 1", "expect 1");
    bench.expect("tick", "tick");
    for _ in 0..30 {
        assert!(bench.file("push", &file).starts_with("status 0"));
        bench.expect("fresh", "fresh");
        bench.expect("sum", &sum(1));
        bench.expect("undo", "status 0: undid patch p1");
        bench.expect("sum", &sum(0));
    }
    bench.expect("tock", "ticks wrong 0");
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut bench = Bench::start();
    let text = source(1) + PLAIN;
    let mut refused = |change: &dyn Fn(&mut Patch), says: &str| {
        let mut patch = patch(1);
        patch.name = "variant";
        change(&mut patch);
        assert_eq!(bench.push(&patch, &text), says);
        bench.expect("use 1", "1");
    };
    let damaged = |what: &str| format!("status 11: the patch file is damaged: {what}");
    refused(
        &|patch| patch.changed_types[0].old_layout = 1,
        "status 12: struct item has another layout in the running program than the patch expects",
    );
    refused(
        &|patch| patch.changed_types[0].size = 80,
        "status 12: struct item has another size in the running program than the patch expects",
    );
    refused(
        &|patch| patch.changed_types[0].name = "struct other",
        "status 12: struct other is not in the running program",
    );
    for offset in [4, 72, 1 << 20, u32::MAX - 7] {
        let says = damaged("the stamp of a type lies outside of it");
        refused(&|patch| patch.changed_types[0].stamp_offset = offset, &says);
    }
    refused(&|patch| patch.changed_types[0].stamp_offset = u32::MAX, &damaged("a type has a transformer and no stamp"));
    refused(&|patch| patch.changed_types[0].transform = "dsu_new_slot_use", &damaged("its tables point outside of it"));
    refused(&|patch| patch.carries = vec![("x", "")], &damaged("a state transformer has no code"));
    refused(&|patch| patch.carries = vec![("x", "dsu_patch")], &damaged("its tables point outside of it"));
    refused(
        &|patch| {
            patch.changed_types.push(patch_type());
        },
        &damaged("it changes a type twice"),
    );
    refused(
        &|patch| {
            patch.from = 0xc0;
            patch.after = "p7, p8";
        },
        &format!(
            "status 10: patch variant is for state {} (after p7, p8), but the process is in state {}",
            "c0".repeat(16),
            "a0".repeat(16)
        ),
    );
    bench.apply(1);
    let says = bench.push(&Patch { from: 0xc0, ..patch(3) }, &text);
    assert!(says.ends_with(&format!("the process is in state {} (after p1)", "a1".repeat(16))), "{says}");
    let mut moved = patch(2);
    moved.changed_types[0].stamp_offset = 24;
    let says = "status 12: struct item has its stamp at another place in the running program than the patch expects";
    assert_eq!(bench.push(&moved, &(source(2) + PLAIN)), says);
}

fn patch_type() -> ChangedType {
    patch(1).changed_types.remove(0)
}

/// Every word of the header's tables that describe changes, set to hostile values.
#[test]
fn hostile_tables_are_refused() {
    let mut bench = Bench::start();
    let whole = Patch {
        name: "hostile",
        carries: vec![("good", "good")],
        lineage: "lineage",
        irreversible: "never",
        after: "p0",
        ..patch(1)
    };
    let file = bench.build(&whole, &(source(1) + PLAIN));
    let bytes = std::fs::read(&file).unwrap();
    let header = bytes.windows(8).position(|window| window == b"DSUPATCH").unwrap();
    let mut outcomes = std::collections::BTreeMap::new();
    for field in (160..256).step_by(4) {
        for value in [1_u32, 3, 0x7fff_ffff, 0x8000_0000, u32::MAX, 0x1000_0000] {
            let mut changed = bytes.clone();
            changed[header + field..header + field + 4].copy_from_slice(&value.to_le_bytes());
            std::fs::write(&file, changed).unwrap();
            let says = bench.file("check", &file);
            *outcomes.entry(says.split(':').next().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    println!("{outcomes:?}");
    assert!(outcomes["status 11"] > 40 && !outcomes.contains_key("status 31"), "{outcomes:?}");
    std::fs::write(&file, bytes).unwrap();
    let count = std::env::var("DSU_FUZZ").unwrap_or("3000".into());
    let says = bench.session.ask(&format!("flip {} {count}", file.display()));
    assert!(says.contains("11:") && !says.contains("99:") && !says.contains("31:"), "{says}");
    assert!(bench.file("push", &file).starts_with("status 0"));
    bench.expect("sum", &sum(1));
}

#[test]
fn rehearsals_change_nothing() {
    let mut bench = Bench::start();
    bench.expect("wait", "waitpid -1 errno 10 signals 0");
    let objects = |count| Objects {
        variable: "items",
        fingerprint: ITEMS,
        changed: "struct item",
        offset: 72,
        stride: 72,
        count,
    };
    let rehearse = |bench: &mut Bench, carries: &[&'static str], after: &str, count: u64| {
        let carries = carries.iter().map(|&name| (name, name)).collect();
        let file = bench.build(&Patch { carries, objects: vec![objects(count)], ..patch(1) }, &(source(1) + after));
        let says = bench.file("rehearse", &file);
        bench.expect("runs", "runs 0");
        bench.expect("use 3", "3");
        bench.expect("wait", "waitpid -1 errno 10 signals 0");
        (says, file)
    };
    let failed = |what: &str| format!("status 18: the rehearsal of patch p1 {what}; nothing was changed");
    let says = rehearse(&mut bench, &["good", "bad"], PLAIN, 0).0;
    assert_eq!(says, "status 16: the state transformer bad of patch p1 returned -42; nothing was changed");
    let says = rehearse(&mut bench, &["good", "crash"], PLAIN, 0).0;
    assert_eq!(says, failed("crashed in the state transformer crash: signal 11 (segmentation fault)"));
    let says = rehearse(&mut bench, &["endless"], PLAIN, 0).0;
    assert_eq!(says, failed("was ended, as it was still in the state transformer endless after 300 ms"));
    let crash = "static void after(struct item *new) { if (new->id == 1999) __builtin_trap(); }\n";
    let says = rehearse(&mut bench, &["good"], crash, 1999).0;
    assert_eq!(says, failed("crashed in the transformer of an object in items: signal 4 (illegal instruction)"));
    let quit = "extern void _exit(int); static void after(struct item *new) { _exit((int)new->id); }\n";
    let says = rehearse(&mut bench, &[], quit, 1).0;
    assert_eq!(says, failed("ended in the transformer of an object in items with exit code 1"));
    let says = rehearse(&mut bench, &[], PLAIN, 2000).0;
    assert_eq!(says, "status 11: the patch file is damaged: it has objects outside of their variables");
    let (says, file) = rehearse(&mut bench, &["good"], PLAIN, 1999);
    assert_eq!(says, "status 0: patch p1 can be applied: 1 state transformer and 1999 static objects rehearsed");
    println!("{}", bench.session.ask("pause"));
    assert!(bench.file("push", &file).starts_with("status 0"));
    bench.expect("runs", "runs 1000000");
    bench.expect("sum", &sum(1));
}

#[test]
fn rehearsals_with_signals_coming_in() {
    let mut bench = Bench::start();
    let file = bench.build(&Patch { carries: vec![("crash", "crash")], ..patch(1) }, &(source(1) + PLAIN));
    bench.expect("tick", "tick");
    for _ in 0..20 {
        assert!(bench.file("rehearse", &file).starts_with("status 18"));
        bench.expect("sum", &sum(0));
    }
    bench.expect("tock", "ticks wrong 0");
}
