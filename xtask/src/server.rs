//! `cargo xtask server NAME`: a real server, built from its own source and updated while it serves.

use std::{
    cell::Cell,
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use nix::{sys::signal::Signal, unistd::User};

use crate::{
    build::{Built, Compiler, Source},
    cmd, deps, ftp, paths, process,
    recipe::{Probe, Recipe, Run, Suite, Updates, fill, show},
    tools, ui,
};

/// Runs everything that the recipe of a server describes.
pub fn task(name: &str, plain: bool) -> Result<()> {
    let recipe = Recipe::read(name)?;
    deps::all()?;
    if !plain {
        tools::build()?;
    }
    let compiler = if plain { Compiler::Plain } else { Compiler::Updatable };
    let source = Source::prepare(&recipe)?;
    if let Some(updates) = &recipe.updates {
        live_updates(&recipe, &source, updates, compiler)?;
    }
    if let Some(suite) = &recipe.suite {
        own_tests(&recipe, &source, suite, compiler)?;
    }
    Ok(())
}

/// Builds the server and runs tests of its own.
fn own_tests(recipe: &Recipe, source: &Source, suite: &Suite, compiler: Compiler) -> Result<()> {
    ui::stage(&format!("{}: its own tests, {} build", recipe.package, compiler.name()));
    let (built, _) = source.build(recipe, compiler)?;
    let port = process::free_port()?.min(40_000).to_string();
    let words: Vec<String> = suite.command.iter().map(|word| fill(word, &[("port", &port)])).collect();
    let step = ui::step(suite.tests.join(", "));
    let mut command = cmd::command(&words[0], &words[1..]);
    command.current_dir(&built.tree);
    let log = source.folder().join(format!("suite-{}.log", compiler.name()));
    cmd::run_logged(&mut command, &log, Duration::from_secs(suite.minutes * 60))?;
    ensure!(fs::read_to_string(&log)?.contains(&suite.passed), "the tests did not pass; see {}", log.display());
    step.done("passed");
    println!(
        "{}: {} of {} test units passed on the {} build",
        recipe.package,
        suite.tests.len(),
        suite.tests.len(),
        compiler.name()
    );
    Ok(())
}

/// Builds every state of the patch series and applies it to one running server, patch by patch, then undoes it all.
fn live_updates(recipe: &Recipe, source: &Source, updates: &Updates, compiler: Compiler) -> Result<()> {
    let run = recipe.run()?;
    ensure!(run.protocol == "ftp", "live updates need a protocol client that this task has not: {}", run.protocol);
    ensure!(!run.root || nix::unistd::geteuid().is_root(), "{} can only run as root", recipe.package);
    ui::stage(&format!("{}: the states of its patch series, {} builds", recipe.package, compiler.name()));
    let states = source.build_series(recipe, &updates.endings, compiler)?;
    if compiler == Compiler::Plain {
        return plain_check(recipe, run, updates, &states);
    }
    ui::stage(&format!("{}: live updates", recipe.package));
    let mut live = Live::start(recipe, run, &updates.probes, &states[0])?;
    let mut applied = Vec::new();
    let (mut refused, mut max_pause) = (0, 0);
    let patches = paths::work("servers").join(&recipe.package).join("patches");
    fs::create_dir_all(&patches)?;
    for k in 1..states.len() {
        let name = &states[k].name;
        let patch = patches.join(format!("{k:02}-{name}.dsu"));
        let outcome = tools::diff(&states[k - 1].program, &states[k].program, &patch).and_then(|diff| {
            if diff.units.is_empty() {
                return Ok(None);
            }
            live.update(name, &patch).map(|pause| Some((diff.units, pause)))
        });
        match outcome {
            Ok(None) => ui::note(&format!("{name}: changes nothing in this program")),
            Ok(Some((units, pause))) => {
                max_pause = max_pause.max(pause);
                let (n, list, pause) = (ui::count(units.len(), "unit"), units.join(" "), ui::micros(pause));
                ui::note(&format!("{name}: {n} ({list}), pause {pause}, applied to {} processes", live.reached));
                applied.push(name.clone());
            }
            Err(error) => {
                refused += 1;
                ui::note(&format!("{name}: FAILED: {error:#}"));
                live.server.alive().context("the server did not survive")?;
                break;
            }
        }
    }
    let total = applied.len() + refused;
    if refused > 0 {
        println!(
            "{}: {} of {total} updates applied, max pause {}",
            recipe.package,
            applied.len(),
            ui::micros(max_pause)
        );
        bail!("not every update was applied");
    }
    live.log_in_late().context("the client that connected before the first update")?;
    ui::note("a client that connected before the first update has now logged in");
    ui::stage(&format!("{}: undo, newest first", recipe.package));
    for name in applied.iter().rev() {
        let pause = live.undo(name).with_context(|| format!("undo of {name}"))?;
        max_pause = max_pause.max(pause);
        ui::note(&format!("{name}: undone, pause {}", ui::micros(pause)));
    }
    live.finish()?;
    println!("{}: {} of {total} updates applied, max pause {}", recipe.package, applied.len(), ui::micros(max_pause));
    ensure!(!applied.is_empty(), "the series changes nothing");
    Ok(())
}

/// Runs the same clients against plain builds of every state: what the recipe says must hold without us.
fn plain_check(recipe: &Recipe, run: &Run, updates: &Updates, states: &[Built]) -> Result<()> {
    for state in states {
        let mut live = Live::start(recipe, run, &updates.probes, state)?;
        live.check_session()?;
        for probe in &updates.probes {
            let index = states.iter().position(|other| other.name == probe.patch);
            let here = states.iter().position(|other| other.name == state.name);
            // A later patch may change the same behaviour again: only the states next to the patch count.
            let (Some(index), Some(here)) = (index, here) else { bail!("no patch {}", probe.patch) };
            if here + 1 == index || here == index {
                live.probe(probe, here == index)?;
            }
        }
        live.finish()?;
        ui::note(&format!("{}: works", state.name));
    }
    Ok(())
}

/// A running server with a client that stays logged in.
struct Live<'a> {
    run: &'a Run,
    probes: &'a [Probe],
    server: Running,
    session: ftp::Session,
    /// A client that has connected, but not logged in.
    waiting: Option<ftp::Session>,
    /// The session's processes.
    kept: Vec<i32>,
    large: Vec<u8>,
    /// Processes reached by the last push.
    reached: usize,
    /// State of the processes before each update.
    history: Vec<String>,
    /// How many questions were asked.
    asked: Cell<usize>,
}

