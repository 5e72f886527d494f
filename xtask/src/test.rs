//! `cargo xtask test`: installs what is missing, then checks everything.

use std::{process::Command, time::Instant};

use anyhow::{Context, Result, bail};

use crate::{changes, cmd, demo, deps, paths, server, tools, tutorial, ui};

/// Runs all checks, cheap ones first. `quick` leaves out the real servers.
pub fn task(quick: bool) -> Result<()> {
    let start = Instant::now();
    deps::all()?;
    ui::stage("Build");
    tools::build()?;
    ui::stage("Format and lints");
    cargo_component("fmt", &["--all", "--check"])?;
    cargo_component("clippy", &["--workspace", "--all-targets", "--release", "--quiet", "--", "-D", "warnings"])?;
    ui::stage("Tests");
    cargo(&["test", "--release", "--workspace", "--no-fail-fast"])?;
    demo::task()?;
    changes::task(false)?;
    changes::task(true).context("with sanitizers")?;
    tutorial::task()?;
    if !quick {
        for name in ["vsftpd", "redis"] {
            server::task(name, false).with_context(|| format!("server {name}"))?;
        }
    }
    ui::stage(&format!("All checks passed in {:.0} min", (start.elapsed().as_secs_f64() / 60.0).ceil()));
    Ok(())
}

/// Runs cargo with its output as it comes.
fn cargo(args: &[&str]) -> Result<()> {
    let start = Instant::now();
    let command = format!("cargo {}", args.join(" "));
    ui::note(&command);
    let status = Command::new(env!("CARGO")).args(args).current_dir(paths::root()).status()?;
    if !status.success() {
        bail!("{command} failed");
    }
    ui::note(&format!("passed ({})", ui::seconds(start.elapsed())));
    Ok(())
}

/// Runs a part of cargo that not every installation has.
fn cargo_component(name: &str, args: &[&str]) -> Result<()> {
    if cmd::find(&format!("cargo-{name}")).is_none()
        || cmd::ask(&mut cmd::command(env!("CARGO"), [name, "--version"]), cmd::SHORT)?.code != 0
    {
        ui::note(&format!("left out: this installation has no cargo {name} (rustup component add {name})"));
        return Ok(());
    }
    cargo(&[&[name], args].concat())
}
