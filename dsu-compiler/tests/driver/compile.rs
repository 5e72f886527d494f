//! `-c`, and everything that is passed through.

use super::sandbox::{Done, Sandbox, dsu_cc};

const WARNS: &str = "#include \"w.h\"\nint f(int x) {\n    int unused;\n    return g(x);\n}\n";
const FAILS: &str = "#include <stdio.h>\nint main(void) { return nonsense; }\n";

fn sources() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("w.c", WARNS);
    sandbox.file("w.h", "#include <stddef.h>\n#define W 1\n");
    sandbox.file("bad.c", FAILS);
    sandbox.file("a.c", "#include \"w.h\"\nint a(void) { return W; }\n");
    sandbox.file("b.c", "int b(void) { return 2; }\n");
    sandbox.file("s.S", "#ifdef __ASSEMBLER__\n.globl s\ns: ret\n#endif\n");
    sandbox.file("p.cc", "struct S { S() {} }; extern \"C\" int p() { S s; return 1; }\n");
    sandbox
}

/// Runs both compilers, each in its own sandbox.
fn both(args: &str) -> ((Sandbox, Done), (Sandbox, Done)) {
    let (real, ours) = (sources(), sources());
    let (real_done, ours_done) = (real.run("cc", args), ours.run(dsu_cc(), args));
    ((real, real_done), (ours, ours_done))
}

#[test]
fn messages_and_exit_codes_are_the_real_ones() {
    for args in [
        "-c w.c -Wall",
        "-c w.c -Wall -Werror",
        "-c bad.c",
        "-c bad.c -o bad.o",
        "-c missing.c",
        "-c a.c b.c -o both.o",
        "-c a.c -o no/such/directory/a.o",
        "-c a.c -fno-such-option",
        "-c a.c --no-such-option",
        "-c",
        "",
        "bad.c",
        "missing.o",
        "-E a.c",
        "-E a.c -P",
        "-S a.c -o -",
        "-M a.c",
        "-MM a.c -MT x",
        "-fsyntax-only bad.c",
        "-fsyntax-only a.c",
        "--version",
        "-dumpmachine",
        "-print-prog-name=ld",
        "-o",
        "-c a.c -x",
    ] {
        let ((_, real), (_, ours)) = both(args);
        assert_eq!(ours, real, "cc {args}");
    }
}

#[test]
fn objects_and_dependencies_are_the_real_ones() {
    for (args, files) in [
        ("-c a.c", "a.o"),
        ("-O2 -c a.c -o out.o -g", "out.o"),
        ("-o out.o a.c -c", "out.o"),
        ("-oout.o -c a.c", "out.o"),
        ("-c a.c b.c", "a.o b.o"),
        ("-c a.c -MD", "a.o a.d"),
        ("-c a.c -MMD -MP -MF deps -MT target", "a.o deps"),
        ("-c a.c -o o.o -MD -MQ x -MFdeps", "o.o deps"),
        ("-c a.c -Wp,-MD,deps", "a.o deps"),
        ("-c a.c -Wp,-MMD,deps,-MP -pipe", "a.o deps"),
        ("-c -x c w.h -o h.o", "h.o"),
        ("-c a.c s.S p.cc", "a.o s.o p.o"),
        ("-c -xc++ a.c -o cxx.o", "cxx.o"),
        ("-S a.c", "a.s"),
        ("-c a.c -save-temps", "a.o a.s a.i"),
        ("-c a.c -fPIE -std=gnu99 -DX=1 -Ufoo -I. -include w.h -Wall -O3 -pthread", "a.o"),
    ] {
        let ((real, real_done), (ours, ours_done)) = both(args);
        assert_eq!(ours_done, real_done, "cc {args}");
        let entries = |s: &Sandbox| {
            let entries = std::fs::read_dir(s.path(".")).unwrap().map(|e| e.unwrap().file_name());
            let mut names: Vec<_> = entries.filter(|n| n != ".cache").collect();
            names.sort();
            names
        };
        assert_eq!(entries(&ours), entries(&real), "cc {args}");
        for file in files.split(' ') {
            if file.ends_with(".o") {
                let symbols = |s: &Sandbox| s.ok("nm", file).out;
                assert_eq!(symbols(&ours), symbols(&real), "cc {args}: {file}");
                let unit = !matches!(file, "s.o" | "p.o" | "cxx.o");
                assert_eq!(ours.has_section(file, ".dsu.unit"), unit, "cc {args}: {file}");
            } else if !file.ends_with(".i") {
                assert_eq!(ours.read(file), real.read(file), "cc {args}: {file}");
            }
        }
    }
}

