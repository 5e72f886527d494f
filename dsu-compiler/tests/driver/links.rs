//! Links: the plain result where there is nothing to do, the updatable one where there is.

use super::sandbox::{Sandbox, dsu_cc, members};

const NOTE: &str = "has no update points and can never be updated";

#[test]
fn separate_objects_one_call_and_any_order() {
    for (compile, link) in [
        ("-O2 -c main.c step.c", "main.o step.o -o prog"),
        ("-g -fPIE -c main.c step.c", "-pie -o prog main.o step.o"),
        ("-fno-pie -c main.c step.c", "-no-pie main.o step.o -oprog"),
        ("-c step.c", "main.c step.o -o prog -O1"),
        ("-c step.c", "-o prog -DUNUSED -x c main.c -x none step.o -lm"),
        ("-c step.c", "main.c step.c -o prog -O2 -pipe -MD -s"),
        ("-c step.c", "main.c step.c -o prog -Wl,--gc-sections -ffunction-sections -Wl,-Map=map -rdynamic"),
        ("-c main.c step.c -o both.o", ""),
    ] {
        let sandbox = Sandbox::with_program();
        if link.is_empty() {
            assert_ne!(sandbox.cc(compile).code, Some(0));
            continue;
        }
        sandbox.cc_ok(compile);
        let done = sandbox.cc_ok(link);
        assert_eq!((done.out.as_str(), done.err.as_str()), ("", ""), "{link}");
        assert!(sandbox.updatable("prog"), "{link}");
        assert_eq!(sandbox.program("./prog"), "12\n", "{link}");
        assert_eq!(sandbox.exists("map"), link.contains("-Map"), "{link}");
    }
}

