//! dsu-cc: a C compiler driver that makes programs updatable while they run.

use std::process::ExitCode;

fn main() -> ExitCode {
    match dsu_compiler::driver::run(std::env::args_os().skip(1).collect()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("dsu-cc: {error}");
            ExitCode::FAILURE
        }
    }
}
