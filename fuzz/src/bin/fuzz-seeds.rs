//! `fuzz-seeds TOOLS DIRECTORY`: builds the inputs that the fuzzers start from.

use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tools, directory] = arguments.as_slice() else {
        eprintln!("usage: fuzz-seeds TOOLS DIRECTORY");
        return ExitCode::from(2);
    };
    match dsu_fuzz::seeds::make(Path::new(tools), Path::new(directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz-seeds: {error:#}");
            ExitCode::FAILURE
        }
    }
}
