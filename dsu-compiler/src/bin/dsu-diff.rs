//! `dsu-diff`: compares two builds of a program and writes a patch.
use std::process::ExitCode;

fn main() -> ExitCode {
    dsu_compiler::diff::cli::main()
}
