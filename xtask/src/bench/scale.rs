//! How updates that change a type scale: with the number of live objects, of globals, and of updates before.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use anyhow::{Context, Result};
use serde::Serialize;

use super::{
    servers::scratch,
    stats::{Pairs, spread},
};
use crate::{build::Compiler, cmd, tools, ui};

const OBJECTS: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
const BESIDE: [u64; 3] = [10_000, 100_000, 1_000_000];
const GLOBALS: [usize; 3] = [100, 1_000, 10_000];
/// Updates of one process, one after the other.
const UPDATES: usize = 12;
/// Objects walked in the comparison after several updates: as many as caches hold, so that this is about code.
const WALKED: u64 = 5_000;
/// Fields that the update of live objects adds: more than the least slop holds.
const ADDED: usize = 3;
/// Bytes of slop of the struct, enough for a field of each update.
const SLOP: usize = 64;

/// One row of a table.
#[derive(Serialize)]
pub struct Row {
    /// Live objects of the changed type, or variables that the patch binds to.
    pub count: u64,
    /// Pause of the update.
    pub pause_ns: u64,
    /// From the start of `dsu-push` to its end.
    pub push_ns: u64,
    /// Nanoseconds per object: the first walk over all objects after the update, which migrates them; 0 for variables.
    pub first_walk_ns: f64,
    /// The next walk.
    pub next_walk_ns: f64,
    /// The same walk in a fresh build of the new version.
    pub fresh_walk_ns: f64,
}

/// What was measured.
#[derive(Serialize, Default)]
pub struct Scale {
    /// By live objects of the changed type.
    pub objects: Vec<Row>,
    /// The same, with the new fields in a table beside the objects, for want of slop.
    pub beside: Vec<Row>,
    /// By variables that the patch binds to.
    pub globals: Vec<Row>,
    /// Time of a walk, a fresh build of the last version against a process after 1 update and after 12.
    pub updates: Vec<Pairs>,
    /// Pauses of the successive updates, in nanoseconds.
    pub pauses: Vec<u64>,
}

/// Measures everything here.
pub fn measure(pairs: usize) -> Result<Scale> {
    let folder = scratch("scale")?;
    ui::stage("Updates that change a type, against live objects");
    let in_place = OBJECTS.iter().map(|&count| objects(&folder, count, SLOP)).collect::<Result<_>>()?;
    ui::stage("The same with fields beside the objects");
    let beside = BESIDE.iter().map(|&count| objects(&folder, count, 8)).collect::<Result<_>>()?;
    ui::stage("Updates against variables bound");
    let globals = GLOBALS.iter().map(|&count| globals(&folder, count)).collect::<Result<_>>()?;
    ui::stage("Successive updates of one process");
    let (updates, pauses) = successive(&folder, pairs)?;
    Ok(Scale { objects: in_place, beside, globals, updates, pauses })
}

/// A program that answers commands on its standard input with a number.
struct Driven {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Driven {
    fn start(program: &Path) -> Result<Self> {
        let mut child = cmd::command(program, [""; 0])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { child, input, output })
    }

    fn ask(&mut self, command: &str) -> Result<f64> {
        writeln!(self.input, "{command}")?;
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        line.trim().parse().with_context(|| format!("the program answered {line:?} to {command}"))
    }

    /// Nanoseconds per object of one walk.
    fn walk(&mut self, objects: u64) -> Result<f64> {
        Ok(self.ask("walk")? / objects as f64)
    }

