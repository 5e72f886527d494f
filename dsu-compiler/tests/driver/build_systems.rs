//! The build systems that servers use, with dsu-cc as their compiler.

use super::sandbox::{Sandbox, dsu_cc};

#[test]
fn make() {
    let sandbox = Sandbox::with_program();
    sandbox.file("Makefile", "CFLAGS = -O2 -MMD\nprog: main.o step.o\n\t$(CC) $(LDFLAGS) -o $@ $^\n-include *.d\n");
    sandbox.ok("make", &format!("CC={}", dsu_cc()));
    assert!(sandbox.updatable("prog"));
    assert_eq!(sandbox.program("./prog"), "12\n");
    assert!(sandbox.ok("make", &format!("CC={}", dsu_cc())).out.contains("up to date"));
}

#[test]
fn autoconf_automake_and_libtool() {
    let sandbox = Sandbox::with_program();
    sandbox.file(
        "configure.ac",
        "AC_INIT([prog], [1])\nAM_INIT_AUTOMAKE([foreign subdir-objects])\nAC_PROG_CC\nAM_PROG_AR\nLT_INIT\n\
         AC_CHECK_HEADERS([unistd.h no_such_header.h])\nAC_CHECK_FUNCS([usleep no_such_function])\n\
         AC_SEARCH_LIBS([sqrt], [m])\nAC_CHECK_SIZEOF([long])\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n",
    );
    sandbox.file(
        "Makefile.am",
        "bin_PROGRAMS = prog\nprog_SOURCES = main.c\nnoinst_LTLIBRARIES = libstep.la libinner.la\n\
         libstep_la_SOURCES = step.c\nlibstep_la_LIBADD = libinner.la\nlibinner_la_SOURCES = inner.c\nprog_LDADD = libstep.la\n",
    );
    sandbox.file("step.c", "int inner(void);\nint step(int n) { return n + inner(); }\n");
    sandbox.file("inner.c", "int inner(void) { return 11; }\n");
    sandbox.ok("autoreconf", "-i");
    let configured = sandbox.ok("./configure", &format!("CC={}", dsu_cc()));
    for line in [
        "checking whether the C compiler works... yes",
        "unistd.h... yes",
        "no_such_header.h... no",
        "usleep... yes",
        "no_such_function... no",
        "size of long... 8",
    ] {
        assert!(configured.out.contains(line), "{line}: {}", configured.out);
    }
    let log = sandbox.read("config.log");
    assert!(!log.contains("dsu-cc: "), "nothing is said about tests");
    let built = sandbox.ok("make", "");
    assert!(!built.err.contains("warning"), "{}", built.err);
    assert!(sandbox.updatable("prog"));
    assert_eq!(sandbox.program("./prog"), "12\n");
    let done = sandbox.ok("make", "clean all DSU_REPORT=1 V=1");
    assert_eq!(done.code, Some(0));
}

#[test]
fn cmake() {
    let sandbox = Sandbox::with_program();
    sandbox.file(
        "CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.13)\nproject(prog C)\ninclude(CheckFunctionExists)\n\
         check_function_exists(usleep HAVE_USLEEP)\ncheck_function_exists(no_such_function HAVE_NO)\n\
         if(NOT HAVE_USLEEP OR HAVE_NO)\n  message(FATAL_ERROR wrong)\nendif()\n\
         add_library(step STATIC step.c)\nadd_executable(prog main.c)\ntarget_link_libraries(prog step)\n",
    );
    let done =
        sandbox.ok("cmake", &format!("-S . -B build -DCMAKE_C_COMPILER={} -DCMAKE_BUILD_TYPE=Release", dsu_cc()));
    assert!(
        done.out.contains("Check for working C compiler") || done.out.contains("Detecting C compiler ABI info - done")
    );
    sandbox.ok("cmake", "--build build");
    assert!(sandbox.updatable("build/prog"));
    assert_eq!(sandbox.program("./build/prog"), "12\n");
}
