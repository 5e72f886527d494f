//! Tasks of this repository: `cargo xtask demo`, `test`, `server NAME`, `bench`, `fuzz`.

mod bench;
mod build;
mod changes;
mod cmd;
mod demo;
mod deps;
mod fetch;
mod ftp;
mod fuzz;
mod lines;
mod live;
mod paths;
mod process;
mod recipe;
mod resp;
mod running;
mod series;
mod server;
mod test;
mod tools;
mod tutorial;
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
    /// Update a small server while it is used, and undo it
    Demo,
    /// Show every kind of change of data on a small server of ours
    Changes {
        /// Build it with -fsanitize=address,undefined, and see that nothing is found
        #[arg(long)]
        sanitizers: bool,
    },
    /// Follow the tutorial of the README
    Tutorial,
    /// Check everything: format, lints, tests, the demo, real servers
    Test {
        /// Leave out the real servers
        #[arg(long)]
        quick: bool,
    },
    /// Fuzz what reads bytes from outside; see DESIGN.md
    Fuzz {
        /// Only one target; default: all, one after the other
        target: Option<String>,
        /// How long each
        #[arg(long, default_value_t = 300)]
        seconds: u64,
        /// Without AddressSanitizer: several times as fast
        #[arg(long)]
        plain: bool,
        /// Instead, run one input
        #[arg(long, requires = "target")]
        input: Option<std::path::PathBuf>,
    },
    /// Install what is needed to build, test and run everything
    Deps,
    /// Measure what being updatable costs
    Bench {
        /// Only one of: vsftpd, redis, compute, pause, scale
        only: Option<String>,
        /// Pairs of runs of each load
        #[arg(long, default_value_t = 81)]
        pairs: usize,
        /// Pairs of whole builds
        #[arg(long, default_value_t = 3)]
        builds: usize,
        /// Compare plain builds with themselves, to see the noise
        #[arg(long)]
        null: bool,
    },
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
        Task::Demo => demo::task(),
        Task::Changes { sanitizers } => changes::task(sanitizers),
        Task::Tutorial => tools::build().and_then(|()| tutorial::task()),
        Task::Test { quick } => test::task(quick),
        Task::Fuzz { target, seconds, plain, input } => {
            fuzz::task(target.as_deref(), &fuzz::Effort { seconds, plain, input })
        }
        Task::Deps => deps::all(),
        Task::Bench { only, pairs, builds, null } => {
            bench::task(only.as_deref(), &bench::Effort { pairs, builds, null })
        }
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
