//! Builds the fixture and talks to it.

#![allow(dead_code, missing_docs)]

pub mod emit;
pub mod shapes;

use dsu_abi::patch::import_kind;
use emit::{Copy, Function, Import, Patch, Program, Variable};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// Fingerprints are whatever the tools say; here, small numbers.
pub const GREET: u64 = 0x11;
pub const HELPER: u64 = 0x12;
pub const READ_LINE: u64 = 0x13;
pub const INT: u64 = 0x21;
pub const CHAR16: u64 = 0x22;
pub const LONG: u64 = 0x23;

pub fn crate_dir() -> &'static Path {
    // The tests of dsu-push use this, too.
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../dsu-runtime"))
}

pub fn fixture(name: &str) -> PathBuf {
    crate_dir().join("tests/fixture").join(name)
}

/// `libdsu.a`, built if necessary.
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--release", "--quiet", "--package", "dsu-runtime"])
            .current_dir(crate_dir())
            .status()
            .unwrap();
        assert!(status.success());
        let target = std::env::current_exe().unwrap();
        target.ancestors().nth(3).unwrap().join("release/libdsu.a")
    })
}

pub fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

pub fn function(
    name: &'static str,
    fingerprint: u64,
    code: &'static str,
    slot: &'static str,
    stub: &'static str,
) -> Function {
    Function { name, fingerprint, code, slot, stub }
}

pub fn variable(name: &'static str, fingerprint: u64, size: u64, symbol: &'static str, thread_local: bool) -> Variable {
    Variable { name, fingerprint, size, symbol, thread_local }
}

pub fn import(symbol: &'static str, name: &'static str, fingerprint: u64, fallback: &'static str, kind: u32) -> Import {
    Import { symbol, name, fingerprint, new_name: "", fallback, kind }
}

/// The registry of the fixture's server.
pub fn program() -> Program {
    Program {
        build: 0xa1,
        functions: vec![
            function("greet", GREET, "", "dsu_slot_greet", "dsu_stub_greet"),
            function("helper@greet.c", HELPER, "", "dsu_slot_helper", ""),
            function("read_line", READ_LINE, "", "dsu_slot_read_line", ""),
        ],
        variables: vec![
            variable("hits@greet.c", INT, 4, "dsu_static_hits", false),
            variable("greeting", CHAR16, 16, "greeting", false),
            variable("per_thread", INT, 4, "per_thread", true),
        ],
        foreign: vec!["dsu_call_read", "dsu_pending", "dsu_quiescent_enter", "dsu_quiescent_leave", "dsu_update_point"],
        types: vec![("struct point", 0x31, 8)],
        update_points: vec![("main", "main", "main.c", 200)],
        units: vec!["greet.c", "main.c"],
    }
}

/// The patch to version 2.
pub fn patch2() -> Patch {
    Patch {
        name: "greet-2",
        id: 0xb2,
        from: 0xa1,
        to: 0xa2,
        imports: vec![
            import("dsu_g_hits", "hits@greet.c", INT, "", import_kind::VARIABLE),
            import("dsu_g_greeting", "greeting", CHAR16, "", import_kind::VARIABLE),
            import("dsu_g_per_thread", "per_thread", INT, "", import_kind::TLS),
            import("dsu_slot_helper", "helper@greet.c", HELPER, "dsu_new_slot_helper", import_kind::SLOT),
            import("dsu_slot_added", "added@greet.c", HELPER, "dsu_new_slot_added", import_kind::SLOT),
            import("dsu_stub_greet", "greet", GREET, "", import_kind::STUB),
        ],
        functions: vec![
            function("greet", GREET, "greet", "dsu_new_slot_greet", ""),
            function("helper@greet.c", HELPER, "helper", "dsu_new_slot_helper", ""),
            function("added@greet.c", HELPER, "added", "dsu_new_slot_added", ""),
        ],
        variables: vec![variable("total", INT, 4, "total", false), variable("exported", LONG, 8, "exported", true)],
        copies: vec![Copy { name: "greeting", fingerprint: CHAR16, size: 16, source: "new_greeting" }],
        types: vec![("struct point", 0x31), ("struct fresh", 0x32)],
        ..Patch::default()
    }
}

/// The patch to version 3, which binds to what version 2 added.
pub fn patch3() -> Patch {
    Patch {
        name: "greet-3",
        id: 0xb3,
        from: 0xa2,
        to: 0xa3,
        imports: vec![
            import("dsu_g_hits", "hits@greet.c", INT, "", import_kind::VARIABLE),
            import("dsu_g_total", "total", INT, "", import_kind::VARIABLE),
            import("dsu_g_exported", "exported", LONG, "", import_kind::TLS),
            import("dsu_slot_added", "added@greet.c", HELPER, "", import_kind::SLOT),
        ],
        functions: vec![function("greet", GREET, "greet", "dsu_new_slot_greet", "")],
        types: vec![("struct fresh", 0x32)],
        ..Patch::default()
    }
}

/// Builds the server into `dir`.
pub fn build_server(dir: &Path, program: &Program) -> PathBuf {
    build_program(dir, program, "server.c")
}

/// Builds a program of the fixture into `dir`.
pub fn build_program(dir: &Path, program: &Program, source: &str) -> PathBuf {
    let assembler = dir.join("program.s");
    std::fs::write(&assembler, program.assembler()).unwrap();
    let server = dir.join("server");
    run(Command::new("cc")
        .args(["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-D__DSU_CC__", "-I"])
        .arg(crate_dir().join("include"))
        .arg("-o")
        .arg(&server)
        .args([fixture(source), fixture("drive.c"), assembler])
        .arg(library())
        .args(["-lgcc_s", "-lpthread", "-ldl", "-Wl,--gc-sections"]));
    server
}

/// Builds a patch into `dir`.
pub fn build_patch(dir: &Path, source: &Path, patch: &Patch, flags: &[&str]) -> PathBuf {
    let assembler = dir.join(format!("{}.s", patch.name));
    std::fs::write(&assembler, patch.assembler()).unwrap();
    let script = dir.join("exports");
    std::fs::write(&script, "{ global: dsu_patch; local: *; };").unwrap();
    let output = dir.join(format!("{}.dsu", patch.name));
    run(Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-nostartfiles", "-Wl,-z,now,--gc-sections"])
        .arg(format!("-Wl,--version-script={}", script.display()))
        .args(flags)
        .arg("-o")
        .arg(&output)
        .args([source.to_owned(), assembler]));
    let mut file = std::fs::read(&output).unwrap();
    patch.number_imports(&mut file);
    std::fs::write(&output, file).unwrap();
    output
}

/// A running server.
pub struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    pub fn start(server: &Path) -> Self {
        let mut child = Command::new(server).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn send(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the server has ended");
        line.trim_end().to_string()
    }

    pub fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.line()
    }

    pub fn apply(&mut self, patch: &Path) -> String {
        self.ask(&format!("apply {}", patch.display()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
