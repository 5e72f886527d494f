//! Archives: only the members that the linker really takes are in the program.

use super::sandbox::{Sandbox, members};

/// Members `used` and `unused`, and one without a record.
fn library(how: &str) -> Sandbox {
    let sandbox = Sandbox::with_program();
    sandbox.file("step.c", "int used(int); int foreign(void); int step(int n) { return used(n) + foreign(); }\n");
    sandbox.file("lib/used.c", "int deep(int); int used(int n) { return deep(n) + 1; }\n");
    sandbox.file("lib/deep.c", "int deep(int n) { return 9 + n; }\n");
    sandbox.file("lib/unused.c", "int missing(void); int unused(void) { return missing(); }\n");
    sandbox.file("lib/foreign.c", "int deep(int); int foreign(void) { return deep(0) - 8; }\n");
    sandbox.cc_ok("-c main.c step.c");
    for unit in ["used", "deep", "unused"] {
        sandbox.cc_ok(&format!("-c lib/{unit}.c -o lib/{unit}.o"));
    }
    sandbox.ok("cc", "-c lib/foreign.c -o lib/foreign.o");
    sandbox.ok("ar", &format!("{how} lib/libx.a lib/used.o lib/unused.o lib/deep.o lib/foreign.o"));
    sandbox
}

fn linked(sandbox: &Sandbox, args: &str) -> Vec<String> {
    let report = sandbox.report(&format!("{args} -o prog"));
    assert_eq!(sandbox.program("./prog"), "12\n", "{args}");
    let note = "not compiled by dsu-cc, and not updatable: lib/libx.a(foreign.o)";
    assert!(report["notes"].as_array().unwrap().iter().any(|n| n == note), "{}", report["notes"]);
    members(&report["units"], "object")
}

#[test]
fn members_that_are_taken() {
    let want = ["main.o", "step.o", "lib/libx.a(used.o)", "lib/libx.a(deep.o)"];
    for how in ["rcs", "rcsT"] {
        for args in [
            "main.o step.o lib/libx.a",
            "main.o step.o -Llib -lx",
            "main.o step.o -L lib -l:libx.a -lm",
            "main.o step.o -Wl,--start-group lib/libx.a -lm -Wl,--end-group",
            "main.o step.o -Wl,lib/libx.a",
            "main.o step.o lib/libx.a lib/libx.a",
        ] {
            let sandbox = library(how);
            let mut units = linked(&sandbox, args);
            units[2..].sort_by_key(|u| u.contains("deep"));
            assert_eq!(units, want, "{how}: {args}");
        }
    }
}

#[test]
fn whole_archives() {
    for how in ["rcs", "rcsT"] {
        for args in [
            "main.o step.o missing.o -Wl,--whole-archive lib/libx.a -Wl,--no-whole-archive",
            "main.o step.o missing.o -Llib -Wl,--push-state,--whole-archive -lx -Wl,--pop-state -lx",
            "main.o step.o missing.o -Wl,--whole-archive,lib/libx.a,--no-whole-archive",
        ] {
            let sandbox = library(how);
            sandbox.file("missing.c", "int missing(void) { return 0; }\n");
            sandbox.cc_ok("-c missing.c");
            let units = linked(&sandbox, args);
            assert_eq!(units.len(), 6, "{how}: {args}: {units:?}");
        }
    }
}

#[test]
fn members_with_one_name() {
    let sandbox = library("rcs");
    sandbox.file("other/used.c", "int other(void) { return 0; }\n");
    sandbox.cc_ok("-c other/used.c -o other/used.o");
    sandbox.ok("ar", "qc lib/libx.a other/used.o");
    sandbox.ok("ranlib", "lib/libx.a");
    // The linker says "used.o", which may be either.
    let report = sandbox.report("main.o step.o lib/libx.a -o prog");
    assert_eq!(sandbox.program("./prog"), "12\n");
    let kept = members(&report["units"], "kept");
    assert!(kept.iter().any(|k| k.contains("several members used.o")), "{kept:?}");
    // All of them is clear again.
    sandbox.file("missing.c", "int missing(void) { return 0; }\n");
    sandbox.cc_ok("-c missing.c");
    let report =
        sandbox.report("main.o step.o missing.o -Wl,--whole-archive lib/libx.a -Wl,--no-whole-archive -o prog");
    assert_eq!(report["units"].as_array().unwrap().len(), 7);
    assert!(members(&report["units"], "kept").iter().all(String::is_empty));
    assert_eq!(sandbox.program("./prog"), "12\n");
}

#[test]
fn a_program_that_is_all_archive() {
    let sandbox = library("rcs");
    sandbox.ok("ar", "rcs libmain.a main.o step.o");
    let units = linked(&sandbox, "libmain.a lib/libx.a");
    assert_eq!(units.len(), 4, "{units:?}");
}

#[test]
fn archives_of_stripped_objects() {
    let sandbox = library("rcs");
    sandbox.ok("strip", "--strip-unneeded lib/libx.a");
    sandbox.ok("ranlib", "lib/libx.a");
    assert_eq!(linked(&sandbox, "main.o step.o lib/libx.a").len(), 4);
}
