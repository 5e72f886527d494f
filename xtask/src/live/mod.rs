//! Live updates: every patch of a series applied to servers that keep running, under load and with sessions open.

mod commands;
mod ftp;

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};

use crate::{
    build::Built,
    paths, process,
    recipe::{Recipe, Run, Updates, base_name},
    running::{Running, Variant},
    series::Lineage,
    tools::{self, Changes, Diff, Pushed},
    ui,
};

/// A server with clients that stay, and what they check.
trait Live {
    /// The processes.
    fn running(&self) -> &Running;

    /// What clients see before a patch.
    fn before(&mut self, patch: &str) -> Result<()>;

    /// Pushes while clients keep the server busy; what they notice is an error.
    fn under_load(&mut self, push: &mut dyn FnMut() -> Result<Vec<Pushed>>) -> Result<Vec<Pushed>>;

    /// What clients see after a patch was applied, or undone; those of before are still there.
    fn after(&mut self, patch: &str, applied: bool) -> Result<()>;

    /// What is only checked after the last patch.
    fn after_all(&mut self) -> Result<()> {
        Ok(())
    }

    /// Clients say good-bye.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Starts the servers of a state: one for each variant of the arguments.
fn start<'a>(recipe: &'a Recipe, run: &'a Run, updates: &'a Updates, state: &Built) -> Result<Vec<Box<dyn Live + 'a>>> {
    if run.protocol == "ftp" {
        return Ok(vec![Box::new(ftp::Ftp::start(recipe, run, &updates.probes, state)?)]);
    }
    let none = [Vec::new()];
    let variants = if run.variants.is_empty() { none.as_slice() } else { run.variants.as_slice() };
    let start = |(index, args): (usize, &Vec<String>)| -> Result<Box<dyn Live + 'a>> {
        let variant = Variant { args, index, ..Variant::default() };
        Ok(Box::new(commands::Commands::start(recipe, run, &updates.probes, state, &variant)?))
    };
    variants.iter().enumerate().map(start).collect()
}

/// Applies the series to running servers, patch by patch, and returns how the last one came to its code.
pub fn update(recipe: &Recipe, updates: &Updates, states: &[Built]) -> Result<BTreeMap<String, Lineage>> {
    ui::stage(&format!("{}: live updates", recipe.package));
    let mut series = Series::start(recipe, updates, states)?;
    for k in 1..states.len() {
        series.step(k)?;
    }
    series.lives.iter_mut().try_for_each(|live| live.after_all())?;
    if updates.undo {
        series.undo_all()?;
    }
    series.finish()
}

/// Runs the same clients against plain builds of every state: what the recipe says must hold without us.
pub fn plain_check(recipe: &Recipe, updates: &Updates, states: &[Built]) -> Result<()> {
    for (here, state) in states.iter().enumerate() {
        for mut live in start(recipe, recipe.run()?, updates, state)? {
            // A later patch may change the same behaviour again: only the states next to the patch count.
            live.after(&state.name, true)?;
            if let Some(next) = states.get(here + 1) {
                live.before(&next.name)?;
            }
            live.finish()?;
        }
        ui::note(&format!("{}: works", state.name));
    }
    Ok(())
}

/// A series that is being applied.
struct Series<'a> {
    recipe: &'a Recipe,
    run: &'a Run,
    updates: &'a Updates,
    states: &'a [Built],
    lives: Vec<Box<dyn Live + 'a>>,
    /// How each program came to the code it runs.
    lineages: BTreeMap<String, Lineage>,
    /// Patches in force.
    applied: Vec<Applied>,
    total: usize,
    done: usize,
    /// Patches refused that the recipe does not name.
    unexpected: usize,
    lines: usize,
    max_pause: u64,
}

/// A patch in force.
struct Applied {
    name: String,
    /// The programs it changed.
    programs: Vec<String>,
    /// The states of all servers before it.
    before: Vec<String>,
}

/// A patch made for one of the programs.
struct Made {
    program: String,
    patch: std::path::PathBuf,
    changes: Changes,
}

impl<'a> Series<'a> {
    fn start(recipe: &'a Recipe, updates: &'a Updates, states: &'a [Built]) -> Result<Self> {
        let run = recipe.run()?;
        let mut series = Self {
            recipe,
            run,
            updates,
            states,
            lives: Vec::new(),
            lineages: BTreeMap::new(),
            applied: Vec::new(),
            total: 0,
            done: 0,
            unexpected: 0,
            lines: 0,
            max_pause: 0,
        };
        series.start_from(0)?;
        Ok(series)
    }