impl<'a> Live<'a> {
    fn start(recipe: &Recipe, run: &'a Run, probes: &'a [Probe], state: &Built) -> Result<Self> {
        let large = run.large.as_ref().context("the recipe has no large file")?;
        let contents = random_bytes(large.mib << 20);
        let server = Running::start(recipe, run, &state.program, &[])?;
        fs::write(server.folder.join(&large.path), &contents)?;
        let session =
            ftp::Session::login(server.port, &run.user, &run.password).with_context(|| server.server.said())?;
        let waiting = Some(ftp::Session::connect(server.port)?);
        let kept = process::descendants(server.server.pid());
        ensure!(kept.len() > 1, "the sessions have no processes of their own");
        let live = Self {
            run,
            probes,
            server,
            session,
            waiting,
            kept,
            large: contents,
            reached: 0,
            history: Vec::new(),
            asked: Cell::new(0),
        };
        Ok(live)
    }

    /// Pushes a patch while the kept session transfers a file, and checks what clients see. Returns the pause.
    fn update(&mut self, name: &str, patch: &Path) -> Result<u64> {
        self.behaviour(name, false)?;
        let pid = self.server.server.pid();
        self.history.push(tools::status(pid)?.0);
        let pushed = self.during_transfer(|| tools::push(pid, patch, &["--family", "--timeout=30"]))?;
        self.settled(name, true)?;
        self.reached = pushed.processes();
        ensure!(self.reached > self.kept.len(), "only {} processes were updated: {}", self.reached, pushed.message());
        Ok(pushed.pause_ns())
    }

