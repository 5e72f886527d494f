//! The compiler driver: takes a C compiler's command line and does what is asked of it, and more.
//!
//! ```text
//! args, options, response   the command line
//! toolchain                 the real compiler, our header and library
//! compile                   -c: an ordinary object, with the unit's record added
//! link                      a link: the plain one, traced (trace, inputs); is there an update point (find_config)?
//! updatable                 if so: rewrite (slot_calls), compile (build, cache, scheduler), generate, link again (relink)
//! report, suggest, history  what is said about it
//! ```

use std::ffi::OsString;
use std::path::PathBuf;

pub mod args;
pub mod build;
pub mod cache;
pub mod compile;
pub mod error;
pub mod fallback;
pub mod find_config;
pub mod history;
pub mod inputs;
pub mod interface;
pub mod link;
pub mod options;
pub mod relink;
pub mod report;
pub mod response;
pub mod runtime;
pub mod scheduler;
pub mod slot_calls;
pub mod suggest;
pub mod toolchain;
pub mod trace;
pub mod updatable;
pub mod work;

use args::{Action, CommandLine, OwnOptions, ReportFormat};
use error::DriverError;
use toolchain::Toolchain;

const HELP: &str = "\
dsu-cc: a C compiler driver that makes programs updatable while they run.

Takes everything the real compiler takes; put it in its place: make CC=dsu-cc

  --dsu-config FILE           update points (default: dsu.toml beside the output or the sources)
  --suggest-update-points     with a program linked by dsu-cc, or the objects or sources of a link: print a dsu.toml
                              with likely update points
  --dsu-report[=json]         after a link: what is updatable, and what is not and why
  --dsu-save=DIR              keep the intermediate files of links in DIR
  --dsu-help                  this text

Environment: DSU_CC         the real compiler (default: cc)
             DSU_CONFIG     like --dsu-config
             DSU_REPORT     1 or json: like --dsu-report
             DSU_SAVE       like --dsu-save
             DSU_CACHE      directory of the cache of compiled units (default: ~/.cache/dsu), or off
";

/// Runs the driver. Does not return where the real compiler takes over.
///
/// # Errors
/// When the real compiler cannot be run, or a program cannot be made updatable.
pub fn run(args: Vec<OsString>) -> Result<u8, DriverError> {
    let mut line = CommandLine::parse(response::expand(args));
    if let Some(problem) = line.problem {
        return Err(DriverError::Usage(problem));
    }
    if line.own.help {
        print!("{HELP}");
        return Ok(0);
    }
    from_environment(&mut line.own);
    let tools = Toolchain::find()?;
    if line.own.suggest {
        return suggest(&tools, &line);
    }
    match line.action() {
        Action::PassThrough => {
            link::note_pass_through(&line);
            Err(tools.exec(&compile::words(&tools, &line)))
        }
        Action::Compile => compile::run(&tools, &line),
        Action::Link => link::run(&tools, &line),
    }
}

fn suggest(tools: &Toolchain, line: &CommandLine) -> Result<u8, DriverError> {
    if let Some(program) = suggest::executable(line) {
        let mut linked = history::recall(program)?;
        linked.own.clone_from(&line.own);
        return link::suggest_only(tools, &linked);
    }
    match line.action() {
        // Asked for a suggestion only: no a.out appears.
        Action::Link if line.output().is_none() => link::suggest_only(tools, line),
        Action::Link => link::run(tools, line),
        Action::Compile => compile::run(tools, line),
        Action::PassThrough if line.inputs().next().is_some() => Err(tools.exec(&compile::words(tools, line))),
        Action::PassThrough => Err(DriverError::Usage(
            "--suggest-update-points needs a program linked by dsu-cc, or the objects or sources of one, as for \
             linking it"
                .to_owned(),
        )),
    }
}

/// Options from the environment, for builds whose command lines are out of reach.
fn from_environment(own: &mut OwnOptions) {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    if own.report.is_none() {
        own.report = variable("DSU_REPORT").filter(|v| v != "0").map(|v| match v.to_str() {
            Some("json") => ReportFormat::Json,
            _ => ReportFormat::Text,
        });
    }
    own.config = own.config.take().or_else(|| variable("DSU_CONFIG").map(PathBuf::from));
    own.save = own.save.take().or_else(|| variable("DSU_SAVE").map(PathBuf::from));
}
