//! Builds of real servers: fetched, unpacked and compiled under `work/servers/NAME`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    cmd, deps, fetch, paths,
    recipe::{Recipe, Updates, base_name, fill, show},
    running, series, ui,
};

/// The compilers a server is built with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Compiler {
    /// The machine's `cc`.
    Plain,
    /// `dsu-cc`.
    Updatable,
}

impl Compiler {
    /// Its name in paths and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Updatable => "updatable",
        }
    }

    /// What `CC` is set to.
    pub fn command(self) -> String {
        match self {
            Self::Plain => "cc".into(),
            Self::Updatable => show(&paths::tool("dsu-cc")),
        }
    }
}

/// A built state.
pub struct Built {
    /// The patch that led to it.
    pub name: String,
    /// Its tree.
    pub tree: PathBuf,
    /// Where its executables are.
    pub place: PathBuf,
    /// Its executable.
    pub program: PathBuf,
}

/// The source of a server.
pub struct Source {
    folder: PathBuf,
    upstream: PathBuf,
}

impl Source {
    /// Installs what the recipe needs, fetches and unpacks the source.
    pub fn prepare(recipe: &Recipe) -> Result<Self> {
        ui::stage(&format!("{} {}: source", recipe.package, recipe.version));
        deps::packages(&recipe.packages)?;
        let folder = paths::work("servers").join(&recipe.package);
        let wanted = fetch::Wanted {
            package: &recipe.package,
            version: &recipe.version,
            revision: recipe.revision.as_deref(),
            suites: &recipe.suites,
        };
        let dsc = fetch::source(&wanted, &folder.join("source"))?;
        let upstream = folder.join("source").join("unpacked");
        if !upstream.join("debian").exists() {
            fetch::unpack(&dsc, &upstream)?;
        }
        ui::note(&format!("{} in {}", base_name(&dsc), upstream.display()));
        Ok(Self { folder, upstream })
    }

    /// Folder of this server under `work`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The upstream state, built once. With the time it took, unless an earlier build was still good.
    pub fn build(&self, recipe: &Recipe, compiler: Compiler) -> Result<(Built, Option<Duration>)> {
        let tree = self.folder.join(compiler.name());
        if stamp_of(&tree) == Some(stamp(recipe, compiler)?) {
            return Ok((built(recipe, UPSTREAM, &tree, &tree), None));
        }
        self.copy(&tree)?;
        let step = ui::step(format!("build {} with {}", recipe.package, compiler.command()));
        let time = make(recipe, &tree, compiler, &self.folder, Tree::Fresh { cold: false })?;
        fs::write(tree.join("stamp"), stamp(recipe, compiler)?)?;
        step.done("");
        Ok((built(recipe, UPSTREAM, &tree, &tree), Some(time)))
    }

    /// A fresh copy of the upstream state.
    pub fn copy(&self, tree: &Path) -> Result<PathBuf> {
        copy(&self.upstream, tree)?;
        Ok(tree.to_path_buf())
    }

    /// All states of the patch series, built; one that was interrupted goes on where it stopped.
    pub fn build_series(&self, recipe: &Recipe, updates: &Updates, compiler: Compiler) -> Result<Vec<Built>> {
        let folder = self.folder.join(format!("series-{}", compiler.name()));
        let stamp = format!("{}{:?} {:?}\n", stamp(recipe, compiler)?, updates.endings, updates.edits);
        let fresh = stamp_of(&folder).as_deref() != Some(&stamp);
        if fresh {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(&folder)?;
        }
        let patches = series::read(&self.upstream, &updates.edits)?;
        let mut series = SeriesBuild { recipe, compiler, folder: &folder, states: Vec::new() };
        if fresh {
            series.begin(&self.upstream)?;
            fs::write(folder.join("stamp"), stamp)?;
        }
        series.go_on(&patches, &updates.endings)?;
        let tree = folder.join("tree");
        Ok(series.states.iter().map(|name| built(recipe, name, &tree, &folder.join(name))).collect())
    }
}

/// The states of a series, all made in a tree at one path, as in a developer's checkout: what has not changed compiles to the
/// same, and is cached. The programs of each are kept in a folder of its own; the tree is left in the last state.
///
/// Files in the folder: `states` names the states made; `applied` is the number of patches applied to the source.
struct SeriesBuild<'a> {
    recipe: &'a Recipe,
    compiler: Compiler,
    folder: &'a Path,
    /// Names of the folders of the states made.
    states: Vec<String>,
}