#[test]
fn dependency_files_of_compile_and_link() {
    for args in ["main.c step.c -o prog -MD", "main.c step.c -o prog -MMD -MF deps", "main.c step.c -MD"] {
        let (real, ours) = (Sandbox::with_program(), Sandbox::with_program());
        real.ok("cc", args);
        ours.cc_ok(args);
        let dependencies = |s: &Sandbox| {
            let entries =
                std::fs::read_dir(s.path(".")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = entries.filter(|n| n.ends_with(".d") || n == "deps").collect();
            names.sort();
            names.iter().map(|n| (n.clone(), s.read(n))).collect::<Vec<_>>()
        };
        // The compiler names objects of its own, by random names, as targets.
        let without_targets = |list: Vec<(String, String)>| {
            list.into_iter().map(|(n, t)| (n, t.split_once(':').unwrap().1.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(without_targets(dependencies(&ours)), without_targets(dependencies(&real)), "{args}");
        assert!(ours.updatable(if args.contains("-o") { "prog" } else { "a.out" }));
    }
}

#[test]
fn linker_errors_are_the_real_ones() {
    for args in ["main.o -o prog", "main.o missing.o", "main.o -lno-such-library", "main.o step.o -Wl,--no-such-option"]
    {
        let sandbox = Sandbox::with_program();
        sandbox.cc_ok("-c main.c step.c");
        let real = sandbox.run("cc", args);
        let ours = sandbox.cc(args);
        assert_eq!(ours, real, "{args}");
        assert_ne!(ours.code, Some(0), "{args}");
        assert!(!sandbox.exists("prog"));
    }
}

#[test]
fn what_the_linker_prints_is_passed_on() {
    let sandbox = Sandbox::with_program();
    sandbox.cc_ok("-c main.c step.c");
    for option in ["-Wl,-t", "-Wl,--trace", "-Wl,--print-map", "-Wl,--verbose", "-Wl,--print-memory-usage", "-t"] {
        let real = sandbox.ok("cc", &format!("main.o step.o -o real {option}"));
        let ours = sandbox.cc_ok(&format!("main.o step.o -o real {option}"));
        assert_eq!(ours.out.lines().count(), real.out.lines().count(), "{option}");
        assert!(sandbox.updatable("real"), "{option}");
    }
}

#[test]
fn without_update_points_the_plain_program_is_the_result() {
    let sandbox = Sandbox::with_program();
    std::fs::remove_file(sandbox.path("dsu.toml")).unwrap();
    sandbox.cc_ok("-c main.c step.c");
    let done = sandbox.cc_ok("main.o step.o -o prog");
    assert_eq!(done.err, format!("dsu-cc: prog {NOTE} (see dsu-cc --suggest-update-points)\n"));
    sandbox.ok("cc", "main.o step.o -o real");
    assert_eq!(std::fs::read(sandbox.path("prog")).unwrap(), std::fs::read(sandbox.path("real")).unwrap());
    for probe in ["main.o step.o -o conftest", "main.o step.o -o cmTC_12345", "main.o step.o -o /dev/null"] {
        assert_eq!(sandbox.cc_ok(probe).err, "", "{probe}");
    }
    let static_program = sandbox.cc_ok("main.o step.o -static -o static");
    assert!(static_program.err.contains(NOTE));
    let report = sandbox.report("main.o step.o -o prog");
    assert_eq!(report["update_points"].as_array().unwrap().len(), 0);
    assert!(report["notes"][0].as_str().unwrap().contains("no dsu.toml"));
    let text = sandbox.cc_ok("--dsu-report main.o step.o -o prog").err;
    assert!(text.contains("prog can never be updated"), "{text}");
}

#[test]
fn a_thread_without_an_update_point_is_warned_of() {
    let sandbox = Sandbox::with_program();
    sandbox.file(
        "work.c",
        "#include <pthread.h>\n#include <unistd.h>\nstatic void *work(void *p) { for (;;) usleep(1); return p; }\n\
         void begin(void) { pthread_t t; pthread_create(&t, 0, work, 0); }\n",
    );
    let done = sandbox.cc_ok("main.c step.c work.c -o prog");
    let says = "dsu-cc: prog: warning: a thread that runs work (work.c:3) has no update point: while there is one, no patch can be applied";
    assert!(done.err.starts_with(says), "{}", done.err);
    let points =
        "[[update-point]]\nfunction = \"main\"\nquiescent = [\"usleep\"]\n[[update-point]]\nfunction = \"work\"\n";
    sandbox.file("dsu.toml", points);
    assert_eq!(sandbox.cc_ok("main.c step.c work.c -o prog").err, "");
}

#[test]
fn static_programs_with_update_points_are_refused() {
    for option in ["-static", "-static-pie", "-Wl,-static"] {
        let sandbox = Sandbox::with_program();
        let done = sandbox.cc(&format!("main.c step.c -o prog {option}"));
        if option == "-Wl,-static" && done.err.contains("ld returned") {
            continue; // no program either with the real compiler
        }
        assert_eq!(done.code, Some(1), "{option}: {}", done.err);
        assert!(done.err.contains("statically linked") && done.err.contains("link without -static"), "{}", done.err);
        assert!(!sandbox.exists("prog"), "make must not take it for done");
    }
}

#[test]
fn wrapped_symbols_are_refused_with_update_points() {
    let sandbox = Sandbox::with_program();
    sandbox.file("wrap.c", "int __real_step(int n);\nint __wrap_step(int n) { return __real_step(n) + 1; }\n");
    for option in ["-Wl,--wrap=step", "-Wl,--wrap,step", "-Xlinker --wrap -Xlinker step", "-Wl,-wrap=step"] {
        let done = sandbox.cc(&format!("main.c step.c wrap.c -o prog {option}"));
        assert_eq!(done.code, Some(1), "{option}: {}", done.err);
        assert!(
            done.err.contains("it is linked with --wrap=step") && done.err.contains("link without it"),
            "{}",
            done.err
        );
        assert!(!sandbox.exists("prog"));
    }
    std::fs::remove_file(sandbox.path("dsu.toml")).unwrap();
    sandbox.cc_ok("main.c step.c wrap.c -o prog -Wl,--wrap=step");
    assert_eq!(sandbox.program("./prog"), "13\n");
}

#[test]
fn shared_libraries_and_partial_links_pass_through() {
    let sandbox = Sandbox::with_program();
    sandbox.cc_ok("-fPIC -c main.c step.c");
    assert_eq!(sandbox.cc_ok("-shared step.o -o libstep.so").err, "");
    assert!(!sandbox.has_section("libstep.so", ".dsu.unit"));
    let done = sandbox.cc_ok("--dsu-report -shared step.o -o libstep.so");
    assert!(done.err.contains("libstep.so: a shared library: its units are not updatable"), "{}", done.err);
    sandbox.cc_ok("main.o ./libstep.so -o prog");
    assert!(sandbox.updatable("prog"));
    assert_eq!(sandbox.program("./prog"), "12\n");
    // One object of two units is kept, and so the update point in it cannot be.
    sandbox.cc_ok("-r main.o step.o -o joined.o");
    let done = sandbox.cc("joined.o -o prog");
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("ld -r"), "{}", done.err);
    // A kept unit elsewhere is no obstacle.
    sandbox.file("more.c", "int more(void) { return 1; }\n");
    sandbox.cc_ok("-c more.c");
    sandbox.cc_ok("-r step.o more.o -o joined.o");
    let report = sandbox.report("main.o joined.o -o prog");
    let kept = members(&report["units"], "kept");
    assert_eq!(kept.iter().filter(|k| k.contains("2 units are joined in one object by ld -r")).count(), 2, "{kept:?}");
    assert_eq!(sandbox.program("./prog"), "12\n");
}

#[test]
fn link_time_optimisation() {
    for option in ["-flto", "-flto -ffat-lto-objects", "-flto=auto -fwhole-program"] {
        let sandbox = Sandbox::with_program();
        if option.contains("whole") {
            sandbox.cc_ok(&format!("-O2 {option} main.c step.c -o prog"));
        } else {
            sandbox.cc_ok(&format!("-O2 {option} -c main.c step.c"));
            sandbox.cc_ok(&format!("-O2 {option} main.o step.o -o prog"));
        }
        assert!(sandbox.updatable("prog"), "{option}");
        assert_eq!(sandbox.program("./prog"), "12\n", "{option}");
    }
}

#[test]
fn sources_in_other_languages() {
    let sandbox = Sandbox::with_program();
    sandbox.file(
        "asm.S",
        "#ifndef X\n#error X\n#endif\n.globl from_asm\nfrom_asm: mov $7, %eax\nret\n.section .note.GNU-stack\n",
    );
    sandbox.file("step.c", "int from_asm(void);\nint step(int n) { return from_asm() + 4 + n; }\n");
    let report = sandbox.report("-DX=1 main.c asm.S step.c -o prog");
    assert_eq!(members(&report["units"], "source"), ["main.c", "step.c"]);
    assert_eq!(sandbox.program("./prog"), "12\n");
}

#[test]
fn the_configuration_is_found_and_chosen() {
    let mut sandbox = Sandbox::with_program();
    let text = sandbox.read("dsu.toml");
    std::fs::remove_file(sandbox.path("dsu.toml")).unwrap();
    sandbox.cc_ok("-c main.c step.c");
    sandbox.file("elsewhere/points.toml", &text);
    sandbox.cc_ok("--dsu-config elsewhere/points.toml main.o step.o -o prog");
    assert!(sandbox.updatable("prog"));
    sandbox.set("DSU_CONFIG", "elsewhere/points.toml");
    sandbox.cc_ok("main.o step.o -o prog2");
    assert!(sandbox.updatable("prog2"));
    sandbox.set("DSU_CONFIG", "missing.toml");
    let done = sandbox.cc("main.o step.o -o prog3");
    assert!(done.code == Some(1) && done.err.contains("cannot read missing.toml"), "{}", done.err);
    assert!(!sandbox.exists("prog3"));
    sandbox.set("DSU_CONFIG", "");
    sandbox.file("out/dsu.toml", &text);
    sandbox.cc_ok("main.o step.o -o out/prog");
    assert!(sandbox.updatable("out/prog"));
    sandbox.file("out/dsu.toml", "[[update-point]]\nfunction = \"main\"\nwhen = 1\n");
    let done = sandbox.cc("main.o step.o -o out/prog");
    assert!(done.err.contains("out/dsu.toml:3: unknown field `when`"), "{}", done.err);
}

#[test]
fn one_configuration_for_several_programs() {
    let sandbox = Sandbox::with_program();
    sandbox.file("tool.c", "int step(int n);\nint server_loop(void);\nint main(void) { return step(1) - 12; }\n");
    sandbox.file("dsu.toml", "[[update-point]]\nfunction = \"server_loop\"\n");
    let done = sandbox.cc_ok("tool.c step.c -o tool");
    assert!(done.err.contains("left out: no function server_loop here") && done.err.contains(NOTE), "{}", done.err);
    sandbox.file("dsu.toml", "[[update-point]]\nfunction = \"main\"\nprogram = \"prog\"\n");
    let done = sandbox.cc_ok("tool.c step.c -o tool");
    assert!(!done.err.contains("left out") && done.err.contains(NOTE), "{}", done.err);
    sandbox.cc_ok("main.c step.c -o prog");
    assert!(sandbox.updatable("prog") && !sandbox.updatable("tool"));
}

#[test]
fn annotated_programs_link_with_and_without_update_points() {
    let sandbox = Sandbox::with_program();
    std::fs::remove_file(sandbox.path("dsu.toml")).unwrap();
    sandbox.file("conf.h", "#include <dsu.h>\n");
    sandbox.file(
        "self.c",
        "#include \"conf.h\"\n#include <stdio.h>\nint main(void) { printf(\"%d\\n\", dsu_apply(\"/none\")); return dsu_pending; }\n",
    );
    let done = sandbox.cc_ok("self.c -o self");
    assert!(done.err.contains(NOTE), "{}", done.err);
    assert_eq!(sandbox.program("./self"), "10\n", "DSU_WRONG_STATE");
    sandbox.file(
        "point.c",
        "#include \"conf.h\"\n#include <stdio.h>\nint step(int n);\nint main(void) {\n    for (int i = 0; i < 2; i++) {\n\
         \x20       DSU_UPDATE_POINT(\"here\");\n        if (i == 1) printf(\"%d\\n\", step(i));\n    }\n    return 0;\n}\n",
    );
    sandbox.cc_ok("-c point.c step.c");
    let report = sandbox.report("point.o step.o -o point");
    assert_eq!(members(&report["update_points"], "function"), ["main"]);
    assert_eq!(report["notes"], serde_json::json!([]), "what dsu-cc itself puts into the link is nobody's fault");
    assert_eq!(sandbox.program("./point"), "12\n");
    sandbox.ok("ar", "rcs libpoint.a point.o");
    sandbox.cc_ok("step.o -L. -lpoint -o point2");
    assert_eq!(sandbox.program("./point2"), "12\n");
}

#[test]
fn the_report_and_kept_units() {
    let sandbox = Sandbox::with_program();
    sandbox.file("step.c", "int step(int n) { int twice(int x) { return 2 * x + n; } return twice(5) + 1; }\n");
    let report = sandbox.report("main.c step.c -o prog");
    assert_eq!(report["output"], "prog");
    assert_eq!(members(&report["update_points"], "function"), ["main"]);
    let kept = members(&report["units"], "kept");
    assert!(kept[0].is_empty() && !kept[1].is_empty(), "{kept:?}");
    assert_eq!(sandbox.program("./prog"), "12\n");
    let done = sandbox.cc_ok("main.c step.c -o prog");
    assert!(done.err.contains("step.c stays as it is and cannot be updated: "), "{}", done.err);
    let done = sandbox.cc_ok("main.c step.c -o prog --dsu-report");
    assert!(done.err.contains("prog can be updated while it runs") && done.err.contains("kept"), "{}", done.err);
}

#[test]
fn a_unit_whose_new_text_does_not_compile_is_kept() {
    let mut sandbox = Sandbox::with_program();
    let wrapper = "#!/bin/sh\ncase \"$*\" in *cpp-output*)\n  cat > text.$$\n  if grep -q 'scale(int' text.$$; then echo 'step.c:2: error: poisoned' >&2; exit 1; fi\n  exec cc \"$@\" < text.$$;;\nesac\nexec cc \"$@\"\n";
    sandbox.script("wrapper", wrapper);
    sandbox.set("DSU_CC", sandbox.path("wrapper"));
    sandbox.cc_ok("-c main.c step.c");
    let report = sandbox.report("main.o step.o -o prog");
    let kept = members(&report["units"], "kept");
    assert_eq!(kept[1], "its rewritten text does not compile: step.c:2: error: poisoned");
    assert!(kept[0].is_empty());
    assert_eq!(sandbox.program("./prog"), "12\n");
}

#[test]
fn compiled_units_are_cached() {
    let mut sandbox = Sandbox::with_program();
    sandbox.script("wrapper", "#!/bin/sh\ncase \"$*\" in *cpp-output*) echo >> count;; esac\nexec cc \"$@\"\n");
    sandbox.set("DSU_CC", sandbox.path("wrapper"));
    sandbox.cc_ok("-c main.c step.c");
    sandbox.cc_ok("main.o step.o -o prog");
    assert_eq!(sandbox.read("count").lines().count(), 2);
    sandbox.cc_ok("main.o step.o -o prog");
    assert_eq!(sandbox.read("count").lines().count(), 2, "both from the cache");
    sandbox.file("step.c", "int step(int n) { return n + 11; }\n");
    sandbox.cc_ok("-c step.c");
    sandbox.cc_ok("main.o step.o -o prog");
    assert_eq!(sandbox.read("count").lines().count(), 3, "one from the cache");
    sandbox.set("DSU_CACHE", "off");
    sandbox.cc_ok("main.o step.o -o prog");
    assert_eq!(sandbox.read("count").lines().count(), 5);
    assert_eq!(sandbox.program("./prog"), "12\n");
}

#[test]
fn saved_files_reproduce_the_link() {
    let sandbox = Sandbox::with_program();
    sandbox.cc_ok("main.c step.c -o prog --dsu-save=saved");
    for name in
        ["plain.sh", "link.sh", "trace", "unit-0.original.i", "unit-1.i", "unit-1.flags", "program.s", "report.json"]
    {
        assert!(sandbox.exists(&format!("saved/prog/{name}")), "{name}");
    }
    sandbox.ok("sh", "saved/prog/link.sh");
    let again = std::fs::read_dir(sandbox.path(".")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let again = again.filter(|n| n.starts_with(".prog.dsu")).collect::<Vec<_>>();
    assert_eq!(sandbox.program(&format!("./{}", again[0])), "12\n");
}

#[test]
fn nothing_is_left_behind() {
    let mut sandbox = Sandbox::with_program();
    std::fs::create_dir(sandbox.path("tmp")).unwrap();
    sandbox.set("TMPDIR", sandbox.path("tmp"));
    sandbox.cc_ok("main.c step.c -o prog");
    assert_eq!(std::fs::read_dir(sandbox.path("tmp")).unwrap().count(), 0);
    let names = std::fs::read_dir(sandbox.path(".")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, [".cache", "dsu.toml", "main.c", "prog", "step.c", "tmp"]);
}

#[test]
fn waits_behind_pointers_are_points_of_their_own() {
    let sandbox = Sandbox::with_program();
    sandbox.file(
        "events.c",
        "#include <poll.h>\n#include <sys/epoll.h>\n#include <stdio.h>\n#include <unistd.h>\n\
         typedef int wait_fn(int ms); typedef void handler_fn(int fd);\n\
         static int by_epoll(int ms) { struct epoll_event e; return epoll_wait(3, &e, 1, ms); }\n\
         static int by_poll(int ms) { struct pollfd p = { 0 }; return poll(&p, 1, ms); }\n\
         static wait_fn *waits[] = { by_epoll, by_poll };\n\
         static void echo(int fd) { char c; if (read(fd, &c, 1) == 1) putchar(c); }\n\
         static handler_fn *handlers[] = { echo };\n\
         int dispatch(int way) { int n = waits[way](1000); for (int i = 0; i < n; i++) handlers[i](i); return n; }\n\
         int main(int argc, char **argv) { (void)argv; while (dispatch(argc & 1) >= 0) ; return 0; }\n",
    );
    let done = sandbox.cc_ok("--suggest-update-points events.c");
    let sure = done.out.split("# These loops wait, too.").next().unwrap_or_default();
    let lines: Vec<&str> =
        sure.lines().filter(|l| !l.starts_with('#') && !l.starts_with("name") && l.contains('=')).collect();
    let wanted = [
        "function = \"by_epoll\"",
        "entry = true",
        "quiescent = [\"epoll_wait\"]",
        "function = \"by_poll\"",
        "entry = true",
        "quiescent = [\"poll\"]",
    ];
    assert_eq!(lines, wanted, "{}", done.out);
    assert!(done.out.contains("the loop in main (events.c:12) waits here, by way of a pointer"), "{}", done.out);
    sandbox.file("dsu.toml", &done.out);
    sandbox.cc_ok("events.c -o server");
    assert!(sandbox.updatable("server"));
}

#[test]
fn suggestions_name_each_point_once() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "wait.c",
        "#include <sys/epoll.h>\nstatic int by_epoll(int t) { struct epoll_event e; return epoll_wait(3, &e, 1, t); }\n\
         int (*const wait_any)(int) = by_epoll;\nint wait_for_events(int t) { return wait_any(t); }\n",
    );
    // One wait serves the loops of two processes, and two units have a thread of the same name.
    let thread =
        "#include <unistd.h>\n#include <pthread.h>\nstatic void *work(void *p) { for (;;) pause(); return p; }\n";
    sandbox.file("one.c", &format!("{thread}void one(void) {{ pthread_t t; pthread_create(&t, 0, work, 0); }}\n"));
    sandbox.file(
        "main.c",
        &format!(
            "{thread}int wait_for_events(int);\nvoid one(void);\nstatic void master(void) {{ for (;;) wait_for_events(1); }}\n\
             static void child(void) {{ for (;;) wait_for_events(2); }}\n\
             int main(int n, char **a) {{ pthread_t t; one(); pthread_create(&t, 0, work, 0); if (n > 1) master(); child(); }}\n"
        ),
    );
    let done = sandbox.cc_ok("--suggest-update-points main.c one.c wait.c -pthread");
    assert_eq!(done.out.matches("function = \"by_epoll\"").count(), 1, "{}", done.out);
    assert!(done.out.contains("the loop in master (main.c:6)") && done.out.contains("the loop in child (main.c:7)"));
    assert_eq!(done.out.matches("function = \"work\"").count(), 2, "{}", done.out);
    sandbox.file("dsu.toml", &done.out);
    sandbox.cc_ok("main.c one.c wait.c -pthread -o server");
    assert!(sandbox.updatable("server"));
}

#[test]
fn suggestions_are_the_same_from_sources_and_from_objects() {
    let sandbox = Sandbox::with_program();
    sandbox.file("loop.c", "int wait_for_client(void); int main(void) { for (;;) wait_for_client(); }\n");
    sandbox.file("wait.c", "#include <unistd.h>\nint wait_for_client(void) { return usleep(1000); }\n");
    sandbox.cc_ok("-c loop.c wait.c");
    let from_objects = sandbox.cc_ok("--suggest-update-points loop.o wait.o").out;
    assert!(from_objects.contains("quiescent = [\"wait_for_client > usleep\"]"), "{from_objects}");
    assert_eq!(sandbox.cc_ok("--suggest-update-points loop.c wait.c").out, from_objects);
}

/// A server with a log that may wait, a loop that retries, loops that only work, a session loop, and threads.
const SERVER: &str = "
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static volatile int quit, listener;
static int later;
static void put(const char *s) { while (later && usleep(10) < 0) s++; }
static void die(const char *s) { put(s); exit(1); }
static void *get(size_t n) { void *p = malloc(n); if (!p) die(\"memory\"); return p; }
static int wait_any(struct pollfd *f) { int n; do n = poll(f, 1, -1); while (n < 0 && errno == EINTR); return n; }
static void parse(const char *s) { for (;;) { put(s); if (!*s++) break; free(get(1)); } }
static void *worker(void *m) { while (!quit) pthread_cond_wait(m, NULL); return m; }
static void *ticker(void *m) { while (!quit) sleep(1); return m; }
static void session(int fd) { char c; for (;;) { if (read(fd, &c, 1) <= 0) return; parse(&c); } }
static void serve(void)
{
    struct pollfd f[2];
    for (int i = 0; i < 2; i++) f[i].fd = listener;
    for (int i = 0; i < 2; i++) f[i].events = POLLIN;
    while (!quit) { put(\"round\"); if (wait_any(f) > 0) session(f[0].fd); }
}
int main(int n, char **v)
{
    pthread_t t, u;
    parse(v[n - 1]);
    pthread_create(&t, NULL, worker, NULL);
    pthread_create(&u, NULL, ticker, NULL);
    serve();
    pthread_join(t, NULL);
    return 0;
}
";

#[test]
fn suggestions_are_main_loops_and_fit_as_they_are() {
    let sandbox = Sandbox::with_program();
    sandbox.file("server.c", SERVER);
    let done = sandbox.cc_ok("--suggest-update-points server.c -pthread");
    let (sure, doubtful) = done.out.split_once("# These loops wait, too.").expect(&done.out);
    let lines: Vec<&str> =
        sure.lines().filter(|l| !l.starts_with('#') && !l.starts_with("name") && l.contains('=')).collect();
    let wanted = [
        "function = \"worker\"",
        "quiescent = [\"pthread_cond_wait\"]",
        "function = \"ticker\"",
        "quiescent = [\"sleep\"]",
        "function = \"serve\"",
        "loop = 3",
        "quiescent = [\"wait_any > poll\"]",
        "function = \"main\"",
        "entry = true",
        "quiescent = [\"pthread_join\"]",
    ];
    assert_eq!(lines, wanted, "{}", done.out);
    assert!(doubtful.contains("#function = \"session\""), "{}", done.out);
    assert!(!doubtful.contains("wait_any\""), "it is the wait itself: {}", done.out);
    sandbox.file("dsu.toml", &done.out);
    sandbox.cc_ok("server.c -pthread -o server");
    assert!(sandbox.updatable("server"));
    // With the doubtful ones, too.
    sandbox.file(
        "dsu.toml",
        &done
            .out
            .replace("\n#[[", "\n[[")
            .replace("\n#name", "\nname")
            .replace("\n#f", "\nf")
            .replace("\n#loop", "\nloop")
            .replace("\n#q", "\nq"),
    );
    sandbox.cc_ok("server.c -pthread -o server");
}

#[test]
fn suggestions_make_a_program_updatable() {
    let sandbox = Sandbox::with_program();
    std::fs::remove_file(sandbox.path("dsu.toml")).unwrap();
    sandbox.cc_ok("-c main.c step.c");
    let done = sandbox.cc_ok("--suggest-update-points main.o step.o");
    assert!(done.out.contains("function = \"main\"") && done.out.contains("usleep"), "{}", done.out);
    assert!(!sandbox.exists("a.out"));
    // A program tells as much, also from elsewhere.
    sandbox.cc_ok("main.o step.o -o prog");
    let plain = sandbox.read("prog");
    let again = sandbox.cc_ok("--suggest-update-points prog");
    assert_eq!(again.out.replace("for prog,", "for this program,"), done.out);
    assert_eq!(sandbox.read("prog"), plain, "the program is not touched");
    sandbox.ok("cp", "prog copy");
    let unknown = sandbox.cc("--suggest-update-points copy");
    assert!(unknown.code == Some(1) && unknown.err.contains("not known how it was linked"), "{}", unknown.err);
    sandbox.file("dsu.toml", &done.out);
    sandbox.cc_ok("main.o step.o -o prog");
    assert!(sandbox.updatable("prog"));
    assert_eq!(sandbox.program("./prog"), "12\n");
    assert_eq!(sandbox.cc_ok("--suggest-update-points prog").out, again.out, "nor does it matter if it has some");
}

#[test]
fn debug_information_points_at_the_sources() {
    let sandbox = Sandbox::with_program();
    sandbox.cc_ok("-g -O0 main.c step.c -o prog");
    let symbols = sandbox.ok("nm", "prog").out;
    let address = symbols.lines().find_map(|l| l.strip_suffix(" T step").or(l.strip_suffix(" t step"))).unwrap();
    let line = sandbox.ok("addr2line", &format!("-e prog {address}")).out;
    assert_eq!(line.trim(), format!("{}:2", sandbox.path("step.c").display()));
}

#[test]
fn very_long_link_lines() {
    let sandbox = Sandbox::with_program();
    sandbox.cc_ok("-c main.c step.c");
    sandbox.ok("ar", "rcs libstep.a step.o");
    let library = format!("{}libstep.a ", "./".repeat(250));
    sandbox.file("args", &format!("main.o {} -o prog", library.repeat(1500)));
    sandbox.cc_ok("@args");
    assert_eq!(sandbox.program("./prog"), "12\n");
    assert!(sandbox.updatable("prog"));
    assert_eq!(sandbox.run(dsu_cc(), "@args -c").code, sandbox.run("cc", "@args -c").code);
}