fn unit(sandbox: &Sandbox, object: &str) -> dsu_compiler::unit::UnitImage {
    let bytes = std::fs::read(sandbox.path(object)).unwrap();
    let section = dsu_compiler::elf::section(&bytes, ".dsu.unit").unwrap().unwrap();
    let mut images = dsu_compiler::unit::decode(section).unwrap();
    assert_eq!(images.len(), 1);
    images.remove(0)
}

#[test]
fn the_record_tells_how_the_unit_was_made() {
    let sandbox = sources();
    sandbox.cc_ok("-c a.c -O2 -g -std=gnu11 -DX -I. -Wall -MD -fPIE -o a.o");
    let image = unit(&sandbox, "a.o");
    assert_eq!(image.source, "a.c");
    assert_eq!(image.directory, sandbox.path("").display().to_string().trim_end_matches('/'));
    assert_eq!(image.compiler, "cc");
    assert_eq!(image.flags, ["-O2", "-g", "-std=gnu11", "-fPIE"]);
    assert!(image.text.contains("# 1 \"a.c\"") && image.text.contains("int a(void) { return 1; }"));
    assert!(!image.text.contains("#include"));
}

#[test]
fn the_text_has_line_markers_and_no_comments_whatever_the_options() {
    let sandbox = sources();
    sandbox.file("c.c", "/* comment */\n#define M 7\nint c(void) { return M; }\n");
    sandbox.cc_ok("-c c.c -P -C -dD -fdirectives-only");
    let text = unit(&sandbox, "c.o").text;
    assert!(text.contains("# 1 \"c.c\"") && text.contains("return 7"), "{text}");
    assert!(!text.contains("comment") && !text.contains("#define"), "{text}");
}

#[test]
fn standard_input_and_preprocessed_sources() {
    let sandbox = sources();
    let text = "int from_stdin(void) { return 3; }\n";
    let done = sandbox.with_input(dsu_cc(), "-x c -c - -o in.o", text);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    assert!(unit(&sandbox, "in.o").text.contains("from_stdin"));
    assert!(sandbox.ok("nm", "in.o").out.contains("T from_stdin"));
    sandbox.cc_ok("-E a.c -o a.i");
    sandbox.cc_ok("-c a.i");
    assert!(unit(&sandbox, "a.o").text.contains("int a(void)"));
    let done = sandbox.with_input(dsu_cc(), "-E -", "#ifdef __DSU_CC__\nyes\n#endif\n");
    assert!(done.out.contains("yes"));
}

#[test]
fn dependency_files_asked_for_by_the_environment() {
    for variable in ["DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES"] {
        let (mut real, mut ours) = (sources(), sources());
        real.set(variable, "deps");
        ours.set(variable, "deps");
        real.ok("cc", "-c a.c");
        ours.cc_ok("-c a.c");
        assert_eq!(ours.read("deps"), real.read("deps"), "{variable}");
    }
}

#[test]
fn response_files() {
    let sandbox = sources();
    sandbox.file("inner", "-DNAME='\"a b\"' -O1");
    sandbox.file("args", "-c q.c\n@inner -o \"q out.o\"");
    sandbox.file("q.c", "const char *q(void) { return NAME; }\n");
    sandbox.cc_ok("@args");
    let image = unit(&sandbox, "q out.o");
    assert!(image.text.contains("return \"a b\";"));
    assert_eq!(image.flags, ["-O1"]);
}