impl SeriesBuild<'_> {
    fn begin(&mut self, upstream: &Path) -> Result<()> {
        copy(upstream, &self.tree())?;
        if !self.recipe.build.incremental {
            copy(upstream, &self.patched())?;
        }
        self.make(UPSTREAM, Tree::Fresh { cold: false })?;
        fs::write(self.folder.join("applied"), "0")?;
        Ok(())
    }

    /// Makes the states that are still to be made.
    fn go_on(&mut self, patches: &[series::Patch], endings: &[String]) -> Result<()> {
        let start = Instant::now();
        self.states = fs::read_to_string(self.folder.join("states"))?.lines().map(String::from).collect();
        let (before, counting) = (self.states.len(), patches.iter().filter(|patch| patch.touches(endings)).count());
        let applied: usize = fs::read_to_string(self.folder.join("applied"))?.trim().parse()?;
        let (mut number, mut configure) = (0, false);
        for (k, patch) in patches.iter().enumerate() {
            number += usize::from(patch.touches(endings));
            configure |= patch.touches(&self.recipe.build.configured_by);
            if k >= applied {
                patch.apply(&self.patched())?;
                fs::write(self.folder.join("applied"), (k + 1).to_string())?;
            }
            if !patch.touches(endings) {
                continue;
            }
            let configure = std::mem::take(&mut configure);
            if number < self.states.len() {
                continue;
            }
            if self.recipe.build.incremental {
                self.make(&patch.name, Tree::Made { configure })?;
            } else {
                copy(&self.patched(), &self.tree())?;
                self.make(&patch.name, Tree::Fresh { cold: false })?;
            }
        }
        ensure!(self.states.len() == counting + 1, "the states in {} are damaged", self.folder.display());
        let (all, made) = (self.states.len(), self.states.len() - before);
        ui::note(&format!("{all} states, {made} made now in {}", ui::seconds(start.elapsed())));
        Ok(())
    }

    /// Makes the tree and keeps its programs as the next state.
    fn make(&mut self, name: &str, kind: Tree) -> Result<()> {
        let step = ui::step(format!("build state {}: {name}", self.states.len()));
        make(self.recipe, &self.tree(), self.compiler, self.folder, kind).with_context(|| format!("state {name}"))?;
        let place = format!("{:02}-{name}", self.states.len());
        keep(self.recipe, &self.tree(), &self.folder.join(&place))?;
        self.states.push(place);
        fs::write(self.folder.join("states"), self.states.join("\n"))?;
        step.done("");
        Ok(())
    }

    fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// Where patches are applied.
    fn patched(&self) -> PathBuf {
        if self.recipe.build.incremental { self.tree() } else { self.folder.join("patched") }
    }
}

/// Name of the state before any patch.
const UPSTREAM: &str = "upstream";

/// A state whose programs are in `place`; the folders of a series' states begin with a number.
fn built(recipe: &Recipe, name: &str, tree: &Path, place: &Path) -> Built {
    let program = place.join(&recipe.build.program);
    let name = name.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('-');
    Built { name: name.into(), tree: tree.to_path_buf(), place: place.to_path_buf(), program }
}

/// Copies the programs that a tree made to the same places under `to`.
fn keep(recipe: &Recipe, tree: &Path, to: &Path) -> Result<()> {
    for program in recipe.build.programs() {
        let target = to.join(program);
        fs::create_dir_all(target.parent().unwrap_or(to))?;
        fs::copy(tree.join(program), target)?;
    }
    Ok(())
}

/// Removes the objects that are older than something they were made from, as the compiler noted in `.d` files: what `make`
/// knows is often not everything.
fn remove_stale(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            remove_stale(&path)?;
        } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "d") {
            let object = path.with_extension("o");
            let Ok(made) = fs::metadata(&object).and_then(|data| data.modified()) else { continue };
            let text = fs::read_to_string(&path)?;
            let sources = text.split_whitespace().filter(|word| !word.ends_with(':') && *word != "\\");
            let newer = |source: &str| {
                fs::metadata(folder.join(source)).and_then(|data| data.modified()).is_ok_and(|time| time > made)
            };
            if sources.into_iter().any(newer) {
                fs::remove_file(object)?;
            }
        }
    }
    Ok(())
}

