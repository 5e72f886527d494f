//! A server run as its recipe says, in a folder of its own.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nix::{sys::signal::Signal, unistd::User};

use crate::{
    cmd, paths, process,
    recipe::{Recipe, Run, base_name, fill, show},
};

/// A server in a folder of its own.
pub struct Running {
    /// The processes.
    pub server: process::Server,
    /// Where it listens.
    pub port: u16,
    folder: PathBuf,
    config: Option<(PathBuf, String)>,
    /// Servers that run beside it, with their programs.
    companions: Vec<(String, process::Server)>,
    values: Vec<(String, String)>,
}

/// What is not the same in all runs of a recipe.
#[derive(Default)]
pub struct Variant<'a> {
    /// Arguments added.
    pub args: &'a [String],
    /// Lines added to the configuration.
    pub config: &'a [String],
    /// Which of several runs side by side it is.
    pub index: usize,
}

/// The folder of a run.
pub fn folder(recipe: &Recipe, index: usize) -> PathBuf {
    let name = if index == 0 { "run".into() } else { format!("run-{index}") };
    paths::work("servers").join(&recipe.package).join(name)
}

impl Running {
    /// Starts the programs that were built in (or kept from) `place` as the recipe says. `tree` is the source tree, for
    /// commands that use its tools.
    pub fn start(recipe: &Recipe, run: &Run, place: &Path, tree: &Path, variant: &Variant<'_>) -> Result<Self> {
        let folder = folder(recipe, variant.index);
        furnish(run, &folder)?;
        let port = process::free_port()?;
        let mut values = vec![("dir".into(), show(&folder)), ("port".into(), port.to_string())];
        values.extend([("tree".into(), show(tree)), ("place".into(), show(place))]);
        for k in 1..=run.with.len() {
            values.push((format!("port{k}"), process::free_port()?.to_string()));
        }
        let mut config = None;
        if let Some(name) = &run.config {
            let path = folder.join(name);
            let mut text = fill_all(&fs::read_to_string(recipe.folder.join(name))?, &values);
            variant.config.iter().for_each(|line| text.push_str(&format!("{line}\n")));
            fs::write(&path, &text)?;
            values.push(("config".into(), show(&path)));
            config = Some((path, text));
        }
        for entry in &run.files {
            fs::write(folder.join(&entry.path), fill_all(&entry.text, &values))?;
        }
        run_all(&run.prepare, &values, &folder)?;
        let program = match run.installed {
            true => install(&place.join(&recipe.build.program), &folder)?,
            false => place.join(&recipe.build.program),
        };
        let words = run.through.iter().cloned().chain([show(&program)]);
        let words = words.chain(run.args.iter().chain(variant.args).cloned()).collect::<Vec<_>>();
        let mut command = command(&words, &values);
        command.current_dir(&folder);
        let server = process::Server::start(&mut command, &folder.join("output"), port)?;
        values.push(("pid".into(), server.pid().to_string()));
        let mut running = Self { server, port, folder, config, companions: Vec::new(), values };
        running.start_companions(run, place)?;
        run_all(&run.started, &running.values, &running.folder)?;
        Ok(running)
    }

    fn start_companions(&mut self, run: &Run, place: &Path) -> Result<()> {
        for (k, companion) in run.with.iter().enumerate() {
            let program = show(&place.join(&companion.program));
            let words = companion.through.iter().cloned().chain([program]).chain(companion.args.iter().cloned());
            let mut command = command(&words.collect::<Vec<_>>(), &self.values);
            command.current_dir(&self.folder);
            let log = self.folder.join(format!("output-{}", base_name(Path::new(&companion.program))));
            let port = self.fill(&format!("{{port{}}}", k + 1)).parse()?;
            let server = process::Server::start(&mut command, &log, port)?;
            self.companions.push((companion.program.clone(), server));
        }
        Ok(())
    }

    /// Every server of this run with its program.
    pub fn servers<'a>(&'a self, recipe: &'a Recipe) -> Vec<(&'a str, &'a process::Server)> {
        let companions = self.companions.iter().map(|(program, server)| (program.as_str(), server));
        std::iter::once((recipe.build.program.as_str(), &self.server)).chain(companions).collect()
    }

    /// Fills the placeholders of this run.
    pub fn fill(&self, text: &str) -> String {
        fill_all(text, &self.values)
    }

    /// Puts a build in the place of the one the server was started from, as a package manager does.
    pub fn install(&self, place: &Path, recipe: &Recipe) -> Result<()> {
        install(&place.join(&recipe.build.program), &self.folder)?;
        Ok(())
    }

    /// Writes the configuration with some lines added and some settings left out, and has the server read it again.
    pub fn configure(&self, added: &[String], without: &[String]) -> Result<()> {
        let (path, text) = self.config.as_ref().context("the recipe has no configuration file")?;
        let left_out = |line: &&str| without.iter().any(|name| line.split('=').next() == Some(name.as_str()));
        let lines = text.lines().filter(|line| !left_out(line)).chain(added.iter().map(String::as_str));
        fs::write(path, lines.map(|line| format!("{line}\n")).collect::<String>())?;
        self.server.signal(Signal::SIGHUP)?;
        // Nothing tells when it has read the file; it is asleep, so this takes no time worth mentioning.
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    }

    /// A path in its folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.join(relative)
    }

    /// Waits until all its children have ended.
    pub fn await_alone(&self) -> Result<()> {
        let start = Instant::now();
        while process::reap_orphans(self.server.pid()) || !process::children(self.server.pid()).is_empty() {
            ensure!(start.elapsed() < Duration::from_secs(20), "sessions do not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Fails with what it said if a server has ended.
    pub fn alive(&self) -> Result<()> {
        for server in std::iter::once(&self.server).chain(self.companions.iter().map(|(_, server)| server)) {
            ensure!(process::alive(server.pid()), "a server ended; it said:\n{}", server.said());
        }
        Ok(())
    }
}

/// Makes the folder of a run and what the recipe wants in it.
fn furnish(run: &Run, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    for entry in &run.folders {
        let path = folder.join(&entry.path);
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        if let Some(owner) = &entry.owner {
            let user = User::from_name(owner)?.with_context(|| format!("this machine has no user {owner}"))?;
            chown(&path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
    }
    Ok(())
}

fn install(program: &Path, folder: &Path) -> Result<PathBuf> {
    let target = folder.join(base_name(program));
    let fresh = target.with_extension("new");
    fs::copy(program, &fresh)?;
    fs::rename(fresh, &target)?;
    Ok(target)
}

fn run_all(commands: &[Vec<String>], values: &[(String, String)], folder: &Path) -> Result<()> {
    for words in commands {
        cmd::output(command(words, values).current_dir(folder), cmd::SHORT)?;
    }
    Ok(())
}

fn command(words: &[String], values: &[(String, String)]) -> Command {
    let words: Vec<String> = words.iter().map(|word| fill_all(word, values)).collect();
    cmd::command(&words[0], &words[1..])
}

fn fill_all(text: &str, values: &[(String, String)]) -> String {
    values.iter().fold(text.to_string(), |text, (name, value)| fill(&text, &[(name, value)]))
}
