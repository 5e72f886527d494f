//! Live updates of an FTP server with a process, or more, for each session.

use std::{
    cell::Cell,
    fs,
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    build::Built,
    ftp,
    live::{Live, both},
    process,
    recipe::{Probe, Recipe, Run, fill},
    running::{Running, Variant},
    tools::Pushed,
    ui,
};

/// A running server with a client that stays logged in.
pub struct Ftp<'a> {
    run: &'a Run,
    probes: &'a [Probe],
    server: Running,
    session: ftp::Session,
    /// A client that has connected, but not logged in.
    waiting: Option<ftp::Session>,
    /// The session's processes.
    kept: Vec<i32>,
    large: Vec<u8>,
    /// How many questions were asked.
    asked: Cell<usize>,
}

impl<'a> Ftp<'a> {
    /// Starts the server; one client logs in and stays, another only connects.
    pub fn start(recipe: &Recipe, run: &'a Run, probes: &'a [Probe], state: &Built) -> Result<Self> {
        let large = run.large.as_ref().context("the recipe has no large file")?;
        let contents = random_bytes(large.mib << 20);
        let server = Running::start(recipe, run, &state.place, &state.tree, &Variant::default())?;
        fs::write(server.path(&large.path), &contents)?;
        let session =
            ftp::Session::login(server.port, &run.user, &run.password).with_context(|| server.server.said())?;
        let waiting = Some(ftp::Session::connect(server.port)?);
        let kept = process::descendants(server.server.pid());
        ensure!(kept.len() > 1, "the sessions have no processes of their own");
        Ok(Self { run, probes, server, session, waiting, kept, large: contents, asked: Cell::new(0) })
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
        let path = self.server.path(&large.path).with_file_name(name);
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
        probe.check(&answer, after)
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
}

impl Live for Ftp<'_> {
    fn running(&self) -> &Running {
        &self.server
    }

    fn before(&mut self, name: &str) -> Result<()> {
        self.behaviour(name, false)
    }

    /// While the kept session fetches a large file.
    fn under_load(&mut self, push: &mut dyn FnMut() -> Result<Vec<Pushed>>) -> Result<Vec<Pushed>> {
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
            both(result, transfer.context("the transfer during the update"))
        })
    }

    fn after(&mut self, name: &str, applied: bool) -> Result<()> {
        let family = self.server.server.family();
        ensure!(self.kept.iter().all(|pid| family.contains(pid)), "a process of the sessions is gone");
        self.check_session()?;
        self.behaviour(name, applied)
    }

    /// The client that has waited since before the first update logs in.
    fn after_all(&mut self) -> Result<()> {
        self.log_in_late().context("the client that connected before the first update")?;
        ui::note("a client that connected before the first update has now logged in");
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.check_session()?;
        self.session.quit()?;
        self.server.alive()
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