/// Replaces a tree by a copy of another.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    cmd::output(cmd::command("cp", ["-a"]).arg(from).arg(to), cmd::SHORT)?;
    Ok(())
}

/// What a tree is before it is made.
#[derive(Clone, Copy)]
pub enum Tree {
    /// Just unpacked; `cold`: to be made without the help of a cache.
    Fresh {
        /// No cache.
        cold: bool,
    },
    /// Made before, and patched since.
    Made {
        /// A patch touched what the configuration is made from.
        configure: bool,
    },
}

/// Builds a tree in place and returns the time that took.
pub fn make(recipe: &Recipe, tree: &Path, compiler: Compiler, logs: &Path, kind: Tree) -> Result<Duration> {
    let config = recipe.folder.join("dsu.toml");
    if compiler == Compiler::Updatable && config.is_file() {
        fs::copy(config, tree.join("dsu.toml"))?;
    }
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut commands, mut cold) = (Vec::new(), false);
    // There while the tree is being made.
    let unfinished = tree.join("dsu-unfinished");
    match kind {
        Tree::Fresh { cold: without_cache } => {
            commands.extend(recipe.build.configure.clone());
            cold = without_cache;
        }
        Tree::Made { configure } => {
            if configure {
                commands.extend(recipe.build.configure.clone());
            }
            commands.extend(recipe.build.again.clone());
            remove_stale(tree)?;
            // They may be linked with archives that `make` does not know they depend on, or half linked.
            let keep = recipe.build.knows_archives && !unfinished.exists();
            let programs = recipe.build.programs().map(|program| tree.join(program));
            programs.filter(|path| !keep && path.exists()).try_for_each(fs::remove_file)?;
        }
    }
    commands.push(["make".into(), format!("-j{jobs}")].into_iter().chain(recipe.build.make.iter().cloned()).collect());
    fs::write(&unfinished, "")?;
    let start = Instant::now();
    for words in commands {
        build_command(recipe, &words, tree, compiler, logs, cold)?;
    }
    fs::remove_file(unfinished)?;
    let time = start.elapsed();
    if let Some(program) = recipe.build.programs().find(|program| !tree.join(program).is_file()) {
        bail!("the build of {} made no {program}", recipe.package);
    }
    Ok(time)
}

/// Runs one command of a build.
fn build_command(
    recipe: &Recipe,
    words: &[String],
    tree: &Path,
    compiler: Compiler,
    logs: &Path,
    cold: bool,
) -> Result<()> {
    let cc = compiler.command();
    let dir = show(&running::folder(recipe, 0));
    let words: Vec<String> = words.iter().map(|word| fill(word, &[("cc", &cc), ("dir", &dir)])).collect();
    let mut command = cmd::command(&words[0], &words[1..]);
    command.current_dir(tree);
    // An outer make's or cargo's settings are not this build's.
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CFLAGS", "LDFLAGS", "CC"] {
        command.env_remove(name);
    }
    // What is built twice is the same.
    command.env("SOURCE_DATE_EPOCH", "0");
    command.env("DSU_CACHE", if cold { "off".into() } else { paths::work("cache") });
    let log = logs.join(format!("{}-{}.log", base_name(tree), base_name(Path::new(&words[0]))));
    cmd::run_logged(&mut command, &log, cmd::LONG)
        .with_context(|| format!("{} does not build with {cc}", recipe.package))
}

fn stamp_of(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join("stamp")).ok()
}

/// Changes whenever a build must be made anew.
fn stamp(recipe: &Recipe, compiler: Compiler) -> Result<String> {
    let mut stamp = format!("{:?}\n", recipe.build);
    if compiler == Compiler::Updatable {
        for path in [recipe.folder.join("dsu.toml"), paths::tool("dsu-cc"), paths::tool("libdsu.a")] {
            if let Ok(data) = fs::metadata(&path) {
                let time = data.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
                stamp.push_str(&format!("{} {} {time}\n", path.display(), data.len()));
            }
        }
    }
    Ok(stamp)
}