#[test]
fn long_command_lines() {
    let sandbox = sources();
    let mut args = String::from("-c a.c");
    for i in 0..4_000 {
        args += &format!(" -DMACRO_{i}=1");
    }
    sandbox.file("args", &args);
    sandbox.cc_ok("@args");
    assert!(sandbox.has_section("a.o", ".dsu.unit"));
}

#[test]
fn an_object_that_is_no_file_is_left_alone() {
    let sandbox = sources();
    let done = sandbox.cc("-c a.c -o /dev/null");
    assert_eq!(done, sandbox.run("cc", "-c a.c -o /dev/null"));
}

#[test]
fn the_real_compiler_is_chosen_by_dsu_cc() {
    let mut sandbox = sources();
    sandbox.script("my cc", "#!/bin/sh\nexit 0\n");
    sandbox.script("wrapper", "#!/bin/sh\necho wrapped >> log\nexec \"$@\"\n");
    sandbox.set("DSU_CC", format!("{} cc", sandbox.path("wrapper").display()));
    sandbox.cc_ok("-c a.c");
    assert!(sandbox.read("log").contains("wrapped") && sandbox.has_section("a.o", ".dsu.unit"));
    sandbox.set("DSU_CC", "no-such-compiler");
    let done = sandbox.cc("-c a.c");
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("cannot run no-such-compiler") && done.err.contains("DSU_CC"), "{}", done.err);
    sandbox.set("DSU_CC", dsu_cc());
    let done = sandbox.cc("-c a.c");
    assert!(done.err.contains("is dsu-cc itself"), "{}", done.err);
}

#[test]
fn help_and_wrong_use() {
    let sandbox = sources();
    assert!(sandbox.cc_ok("--dsu-help").out.contains("--dsu-report"));
    for (args, want) in [
        ("--dsu-nonsense -c a.c", "unknown option --dsu-nonsense"),
        ("-c a.c --dsu-config", "--dsu-config needs an argument"),
        ("--dsu-report=xml a.c", "the formats are text and json"),
        ("--suggest-update-points", "needs a program linked by dsu-cc, or the objects or sources"),
    ] {
        let done = sandbox.cc(args);
        assert_eq!(done.code, Some(1), "{args}");
        assert!(done.err.contains(want), "{args}: {}", done.err);
    }
}

#[test]
fn tools_of_the_toolchain_keep_the_record() {
    let sandbox = sources();
    sandbox.cc_ok("-c a.c b.c -g");
    let before = unit(&sandbox, "a.o");
    sandbox.ok("ar", "rcs lib.a a.o b.o");
    sandbox.ok("ranlib", "lib.a");
    sandbox.ok("strip", "-g a.o -o stripped.o");
    sandbox.ok("strip", "--strip-unneeded a.o -o unneeded.o");
    sandbox.ok("objcopy", "a.o copied.o");
    sandbox.ok("ar", "x lib.a b.o");
    for object in ["stripped.o", "unneeded.o", "copied.o"] {
        assert_eq!(unit(&sandbox, object), before, "{object}");
    }
    assert!(sandbox.has_section("b.o", ".dsu.unit"));
    sandbox.ok("ld", "-r a.o b.o -o joined.o");
    let bytes = std::fs::read(sandbox.path("joined.o")).unwrap();
    let section = dsu_compiler::elf::section(&bytes, ".dsu.unit").unwrap().unwrap();
    assert_eq!(dsu_compiler::unit::decode(section).unwrap().len(), 2);
    sandbox.file("m.c", "int a(void), b(void); int main(void) { return a() + b() - 3; }\n");
    sandbox.ok("cc", "m.c lib.a -o plain");
    assert!(!sandbox.has_section("plain", ".dsu.unit"), "an ordinary linker drops records");
    sandbox.program("plain");
}
