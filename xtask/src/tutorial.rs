//! Follows the README's "ten minutes to an updated server of your own" to the letter, on `demos/hello`.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{cmd, lines::Client, paths, process, ui};

/// Runs the tutorial.
pub fn task() -> Result<()> {
    ui::stage("The tutorial of the README");
    let folder = paths::work("tutorial");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(paths::work(""))?;
    cmd::output(cmd::command("cp", ["-r"]).arg(paths::root().join("demos").join("hello")).arg(&folder), cmd::SHORT)?;
    let suggestions = shell(&folder, &["dsu-cc", "--suggest-update-points", "hello.c"])?;
    ensure!(suggestions.contains("function = \"main\"") && suggestions.contains("\"poll\""), "{suggestions}");
    shell(&folder, &["make", "CC=dsu-cc"])?;
    shell(&folder, &["cp", "hello", "hello.v1"])?;
    let port = process::free_port()?;
    let mut command = cmd::command(folder.join("hello.v1"), [port.to_string()]);
    let server = process::Server::start(&mut command, &folder.join("output"), port)?;
    let pid = server.pid().to_string();
    ui::note(&format!("$ ./hello.v1 {port} &"));
    let mut session = Client::connect(port)?;
    session.say("Ada", "hello Ada, you are number 1")?;
    let source = fs::read_to_string(folder.join("hello.c"))?;
    let changed = source.replace("\"hello %s, you are number %u", "\"good day %s, you are number %u");
    ensure!(source != changed, "the greeting is not in hello.c");
    fs::write(folder.join("hello.c"), changed)?;
    ui::note("(the greeting in hello.c is changed)");
    shell(&folder, &["make", "CC=dsu-cc"])?;
    let report = shell(&folder, &["dsu-diff", "hello.v1", "hello", "-o", "fix.dsu"])?;
    ensure!(report.contains("unit hello.c") && report.contains("changed: answer"), "{report}");
    shell(&folder, &["dsu-push", &pid, "fix.dsu"])?;
    session.say("Bob", "good day Bob, you are number 2")?;
    let status = shell(&folder, &["dsu-push", "--status", &pid])?;
    ensure!(status.contains("fix"), "{status}");
    shell(&folder, &["dsu-push", "--undo", &pid])?;
    session.say("Cid", "hello Cid, you are number 3")?;
    Ok(())
}

/// Runs a command with the tools in the search path and shows it and what it prints.
fn shell(folder: &Path, words: &[&str]) -> Result<String> {
    let tools = paths::tool("dsu-cc").parent().context("no folder of tools")?.to_path_buf();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(tools.clone()).chain(std::env::split_paths(&path)))?;
    let tool = tools.join(words[0]);
    let mut command = if tool.is_file() { Command::new(tool) } else { Command::new(words[0]) };
    command
        .args(&words[1..])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("MAKEFLAGS")
        .stdin(std::process::Stdio::null());
    ui::note(&format!("$ {}", words.join(" ")));
    let text = cmd::output(&mut command, cmd::LONG)?;
    text.lines().for_each(|line| ui::note(&format!("  {line}")));
    Ok(text)
}