    fn push(&self, patch: &Path) -> Result<(u64, u64)> {
        let start = std::time::Instant::now();
        let pushed = tools::push(self.child.id() as i32, patch, &[])?;
        Ok((pushed.pause_ns(), start.elapsed().as_nanos() as u64))
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        // It ends by itself at the end of its input; this is for one that does not.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn objects(folder: &Path, count: u64, slop: usize) -> Result<Row> {
    let step = ui::step(format!("{count} objects"));
    let folder = folder.join(format!("slop{slop}"));
    let (old, new) = (generate(&folder.join("1"), 1, 0, slop)?, generate(&folder.join("2"), ADDED + 1, 0, slop)?);
    let patch = folder.join("objects.dsu");
    tools::diff(&old, &new, &patch)?.patch()?;
    let mut fresh = Driven::start(&new)?;
    fresh.ask(&format!("make {count}"))?;
    fresh.walk(count)?;
    let fresh_walk_ns = fresh.walk(count)?;
    drop(fresh);
    let mut updated = Driven::start(&old)?;
    updated.ask(&format!("make {count}"))?;
    updated.walk(count)?;
    let (pause_ns, push_ns) = updated.push(&patch)?;
    let row = Row {
        count,
        pause_ns,
        push_ns,
        first_walk_ns: updated.walk(count)?,
        next_walk_ns: updated.walk(count)?,
        fresh_walk_ns,
    };
    step.done(&format!("pause {} us", pause_ns / 1000));
    Ok(row)
}

fn globals(folder: &Path, count: usize) -> Result<Row> {
    let step = ui::step(format!("{count} variables"));
    let folder = folder.join(format!("globals{count}"));
    let (old, new) = (generate(&folder.join("1"), 1, count, SLOP)?, generate(&folder.join("2"), 2, count, SLOP)?);
    let patch = folder.join("globals.dsu");
    tools::diff(&old, &new, &patch)?.patch()?;
    let updated = Driven::start(&old)?;
    let (pause_ns, push_ns) = updated.push(&patch)?;
    step.done(&format!("pause {} us", pause_ns / 1000));
    Ok(Row { count: count as u64, pause_ns, push_ns, first_walk_ns: 0.0, next_walk_ns: 0.0, fresh_walk_ns: 0.0 })
}

/// One process through all versions, each with one more field.
fn successive(folder: &Path, pairs: usize) -> Result<(Vec<Pairs>, Vec<u64>)> {
    let step = ui::step(format!("{UPDATES} updates, {pairs} rounds of walks"));
    let builds: Vec<PathBuf> =
        (1..=UPDATES + 1).map(|v| generate(&folder.join(format!("s{v}")), v, 0, SLOP)).collect::<Result<_>>()?;
    let patches = chain(folder, &builds)?;
    let start = |program: &Path| -> Result<Driven> {
        let mut driven = Driven::start(program)?;
        driven.ask(&format!("make {WALKED}"))?;
        Ok(driven)
    };
    let mut many = start(&builds[0])?;
    let mut pauses = Vec::new();
    for patch in &patches {
        pauses.push(many.push(patch)?.0);
        many.walk(WALKED)?;
    }
    let mut one = start(&builds[UPDATES - 1])?;
    let last = folder.join("last.dsu");
    tools::diff(&builds[UPDATES - 1], &builds[UPDATES], &last)?.patch()?;
    one.push(&last)?;
    let mut fresh = start(&builds[UPDATES])?;
    let (mut after_one, mut after_many) = (Vec::new(), Vec::new());
    for driven in [&mut fresh, &mut one, &mut many] {
        driven.walk(WALKED)?;
    }
    for _ in 0..pairs.max(5) {
        let plain = median_walk(&mut fresh)?;
        after_one.push((plain, median_walk(&mut one)?));
        after_many.push((plain, median_walk(&mut many)?));
    }
    step.done("");
    let pairs = vec![
        Pairs::new("walk: fresh build, after 1 update".to_string(), "ns", after_one),
        Pairs::new(format!("walk: fresh build, after {UPDATES} updates"), "ns", after_many),
    ];
    Ok((pairs, pauses))
}

fn median_walk(driven: &mut Driven) -> Result<f64> {
    let walks: Vec<f64> = (0..9).map(|_| driven.walk(WALKED)).collect::<Result<_>>()?;
    Ok(spread(&walks).median)
}

/// Patches from each build to the next, each made for the lineage.
fn chain(folder: &Path, builds: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut patches: Vec<PathBuf> = Vec::new();
    for (n, new) in builds.iter().enumerate().skip(1) {
        let patch = folder.join(format!("p{n}.dsu"));
        let diff = tools::diff_after(&builds[0], &patches, new, &patch, None)?;
        diff.patch().with_context(|| format!("version {}", n + 1))?;
        patches.push(patch);
    }
    Ok(patches)
}

/// Version `version` of the program: its struct has `version - 1` fields more than that of version 1. `globals`
/// variables belong to the unit that changes.
fn generate(folder: &Path, version: usize, globals: usize, slop: usize) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let added: String = (2..=version).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "    int added{n};");
        text
    });
    let sum: String = (2..=version).map(|n| format!(" + p->added{n}")).collect();
    let set: String = (2..=version).map(|n| format!("        p->added{n} = {n};\n")).collect();
    let mut text = format!(
        "#include <stdlib.h>\nstruct item {{\n    struct item *next;\n    long value;\n    char name[48];\n{added}}};\n\
         static struct item *items;\n\
         long make(long n)\n{{\n    while (n-- > 0) {{\n        struct item *p = malloc(sizeof *p);\n        if (!p)\n            return -1;\n\
         \x20       p->value = n;\n        p->name[0] = 0;\n{set}        p->next = items;\n        items = p;\n    }}\n    return 0;\n}}\n\
         long walk(void)\n{{\n    long sum = {version};\n    for (struct item *p = items; p; p = p->next)\n        sum += p->value{sum};\n    return sum;\n}}\n"
    );
    let mut uses = String::from("long globals(void)\n{\n    long sum = 0;\n");
    for n in 0..globals {
        let _ = writeln!(text, "int global{n} = {n};");
        let _ = writeln!(uses, "    sum += global{n}++;");
    }
    text.push_str(&uses);
    let _ = writeln!(text, "    return sum + {version};\n}}");
    fs::write(folder.join("items.c"), text)?;
    fs::write(folder.join("main.c"), MAIN)?;
    fs::write(
        folder.join("dsu.toml"),
        format!(
            "[[update-point]]\nfunction = \"main\"\nloop = 1\nquiescent = [\"read\"]\n\n[types.\"struct item\"]\nslop = {slop}\n"
        ),
    )?;
    let mut cc = cmd::command(Compiler::Updatable.command(), ["-O2", "-o", "program", "items.c", "main.c"]);
    cc.current_dir(folder);
    cmd::output(&mut cc, cmd::LONG)?;
    Ok(folder.join("program"))
}

