//! Updates under adverse conditions: pushers and targets that are killed, damaged patches, many processes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use dsu_tests::target::Target;
use dsu_tests::tools::{self, Finished, PATIENCE, tools};
use dsu_tests::versions::Versions;

/// A program of `update/`, started.
struct Scene {
    versions: Versions,
    room: PathBuf,
    target: Target,
}

impl Scene {
    fn new(name: &str, arguments: &[&str]) -> Result<Self> {
        let versions = Versions::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join("update").join(name), &[])?;
        let room = versions.room()?;
        let mut command = tools()?.command(versions.executable("v1")?, &room, &versions.temporary());
        command.args(arguments);
        let mut target = Target::start(command)?;
        ensure!(target.line()? == "ready");
        Ok(Self { versions, room, target })
    }

    fn push_command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = tools()?.command(&tools()?.push, &self.room, &self.versions.temporary());
        command.args(arguments);
        Ok(command)
    }

    fn push(&self, arguments: &[&str]) -> Result<Finished> {
        tools::run(self.push_command(arguments)?)
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        self.target.send(question)?;
        self.target.line()
    }

    fn pid(&self) -> String {
        self.target.pid().to_string()
    }

    fn status(&self) -> Result<serde_json::Value> {
        let finished = self.push(&["--status", "--json", &self.pid()])?;
        ensure!(finished.code() == Some(0), "status: {}", finished.all());
        Ok(serde_json::from_str(&finished.stdout)?)
    }
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Kills pushers at random moments; whatever they were about, the process goes on, and a later push works.
fn pushers_killed(name: &str, rounds: u32, works: impl Fn(&mut Scene, usize) -> Result<()>) -> Result<()> {
    let mut scene = Scene::new(name, &[])?;
    let patch = scene.versions.patch_file("v1", "v2")?.display().to_string();
    let pid = scene.pid();
    let mut random = Random(7);
    let typical = {
        let start = Instant::now();
        let finished = scene.push(&[&pid, &patch])?;
        ensure!(finished.code() == Some(0), "{}", finished.all());
        start.elapsed()
    };
    let (mut applied, mut finished_early) = (1, 0);
    for round in 0..rounds {
        let arguments: Vec<&str> = if applied == 0 { vec![&pid, &patch] } else { vec!["--undo", &pid] };
        let mut running = tools::spawn(scene.push_command(&arguments)?)?;
        std::thread::sleep(Duration::from_micros(random.next(typical.as_micros() as u64 * 5 / 4)));
        running.kill();
        finished_early += u32::from(running.finish(PATIENCE)?.code() == Some(0));
        // What came of it may show a moment later: a thread may be on its way into the runtime.
        applied = scene.status()?["patches"].as_array().map_or(0, Vec::len);
        works(&mut scene, applied).with_context(|| format!("after {round} rounds"))?;
        if round % 8 == 7 {
            let arguments: Vec<&str> = if applied == 0 { vec![&pid, &patch] } else { vec!["--undo", &pid] };
            let finished = scene.push(&arguments)?;
            ensure!(finished.code() == Some(0), "after {round} rounds: {}", finished.all());
            applied = 1 - applied;
            works(&mut scene, applied)?;
        }
    }
    ensure!(finished_early < rounds, "no pusher was killed in time");
    scene.target.exits(0)?;
    scene.versions.check_temporary()
}

#[test]
fn pushers_killed_single_thread() -> Result<()> {
    pushers_killed("body", 80, |scene, applied| {
        let answer = scene.ask("x")?;
        // A request that nobody waits for any more may be served after the look at the status.
        let (five, many) = ("x: 5", "x: 400");
        ensure!(answer == five || answer == many, "{answer}");
        let now = scene.status()?["patches"].as_array().map_or(0, Vec::len);
        let want = [five, many][now.min(1)];
        ensure!(applied != now || answer == want, "{answer} with {now} patches");
        Ok(())
    })
}

#[test]
fn pushers_killed_threads() -> Result<()> {
    pushers_killed("threads", 60, |scene, _| {
        let answer = scene.ask("x")?;
        ensure!(answer.ends_with(", all"), "{answer}");
        let job = scene.ask("job")?;
        ensure!(job.starts_with("job "), "{job}");
        Ok(())
    })
}

/// The process is killed while it is updated: the pusher says so, and soon.
#[test]
fn targets_killed() -> Result<()> {
    let mut random = Random(11);
    let mut outcomes = [0; 2];
    let scene = Scene::new("body", &[])?;
    let patch = scene.versions.patch_file("v1", "v2")?.display().to_string();
    let executable = scene.versions.executable("v1")?;
    for _ in 0..30 {
        let command = tools()?.command(&executable, &scene.room, &scene.versions.temporary());
        let mut target = Target::start(command)?;
        ensure!(target.line()? == "ready");
        let pid = target.pid().to_string();
        let running = tools::spawn(scene.push_command(&[&pid, &patch])?)?;
        std::thread::sleep(Duration::from_micros(random.next(9000)));
        target.signal("KILL")?;
        let finished = running.finish(Duration::from_secs(8))?;
        match finished.code() {
            Some(0) => outcomes[0] += 1,
            Some(1) => outcomes[1] += 1,
            _ => bail!("{}: {}", finished.status, finished.all()),
        }
        target.dies("KILL")?;
    }
    ensure!(outcomes[1] > 0, "{outcomes:?}");
    Ok(())
}