    /// Starts servers anew, from the build of a state.
    fn start_from(&mut self, k: usize) -> Result<()> {
        self.lives.clear();
        self.applied.clear();
        let state = &self.states[k];
        self.lives = start(self.recipe, self.run, self.updates, state)?;
        let programs = self.recipe.build.programs();
        self.lineages =
            programs.map(|program| (program.to_string(), Lineage::new(state.place.join(program)))).collect();
        Ok(())
    }

    /// Makes and applies the patches that lead to state `k`.
    fn step(&mut self, k: usize) -> Result<()> {
        let state = &self.states[k];
        let (made, refused) = self.diff(k)?;
        if made.is_empty() && refused.is_empty() {
            ui::note(&format!("{}: changes nothing in {}", state.name, self.programs()));
            return Ok(());
        }
        self.total += 1;
        if !refused.is_empty() {
            let known = self.updates.refused.contains(&state.name);
            ui::note(&format!("{}: REFUSED{}", state.name, if known { ", as the recipe says" } else { "" }));
            self.unexpected += usize::from(!known);
            refused.iter().for_each(|reason| ui::note(&format!("    {reason}")));
            ui::note("    new servers are started from the build of this state");
            return self.start_from(k);
        }
        let before = self.server_states()?;
        let (mut pause, mut processes) = (0, 0);
        for live in &mut self.lives {
            let pushed = update_one(live.as_mut(), self.recipe, state, &made)
                .with_context(|| format!("{}: NOT APPLIED", state.name))?;
            pause = pushed.iter().map(Pushed::pause_ns).fold(pause, u64::max);
            processes += pushed.iter().map(Pushed::processes).sum::<usize>();
        }
        self.tell(&state.name, &made, pause, processes);
        self.max_pause = self.max_pause.max(pause);
        self.done += 1;
        self.lines += made.iter().map(|made| made.changes.lines).sum::<usize>();
        let programs = made.iter().map(|made| made.program.clone()).collect();
        self.applied.push(Applied { name: state.name.clone(), programs, before });
        for made in made {
            let lineage = self.lineages.get_mut(&made.program).context("a program without lineage")?;
            lineage.patches.push(made.patch);
        }
        Ok(())
    }

    /// The patches that lead to state `k`, for each program that changes, and the reasons why there are none.
    fn diff(&self, k: usize) -> Result<(Vec<Made>, Vec<String>)> {
        let state = &self.states[k];
        let folder = paths::work("servers").join(&self.recipe.package).join("patches");
        fs::create_dir_all(&folder)?;
        let transform = self.recipe.folder.join(format!("{}.c", state.name));
        let transform = transform.is_file().then_some(transform);
        let (mut made, mut refused) = (Vec::new(), Vec::new());
        for (program, lineage) in &self.lineages {
            if same_file(&self.states[k - 1].place.join(program), &state.place.join(program))? {
                continue;
            }
            let name = base_name(program.as_ref());
            let patch = folder.join(format!("{k:02}-{}-{name}.dsu", state.name));
            match lineage.diff(&state.place.join(program), &patch, transform.as_deref())? {
                Diff::Unchanged => {}
                Diff::Patch(changes) => made.push(Made { program: program.clone(), patch, changes }),
                Diff::Refused(reasons) => refused.extend(reasons.into_iter().map(|reason| format!("{name}: {reason}"))),
            }
        }
        Ok((made, refused))
    }

    /// The line on an applied patch.
    fn tell(&self, name: &str, made: &[Made], pause: u64, processes: usize) {
        let list = |what: &str, names: &dyn Fn(&Changes) -> &Vec<String>| {
            let all: Vec<&str> = made.iter().flat_map(|made| names(&made.changes)).map(String::as_str).collect();
            format!("{} ({})", ui::count(all.len(), what), all.join(" ")).replace(" ()", "")
        };
        ui::note(&format!(
            "{name}: {}, {}, {}, {}, pause {}, applied to {processes} processes",
            list("unit", &|changes| &changes.units),
            list("type", &|changes| &changes.types),
            list("global", &|changes| &changes.globals),
            ui::count(made.iter().map(|made| made.changes.lines).sum(), "hand-written line"),
            ui::micros(pause)
        ));
    }

    fn programs(&self) -> String {
        self.lineages.keys().map(|program| base_name(program.as_ref())).collect::<Vec<_>>().join(", ")
    }

    /// Takes back all patches, newest first.
    fn undo_all(&mut self) -> Result<()> {
        ui::stage(&format!("{}: undo, newest first", self.recipe.package));
        while let Some(Applied { name, programs, before }) = self.applied.pop() {
            let mut pause = 0;
            for live in &mut self.lives {
                let pids = targets(live.running(), self.recipe, &programs);
                let pushed = live.under_load(&mut || pids.iter().map(|(_, pid)| tools::undo(*pid, PUSH)).collect());
                let pushed = pushed.with_context(|| format!("undo of {name}"))?;
                pause = pushed.iter().map(Pushed::pause_ns).fold(pause, u64::max);
                live.running().alive()?;
                live.after(&name, false)?;
            }
            let now = self.server_states()?;
            ensure!(now == before, "after the undo of {name} the states are {now:?}, before it {before:?}");
            self.max_pause = self.max_pause.max(pause);
            ui::note(&format!("{name}: undone, pause {}", ui::micros(pause)));
        }
        Ok(())
    }