const MAIN: &str = r#"#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
long make(long), walk(void), globals(void);
static volatile long sink;
int main(void)
{
    char line[64];
    for (;;) {
        ssize_t n = read(0, line, sizeof line - 1);
        if (n <= 0)
            return 0;
        line[n] = 0;
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        if (!strncmp(line, "make ", 5))
            sink = make(atol(line + 5));
        else if (!strncmp(line, "globals", 7))
            sink = globals();
        else
            sink = walk();
        clock_gettime(CLOCK_MONOTONIC, &b);
        printf("%ld\n", (b.tv_sec - a.tv_sec) * 1000000000L + (b.tv_nsec - a.tv_nsec));
        fflush(stdout);
    }
}
"#;

fn print_objects(title: &str, rows: &[Row]) {
    let ns = |value: f64| format!("{value:.2}");
    println!(
        "\n{title:>12} {:>10} {:>10} {:>16} {:>16} {:>16}",
        "pause us", "push us", "first walk ns/o", "next walk ns/o", "fresh build ns/o"
    );
    for row in rows {
        let (first, next, fresh) = (ns(row.first_walk_ns), ns(row.next_walk_ns), ns(row.fresh_walk_ns));
        println!(
            "{:>12} {:>10} {:>10} {first:>16} {next:>16} {fresh:>16}",
            row.count,
            row.pause_ns / 1000,
            row.push_ns / 1000
        );
    }
}

/// Prints the tables.
pub fn print(scale: &Scale) {
    for (title, rows) in [("objects", &scale.objects), ("beside", &scale.beside)] {
        print_objects(title, rows);
    }
    println!("\n{:>12} {:>10} {:>10}", "variables", "pause us", "push us");
    for row in &scale.globals {
        println!("{:>12} {:>10} {:>10}", row.count, row.pause_ns / 1000, row.push_ns / 1000);
    }
    println!();
    for pairs in &scale.updates {
        let ratios = pairs.ratios();
        println!("{:<40} ratio {:.4} ({:.4} to {:.4})", pairs.name, ratios.median, ratios.min, ratios.max);
    }
    let pauses: Vec<String> = scale.pauses.iter().map(|ns| (ns / 1000).to_string()).collect();
    println!("pauses of the successive updates, us: {}", pauses.join(" "));
}
