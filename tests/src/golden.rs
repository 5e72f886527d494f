//! Rewrite tests: a program behaves the same whether it was built plainly or updatable, and the report says of it what
//! its directives say.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSymbol};

use crate::program::{Built, Compiler, Program, copy_files, words};
use crate::tools::{self, Finished};

/// Flags a program is built with in turn, if it does not say otherwise.
const VARIANTS: &[&str] = &["-O0 -g", "-O2"];

/// Tests the program at `path`: a C file, or a directory of them.
///
/// # Errors
/// When something is not as it should be.
pub fn test(path: &Path) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("dsu-tests-").tempdir()?;
    let source = scratch.path().join("source");
    let temporary = scratch.path().join("tmp");
    std::fs::create_dir_all(&temporary)?;
    if path.is_dir() {
        copy_files(path, &source)?;
    } else {
        std::fs::create_dir_all(&source)?;
        std::fs::copy(path, source.join(path.file_name().context("a file without a name")?))?;
    }
    let program = Program::open(&source)?;
    program.configure()?;
    let variants = program.directives.all("variant").to_vec();
    let variants = if variants.is_empty() { VARIANTS.iter().map(|v| (*v).to_owned()).collect() } else { variants };
    for (number, variant) in variants.iter().enumerate() {
        let output = scratch.path().join(format!("variant{number}"));
        test_variant(&program, &words(variant), &output, &temporary)
            .with_context(|| format!("with flags {variant}"))?;
    }
    let left: Vec<_> = std::fs::read_dir(&temporary)?.flatten().map(|e| e.file_name()).collect();
    ensure!(left.is_empty(), "temporary files are left: {left:?}");
    Ok(())
}

fn test_variant(program: &Program, flags: &[String], output: &Path, temporary: &Path) -> Result<()> {
    let updatable = program.build(Compiler::Updatable, flags, &output.join("updatable"), temporary)?;
    let failures = program.directives.all("link-fails");
    if !failures.is_empty() {
        ensure!(!updatable.link.status.success(), "the link does not fail");
        for fragment in failures {
            ensure!(
                updatable.link.stderr.contains(fragment),
                "dsu-cc says:\n{}\nnot {fragment}",
                updatable.link.stderr
            );
        }
        return Ok(());
    }
    let plain = program.build(Compiler::Plain, flags, &output.join("plain"), temporary)?;
    ensure!(plain.link.status.success(), "the plain link fails:\n{}", plain.link.all());
    ensure!(updatable.link.status.success(), "the link fails:\n{}", updatable.link.all());
    let saved = keep_in_mind(&updatable);
    check_report(program, &updatable).with_context(|| saved.clone())?;
    let want = execute(program, &plain, temporary)?;
    let got = execute(program, &updatable, temporary)?;
    for line in program.directives.all("output") {
        ensure!(want.stdout.lines().any(|l| l == line), "the plain program does not print {line:?}:\n{}", want.all());
    }
    let exit: i32 = program.directives.all("exit").first().map_or(Ok(0), |e| e.parse())?;
    ensure!(want.code() == Some(exit), "the plain program ends with {}:\n{}", want.status, want.all());
    if want.stdout != got.stdout || want.status != got.status {
        bail!(
            "the updatable program behaves differently ({}, not {}); it prints\n{}\nnot\n{}\n{saved}",
            got.status,
            want.status,
            got.all(),
            want.all()
        );
    }
    Ok(())
}

/// For failures: the interesting part of what `dsu-cc` did.
fn keep_in_mind(built: &Built) -> String {
    format!("dsu-cc reports {}", serde_json::to_string(&built.report).unwrap_or_default())
}

fn execute(program: &Program, built: &Built, temporary: &Path) -> Result<Finished> {
    let directory = built.executable.parent().context("an executable without a directory")?;
    let mut command = tools::tools()?.command("./program", directory, temporary);
    command.args(program.directives.words("args"));
    if let Some(text) = program.directives.all("stdin").first() {
        std::fs::write(directory.join("stdin"), text.replace("\\n", "\n"))?;
        command = {
            let mut shell = tools::tools()?.command("sh", directory, temporary);
            shell.args(["-c", "exec ./program \"$@\" <stdin", "sh"]).args(program.directives.words("args"));
            shell
        };
    }
    command.stderr(Stdio::piped());
    tools::run(command)
}

