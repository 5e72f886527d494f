//! Applying patches with `dsu_apply`.

#![allow(missing_docs)]

mod support;

use support::*;

#[test]
fn old_behaviour_before_and_new_after() {
    let dir = tempfile::tempdir().unwrap();
    let server = build_server(dir.path(), &program());
    let second = build_patch(dir.path(), &fixture("patch2.c"), &patch2(), &[]);
    let third = build_patch(dir.path(), &fixture("patch3.c"), &patch3(), &[]);
    let mut session = Session::start(&server);
    assert_eq!(session.ask("greet"), "v1 hello hits=1 per_thread=6 helper=2");
    assert_eq!(session.apply(&second), "apply 0");
    let says = "applied patch greet-2: 2 functions switched, 1 variables set";
    assert_eq!(session.ask("message"), format!("message {says}"));
    let v2 = |hits, per_thread, own| {
        format!(
            "v2 goodbye hits={hits} per_thread={per_thread} helper=3 added=15 own={own} total={} exported={} table=1",
            hits + 999,
            own - 4
        )
    };
    assert_eq!(session.ask("greet"), v2(2, 7, 8));
    assert_eq!(session.ask("callback"), v2(3, 8, 9) + " same");
    assert_eq!(session.apply(&second), "apply 1");
    assert_eq!(session.ask("message"), "message patch greet-2 is already applied");
    assert_eq!(session.apply(&third), "apply 0");
    assert_eq!(session.ask("greet"), "v3 hits=4 total=1003 exported=15 added=21");
    assert_eq!(session.ask("thread"), "v3 hits=5 total=1004 exported=13 added=21");
}

/// Builds the server and both patches.
fn setup() -> (tempfile::TempDir, Session, std::path::PathBuf, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let server = build_server(dir.path(), &program());
    let second = build_patch(dir.path(), &fixture("patch2.c"), &patch2(), &[]);
    let third = build_patch(dir.path(), &fixture("patch3.c"), &patch3(), &[]);
    (dir, Session::start(&server), second, third)
}

#[test]
fn pushed_stacked_and_undone_in_order() {
    let (_dir, mut session, second, third) = setup();
    let (second, third) = (second.display(), third.display());
    assert_eq!(session.ask("undo"), "status 15: no patch is applied: nothing to undo");
    assert_eq!(session.ask(&format!("check {second}")), "status 0: patch greet-2 can be applied");
    assert!(session.ask("greet").starts_with("v1 hello hits=1"));
    assert_eq!(
        session.ask(&format!("push {third}")),
        format!(
            "status 10: patch greet-3 is for state {}, but the process is in state {}",
            "a2".repeat(16),
            "a1".repeat(16)
        )
    );
    assert!(session.ask(&format!("push {second}")).starts_with("status 0: applied patch greet-2"));
    assert!(session.ask("greet").starts_with("v2 goodbye hits=2"));
    assert!(session.ask(&format!("push {third}")).starts_with("status 0: applied patch greet-3"));
    assert!(session.ask("greet").starts_with("v3 hits=3"));
    assert_eq!(session.ask("undo 178"), "status 14: patch greet-2 is not the newest: undo patch greet-3 first");
    assert_eq!(session.ask("undo 5"), "status 14: that patch is not applied; the newest is patch greet-3");
    assert_eq!(session.ask("undo 179"), "status 0: undid patch greet-3");
    assert!(session.ask("greet").starts_with("v2 goodbye hits=4"));
    assert_eq!(session.ask("undo"), "status 0: undid patch greet-2");
    assert_eq!(session.ask("greet"), "v1 hello hits=5 per_thread=9 helper=2");
    assert!(session.ask(&format!("push {second}")).starts_with("status 0: applied patch greet-2"));
    assert!(session.ask("callback").starts_with("v2 goodbye hits=6"));
}