    /// The states of all servers.
    fn server_states(&self) -> Result<Vec<String>> {
        let states = self.lives.iter().map(|live| states(live.running(), self.recipe));
        Ok(states.collect::<Result<Vec<_>>>()?.concat())
    }

    /// Ends the servers, and sums up.
    fn finish(self) -> Result<BTreeMap<String, Lineage>> {
        for live in self.lives {
            live.finish()?;
        }
        println!(
            "{}: {} of {} updates applied, {}, max pause {}",
            self.recipe.package,
            self.done,
            self.total,
            ui::count(self.lines, "hand-written line"),
            ui::micros(self.max_pause)
        );
        ensure!(self.total > 0, "the series changes nothing");
        ensure!(self.unexpected == 0, "{} refused unexpectedly", ui::count(self.unexpected, "patch"));
        Ok(self.lineages)
    }
}

/// Whether two files have the same contents.
fn same_file(a: &Path, b: &Path) -> Result<bool> {
    Ok(fs::metadata(a)?.len() == fs::metadata(b)?.len() && fs::read(a)? == fs::read(b)?)
}

/// How patches are pushed: to all processes of a server, which come to rest within a bounded time or are left as they are.
const PUSH: &[&str] = &["--family", "--timeout=30"];

/// Applies patches to one server.
fn update_one(live: &mut dyn Live, recipe: &Recipe, state: &Built, made: &[Made]) -> Result<Vec<Pushed>> {
    live.before(&state.name)?;
    let programs: Vec<String> = made.iter().map(|made| made.program.clone()).collect();
    let pids = targets(live.running(), recipe, &programs);
    let pushed = live.under_load(&mut || {
        let push = |(program, pid): &(String, i32)| {
            let made = made.iter().find(|made| made.program == *program).context("no patch for the program")?;
            tools::push(*pid, &made.patch, PUSH)
        };
        pids.iter().map(push).collect()
    });
    let pushed = match pushed {
        Ok(pushed) => pushed,
        Err(error) => {
            live.running().alive().context("the server did not survive")?;
            return Err(error);
        }
    };
    live.running().alive()?;
    states(live.running(), recipe)?;
    if recipe.run()?.installed {
        live.running().install(&state.place, recipe)?;
    }
    live.after(&state.name, true)?;
    Ok(pushed)
}

/// The servers that run one of these programs.
fn targets(running: &Running, recipe: &Recipe, programs: &[String]) -> Vec<(String, i32)> {
    let servers = running.servers(recipe).into_iter();
    let wanted = servers.filter(|(program, _)| programs.iter().any(|other| other == program));
    wanted.map(|(program, server)| (program.to_string(), server.pid())).collect()
}

/// The state of each server, which all its processes report.
fn states(running: &Running, recipe: &Recipe) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for (program, server) in running.servers(recipe) {
        let own = process::executable(server.pid());
        // What the server started for its clients runs other programs.
        let family = server.family().into_iter().filter(|&pid| process::executable(pid) == own);
        let mut states = Vec::new();
        for pid in family {
            match tools::status(pid) {
                Ok((state, _)) => states.push(state),
                // A client that said good-bye may still have had a process when we looked.
                Err(error) if process::alive(pid) => return Err(error),
                Err(_) => {}
            }
        }
        states.dedup();
        ensure!(states.len() == 1, "the processes of {program} are in different states: {states:?}");
        all.append(&mut states);
    }
    Ok(all)
}

/// Both results, or what went wrong with either.
fn both<T>(result: Result<T>, other: Result<()>) -> Result<T> {
    match (result, other) {
        (Ok(result), Ok(())) => Ok(result),
        (Ok(_), Err(error)) | (Err(error), Ok(())) => Err(error),
        (Err(error), Err(other)) => Err(error.context(format!("and clients failed: {other:#}"))),
    }
}

/// Whether the recipe can be followed here.
pub fn check(recipe: &Recipe) -> Result<()> {
    let run = recipe.run()?;
    ensure!(!run.root || nix::unistd::geteuid().is_root(), "{} can only run as root", recipe.package);
    ensure!(
        run.protocol == "ftp" || !run.sessions.is_empty(),
        "live updates need clients: the recipe has no sessions, and this task no client for {}",
        run.protocol
    );
    Ok(())
}
