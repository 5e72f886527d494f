//! Real servers under bounded loads: the CPU time the server's processes use for a fixed amount of work.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};

use super::{
    Effort,
    stats::{Pairs, interleave},
};
use crate::{
    build::{self, Built, Compiler, Source, Tree},
    cmd, ftp, paths, process,
    recipe::{Bench, Recipe, Run, fill, show},
    resp,
    running::{Running, Variant},
    ui,
};

/// Measures the loads of a recipe, and memory, size and build time.
pub fn measure(name: &str, effort: &Effort) -> Result<(Vec<Pairs>, Vec<Pairs>)> {
    let recipe = Recipe::read(name)?;
    let run = recipe.run()?;
    ensure!(!run.root || nix::unistd::geteuid().is_root(), "{name} can only run as root");
    let source = Source::prepare(&recipe)?;
    let (plain, _) = source.build(&recipe, Compiler::Plain)?;
    let (updatable, _) = source.build(&recipe, effort.other())?;
    ui::stage(&format!("{name}: CPU time under load, {} pairs of runs", effort.pairs));
    let mut loads = Vec::new();
    let mut memory = Vec::new();
    for bench in &recipe.bench {
        let step = ui::step(bench.name.as_str());
        let pairs = interleave(effort.pairs, |new| {
            let built = if new { &updatable } else { &plain };
            let (seconds, resident) = one_run(&recipe, run, bench, built, &plain)?;
            memory.push((new, resident));
            anyhow::Ok(seconds)
        })?;
        let pairs = Pairs::new(format!("{name}: {}", bench.name), "s", pairs);
        step.done(&format!("ratio {:.4}", pairs.ratio));
        loads.push(pairs);
    }
    let side = |which: bool| memory.iter().filter(move |(new, _)| *new == which).map(|(_, resident)| *resident);
    let mut other = vec![Pairs::new(format!("{name}: resident memory"), "MiB", side(false).zip(side(true)).collect())];
    other.extend(sizes(name, &plain.program, &updatable.program)?);
    if effort.builds > 0 {
        other.push(build_time(name, &recipe, &source, effort)?);
    }
    Ok((loads, other))
}

/// Sizes of two executables: of the files without debug information, and of what is loaded of them.
pub fn sizes(name: &str, plain: &Path, updatable: &Path) -> Result<Vec<Pairs>> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let file = |path: &Path| {
        let stripped = tempfile::NamedTempFile::new()?;
        cmd::output(cmd::command("strip", ["-g", "-o"]).arg(stripped.path()).arg(path), cmd::SHORT)?;
        anyhow::Ok(mib(fs::metadata(stripped.path())?.len()))
    };
    let loaded = |path: &Path| {
        let text = cmd::output(cmd::command("size", [""; 0]).arg(path), cmd::SHORT)?;
        let total = text.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
        anyhow::Ok(mib(total.with_context(|| format!("size {}: {text}", path.display()))?))
    };
    Ok(vec![
        Pairs::new(format!("{name}: executable"), "MiB", vec![(file(plain)?, file(updatable)?)]),
        Pairs::new(format!("{name}: executable, loaded"), "MiB", vec![(loaded(plain)?, loaded(updatable)?)]),
    ])
}

/// Whole builds, without help from a cache.
fn build_time(name: &str, recipe: &Recipe, source: &Source, effort: &Effort) -> Result<Pairs> {
    let folder = source.folder().join("build-time");
    let step = ui::step("build time");
    let pairs = interleave(effort.builds, |new| {
        let compiler = if new { effort.other() } else { Compiler::Plain };
        let tree = source.copy(&folder)?;
        anyhow::Ok(build::make(recipe, &tree, compiler, &folder, Tree::Fresh { cold: true })?.as_secs_f64())
    })?;
    let pairs = Pairs::new(format!("{name}: build time"), "s (wall)", pairs);
    step.done(&format!("ratio {:.2}", pairs.ratio));
    fs::remove_dir_all(folder)?;
    Ok(pairs)
}

/// CPU seconds of the server for the load, and its resident memory in MiB after it.
fn one_run(recipe: &Recipe, run: &Run, bench: &Bench, built: &Built, plain: &Built) -> Result<(f64, f64)> {
    // The whole life of the server is accounted: all its processes, to the microsecond, but for those killed at the end.
    let (seconds, resident);
    let variant = Variant { config: &bench.config, ..Variant::default() };
    match run.protocol.as_str() {
        "ftp" => {
            process::adopt_orphans()?;
            let before = children_seconds()?;
            let server = Running::start(recipe, run, &built.place, &built.tree, &variant)?;
            ftp_load(run, bench, &server)?;
            resident = process::resident(server.server.pid()) as f64 / 1024.0;
            // Sessions end by themselves after QUIT; they count once somebody has waited for them.
            server.await_alone()?;
            drop(server);
            seconds = children_seconds()? - before;
        }
        "resp" => {
            let server = Running::start(recipe, run, &built.place, &built.tree, &variant)?;
            resp::Client::connect(server.port)?.command(&["PING"])?;
            let before = process::cpu_time(server.server.pid());
            let port = server.port.to_string();
            let plain = show(&plain.tree);
            let values = [("port", port.as_str()), ("plain", plain.as_str())];
            let words = bench.args.iter().map(|word| fill(word, &values));
            cmd::output(&mut cmd::command(fill(&bench.load, &values), words), cmd::SHORT)?;
            seconds = (process::cpu_time(server.server.pid()) - before) as f64 / 1e9;
            resident = process::resident(server.server.pid()) as f64 / 1024.0;
        }
        other => bail!("no load for protocol {other}"),
    }
    Ok((seconds, resident))
}

fn ftp_load(run: &Run, bench: &Bench, server: &Running) -> Result<()> {
    let large = run.large.as_ref().context("the recipe has no large file")?;
    match bench.load.as_str() {
        "connect-list" => {
            for _ in 0..bench.repeat {
                let mut session = ftp::Session::login(server.port, &run.user, &run.password)?;
                ensure!(!session.list("LIST")?.is_empty(), "the listing is empty");
                session.quit()?;
            }
        }
        "download" => {
            let size = large.mib << 20;
            fs::File::create(server.path(&large.path))?.set_len(size as u64)?;
            let mut session = ftp::Session::login(server.port, &run.user, &run.password)?;
            for _ in 0..bench.repeat {
                let file = session.fetch(&large.name, Duration::ZERO, || ())?;
                ensure!(file.len() == size, "only {} bytes arrived", file.len());
            }
            session.quit()?;
        }
        other => bail!("no such load: {other}"),
    }
    Ok(())
}

/// CPU time of all children of this task that have ended, and theirs.
pub fn children_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// Scratch folder of a benchmark.
pub fn scratch(name: &str) -> Result<std::path::PathBuf> {
    let folder = paths::work("bench").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
