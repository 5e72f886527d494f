//! Builds of real servers: fetched, unpacked and compiled under `work/servers/NAME`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};

use crate::{
    cmd, deps, fetch, paths,
    recipe::{Recipe, base_name, fill, show},
    series::{self, State},
    ui,
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
        let state = State { name: "upstream".into(), tree: tree.clone() };
        if stamp_of(&tree) == Some(stamp(recipe, compiler)?) {
            return Ok((built(recipe, &state), None));
        }
        self.copy(&tree)?;
        let step = ui::step(format!("build {} with {}", recipe.package, compiler.command()));
        let time = make(recipe, &state, compiler, &self.folder, false)?;
        step.done("");
        Ok((built(recipe, &state), Some(time)))
    }

    /// A fresh copy of the upstream state.
    pub fn copy(&self, tree: &Path) -> Result<PathBuf> {
        if tree.exists() {
            fs::remove_dir_all(tree)?;
        }
        cmd::output(cmd::command("cp", ["-a"]).arg(&self.upstream).arg(tree), cmd::SHORT)?;
        Ok(tree.to_path_buf())
    }

    /// All states of the patch series, built.
    pub fn build_series(&self, recipe: &Recipe, endings: &[String], compiler: Compiler) -> Result<Vec<Built>> {
        let folder = self.folder.join(format!("series-{}", compiler.name()));
        let list = folder.join("states");
        let stamp = stamp(recipe, compiler)?;
        if stamp_of(&folder).as_deref() == Some(&stamp) && list.is_file() {
            let text = fs::read_to_string(&list)?;
            let states = text.lines().filter_map(|line| line.split_once('\t'));
            ui::note("all states were built before");
            return Ok(states
                .map(|(name, tree)| built(recipe, &State { name: name.into(), tree: folder.join(tree) }))
                .collect());
        }
        let states = series::states(&self.upstream, endings, &folder)?;
        let start = Instant::now();
        let mut text = String::new();
        for (k, state) in states.iter().enumerate() {
            let step = ui::step(format!("build state {k} of {}: {}", states.len() - 1, state.name));
            // All at one path, as in a developer's checkout: what has not changed compiles to the same, and is cached.
            let place = State { name: state.name.clone(), tree: folder.join("tree") };
            fs::rename(&state.tree, &place.tree)?;
            make(recipe, &place, compiler, &folder, false)?;
            fs::rename(&place.tree, &state.tree)?;
            step.done("");
            text.push_str(&format!("{}\t{}\n", state.name, base_name(&state.tree)));
        }
        fs::write(list, text)?;
        fs::write(folder.join("stamp"), stamp)?;
        ui::note(&format!("{} states in {}", states.len(), ui::seconds(start.elapsed())));
        Ok(states.iter().map(|state| built(recipe, state)).collect())
    }
}

fn built(recipe: &Recipe, state: &State) -> Built {
    Built { name: state.name.clone(), program: state.tree.join(&recipe.build.program), tree: state.tree.clone() }
}

/// Builds a tree in place and returns the time it took; `cold`: without the help of a cache.
pub fn make(recipe: &Recipe, state: &State, compiler: Compiler, logs: &Path, cold: bool) -> Result<Duration> {
    let config = recipe.folder.join("dsu.toml");
    if compiler == Compiler::Updatable && config.is_file() {
        fs::copy(config, state.tree.join("dsu.toml"))?;
    }
    let cc = compiler.command();
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut make = cmd::command("make", [format!("-j{jobs}")]);
    make.args(recipe.build.make.iter().map(|word| fill(word, &[("cc", &cc)]))).current_dir(&state.tree);
    // An outer make's or cargo's settings are not this build's.
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CFLAGS", "LDFLAGS", "CC"] {
        make.env_remove(name);
    }
    make.env("DSU_CACHE", if cold { "off".into() } else { paths::work("cache") });
    let start = Instant::now();
    let log = logs.join(format!("{}.log", base_name(&state.tree)));
    cmd::run_logged(&mut make, &log, cmd::LONG)
        .with_context(|| format!("{} ({}) does not build with {cc}", recipe.package, state.name))?;
    let time = start.elapsed();
    if !state.tree.join(&recipe.build.program).is_file() {
        bail!("the build of {} made no {}", recipe.package, recipe.build.program);
    }
    fs::write(state.tree.join("stamp"), stamp(recipe, compiler)?)?;
    Ok(time)
}

fn stamp_of(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join("stamp")).ok()
}

/// Changes whenever a build must be made anew.
fn stamp(recipe: &Recipe, compiler: Compiler) -> Result<String> {
    let mut inputs = vec![recipe.folder.join("recipe.toml")];
    if compiler == Compiler::Updatable {
        inputs.extend([recipe.folder.join("dsu.toml"), paths::tool("dsu-cc"), paths::tool("libdsu.a")]);
    }
    let mut stamp = String::new();
    for path in inputs {
        if let Ok(data) = fs::metadata(&path) {
            let time = data.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
            stamp.push_str(&format!("{} {} {time}\n", path.display(), data.len()));
        }
    }
    Ok(stamp)
}