#[test]
fn refused_with_the_reason() {
    let (dir, mut session, second, _) = setup();
    let mut refused = |change: &dyn Fn(&mut support::emit::Patch), says: &str| {
        let mut patch = patch2();
        patch.name = "variant";
        change(&mut patch);
        let file = build_patch(dir.path(), &fixture("patch2.c"), &patch, &[]);
        assert_eq!(session.ask(&format!("push {}", file.display())), says);
        assert!(session.ask("greet").starts_with("v1 hello"));
    };
    refused(
        &|patch| patch.imports[0].fingerprint = LONG,
        "status 12: variable hits@greet.c has another type in the running program than the patch expects",
    );
    refused(
        &|patch| patch.imports[0].name = "misses@greet.c",
        "status 12: variable misses@greet.c is not in the running program",
    );
    refused(
        &|patch| patch.imports[2].kind = dsu_abi::patch::import_kind::VARIABLE,
        "status 12: variable per_thread has another storage class in the running program than the patch expects",
    );
    refused(
        &|patch| patch.imports[5].fingerprint = 9,
        "status 12: function greet has another prototype in the running program than the patch expects",
    );
    refused(&|patch| patch.imports[4].fallback = "", "status 12: function added@greet.c is not in the running program");
    refused(
        &|patch| {
            patch.imports.remove(0);
        },
        "status 13: the patch needs the symbol dsu_g_hits, which is neither in the program nor in its libraries",
    );
    refused(
        &|patch| patch.copies[0].fingerprint = 1,
        "status 12: variable greeting has another type in the running program than the patch expects",
    );
    refused(
        &|patch| patch.types[0].1 = 0x77,
        "status 12: struct point has another layout in the running program than the patch expects",
    );
    refused(
        &|patch| patch.from = 0x55,
        &format!(
            "status 10: patch variant is for state {}, but the process is in state {}",
            "55".repeat(16),
            "a1".repeat(16)
        ),
    );
    assert_eq!(session.ask("apply /nonexistent/x.dsu"), "apply 11");
    assert_eq!(session.ask("message"), "message the patch file /nonexistent/x.dsu cannot be read: error 2");
    assert_eq!(session.apply(&fixture("server.c")), "apply 11");
    let says = "message this is not a patch file (no 64-bit little-endian ELF header)";
    assert_eq!(session.ask("message"), says);
    // After all that, a good one still works.
    assert_eq!(session.apply(&second), "apply 0");
    assert!(session.ask("greet").starts_with("v2 goodbye"));
}

#[test]
fn a_missing_library_is_named() {
    let (dir, mut session, _, _) = setup();
    let text = dir.path().join("library.c");
    std::fs::write(&text, "int libfn(void) { return 1; }\n").unwrap();
    let library = dir.path().join("libmissing_one.so");
    run(std::process::Command::new("cc")
        .args(["-shared", "-Wl,-soname,libmissing_one.so", "-o"])
        .arg(&library)
        .arg(&text));
    let flags = ["-Wl,--no-as-needed", library.to_str().unwrap()];
    let file = build_patch(dir.path(), &fixture("patch2.c"), &patch2(), &flags);
    let says = session.ask(&format!("push {}", file.display()));
    let start = "status 13: the patch needs the library libmissing_one.so, which is not in the process: ";
    assert!(says.starts_with(start), "{says}");
}

#[test]
fn damaged_files_are_refused_and_harm_nobody() {
    let (_dir, mut session, second, _) = setup();
    let says = session.ask(&format!("truncate {}", second.display()));
    assert!(says.starts_with("0:") || says.starts_with("11:"), "{says}");
    let count = std::env::var("DSU_FUZZ").unwrap_or("3000".into());
    let says = session.ask(&format!("flip {} {count}", second.display()));
    assert!(says.contains("11:") && !says.contains("99:"), "{says}");
    assert!(session.ask("greet").starts_with("v1 hello"));
    assert_eq!(session.apply(&second), "apply 0");
    assert!(session.ask("greet").starts_with("v2 goodbye"));
}

