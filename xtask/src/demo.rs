//! `cargo xtask demo`: the main job, on a small server of ours. Every step is checked; anything unexpected fails the task.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    build::Compiler,
    cmd, deps,
    lines::Client,
    paths, process,
    recipe::show,
    tools::{self, Pushed},
    ui,
};

/// Runs the demo.
pub fn task() -> Result<()> {
    deps::basic()?;
    ui::stage("The tools");
    tools::build()?;
    let folder = paths::work("demo");
    let [old, new] = build(&folder)?;
    ui::stage("Version 1 runs, and somebody is using it");
    let port = process::free_port()?;
    let mut command = cmd::command(&old, [port.to_string()]);
    let server = process::Server::start(&mut command, &folder.join("output"), port)?;
    ui::note(&format!("$ {}   (process {})", cmd::describe(&command), server.pid()));
    let mut ada = Client::connect(port)?;
    ada.hear("welcome to chat 1, what is your name?")?;
    ada.say("ada", "hello ada, you are number 1")?;
    ada.say("say good morning", "ada: good morning")?;
    let mut history = 1;
    while history < 20 {
        history += 1;
        ada.quietly(&format!("say line {history}"), &format!("ada: line {history}"))?;
    }
    ui::note(&format!("  ... and {} more lines", history - 1));
    ada.say("stats", "unknown command: stats")?;
    ada.count("last 40", 20, "  (4 of them are shown twice: a fault of version 1)")?;

    let stop = AtomicBool::new(false);
    let load = std::thread::scope(|scope| -> Result<Load> {
        let load = scope.spawn(|| requests(port, &stop));
        let outcome = update_and_undo(&folder, &old, &new, &server, port, &mut ada);
        stop.store(true, Ordering::Relaxed);
        let load = load.join().unwrap_or_else(|_| bail!("the load panicked")).context("the requests in the background");
        outcome.and(load)
    })?;
    ui::note(&format!(
        "meanwhile another client made {} requests: all were answered, the longest wait was {:.1} ms",
        load.requests,
        load.longest.as_secs_f64() * 1e3
    ));
    ensure!(load.requests > 100, "the load made only {} requests", load.requests);
    ensure!(process::alive(server.pid()), "the server ended");
    println!("\ndemo: everything as expected");
    Ok(())
}

/// Builds both versions as a user would.
fn build(folder: &Path) -> Result<[PathBuf; 2]> {
    ui::stage("Two versions of a chat server, built with make CC=dsu-cc");
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let mut programs = Vec::new();
    for version in ["v1", "v2"] {
        let source = paths::root().join("demos").join("chat").join(version);
        let tree = folder.join(version);
        cmd::output(cmd::command("cp", ["-a"]).arg(source).arg(&tree), cmd::SHORT)?;
        let cc = format!("CC={}", Compiler::Updatable.command());
        let step = ui::step(format!("$ make -C {} {cc}", tree.display()));
        let mut make = cmd::command("make", [cc]);
        make.current_dir(&tree).env_remove("MAKEFLAGS");
        cmd::run_logged(&mut make, &folder.join(format!("{version}.log")), cmd::LONG)?;
        step.done("");
        programs.push(tree.join("chat"));
    }
    programs.try_into().map_err(|_| anyhow::anyhow!("two versions expected"))
}

fn update_and_undo(
    folder: &Path,
    old: &Path,
    new: &Path,
    server: &process::Server,
    port: u16,
    ada: &mut Client,
) -> Result<Load> {
    let pid = server.pid();
    let patch = folder.join("chat-2.dsu");
    ui::stage("The patch from version 1 to version 2");
    show_command(cmd::command(paths::tool("dsu-diff"), [old, new, Path::new("-o"), &patch]), cmd::SHORT)?;
    ui::stage("Can this process take it?");
    show_command(cmd::command(paths::tool("dsu-push"), ["--dry-run", &pid.to_string(), &show(&patch)]), cmd::SHORT)?;
    ada.quietly("say still version 1", "ada: still version 1")?;

    ui::stage("The update, while requests are running");
    let before = tools::status(pid)?;
    report("dsu-push", &tools::push(pid, &patch, &[])?);
    let after = tools::status(pid)?;
    ensure!(before.1 == 0 && after.1 == 1 && before.0 != after.0, "state before {before:?}, after {after:?}");
    ui::note("the same session, on the same connection, now runs version 2:");
    ada.say("say good evening", "#22 ada: good evening")?;
    ada.count("last 40", 16, "  (none twice)")?;
    ada.send("stats")?;
    ada.hear_like("you are here for ", " s and said 22 of 22 messages, the longest has 12 letters")?;
    let mut bob = Client::connect(port)?;
    bob.hear("welcome to chat 2, what is your name?")?;
    bob.say("bob", "hello bob, you are number 3")?;
    let again = tools::push(pid, &patch, &[])?;
    ui::note(&format!("pushing the patch a second time: {}", again.message()));

    ui::stage("And back");
    report("dsu-push --undo", &tools::undo(pid, &[])?);
    ensure!(tools::status(pid)? == before, "the undo does not lead back to the first state");
    ada.say("say back again", "ada: back again")?;
    bob.hear("ada: back again")?;
    ada.say("stats", "unknown command: stats")?;
    bob.say("say me too", "bob: me too")?;
    ada.hear("bob: me too")?;
    ada.say("quit", "bye")?;
    Ok(Load::default())
}

fn show_command(mut command: std::process::Command, limit: Duration) -> Result<()> {
    ui::note(&format!("$ {}", cmd::describe(&command)));
    let text = cmd::output(&mut command, limit)?;
    text.lines().for_each(|line| ui::note(&format!("  {line}")));
    Ok(())
}

fn report(what: &str, pushed: &Pushed) {
    ui::note(&format!("{what}: {}", pushed.message()));
}

/// What the client in the background saw.
#[derive(Default)]
struct Load {
    requests: u64,
    longest: Duration,
}

/// Asks and asks until told to stop; any wrong answer is an error.
fn requests(port: u16, stop: &AtomicBool) -> Result<Load> {
    let mut client = Client::connect(port)?;
    client.receive()?;
    client.quietly("robot", "hello robot, you are number 2")?;
    let mut load = Load::default();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        client.send("who")?;
        let mut found = false;
        loop {
            let line = client.receive()?;
            match line.as_str() {
                "." => break,
                "robot said 0" => found = true,
                _ => {} // others, and what they say meanwhile
            }
        }
        ensure!(found, "no answer to `who`");
        load.requests += 1;
        load.longest = load.longest.max(start.elapsed());
    }
    Ok(load)
}
