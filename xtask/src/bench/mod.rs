//! `cargo xtask bench`: what being updatable costs. Plain and updatable builds by the same compiler with the same flags,
//! measured in turns within one run.

mod compute;
mod pause;
mod scale;
mod servers;
mod stats;

use std::fs;

use anyhow::Result;
use serde::Serialize;

use crate::{build::Compiler, deps, paths, tools, ui};
use stats::{Pairs, geomean};

/// How long to measure.
pub struct Effort {
    /// Pairs of runs of each load.
    pub pairs: usize,
    /// Pairs of builds.
    pub builds: usize,
    /// Compare the plain build with itself: shows how much of a difference is noise.
    pub null: bool,
}

impl Effort {
    /// What the plain build is compared with.
    pub fn other(&self) -> Compiler {
        if self.null { Compiler::Plain } else { Compiler::Updatable }
    }
}

/// Everything measured.
#[derive(Serialize, Default)]
struct Results {
    /// CPU time of servers under load.
    servers: Vec<Pairs>,
    /// CPU time and instructions of a program that only computes.
    compute: Vec<Pairs>,
    /// Resident memory, size of the executable, time of a build.
    other: Vec<Pairs>,
    /// Pauses of updates by size of the patch.
    pauses: Vec<pause::Point>,
    /// Updates that change a type.
    scale: scale::Scale,
    /// Geometric mean of the ratios of `servers`.
    geomean_servers: f64,
    /// Geometric mean of the ratios of CPU time of `compute`.
    geomean_compute: f64,
    /// Geometric mean of all CPU time ratios.
    geomean: f64,
}

/// Measures, prints a table and writes `work/bench.json`.
pub fn task(only: Option<&str>, effort: &Effort) -> Result<()> {
    deps::all()?;
    if !effort.null {
        tools::build()?;
    }
    let wanted = |what: &str| only.is_none_or(|only| only == what);
    let mut results = Results::default();
    for server in ["vsftpd", "redis"] {
        if wanted(server) {
            let (loads, other) = servers::measure(server, effort)?;
            results.servers.extend(loads);
            results.other.extend(other);
        }
    }
    if wanted("compute") {
        let (loads, other) = compute::measure(effort)?;
        results.compute = loads;
        results.other.extend(other);
    }
    if wanted("pause") && !effort.null {
        results.pauses = pause::measure()?;
    }
    if wanted("scale") && !effort.null {
        results.scale = scale::measure(effort.pairs.min(21))?;
    }
    let ratios = |pairs: &[Pairs]| pairs.iter().filter(|p| p.unit == "s").map(|p| p.ratio).collect::<Vec<_>>();
    let (servers, compute) = (ratios(&results.servers), ratios(&results.compute));
    results.geomean_servers = geomean(&servers);
    results.geomean_compute = geomean(&compute);
    results.geomean = geomean(&[servers, compute].concat());
    print(&results);
    fs::create_dir_all(paths::work(""))?;
    let path = paths::work("bench.json");
    fs::write(&path, serde_json::to_string_pretty(&results)?)?;
    ui::note(&format!("written to {}", path.display()));
    Ok(())
}

fn print(results: &Results) {
    ui::stage("Results: CPU time and others, plain against updatable");
    println!(
        "{:<34} {:>8} {:>10} {:>10} {:>8} {:>7} {:>8} {:>8} {:>8}",
        "load (lower quartiles)", "unit", "plain", "updatable", "ratio", "error", "median", "least", "greatest"
    );
    for pairs in results.servers.iter().chain(&results.compute).chain(&results.other) {
        let (plain, updatable) = (stats::lower_quartile(&pairs.plain), stats::lower_quartile(&pairs.updatable));
        let ratios = pairs.ratios();
        println!(
            "{:<34} {:>8} {plain:>10.4} {updatable:>10.4} {:>8.4} {:>7.4} {:>8.4} {:>8.4} {:>8.4}",
            pairs.name, pairs.unit, pairs.ratio, pairs.error, ratios.median, ratios.min, ratios.max
        );
    }
    if !results.pauses.is_empty() {
        println!(
            "\n{:>14} {:>12} {:>12} {:>12} {:>12}",
            "units replaced", "functions", "patch KiB", "pause us", "max us"
        );
        for point in &results.pauses {
            println!(
                "{:>14} {:>12} {:>12} {:>12.0} {:>12.0}",
                point.units,
                point.functions,
                point.bytes / 1024,
                point.median_ns / 1e3,
                point.max_ns / 1e3
            );
        }
    }
    if !results.scale.objects.is_empty() {
        scale::print(&results.scale);
    }
    println!();
    if results.geomean_servers.is_finite() {
        let n = results.servers.len() as f64;
        let error = results.servers.iter().map(|p| (p.error / p.ratio).powi(2)).sum::<f64>().sqrt() / n;
        let medians = geomean(&results.servers.iter().map(|p| p.ratios().median).collect::<Vec<_>>());
        println!(
            "geomean ratio of servers: {:.4}, standard error {error:.4}; of the medians of pairs {medians:.4}",
            results.geomean_servers
        );
    }
    if results.geomean_compute.is_finite() {
        println!("geomean ratio of compute-bound programs: {:.4}", results.geomean_compute);
    }
    if results.geomean.is_finite() {
        println!("geomean ratio: {:.4}", results.geomean);
    }
}
