//! Carries out the scripts of update tests.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::program::words;
use crate::script::{Script, Step};
use crate::target::Target;
use crate::tools::{self, Finished, PATIENCE, Running, tools};
use crate::versions::Versions;

/// Runs one script.
///
/// # Errors
/// When a step fails: the error names its line.
pub fn test(versions: &Versions, script: &Script) -> Result<()> {
    let mut run = Run {
        versions,
        room: versions.room()?,
        targets: HashMap::new(),
        said: String::new(),
        background: None,
        variables: HashMap::new(),
    };
    for step in &script.steps {
        let said = run.said.clone();
        run.step(step).with_context(|| {
            let before = if said.is_empty() { said } else { format!(" (before, a tool said: {})", said.trim()) };
            format!("line {}: {} {}{before}", step.line, step.verb, step.rest)
        })?;
    }
    Ok(())
}

struct Run<'a> {
    versions: &'a Versions,
    room: PathBuf,
    targets: HashMap<String, Target>,
    /// What the last tool said.
    said: String,
    background: Option<Running>,
    variables: HashMap<String, String>,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<()> {
        let rest = self.expand(&step.rest)?;
        let rest = rest.as_str();
        match step.verb.as_str() {
            "start" => self.start(&step.process, rest),
            "shell" => self.shell(rest),
            // `all EXECUTABLE OLD NEW`: pushes to every process that runs this build.
            "all" => {
                let list = words(rest);
                let [executable, old, new] = list.as_slice() else { bail!("all EXECUTABLE OLD NEW") };
                let mut command = tools()?.command(&tools()?.push, &self.room, &self.versions.temporary());
                command.arg("--all").arg(executable).arg(self.versions.patch_file(old, new)?);
                let finished = tools::run(command)?;
                self.check_code(&finished, 0)
            }
            "push" | "push-fails" | "check" | "check-fails" => self.push(step, rest),
            "undo" | "undo-fails" | "status" | "status-fails" => self.push(step, rest),
            "begin" => {
                let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let step = Step { verb: verb.to_owned(), ..step.clone() };
                let command = self.push_command(&step, &self.expand(rest)?)?;
                self.background = Some(tools::spawn(command)?);
                Ok(())
            }
            "stopped" => self.stopped(&step.process),
            // `debug PLACE -- COMMAND`: gdb waits at PLACE, carries out COMMAND when the program is there, and leaves.
            "debug" => self.debug(&step.process, rest),
            "debugged" => {
                let running = self.background.take().context("no debugger was started")?;
                let finished = running.finish(PATIENCE)?;
                self.check_code(&finished, 0)
            }
            // Waits until the process sees a request.
            "pending" => {
                let deadline = Instant::now() + PATIENCE;
                loop {
                    let status = Step { verb: "status".to_owned(), ..step.clone() };
                    let finished = tools::run(self.push_command(&status, "--json")?)?;
                    if finished.stdout.contains("\"pending\":true") {
                        return Ok(());
                    }
                    ensure!(Instant::now() < deadline, "no request is pending:\n{}", finished.all());
                }
            }
            "joined" => {
                let running = self.background.take().context("nothing was begun")?;
                let finished = running.finish(PATIENCE)?;
                self.check_code(&finished, rest.parse()?)
            }
            "diff" => {
                let patch = self.patch(rest)?;
                self.check_code(&patch, 0)
            }
            "diff-fails" => {
                let (code, rest) = rest.split_once(' ').context("diff-fails CODE OLD NEW")?;
                let patch = self.patch(rest)?;
                self.check_code(&patch, code.parse()?)
            }
            "says" => {
                ensure!(squeeze(&self.said).contains(&squeeze(rest)), "it says:\n{}", self.said);
                Ok(())
            }
            "lacks" => {
                ensure!(!squeeze(&self.said).contains(&squeeze(rest)), "it says:\n{}", self.said);
                Ok(())
            }
            _ => self.target_step(step, rest),
        }
    }

    /// Steps about a running program.
    fn target_step(&mut self, step: &Step, rest: &str) -> Result<()> {
        let target = self.targets.get_mut(&step.process).context("no such process was started")?;
        match step.verb.as_str() {
            "expect" => {
                let line = target.line()?;
                ensure!(line == rest, "it prints {line:?}; before: {:?}", target.tail());
            }
            "until" => while target.line()? != rest {},
            "until-part" => while !target.line()?.contains(rest) {},
            "never" => {
                while !target.is_silent() {}
                ensure!(!target.seen().iter().any(|l| l.contains(rest)), "it printed it");
            }
            "let" => {
                // `let NAME PREFIX`: what follows PREFIX in the next line that has it.
                let (name, prefix) = rest.split_once(' ').context("let NAME PREFIX")?;
                let value = loop {
                    if let Some(value) = target.line()?.strip_prefix(prefix) {
                        break value.trim().to_owned();
                    }
                };
                self.variables.insert(name.to_owned(), value);
            }
            "is" => target.set_pid(rest.parse()?),
            "send" => target.send(rest)?,
            // `ask QUESTION -> ANSWER`: sends a line and expects one.
            "ask" => {
                let (question, answer) = rest.split_once("->").context("ask QUESTION -> ANSWER")?;
                target.send(question.trim())?;
                let line = target.line()?;
                ensure!(line == answer.trim(), "it answers {line:?}");
            }
            "close" => target.close_input(),
            // `insist QUESTION -> ANSWER`: asks again and again until it gets the answer.
            "insist" => {
                let (question, answer) = rest.split_once("->").context("insist QUESTION -> ANSWER")?;
                let deadline = Instant::now() + PATIENCE;
                loop {
                    target.send(question.trim())?;
                    let line = target.line()?;
                    if line == answer.trim() {
                        break;
                    }
                    ensure!(Instant::now() < deadline, "it answers {line:?}");
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            "asleep" => {
                let (call, count) = rest.split_once(' ').unwrap_or((rest, "1"));
                target.asleep(call, count.parse()?)?;
            }
            "signal" => target.signal(rest)?,
            "sleep" => std::thread::sleep(Duration::from_millis(rest.parse()?)),
            "exits" => target.exits(rest.parse()?)?,
            "dies" => target.dies(rest)?,
            verb => bail!("unknown step {verb}"),
        }
        Ok(())
    }

    /// Replaces `$pid(program)`, `$room`, `$here` (the directory of the test), `$push`, `$diff`, `$patch(v1,v2)`, `$exe(v1)` and `${variable}`.
    fn expand(&self, text: &str) -> Result<String> {
        let mut text = text.to_owned();
        while let Some(at) = text.find("$patch(") {
            let (head, tail) = text.split_at(at);
            let (inner, tail) = tail["$patch(".len()..].split_once(')').context("$patch(OLD,NEW)")?;
            let (old, new) = inner.split_once(',').context("$patch(OLD,NEW)")?;
            let file = self.versions.patch_file(old.trim(), new.trim())?;
            text = format!("{head}{}{tail}", file.display());
        }
        while let Some(at) = text.find("$exe(") {
            let (head, tail) = text.split_at(at);
            let (version, tail) = tail["$exe(".len()..].split_once(')').context("$exe(VERSION)")?;
            text = format!("{head}{}{tail}", self.versions.executable(version)?.display());
        }
        for (name, target) in &self.targets {
            text = text.replace(&format!("$pid({name})"), &target.pid().to_string());
        }
        for (name, value) in &self.variables {
            text = text.replace(&format!("${{{name}}}"), value);
        }
        let tools = tools()?;
        let here = self.versions.directory().to_path_buf();
        for (name, path) in [("$here", &here), ("$room", &self.room), ("$push", &tools.push), ("$diff", &tools.diff)] {
            text = text.replace(name, &path.display().to_string());
        }
        Ok(text)
    }

    /// `start v1 ARGUMENTS`; `start v1 via WRAPPER... -- ARGUMENTS` runs it through a command.
    fn start(&mut self, name: &str, rest: &str) -> Result<()> {
        let mut list = words(rest);
        ensure!(!list.is_empty(), "start VERSION");
        let version = list.remove(0);
        let built = self.versions.executable(&version)?;
        // A name of its own, so that scripts can do to it what they like.
        let plain = version.split('+').next().unwrap_or(&version);
        let executable = self.room.join(format!("{name}-{plain}"));
        // Not a copy: a file that was open for writing when another thread forked cannot be run.
        let _ = std::fs::remove_file(&executable);
        std::fs::hard_link(&built, &executable).context("linking the executable")?;
        let mut wrapper = Vec::new();
        if list.first().is_some_and(|w| w == "via") {
            let end = list.iter().position(|w| w == "--").unwrap_or(list.len());
            wrapper = list.drain(..end).skip(1).collect();
            list.drain(..list.len().min(1));
        }
        let program = wrapper.first().map_or(executable.clone(), PathBuf::from);
        let mut command = tools()?.command(program, &self.room, &self.versions.temporary());
        if let Some((_, more)) = wrapper.split_first() {
            command.args(more).arg(&executable);
        }
        command.args(list);
        self.targets.insert(name.to_owned(), Target::start(command)?);
        Ok(())
    }

    /// Waits until job control has stopped a process.
    fn stopped(&mut self, process: &str) -> Result<()> {
        let pid = self.targets.get(process).context("no such process was started")?.pid();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
            if stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "it is not stopped: {stat}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn debug(&mut self, process: &str, rest: &str) -> Result<()> {
        let (place, then) = rest.split_once("--").context("debug PLACE -- COMMAND")?;
        let pid = self.targets.get(process).context("no such process was started")?.pid();
        let flag = self.room.join("debugger-is-ready");
        let _ = std::fs::remove_file(&flag);
        let mut command = tools()?.command("gdb", &self.room, &self.versions.temporary());
        command.args(["-q", "-nx", "-batch", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off"]);
        command.arg("-p").arg(pid.to_string());
        command.arg("-ex").arg(format!("break {}", place.trim()));
        command.arg("-ex").arg(format!("shell touch {}", flag.display()));
        command.args(["-ex", "continue", "-ex", then.trim(), "-ex", "list", "-ex", "detach"]);
        self.background = Some(tools::spawn(command)?);
        let deadline = Instant::now() + PATIENCE;
        while !flag.exists() {
            ensure!(Instant::now() < deadline, "gdb does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Runs a shell command in the room; it must succeed.
    fn shell(&mut self, rest: &str) -> Result<()> {
        let mut command = tools()?.command("sh", &self.room, &self.versions.temporary());
        command.arg("-c").arg(rest);
        let finished = tools::run(command)?;
        self.check_code(&finished, 0)
    }

    fn patch(&mut self, rest: &str) -> Result<Finished> {
        let list = words(rest);
        let [old, new, options @ ..] = list.as_slice() else { bail!("diff OLD NEW") };
        if !options.is_empty() {
            let file = self.room.join("options.dsu");
            let mut command = tools()?.command(&tools()?.diff, &self.room, &self.versions.temporary());
            command.arg(self.versions.executable(old)?).arg(self.versions.executable(new)?);
            command.arg("-o").arg(file).args(options);
            return tools::run(command);
        }
        let patch = self.versions.patch(old, new)?;
        let finished = &patch.finished;
        Ok(Finished { status: finished.status, stdout: finished.stdout.clone(), stderr: finished.stderr.clone() })
    }

    fn push(&mut self, step: &Step, rest: &str) -> Result<()> {
        let (code, rest) = match step.verb.ends_with("-fails") {
            true => {
                let (code, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                (code.parse().context("an exit code")?, rest)
            }
            false => (0, rest),
        };
        let finished = tools::run(self.push_command(step, rest)?)?;
        self.check_code(&finished, code)
    }

    /// `push v1 v2 OPTIONS`, `undo OPTIONS`, `status OPTIONS`.
    fn push_command(&self, step: &Step, rest: &str) -> Result<std::process::Command> {
        let target = self.targets.get(&step.process).context("no such process was started")?;
        let mut list = words(rest);
        let mut command = tools()?.command(&tools()?.push, &self.room, &self.versions.temporary());
        let verb = step.verb.trim_end_matches("-fails");
        match verb {
            "undo" => command.arg("--undo"),
            "status" => command.arg("--status"),
            "check" => command.arg("--dry-run"),
            _ => &mut command,
        };
        let mut file = None;
        if matches!(verb, "push" | "check") && !list.first().is_some_and(|w| w.contains('/')) {
            ensure!(list.len() >= 2, "{verb} OLD NEW");
            file = Some(self.versions.patch_file(&list[0], &list[1])?);
            list.drain(..2);
        }
        // Options, then process, then patch.
        let split = list.iter().position(|w| !w.starts_with('-')).unwrap_or(list.len());
        let operands = list.split_off(split);
        command.args(list).arg(target.pid().to_string()).args(operands).args(file);
        Ok(command)
    }

    fn check_code(&mut self, finished: &Finished, code: i32) -> Result<()> {
        self.said = finished.all();
        ensure!(finished.code() == Some(code), "it ends with {}, and says:\n{}", finished.status, self.said);
        Ok(())
    }
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether this machine has what a script needs; else what it lacks.
///
/// # Errors
/// When the script needs something unknown.
pub fn lacks(script: &Script) -> Result<Option<String>> {
    for need in &script.needs {
        let there = match need.as_str() {
            "root" => nix::unistd::geteuid().is_root(),
            program => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let known = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_path_buf()]);
                known.into_iter().any(|d| d.join(program).is_file())
            }
        };
        if !there {
            return Ok(Some(need.clone()));
        }
    }
    Ok(None)
}