    /// Undoes the newest patch, which is `name`. Returns the pause.
    fn undo(&mut self, name: &str) -> Result<u64> {
        let pid = self.server.server.pid();
        let before = self.history.pop().context("nothing to undo")?;
        let pushed = self.during_transfer(|| tools::undo(pid, &["--family", "--timeout=30"]))?;
        self.settled(name, false)?;
        let now = tools::status(pid)?.0;
        ensure!(now == before, "after the undo the state is {now}, before the update it was {before}");
        Ok(pushed.pause_ns())
    }

    /// The client that has waited since before the first update logs in.
    fn log_in_late(&mut self) -> Result<()> {
        let mut session = self.waiting.take().context("nobody waits")?;
        session.log_in(&self.run.user, &self.run.password)?;
        ensure!(!session.list("LIST")?.is_empty(), "the listing is empty");
        session.quit()?;
        let alive = |pid: &i32| process::alive(*pid);
        let deadline = Instant::now() + Duration::from_secs(5);
        // Its processes end when it quits; they are not missed.
        while self.kept.iter().filter(|pid| !alive(pid)).count() < 2 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kept.retain(alive);
        Ok(())
    }

    fn during_transfer<T: Send>(&mut self, push: impl FnOnce() -> Result<T>) -> Result<T> {
        let large = self.run.large.as_ref().context("the recipe has no large file")?;
        let (session, contents) = (&mut self.session, &self.large);
        std::thread::scope(|scope| {
            let (started, running) = mpsc::channel();
            let transfer = scope.spawn(move || -> Result<()> {
                let file = session.fetch(&large.name, Duration::from_millis(300), || _ = started.send(()))?;
                ensure!(&file == contents, "the file arrived damaged ({} of {} bytes)", file.len(), contents.len());
                Ok(())
            });
            let result = match running.recv() {
                Ok(()) => push(),
                Err(_) => Err(anyhow::anyhow!("the transfer did not start")),
            };
            let transfer = transfer.join().unwrap_or_else(|_| bail!("the transfer panicked"));
            match (result, transfer) {
                (Ok(result), Ok(())) => Ok(result),
                (Ok(_), Err(error)) => Err(error.context("the transfer during the update")),
                (Err(error), Ok(())) => Err(error),
                (Err(error), Err(other)) => Err(error.context(format!("and the transfer failed: {other:#}"))),
            }
        })
    }

    /// All processes report one state, the kept session works, and a new one shows the behaviour of that state.
    fn settled(&mut self, name: &str, after: bool) -> Result<()> {
        let family = self.server.server.family();
        ensure!(self.kept.iter().all(|pid| family.contains(pid)), "a process of the sessions is gone");
        let mut states: Vec<(String, usize)> = family.iter().map(|&pid| tools::status(pid)).collect::<Result<_>>()?;
        states.dedup();
        ensure!(states.len() == 1, "the processes are in different states: {states:?}");
        self.check_session()?;
        self.behaviour(name, after)
    }

    /// The kept session answers, lists, and stores and fetches files intact.
    fn check_session(&mut self) -> Result<()> {
        let large = self.run.large.as_ref().context("the recipe has no large file")?;
        self.session.expect("NOOP", 200)?;
        let listing = self.session.list("LIST")?;
        ensure!(listing.contains(&large.name), "LIST in the kept session: {listing}");
        let part = &self.large[..1 << 20];
        let name = &large.upload;
        let stored = self.session.store(name, part)?;
        ensure!(stored.code == 226, "STOR in the kept session: {}", stored.text);
        let path = self.server.folder.join(&large.path).with_file_name(name);
        ensure!(fs::read(&path)? == part, "the stored file is damaged");
        fs::remove_file(path)?;
        Ok(())
    }

    fn behaviour(&mut self, name: &str, after: bool) -> Result<()> {
        self.probes.iter().filter(|probe| probe.patch == name).try_for_each(|probe| self.probe(probe, after))
    }

