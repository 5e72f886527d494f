//! Tasks of this repository: `cargo xtask demo`, `test`, `server NAME`, `bench`.

mod build;
mod cmd;
mod deps;
mod fetch;
mod ftp;
mod paths;
mod process;
mod recipe;
mod series;
mod server;
mod tools;
mod ui;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of this repository", version)]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is needed to build, test and run everything
    Deps,
    /// Fetch, build and update a real server: vsftpd, redis
    Server {
        /// Its folder under demos/servers
        name: String,
        /// Use plain builds, and check only that recipe and clients are right
        #[arg(long)]
        plain: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Options::parse().task {
        Task::Deps => deps::ensure(),
        Task::Server { name, plain } => server::task(&name, plain),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