fn check_report(program: &Program, built: &Built) -> Result<()> {
    let directives = &program.directives;
    check_units(program, built)?;
    let names = |field: &str| -> BTreeSet<String> {
        let list = built.report[field].as_array().cloned().unwrap_or_default();
        // Static functions are reported as NAME@UNIT.
        list.iter()
            .filter_map(|v| v.as_str())
            .flat_map(|s| [s.to_owned(), s.split('@').next().unwrap_or(s).to_owned()])
            .collect()
    };
    let (stubs, by_name) = (names("stubs"), names("by_name_stubs"));
    for name in directives.words("stub") {
        ensure!(stubs.contains(&name), "{name} has no stub");
    }
    for name in directives.words("no-stub") {
        ensure!(!stubs.contains(&name), "{name} has a stub");
    }
    for name in directives.words("by-name") {
        ensure!(by_name.contains(&name), "the symbol {name} is not a stub");
    }
    let notes = format!("{}{}", built.report["notes"], built.report["warnings"]);
    for note in directives.all("note") {
        ensure!(notes.contains(note.as_str()), "no note says {note:?}");
    }
    check_types(program, built)?;
    check_symbols(program, &built.executable)?;
    check_text(program, &built.saved)
}

/// Exactly those units are kept that are said to be.
fn check_units(program: &Program, built: &Built) -> Result<()> {
    let units = built.report["units"].as_array().cloned().unwrap_or_default();
    let kept_as_said = program.directives.pairs("kept");
    for unit in &units {
        let source = unit["source"].as_str().unwrap_or_default();
        let said = kept_as_said.iter().find(|(name, _)| name == source);
        match (unit["kept"].as_str(), said) {
            (Some(reason), Some((_, fragment))) => {
                ensure!(reason.contains(fragment.as_str()), "{source} is kept because {reason}, not {fragment}");
            }
            (Some(reason), None) => bail!("{source} is kept: {reason}"),
            (None, Some(_)) => bail!("{source} is not kept"),
            (None, None) => {}
        }
    }
    for (name, _) in &kept_as_said {
        ensure!(units.iter().any(|u| u["source"] == name.as_str()), "no unit {name} is reported");
    }
    ensure!(!units.is_empty(), "dsu-cc made nothing updatable:\n{}", built.link.all());
    Ok(())
}

/// Structs have room, or have none for the reasons said.
fn check_types(program: &Program, built: &Built) -> Result<()> {
    let (directives, types) = (&program.directives, &built.report["types"]);
    for (name, slop) in directives.pairs("room") {
        let got = &types["wrapped"][&name];
        ensure!(got.is_u64(), "{name} has no room: {types}");
        let bytes = got.as_u64();
        ensure!(slop.is_empty() || bytes == slop.parse().ok(), "{name} has room for {got} bytes, not {slop}");
    }
    let list = |field: &str| types[field].as_array().cloned().unwrap_or_default();
    for (name, reason) in directives.pairs("no-room") {
        if reason.is_empty() {
            ensure!(
                list("small").iter().any(|t| t.as_str() == Some(name.as_str())),
                "{name} is not too small: {types}"
            );
            continue;
        }
        let unwrapped = list("unwrapped");
        let entry = unwrapped.iter().find(|t| t["name"] == name.as_str());
        let got = entry.and_then(|t| t["reason"].as_str()).unwrap_or("nothing");
        ensure!(got.contains(&reason), "{name} has no room because of {got}, not {reason}");
    }
    let unproven: Vec<String> =
        list("unproven").iter().map(|u| u["function"].as_str().unwrap_or_default().to_owned()).collect();
    let said = directives.words("unproven");
    ensure!(unproven == said, "these allocators are not proven: {unproven:?}, not {said:?}");
    Ok(())
}

fn check_symbols(program: &Program, executable: &Path) -> Result<()> {
    let bytes = std::fs::read(executable)?;
    let file = object::File::parse(&*bytes)?;
    let symbols: BTreeSet<String> = file.symbols().filter_map(|s| s.name().ok().map(str::to_owned)).collect();
    let slot = |name: &str| {
        symbols.iter().filter_map(|s| s.strip_prefix("dsu_slot_")).any(|label| {
            // A static function's label begins with its unit's.
            label == name || label.get(16..).and_then(|l| l.strip_prefix('_')) == Some(name)
        })
    };
    for name in program.directives.words("indirect") {
        ensure!(slot(&name), "{name} has no slot");
    }
    for name in program.directives.words("direct") {
        ensure!(!slot(&name), "{name} has a slot");
    }
    for name in program.directives.words("symbol") {
        ensure!(symbols.contains(&name), "the executable has no symbol {name}");
    }
    for name in program.directives.words("no-symbol") {
        ensure!(!symbols.contains(&name), "the executable has a symbol {name}");
    }
    Ok(())
}

/// Compares fragments with the rewritten text, white space aside.
fn check_text(program: &Program, saved: &Path) -> Result<()> {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = String::new();
    for number in 0..program.sources.len() {
        if let Ok(unit) = std::fs::read_to_string(saved.join(format!("program/unit-{number}.i"))) {
            text.push_str(&squeeze(&unit));
            text.push('\n');
        }
    }
    for fragment in program.directives.all("rewritten") {
        ensure!(text.contains(&squeeze(fragment)), "the rewritten text does not contain {fragment}");
    }
    for fragment in program.directives.all("not-rewritten") {
        ensure!(!text.contains(&squeeze(fragment)), "the rewritten text contains {fragment}");
    }
    Ok(())
}
