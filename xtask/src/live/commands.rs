//! Live updates of a server whose clients are commands: sessions that stay, loads that come and go.

use std::{
    cell::Cell,
    fs,
    io::{Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    build::Built,
    cmd,
    live::{Live, both},
    recipe::{Client, Load, Probe, Recipe, Run, fill},
    running::{Running, Variant},
    tools::Pushed,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a load runs before a patch is pushed.
const WARM: Duration = Duration::from_millis(300);

/// A running server with sessions that stay.
pub struct Commands<'a> {
    run: &'a Run,
    probes: &'a [Probe],
    // Before the server: clients end first.
    sessions: Vec<(&'a Client, Session)>,
    server: Running,
    /// How many questions were asked.
    asked: Cell<usize>,
}

impl<'a> Commands<'a> {
    /// Starts the server and opens its sessions.
    pub fn start(
        recipe: &Recipe,
        run: &'a Run,
        probes: &'a [Probe],
        state: &Built,
        variant: &Variant<'_>,
    ) -> Result<Self> {
        let server = Running::start(recipe, run, &state.place, &state.tree, variant)?;
        let mut live = Self { run, probes, sessions: Vec::new(), server, asked: Cell::new(0) };
        for client in &run.sessions {
            let session = Session::open(live.command(&client.command), live.server.path("sessions"))
                .with_context(|| client.command.join(" "))?;
            live.sessions.push((client, session));
        }
        live.ask_sessions()?;
        Ok(live)
    }

    /// A client's command with this run's placeholders filled.
    fn command(&self, words: &[String]) -> Command {
        self.asked.set(self.asked.get() + 1);
        let words: Vec<String> = words.iter().map(|word| self.fill(word)).collect();
        let mut command = cmd::command(&words[0], &words[1..]);
        command.current_dir(self.server.path(""));
        command
    }

    fn fill(&self, text: &str) -> String {
        fill(&self.server.fill(text), &[("n", &self.asked.get().to_string())])
    }

    /// Asks every session that stays.
    fn ask_sessions(&mut self) -> Result<()> {
        let mut sessions = std::mem::take(&mut self.sessions);
        let mut outcome = Ok(());
        for (client, session) in &mut sessions {
            self.asked.set(self.asked.get() + 1);
            let (question, expected) = (self.fill(&client.ask), self.fill(&client.expect));
            outcome =
                session.ask(&question, &expected).with_context(|| format!("the session {}", client.command.join(" ")));
            if outcome.is_err() {
                break;
            }
        }
        self.sessions = sessions;
        outcome.with_context(|| self.server.server.said())
    }

    /// What new clients see at any time.
    fn ask_new(&self) -> Result<()> {
        for client in &self.run.logins {
            let said = cmd::ask(&mut self.command(&client.command), PATIENCE)?;
            let expected = self.fill(&client.expect);
            ensure!(
                said.code == 0 && said.out.contains(&expected),
                "a new client did not get {expected:?} ({}): {}\n{}",
                client.command.join(" "),
                said.text(),
                self.server.server.said()
            );
        }
        Ok(())
    }

    /// Asks new clients whether they see the behaviour before or after a patch.
    fn behaviour(&self, patch: &str, after: bool) -> Result<()> {
        for probe in self.probes.iter().filter(|probe| probe.patch == patch) {
            let words = ["sh".to_string(), "-c".into(), probe.ask.clone()];
            let answer = cmd::ask(&mut self.command(&words), PATIENCE)?.text();
            probe.check(&answer, after)?;
        }
        Ok(())
    }
}

impl Live for Commands<'_> {
    fn running(&self) -> &Running {
        &self.server
    }

    fn before(&mut self, patch: &str) -> Result<()> {
        self.behaviour(patch, false)
    }

    fn under_load(&mut self, push: &mut dyn FnMut() -> Result<Vec<Pushed>>) -> Result<Vec<Pushed>> {
        let Some(load) = &self.run.load else { return push() };
        let mut busy = Busy::start(self.command(&load.command), self.server.path("load"))?;
        std::thread::sleep(WARM);
        let result = push();
        let outcome = busy.finish(load).context("the load during the update");
        both(result, outcome)
    }

    fn after(&mut self, patch: &str, applied: bool) -> Result<()> {
        self.ask_sessions()?;
        self.ask_new()?;
        self.behaviour(patch, applied)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.ask_sessions()?;
        self.server.alive()
    }
}

/// A client that stays: questions into its standard input, answers from its output.
struct Session {
    child: Child,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
}

impl Session {
    fn open(mut command: Command, log: PathBuf) -> Result<Self> {
        let errors = fs::File::options().create(true).append(true).open(log)?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn()?;
        let input = child.stdin.take().context("no pipe to the client")?;
        let mut pipe = child.stdout.take().context("no pipe from the client")?;
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, input, output })
    }

    /// Sends a line and waits until the answer holds the expected text.
    fn ask(&mut self, question: &str, expected: &str) -> Result<()> {
        self.input.write_all(format!("{question}\n").as_bytes()).context("it has ended")?;
        self.input.flush()?;
        let (mut answer, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        while !String::from_utf8_lossy(&answer).contains(expected) {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => answer.extend(bytes),
                Err(reason) => {
                    let reason = if reason == RecvTimeoutError::Timeout { "no answer" } else { "it ended" };
                    bail!("{reason}: {question:?} was answered by {:?}", String::from_utf8_lossy(&answer));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A load that runs.
struct Busy {
    child: Child,
    log: PathBuf,
}

impl Busy {
    fn start(mut command: Command, log: PathBuf) -> Result<Self> {
        let out = fs::File::create(&log)?;
        command.stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| cmd::describe(&command))?;
        Ok(Self { child, log })
    }

    /// Waits for its end; it must have been running until now, and report no error.
    fn finish(&mut self, load: &Load) -> Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "it ended before the update; it said:\n{}", self.said());
        let deadline = Instant::now() + Duration::from_secs(load.seconds);
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < deadline, "it takes longer than {} s", load.seconds);
            std::thread::sleep(Duration::from_millis(20));
        };
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let bad = load.errors.iter().find(|text| said.contains(text.as_str()));
        ensure!(status.success() && bad.is_none(), "it failed ({status}); it said:\n{}", self.said());
        Ok(())
    }

    fn said(&self) -> String {
        cmd::tail(&self.log, 20)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
