//! A program that only computes, `demos/compute`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{
    Effort,
    servers::{children_seconds, scratch, sizes},
    stats::{Pairs, interleave},
};
use crate::{build::Compiler, cmd, paths, ui};

/// The program's parts, with rounds for a run of some tenths of a second.
const PARTS: [(&str, u32); 3] = [("transform", 6000), ("sort", 300), ("words", 700)];

/// Under callgrind, this part of the rounds.
const COUNTED: u32 = 50;

/// Measures CPU time and, with callgrind, instructions.
pub fn measure(effort: &Effort) -> Result<(Vec<Pairs>, Vec<Pairs>)> {
    ui::stage("A compute-bound program");
    let folder = scratch("compute")?;
    let plain = build(&folder.join("a"), Compiler::Plain)?;
    let updatable = build(&folder.join("b"), effort.other())?;
    let valgrind = cmd::find("valgrind").is_some();
    let (mut loads, mut counts) = (Vec::new(), Vec::new());
    for (part, rounds) in PARTS {
        let few = rounds / COUNTED;
        let (a, b) = (digest(&plain, part, few)?, digest(&updatable, part, few)?);
        ensure!(a == b, "{part}: the two builds compute different results: {a} and {b}");
        let step = ui::step(format!("{part}: {} pairs of runs", effort.pairs));
        let times = interleave(effort.pairs, |new| {
            let before = children_seconds()?;
            digest(if new { &updatable } else { &plain }, part, rounds)?;
            Ok::<_, anyhow::Error>(children_seconds()? - before)
        })?;
        let times = Pairs::new(format!("compute: {part}"), "s", times);
        step.done(&format!("ratio {:.4}", times.ratio));
        loads.push(times);
        if valgrind {
            let pair = (instructions(&plain, part, few, &folder)?, instructions(&updatable, part, few, &folder)?);
            counts.push(Pairs::new(format!("compute: {part}, instructions"), "M", vec![pair]));
        }
    }
    loads.extend(counts);
    Ok((loads, sizes("compute", &plain, &updatable)?))
}

fn build(folder: &Path, compiler: Compiler) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let tree = folder.join("compute");
    cmd::output(cmd::command("cp", ["-a"]).arg(paths::root().join("demos").join("compute")).arg(&tree), cmd::SHORT)?;
    let mut make = cmd::command("make", [format!("CC={}", compiler.command())]);
    make.current_dir(&tree).env_remove("MAKEFLAGS");
    cmd::run_logged(&mut make, &folder.join("log"), cmd::LONG)?;
    Ok(tree.join("compute"))
}

fn digest(program: &Path, part: &str, rounds: u32) -> Result<String> {
    cmd::output(&mut cmd::command(program, [part, &rounds.to_string()]), cmd::SHORT)
}

fn instructions(program: &Path, part: &str, rounds: u32, folder: &Path) -> Result<f64> {
    let out = folder.join("callgrind.out");
    let mut command = cmd::command("valgrind", ["--tool=callgrind"]);
    command.arg(format!("--callgrind-out-file={}", out.display())).arg(program).arg(part);
    command.arg(rounds.to_string());
    cmd::output(&mut command, cmd::LONG)?;
    let text = std::fs::read_to_string(&out)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")));
    let total = total.and_then(|total| total.trim().parse::<f64>().ok());
    Ok(total.context("callgrind gave no total")? / 1e6)
}