/// What a small file could ask for without end.
#[test]
fn large_tables_in_small_files_are_refused() {
    let (dir, mut session, second, _) = setup();
    let damaged = |what: &str| format!("status 11: the patch file is damaged: {what}");
    let mut patch = patch2();
    patch.name = "variant";
    patch.copies.push(support::emit::Copy { ..patch2().copies.remove(0) });
    let file = build_patch(dir.path(), &fixture("patch2.c"), &patch, &[]);
    assert_eq!(
        session.ask(&format!("push {}", file.display())),
        damaged("the variables that it sets are not in order")
    );

    let good = std::fs::read(&second).unwrap();
    let good = good.as_slice();
    let word = |at: usize| u64::from_le_bytes(good[at..at + 8].try_into().unwrap());
    let programs = || (64..64 + 56 * usize::from(good[56])).step_by(56);
    let program = |kind: u8| programs().rfind(move |&at| good[at] == kind).unwrap();
    let dynamic = program(2);
    let entry = |tag: u64| {
        let start = word(dynamic + 8) as usize;
        (start..).step_by(16).find(|&at| word(at) == tag).unwrap() + 8
    };
    let mut refused = |changes: &[(usize, u64)], says: &str| {
        let mut bytes = good.to_vec();
        for (at, value) in changes {
            bytes[*at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(session.ask(&format!("push {}", file.display())), says);
    };
    let tls = "status 11: its thread-local variables take more than 64 MiB";
    refused(&[(program(7) + 40, 1 << 30)], tls);
    refused(&[(program(7), 0)], &damaged("it refers to thread-local variables that it does not have"));
    // The last segment gets a gigabyte of zeros.
    let room = (program(1) + 40, 1 << 30);
    refused(&[room, (entry(8), 1 << 24)], &damaged("its relocations are outside of it"));
    let header = good.windows(8).position(|window| window == b"DSUPATCH").unwrap();
    refused(&[room, (header + 128 + 8, 1 << 24)], &damaged("a table points outside of it"));
    let relocation = good
        .chunks_exact(8)
        .position(|info| info[..4] == [6, 0, 0, 0] && info[4] != 0 && info[5..] == [0; 3])
        .map(|index| 8 * index)
        .unwrap();
    refused(&[room, (relocation, 1 << 56 | 6)], &damaged("a symbol is not there"));
    assert!(session.ask("greet").starts_with("v1 hello"));
}

#[test]
fn not_in_a_signal_handler() {
    let (_dir, mut session, second, _) = setup();
    // Both lines are read before the update point is passed again only if they come in one go: so the handler runs
    // with the request pending.
    session.send(&format!("apply-then-signal {}", second.display()));
    assert_eq!(session.line(), "apply 0");
    assert!(session.line().starts_with("handler pending=1 v1 hello"));
    assert!(session.ask("greet").starts_with("v2 goodbye"));
}

#[test]
fn a_forked_child_ignores_its_parents_request() {
    let (_dir, mut session, second, _) = setup();
    session.send(&format!("apply-then-fork {}", second.display()));
    assert_eq!(session.line(), "apply 0");
    assert!(session.line().starts_with("child pending=0 v1 hello"));
    assert_eq!(session.line(), "child ended 0");
    assert!(session.ask("greet").starts_with("v2 goodbye"));
}

#[test]
fn naps_last_as_long_as_they_should() {
    let (_dir, mut session, _, _) = setup();
    session.send("nap 50");
    assert_eq!(session.line(), "napping");
    let says = session.line();
    let ms: u32 = says.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!((50..500).contains(&ms) && says.ends_with("result 0, errno 0"), "{says}");
}

#[test]
fn a_debugger_finds_its_way_through_a_patch() {
    if std::process::Command::new("gdb").arg("--version").output().is_err() {
        eprintln!("there is no gdb here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = build_server(dir.path(), &program());
    let flags = ["-g", "-Wl,--emit-relocs"];
    let second = build_patch(dir.path(), &fixture("patch2.c"), &patch2(), &flags);
    let commands = dir.path().join("input");
    std::fs::write(&commands, format!("apply {}\nspin 1\ngreet\n", second.display())).unwrap();
    // Line 26: in greet(). gdb learns of the file only when the patch is in.
    let script = format!(
        "set breakpoint pending on\nset pagination off\nbreak patch2.c:26\nrun < {}\nbacktrace\nquit\n",
        commands.display()
    );
    let file = dir.path().join("script");
    std::fs::write(&file, script).unwrap();
    let output = std::process::Command::new("gdb")
        .args(["-nx", "-batch", "-x"])
        .arg(&file)
        .arg(&server)
        .env("DEBUGINFOD_URLS", "")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let frames: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    assert!(frames.iter().any(|frame| frame.contains(" greet (") && frame.contains("patch2.c:")), "{text}");
    assert!(frames.iter().any(|frame| frame.contains(" main (") && frame.contains("server.c:")), "{text}");
}

#[test]
fn backtraces_go_through_a_patch() {
    let (dir, mut session, _, _) = setup();
    let source = dir.path().join("trace.c");
    let text = "#include <stdio.h>\n#include <execinfo.h>\n#define HIDDEN __attribute__((visibility(\"hidden\")))\n\
                HIDDEN int greet(char *out, int step) { void *at[50]; (void)step; return sprintf(out, \"%d\", backtrace(at, 50)); }\n\
                HIDDEN __typeof__(greet) *dsu_new_slot_greet = greet;\n";
    std::fs::write(&source, text).unwrap();
    let patch = support::emit::Patch {
        name: "trace",
        id: 0xc1,
        from: 0xa1,
        to: 0xa9,
        functions: patch3().functions,
        ..Default::default()
    };
    let file = build_patch(dir.path(), &source, &patch, &[]);
    assert!(session.ask(&format!("push {}", file.display())).starts_with("status 0"));
    // greet, handle (or not, where that was inlined), main, and what called main.
    let frames: u32 = session.ask("greet").parse().unwrap();
    assert!(frames >= 4, "{frames} frames");
}

#[test]
fn other_threads_are_waited_for() {
    let (_dir, mut session, second, _) = setup();
    assert_eq!(session.ask("worker"), "worker started");
    assert_eq!(session.apply(&second), "apply 0");
    assert!(session.ask("greet").starts_with("v2 goodbye"));
    assert_eq!(session.ask("undo"), "status 0: undid patch greet-2");
    assert_eq!(session.ask("stubborn"), "stubborn started");
    assert_eq!(session.apply(&second), "apply 0");
    assert!(session.ask("greet").starts_with("v1 hello"));
    let says = "message the threads did not all come to rest in time; nothing was changed";
    assert_eq!(session.ask("message"), says);
}