/// Damaged patches are refused, or harmless as long as nobody runs what is in them.
#[test]
fn damaged_patches() -> Result<()> {
    let mut scene = Scene::new("globals", &[])?;
    let good = std::fs::read(scene.versions.patch_file("v1", "v2")?)?;
    let (mut random, pid) = (Random(3), scene.pid());
    let file = scene.room.join("damaged.dsu");
    let path = file.display().to_string();
    let mut refused = 0;
    for round in 0..150 {
        let mut bytes = good.clone();
        match round % 3 {
            // One byte, anywhere, or among the headers.
            0 => bytes[random.next(good.len() as u64) as usize] ^= 1 << random.next(8),
            1 => bytes[random.next(1200) as usize] = random.next(256) as u8,
            // Cut off.
            _ => bytes.truncate(random.next(good.len() as u64) as usize),
        }
        std::fs::write(&file, &bytes)?;
        let finished = scene.push(&["--timeout=5", &pid, &path])?;
        match finished.code() {
            Some(0) => {
                let undone = scene.push(&["--undo", &pid])?;
                ensure!(undone.code() == Some(0), "round {round}: {}", undone.all());
            }
            Some(1 | 3) => {
                refused += 1;
                ensure!(!finished.stderr.trim().is_empty(), "no reason is given");
            }
            _ => bail!("round {round}: {}: {}", finished.status, finished.all()),
        }
        ensure!(scene.status()?["patches"].as_array().is_some_and(Vec::is_empty), "round {round}: a patch is in force");
    }
    ensure!(refused > 60, "only {refused} were refused");
    ensure!(scene.ask("a")?.starts_with("1 11 41 1 starta"));
    scene.target.line()?;
    scene.target.exits(0)
}

/// Many processes at once, some of them just beginning or ending.
#[test]
fn many_processes() -> Result<()> {
    let mut scene = Scene::new("swarm", &["64"])?;
    let patch = scene.versions.patch_file("v1", "v2")?.display().to_string();
    let pid = scene.pid();
    ensure!(scene.ask("x")? == "v1: 60 0");
    for round in 0..2 {
        let finished = scene.push(&["--timeout=20", "--family", &pid, &patch])?;
        ensure!(finished.code() == Some(0), "round {round}: {}", finished.all());
        let answer = scene.ask("x")?;
        ensure!(answer == "v2: 0 60", "{answer}");
        let finished = scene.push(&["--timeout=20", "--undo", "--family", &pid])?;
        ensure!(finished.code() == Some(0), "round {round}: {}", finished.all());
        let answer = scene.ask("x")?;
        ensure!(answer == "v1: 60 0", "{answer}");
    }
    scene.target.exits(0)
}

/// Two pushers at once: one waits for the other, and both do what they can.
#[test]
fn pushers_at_once() -> Result<()> {
    let mut scene = Scene::new("stacked", &[])?;
    let first = scene.versions.patch_file("v1", "v2")?.display().to_string();
    let other = scene.versions.patch_file("v1", "v4")?.display().to_string();
    let pid = scene.pid();
    for _ in 0..5 {
        let list = [&first, &other, &first].map(|patch| scene.push_command(&[&pid, patch]).and_then(tools::spawn));
        let mut codes = Vec::new();
        for running in list {
            codes.push(running?.finish(PATIENCE)?.code());
        }
        // One wins; the other patch then is for another state, and the same one again is already there.
        ensure!(codes.iter().all(|c| matches!(c, Some(0 | 3))), "{codes:?}");
        ensure!(codes.contains(&Some(0)), "{codes:?}");
        let undone = scene.push(&["--undo", &pid])?;
        ensure!(undone.code() == Some(0), "{}", undone.all());
    }
    ensure!(scene.ask("x")?.starts_with("x: v1"));
    scene.target.exits(0)
}

/// A hundred updates and undos, one after the other: nothing accumulates.
#[test]
fn back_and_forth() -> Result<()> {
    let mut scene = Scene::new("globals", &[])?;
    let patch = scene.versions.patch_file("v1", "v2")?.display().to_string();
    let pid = scene.pid();
    let maps = |scene: &Scene| std::fs::read_to_string(format!("/proc/{}/maps", scene.target.pid()));
    let mut before = 0;
    for round in 0..60 {
        let finished = scene.push(&[&pid, &patch])?;
        ensure!(finished.code() == Some(0), "{}", finished.all());
        let finished = scene.push(&["--undo", &pid])?;
        ensure!(finished.code() == Some(0), "{}", finished.all());
        if round == 9 {
            before = maps(&scene)?.lines().count();
        }
    }
    let after = maps(&scene)?.lines().count();
    // Old code is never unmapped, as it may be running; but nothing else may pile up.
    ensure!(after <= before + 50 * 6, "{before} mappings became {after}");
    let answer = scene.ask("a")?;
    ensure!(answer.starts_with("1 11 41 1 starta"), "{answer}");
    scene.target.line()?;
    scene.target.exits(0)
}
