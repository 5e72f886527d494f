//! The generated files of the fixture are what the descriptions say.

#![allow(missing_docs)]

mod support;

use support::*;

#[test]
fn generated_files_are_current() {
    let files =
        [("program.s", program().assembler()), ("patch2.s", patch2().assembler()), ("patch3.s", patch3().assembler())];
    for (name, text) in files {
        if std::env::var_os("DSU_BLESS").is_some() {
            std::fs::write(fixture(name), &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(fixture(name)).unwrap(), text, "{name}: run with DSU_BLESS=1");
    }
}

/// The header says what it declares, in C and in C++.
#[test]
fn the_header_compiles() {
    let dir = tempfile::tempdir().unwrap();
    let text = "#include \"dsu.h\"\n#include \"dsu.h\"\n\
                int f(void) { DSU_UPDATE_POINT(\"f\"); if (0) DSU_UPDATE_POINT(\"g\"); else return DSU_WRONG_STATE - 10; return 1; }\n\
                int g(const char *p) { return dsu_apply(p) + dsu_last_message()[0]; }\n";
    for (file, standard) in [("h.c", "-std=c99"), ("h.cc", "-std=c++11")] {
        for definition in ["-D__DSU_CC__", "-UNOTHING"] {
            let path = dir.path().join(file);
            std::fs::write(&path, text).unwrap();
            run(std::process::Command::new("cc")
                .args([standard, definition, "-Wall", "-Wextra", "-pedantic-errors", "-Werror", "-c", "-I"])
                .arg(crate_dir().join("include"))
                .arg(&path)
                .arg("-o")
                .arg(dir.path().join("h.o")));
        }
    }
}

/// The codes in the header are the codes of the contract.
#[test]
fn the_header_has_every_status() {
    let header = std::fs::read_to_string(crate_dir().join("include/dsu.h")).unwrap();
    for code in 0..100 {
        let Some(status) = dsu_abi::status::Status::from_code(code) else { continue };
        let name = format!("DSU_{} = {code}", status.word().replace('-', "_").to_uppercase());
        assert!(header.contains(&name), "dsu.h lacks {name}");
    }
}

/// Every wrapper and entry point of the contract is in the library.
#[test]
fn the_library_has_every_entry_point() {
    let output = std::process::Command::new("nm").args(["-g", "--defined-only"]).arg(library()).output().unwrap();
    let symbols = String::from_utf8_lossy(&output.stdout);
    let has = |name: &str| symbols.lines().any(|line| line.split_whitespace().nth(2) == Some(name));
    for name in dsu_abi::calls::BLOCKING {
        assert!(has(&format!("{}{name}", dsu_abi::calls::WRAPPER_PREFIX)), "no wrapper of {name}");
    }
    for name in dsu_abi::calls::ENTRY_POINTS.iter().filter(|&&name| name != "dsu_pending") {
        assert!(has(name), "no {name}");
    }
    assert!(has(dsu_abi::section::THREAD_SYMBOL));
}
