//! Every fuzz target on inputs in good order, and on some hundred that are not: the same ones in every run.
//!
//! `cargo test --release -p dsu-fuzz -- [TARGET] [--seconds N]` goes on for N seconds with each target.

use anyhow::{Context as _, Result, bail, ensure};
use dsu_fuzz::{
    Target,
    executable::Context,
    loader::{self, Fate},
    random::Random,
};
use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

/// How long one input may take.
const PATIENCE: u32 = 20;
/// Address space of a target: what an input makes it ask for without end is refused. An image takes 4 GiB at most.
const MEMORY: u64 = 8 << 30;
/// Tells this program to run one target itself: `TARGET CORPUS SECONDS LAST-INPUT`.
const CHILD: &str = "--child";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [first, rest @ ..] if first == CHILD => child(rest),
        // What test runners ask every test program; there is one test.
        [first, ..] if first == "--list" => {
            println!("mutations: test");
            Ok(())
        }
        _ => all(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the targets, each in a process of its own.
fn all(arguments: &[String]) -> Result<()> {
    let seconds = match arguments.iter().position(|argument| argument == "--seconds") {
        Some(at) => arguments.get(at + 1).context("--seconds N")?.parse().context("--seconds N")?,
        None => 0_u64,
    };
    let only = arguments.iter().find_map(|argument| dsu_fuzz::target(argument));
    let scratch = tempfile::tempdir()?;
    dsu_fuzz::seeds::make(&tools()?, scratch.path())?;
    let mut failures = Vec::new();
    for target in dsu_fuzz::TARGETS.iter().filter(|target| only.is_none_or(|only| only.name == target.name)) {
        let (began, input) = (Instant::now(), scratch.path().join("input"));
        let corpus = scratch.path().join("corpus").join(target.name);
        let mut command = Command::new(std::env::current_exe()?);
        command.env(dsu_fuzz::SEEDS, scratch.path());
        command.args([CHILD, target.name]).arg(corpus).arg(seconds.to_string()).arg(&input);
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        println!("{:12} {} ({:.1} s)", target.name, text.trim(), began.elapsed().as_secs_f64());
        if !output.status.success() {
            let kept = kept(target.name, &input)?;
            let how = match output.status.signal() {
                Some(libc::SIGALRM) => "took too long".to_owned(),
                _ => output.status.to_string(),
            };
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            failures.push(format!("{}: {how}, for the input in {}", target.name, kept.display()));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// Puts the input that a target failed for where it stays.
fn kept(name: &str, input: &Path) -> Result<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(directory)?;
    let kept = directory.join(format!("crash-{name}"));
    fs::copy(input, &kept)?;
    Ok(kept)
}

/// The directory of the tools under test.
fn tools() -> Result<PathBuf> {
    let release = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release");
    let tools = std::env::var_os("DSU_TOOLS").map_or(release, PathBuf::from);
    match tools.join("dsu-cc").is_file() {
        true => Ok(tools.canonicalize()?),
        false => bail!("{} has no dsu-cc: run `cargo build --release` first", tools.display()),
    }
}

/// Runs one target.
fn child(arguments: &[String]) -> Result<()> {
    let [name, corpus, seconds, input] = arguments else { bail!("{CHILD} TARGET CORPUS SECONDS LAST-INPUT") };
    let target = dsu_fuzz::target(name).context("no such target")?;
    let context = dsu_fuzz::context();
    let seconds: u64 = seconds.parse()?;
    let mut seeds = Vec::new();
    for entry in fs::read_dir(corpus)? {
        seeds.push(entry?.path());
    }
    seeds.sort();
    let seeds = seeds.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    ensure!(!seeds.is_empty(), "nothing to start from");
    // SAFETY: sets a limit of this process.
    unsafe { libc::setrlimit(libc::RLIMIT_AS, &libc::rlimit { rlim_cur: MEMORY, rlim_max: MEMORY }) };
    for seed in &seeds {
        fs::write(input, seed)?;
        check_seed(target, context, seed)?;
    }
    let began = Instant::now();
    let mut runs = 0;
    while if seconds == 0 { runs < target.inputs } else { began.elapsed() < Duration::from_secs(seconds) } {
        let mut random = Random::new(runs);
        let mut data = seeds[random.below(seeds.len())].clone();
        (target.mutate)(&mut data, &mut random);
        fs::write(input, &data)?;
        // SAFETY: ends this process if the input takes too long.
        unsafe { libc::alarm(PATIENCE) };
        (target.run)(context, &data);
        runs += 1;
    }
    println!("{} inputs from {} in good order", runs, seeds.len());
    Ok(())
}

/// An input in good order must be taken: else the target looks at nothing.
fn check_seed(target: &Target, context: &Context, seed: &[u8]) -> Result<()> {
    if target.name == "loader" {
        let fate = loader::push(context, seed)?;
        ensure!(fate == Fate::Applied, "a patch in good order: {fate:?}");
    }
    (target.run)(context, seed);
    Ok(())
}
