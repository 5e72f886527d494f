//! A program that only computes, `demos/compute`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{
    Effort,
    servers::{children_seconds, scratch},
    stats::{Pairs, interleave},
};
use crate::{build::Compiler, cmd, paths, ui};

const ROUNDS: &str = "300";
const ROUNDS_COUNTED: &str = "5";

/// Measures CPU time and, with callgrind, instructions.
pub fn measure(effort: &Effort) -> Result<(Vec<Pairs>, Vec<Pairs>)> {
    ui::stage("A compute-bound program");
    let folder = scratch("compute")?;
    let plain = build(&folder.join("a"), Compiler::Plain)?;
    let updatable = build(&folder.join("b"), effort.other())?;
    let (a, b) = (digest(&plain, ROUNDS_COUNTED)?, digest(&updatable, ROUNDS_COUNTED)?);
    ensure!(a == b, "the two builds compute different results: {a} and {b}");
    let step = ui::step(format!("{} pairs of runs", effort.pairs));
    let times = interleave(effort.pairs, |new| {
        let before = children_seconds()?;
        digest(if new { &updatable } else { &plain }, ROUNDS)?;
        Ok::<_, anyhow::Error>(children_seconds()? - before)
    })?;
    let times = Pairs::new("compute", "s", times);
    step.done(&format!("ratio {:.4}", times.ratio));
    let mut loads = vec![times];
    if cmd::find("valgrind").is_some() {
        let step = ui::step("instructions, counted by callgrind");
        let pair = (instructions(&plain, &folder)?, instructions(&updatable, &folder)?);
        let counts = Pairs::new("compute: instructions", "M", vec![pair]);
        step.done(&format!("ratio {:.4}", counts.ratio));
        loads.push(counts);
    }
    let size = |path: &Path| anyhow::Ok(std::fs::metadata(path)?.len() as f64 / f64::from(1 << 20));
    Ok((loads, vec![Pairs::new("compute: executable", "MiB", vec![(size(&plain)?, size(&updatable)?)])]))
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

fn digest(program: &Path, rounds: &str) -> Result<String> {
    cmd::output(&mut cmd::command(program, [rounds]), cmd::SHORT)
}

fn instructions(program: &Path, folder: &Path) -> Result<f64> {
    let out = folder.join("callgrind.out");
    let mut command = cmd::command("valgrind", ["--tool=callgrind"]);
    command.arg(format!("--callgrind-out-file={}", out.display())).arg(program).arg(ROUNDS_COUNTED);
    cmd::output(&mut command, cmd::LONG)?;
    let text = std::fs::read_to_string(&out)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")));
    let total = total.and_then(|total| total.trim().parse::<f64>().ok());
    Ok(total.context("callgrind gave no total")? / 1e6)
}
