//! `cargo xtask changes`: one server with live data goes through ten changes of the shape of its data, one update each.
//! Every step is checked; anything unexpected fails the task.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};

use crate::{build::Compiler, cmd, deps, lines::Client, paths, process, tools, ui};

const LAST: u32 = 11;

/// What each update changes.
const CHANGES: [&str; 10] = [
    "a field is added",
    "a struct inside the struct grows",
    "a struct in an array inside the struct grows",
    "fields change places, one is gone",
    "fields are retyped, one array grows and one shrinks",
    "a field is renamed, bit-fields are added between others",
    "a union gets a member, a typedef changes its type",
    "the values of an enum move up",
    "a table and an array of counters grow, a global is retyped, a global struct grows",
    "a struct becomes opaque",
];

/// Programs, and so patches, that check how they use memory and numbers.
const SANITIZED: &str = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined";

/// Runs the walk-through; with sanitizers, if asked for.
pub fn task(sanitizers: bool) -> Result<()> {
    deps::basic()?;
    ui::stage("The tools");
    tools::build()?;
    let folder = paths::work(if sanitizers { "changes-sanitized" } else { "changes" });
    let builds = build(&folder, sanitizers)?;
    let patches = patches(&folder, &builds)?;
    ui::stage("Version 1 runs, and holds data");
    let port = process::free_port()?;
    let mut command = cmd::command(&builds[0], [port.to_string()]);
    // What only a patch refers to looks lost to a checker that does not know the patch.
    command.env("ASAN_OPTIONS", "detect_leaks=0");
    let server = process::Server::start(&mut command, &folder.join("output"), port)?;
    let mut client = Client::connect(port)?;
    for line in ["open ada", "book ada 30", "book ada -5", "open bob", "status ada 1"] {
        client.say(line, "done")?;
    }
    check(&mut client, 1, "ada", &Account::ADA)?;
    let (mut longest, mut lines) = (0, 0);
    for (version, patch) in (2..=LAST).zip(&patches) {
        ui::stage(&format!("Version {version}: {}", CHANGES[version as usize - 2]));
        let pushed = tools::push(server.pid(), &patch.file, &[])?;
        ui::note(&format!(
            "{}; pause {} us; {} hand-written lines",
            pushed.message(),
            pushed.pause_ns() / 1000,
            patch.lines
        ));
        longest = longest.max(pushed.pause_ns() / 1000);
        lines += patch.lines;
        client.say("version", &version.to_string())?;
        check(&mut client, version, "ada", &Account::ADA)?;
        let name = format!("new{version}");
        client.quietly(&format!("open {name}"), "done")?;
        check(&mut client, version, &name, &Account::fresh(version))?;
        for earlier in 2..version {
            check(&mut client, version, &format!("new{earlier}"), &Account::fresh(earlier))?;
        }
    }
    // Every line since the start is counted in the globals that were moved, retyped and grown on the way.
    client.send("totals")?;
    let totals = client.receive()?;
    ui::note(&format!("  > totals\n      < {totals}"));
    let served = totals.split(' ').nth(1).unwrap_or_default().to_string();
    ensure!(
        totals == format!("served {served} refused 0 lines {served} sum {served} created 2"),
        "totals do not add up: {totals}"
    );
    ensure!(process::alive(server.pid()), "the server ended");
    println!(
        "\nchanges: {} of {} updates applied, {lines} hand-written lines, max pause {longest} us",
        patches.len(),
        CHANGES.len()
    );
    Ok(())
}

/// A patch of the series.
struct Patch {
    file: PathBuf,
    /// Lines of C that a person had to write.
    lines: usize,
}

fn build(folder: &Path, sanitizers: bool) -> Result<Vec<PathBuf>> {
    let how = if sanitizers { " and sanitizers" } else { "" };
    ui::stage(&format!("Eleven versions of a ledger, built with make CC=dsu-cc{how}"));
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    (1..=LAST)
        .map(|version| {
            let tree = folder.join(format!("v{version}"));
            let source = paths::root().join("demos").join("ledger");
            cmd::output(cmd::command("cp", ["-a"]).arg(source).arg(&tree), cmd::SHORT)?;
            let mut words = vec![format!("CC={}", Compiler::Updatable.command()), format!("VERSION={version}")];
            words.extend(sanitizers.then(|| format!("CFLAGS={SANITIZED} -DVERSION={version}")));
            let mut make = cmd::command("make", words);
            make.current_dir(&tree).env_remove("MAKEFLAGS");
            cmd::run_logged(&mut make, &folder.join(format!("v{version}.log")), cmd::LONG)?;
            Ok(tree.join("ledger"))
        })
        .collect()
}

/// A patch to each version, made for a process that has taken all patches before.
fn patches(folder: &Path, builds: &[PathBuf]) -> Result<Vec<Patch>> {
    ui::stage("Ten patches, each for the lineage before it");
    let mut files: Vec<PathBuf> = Vec::new();
    let mut patches = Vec::new();
    for (version, new) in (2..).zip(&builds[1..]) {
        let file = folder.join(format!("{version}.dsu"));
        let transform = paths::root().join("demos").join("ledger").join(format!("transform-{version}.c"));
        let transform = transform.exists().then_some(transform);
        let diff = tools::diff_after(&builds[0], &files, new, &file, transform.as_deref())?.patch()?;
        ui::note(&format!("version {version}: types {}", diff.types.join(", ")));
        files.push(file.clone());
        patches.push(Patch { file, lines: diff.lines });
    }
    Ok(patches)
}

/// What is known of an account.
struct Account {
    title: &'static str,
    balance: i64,
    monthly: i32,
    first: &'static str,
    opened: u32,
    visits: u32,
    grade: u32,
}

impl Account {
    /// An account from the time of version 1. Later versions take it for one that they opened, in what they begin to note.
    const ADA: Self =
        Self { title: "closed", balance: 25, monthly: 0, first: "1:30", opened: 2002, visits: 2, grade: 5 };

    /// An account that was opened by this version.
    fn fresh(version: u32) -> Self {
        Self {
            title: "open",
            balance: 0,
            monthly: if version >= 3 { 1000 } else { 0 },
            first: "0:0",
            opened: 2000 + version,
            visits: 0,
            grade: 5,
        }
    }
}

/// What this version must say of the account.
fn check(client: &mut Client, version: u32, name: &str, account: &Account) -> Result<()> {
    let since = |first: u32, text: String| if version >= first { text } else { String::new() };
    let until = |last: u32, text: String| if version <= last { text } else { String::new() };
    let expected = [
        format!("{name} {} {} limits 100/500", account.title, account.balance),
        since(3, format!("/{}", account.monthly)),
        format!(" first {}", account.first),
        since(4, "=0".to_string()),
        since(2, format!(" opened {}", account.opened)),
        until(4, format!(" visits {}", account.visits)),
        format!(" branch HQ {}", if version >= 6 { 4 } else { 8 }),
        since(7, format!(" interest 7 vip 0 grade {}", account.grade)),
        until(6, " rate 7".to_string()),
        " letters 2 overdraft 50 percent 3".to_string(),
    ]
    .concat();
    client.say(&format!("show {name}"), &expected)
}
