//! `cargo xtask server NAME`: a real server, built from its own source and updated while it serves.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::{
    build::{Built, Compiler, Source},
    cmd, deps, live, paths, process,
    recipe::{Recipe, Suite, Updates, fill, show},
    series::Lineage,
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
    let mut updated = None;
    if let Some(updates) = &recipe.updates {
        updated = Some(live_updates(&recipe, &source, updates, compiler)?);
    }
    if let Some(suite) = &recipe.suite {
        let (built, lineage) = match updated {
            Some((last, lineage)) => (last, lineage),
            None => (source.build(&recipe, compiler)?.0, None),
        };
        own_tests(&recipe, &source, suite, compiler, &built, lineage.as_ref())?;
    }
    Ok(())
}

/// Builds every state of the patch series and applies it to running servers, patch by patch. Returns the last state, and how
/// the running program came to it.
fn live_updates(
    recipe: &Recipe,
    source: &Source,
    updates: &Updates,
    compiler: Compiler,
) -> Result<(Built, Option<Lineage>)> {
    live::check(recipe)?;
    ui::stage(&format!("{}: the states of its patch series, {} builds", recipe.package, compiler.name()));
    let mut states = source.build_series(recipe, updates, compiler)?;
    let mut lineage = None;
    if compiler == Compiler::Plain {
        live::plain_check(recipe, updates, &states)?;
    } else {
        lineage = live::update(recipe, updates, &states)?.remove(&recipe.build.program);
    }
    Ok((states.pop().context("no states")?, lineage))
}

/// Runs tests of the server's own in the tree it was built in. With a lineage, every server that they start is one of the base build that
/// has been updated before its clients hear of it.
fn own_tests(
    recipe: &Recipe,
    source: &Source,
    suite: &Suite,
    compiler: Compiler,
    built: &Built,
    lineage: Option<&Lineage>,
) -> Result<()> {
    let what = if lineage.is_some() { "updated servers".into() } else { format!("{} build", compiler.name()) };
    ui::stage(&format!("{}: its own tests, {what}", recipe.package));
    let record = source.folder().join("updated");
    if let Some(lineage) = lineage {
        put_updater(&built.tree.join(&recipe.build.program), suite, lineage, built, &record)?;
    }
    let port = process::free_port()?.min(40_000).to_string();
    let words: Vec<String> = suite.command.iter().map(|word| fill(word, &[("port", &port)])).collect();
    let step = ui::step(suite.tests.join(", "));
    let mut command = cmd::command(&words[0], &words[1..]);
    command.current_dir(&built.tree);
    let log = source.folder().join(format!("suite-{}.log", compiler.name()));
    cmd::run_logged(&mut command, &log, Duration::from_secs(suite.minutes * 60))?;
    ensure!(fs::read_to_string(&log)?.contains(&suite.passed), "the tests did not pass; see {}", log.display());
    step.done("passed");
    if let Some(lineage) = lineage {
        check_updated(&record, lineage)?;
    }
    let tests = suite.tests.len();
    println!("{}: {tests} of {tests} test units passed on {what}", recipe.package);
    Ok(())
}

/// Puts a script in the place of the program: it starts the base build, and holds back what that prints until every patch of
/// the lineage is applied, so that tests do not begin before.
fn put_updater(program: &Path, suite: &Suite, lineage: &Lineage, last: &Built, record: &Path) -> Result<()> {
    if record.exists() {
        fs::remove_file(record)?;
    }
    let patches = lineage.patches.iter().map(|patch| show(patch)).collect::<Vec<_>>().join(" ");
    let values = [
        ("ready", suite.ready.as_str()),
        ("settings", &suite.new_settings.join("|")),
        ("base", &show(&lineage.base)),
        ("last", &show(&last.program)),
        ("patches", &patches),
        ("push", &show(&paths::tool("dsu-push"))),
        ("record", &show(record)),
    ];
    // The program may be a link to, or be linked by, another.
    fs::remove_file(program)?;
    fs::write(program, fill(include_str!("updater.sh"), &values))?;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Every server of the tests was brought up to date, but for those that ended first.
fn check_updated(record: &Path, lineage: &Lineage) -> Result<()> {
    let text = fs::read_to_string(record).context("the tests started no server")?;
    let failed: Vec<&str> = text.lines().filter(|line| line.starts_with("failed")).collect();
    ensure!(failed.is_empty(), "servers of the tests were not updated:\n{}", failed.join("\n"));
    let updated = text.lines().filter(|line| line.starts_with("updated")).count();
    ensure!(updated > 0, "the tests updated no server");
    ui::note(&format!(
        "{} of the tests were updated by {} patches each",
        ui::count(updated, "server"),
        lineage.patches.len()
    ));
    let fresh = text.lines().filter(|line| line.starts_with("fresh")).count();
    if fresh > 0 {
        ui::note(&format!(
            "{} had settings that the first state does not know: started from the last",
            ui::count(fresh, "server")
        ));
    }
    Ok(())
}