    /// Asks a new session whether it shows the behaviour before or after a patch.
    fn probe(&self, probe: &Probe, after: bool) -> Result<()> {
        let changed = !probe.config.is_empty() || !probe.without.is_empty();
        if changed {
            self.server.configure(&probe.config, &probe.without)?;
        }
        self.asked.set(self.asked.get() + 1);
        let answer = self.ask(&fill(&probe.ask, &[("n", &self.asked.get().to_string())]));
        if changed {
            self.server.configure(&[], &[])?;
        }
        let answer = answer.with_context(|| format!("asking for: {}", probe.what))?;
        let (expected, found) = (probe.after == after, answer.contains(&probe.text));
        let when = if after { "after" } else { "before" };
        ensure!(
            expected == found,
            "{when} {}: {}: {:?} should {}be in the answer to {}: {answer:?}",
            probe.patch,
            probe.what,
            probe.text,
            if expected { "" } else { "not " },
            probe.ask
        );
        Ok(())
    }

    fn ask(&self, question: &str) -> Result<String> {
        if question == "greeting" {
            return Ok(ftp::Session::connect(self.server.port)?.greeting.text);
        }
        let before = process::descendants(self.server.server.pid());
        let mut session = ftp::Session::login(self.server.port, &self.run.user, &self.run.password)?;
        let answer = match question.strip_prefix("status ") {
            Some(field) => {
                let new =
                    process::descendants(self.server.server.pid()).into_iter().filter(|pid| !before.contains(pid));
                new.filter_map(|pid| process::status_field(pid, field)).map(|value| value + ";").collect()
            }
            None => session.ask(question)?,
        };
        session.quit()?;
        Ok(answer)
    }

    fn finish(mut self) -> Result<()> {
        self.check_session()?;
        self.session.quit()?;
        self.server.alive()
    }
}

/// A server in a folder of its own.
pub struct Running {
    /// The processes.
    pub server: process::Server,
    /// Where it listens.
    pub port: u16,
    folder: PathBuf,
    config: Option<(PathBuf, String)>,
}

impl Running {
    /// Starts a program as the recipe says, with lines added to its configuration.
    pub fn start(recipe: &Recipe, run: &Run, program: &Path, added: &[String]) -> Result<Self> {
        let folder = paths::work("servers").join(&recipe.package).join("run");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        for entry in &run.folders {
            let path = folder.join(&entry.path);
            fs::create_dir_all(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            if let Some(owner) = &entry.owner {
                let user = User::from_name(owner)?.with_context(|| format!("this machine has no user {owner}"))?;
                chown(&path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
            }
        }
        for entry in &run.files {
            fs::write(folder.join(&entry.path), &entry.text)?;
        }
        let port = process::free_port()?;
        let (dir, port_text) = (show(&folder), port.to_string());
        let values = [("dir", dir.as_str()), ("port", port_text.as_str())];
        let mut config = None;
        let mut config_path = String::new();
        if let Some(name) = &run.config {
            let path = folder.join(name);
            let mut text = fill(&fs::read_to_string(recipe.folder.join(name))?, &values);
            added.iter().for_each(|line| text.push_str(&format!("{line}\n")));
            fs::write(&path, &text)?;
            config_path = show(&path);
            config = Some((path, text));
        }
        let args = run.args.iter().map(|word| fill(&fill(word, &values), &[("config", &config_path)]));
        let mut command = cmd::command(program, args);
        command.current_dir(&folder);
        let server = process::Server::start(&mut command, &folder.join("output"), port)?;
        Ok(Self { server, port, folder, config })
    }

    /// Writes the configuration with some lines added and some settings left out, and has the server read it again.
    fn configure(&self, added: &[String], without: &[String]) -> Result<()> {
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

    fn alive(&self) -> Result<()> {
        ensure!(process::alive(self.server.pid()), "the server ended; it said:\n{}", self.server.said());
        Ok(())
    }
}

/// The same bytes every time, without a pattern (xorshift64*; Marsaglia 2003, Vigna 2016).
fn random_bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
