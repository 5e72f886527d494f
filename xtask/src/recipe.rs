//! Recipes: all that is known about one real server, as data in `demos/servers/NAME/recipe.toml`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::paths;

/// A server that can be fetched, built, run and updated.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// The folder it was read from.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Name of the Debian source package.
    pub package: String,
    /// Upstream version.
    pub version: String,
    /// Debian revision to prefer.
    pub revision: Option<String>,
    /// Suites to look in beside the machine's own.
    #[serde(default)]
    pub suites: Vec<String>,
    /// Packages that must be installed for the build or its tests.
    #[serde(default)]
    pub packages: Vec<String>,
    /// How it is built.
    pub build: Build,
    /// How it is run.
    pub run: Option<Run>,
    /// The live updates made of its patch series.
    pub updates: Option<Updates>,
    /// Its own tests.
    pub suite: Option<Suite>,
    /// What `cargo xtask bench` measures.
    #[serde(default)]
    pub bench: Vec<Bench>,
}

/// How a server is built.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Build {
    /// Commands run once in a fresh tree, before `make`; `{cc}` is the compiler, `{dir}` the folder
    /// that the server will run in.
    #[serde(default)]
    pub configure: Vec<Vec<String>>,
    /// A patch of the series that touches a file with one of these endings makes `configure` run again.
    #[serde(default)]
    pub configured_by: Vec<String>,
    /// Arguments of `make`.
    pub make: Vec<String>,
    /// Whether `make` knows what depends on what: the states of a series are then made in one tree, one after the other.
    #[serde(default)]
    pub incremental: bool,
    /// Whether `make` also knows which archives the programs are linked with. If not, they are always linked anew.
    #[serde(default)]
    pub knows_archives: bool,
    /// Commands run before `make` in a tree that was made before, for what `make` does not look after by itself.
    #[serde(default)]
    pub again: Vec<Vec<String>>,
    /// The executable, relative to the tree.
    pub program: String,
    /// Executables that run beside it.
    #[serde(default)]
    pub companions: Vec<String>,
}

impl Build {
    /// All executables.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.program).chain(&self.companions).map(String::as_str)
    }
}

/// How a server is run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Run {
    /// `ftp`, `resp`, or whatever its `sessions` speak.
    pub protocol: String,
    /// Whether it can only run as root.
    #[serde(default)]
    pub root: bool,
    /// Arguments; `{dir}` is the run's folder, `{port}` the port, `{config}` the configuration file. In commands also:
    /// `{tree}`, the source tree, `{place}`, where the programs are, `{n}`, another number each time, `{pid}`, the
    /// server's process, and `{port1}` to `{portN}`, the ports of companions.
    pub args: Vec<String>,
    /// Arguments added: with each of these lists one more server is run and updated.
    #[serde(default)]
    pub variants: Vec<Vec<String>>,
    /// The server is started from a copy in the run's folder, which every update replaces, as a package manager does.
    #[serde(default)]
    pub installed: bool,
    /// A command that executes the program given after it.
    #[serde(default)]
    pub through: Vec<String>,
    /// Servers that run beside it.
    #[serde(default)]
    pub with: Vec<Companion>,
    /// Commands run in the run's folder before the server starts.
    #[serde(default)]
    pub prepare: Vec<Vec<String>>,
    /// Commands run when it has started.
    #[serde(default)]
    pub started: Vec<Vec<String>>,
    /// Clients that stay: asked after every update.
    #[serde(default)]
    pub sessions: Vec<Client>,
    /// New clients after every update.
    #[serde(default)]
    pub logins: Vec<Client>,
    /// What keeps the server busy during updates.
    pub load: Option<Load>,
    /// Configuration file beside the recipe, with the same placeholders.
    pub config: Option<String>,
    /// Folders to make in the run's folder.
    #[serde(default)]
    pub folders: Vec<Folder>,
    /// Small files to make there.
    #[serde(default)]
    pub files: Vec<File>,
    /// A large file to make there, of random bytes, and to transfer.
    pub large: Option<Large>,
    /// Name to log in with.
    #[serde(default)]
    pub user: String,
    /// Its password.
    #[serde(default)]
    pub password: String,
}

/// A server that runs beside another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Companion {
    /// One of the build's companions.
    pub program: String,
    /// A command that executes the program given after it.
    #[serde(default)]
    pub through: Vec<String>,
    /// Its arguments.
    pub args: Vec<String>,
}

/// A client that is a program.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Client {
    /// The command.
    pub command: Vec<String>,
    /// What is written to one that stays.
    #[serde(default)]
    pub ask: String,
    /// What it must then print.
    pub expect: String,
}

/// A load during updates.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Load {
    /// The command; it must succeed, and not end before the update does.
    pub command: Vec<String>,
    /// What it must not print.
    #[serde(default)]
    pub errors: Vec<String>,
    /// Limit on its time.
    pub seconds: u64,
}

/// A folder of a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Folder {
    /// Relative to the run's folder.
    pub path: String,
    /// Who owns it; default: who runs the task.
    pub owner: Option<String>,
}

/// A file of a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// Relative to the run's folder.
    pub path: String,
    /// Its contents.
    pub text: String,
}

/// The large file of a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Large {
    /// Relative to the run's folder.
    pub path: String,
    /// Its name for clients.
    pub name: String,
    /// Its size in MiB.
    pub mib: usize,
    /// Where clients may store a copy.
    pub upload: String,
}

/// The live updates. What a person has to write for one of the patches is in `PATCH.c` beside the recipe.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Updates {
    /// A patch of the series makes a new state if it touches a file with one of these endings.
    pub endings: Vec<String>,
    /// Patches that `dsu-diff` is known to refuse; servers are then started anew from the state they lead to.
    #[serde(default)]
    pub refused: Vec<String>,
    /// What clients see change.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// Changes made after the series.
    #[serde(default)]
    pub edits: Vec<Edit>,
    /// Whether all updates are taken back in the end.
    #[serde(default)]
    pub undo: bool,
}

/// A change that the series lacks, made after it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Edit {
    /// Its name, as of a patch.
    pub name: String,
    /// What it replaces.
    pub changes: Vec<Replacement>,
}

/// One piece of text in one file for another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Replacement {
    /// The file, relative to the tree.
    pub file: String,
    /// What is there once.
    pub from: String,
    /// What comes instead.
    pub to: String,
}

/// A behaviour that one patch changes, as a new session sees it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Probe {
    /// The patch, without `.patch`.
    pub patch: String,
    /// What it is, for people.
    pub what: String,
    /// What to ask: `greeting`, `status FIELD` (of the session's processes, from /proc), or a command of the protocol;
    /// where clients are programs, a line for the shell. `{n}` is another number each time.
    pub ask: String,
    /// Text that is in the answer either only before or only after the patch.
    pub text: String,
    /// Whether the text is there after the patch.
    pub after: bool,
    /// Lines added to the configuration meanwhile; the server is told to read it again.
    #[serde(default)]
    pub config: Vec<String>,
    /// Settings left out of the configuration meanwhile.
    #[serde(default)]
    pub without: Vec<String>,
}

impl Probe {
    /// Whether an answer is that of before or after the patch, as `after` says.
    pub fn check(&self, answer: &str, after: bool) -> Result<()> {
        let (expected, found) = (self.after == after, answer.contains(&self.text));
        ensure!(
            expected == found,
            "{} {}: {}: {:?} should {}be in the answer to {}: {answer:?}",
            if after { "after" } else { "before" },
            self.patch,
            self.what,
            self.text,
            if expected { "" } else { "not " },
            self.ask
        );
        Ok(())
    }
}

/// A server's own tests.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Suite {
    /// The command, run in the tree; `{port}` is a free port.
    pub command: Vec<String>,
    /// Names of the tests, for the report; each is run by the command with `{test}` replaced.
    pub tests: Vec<String>,
    /// Text that ends a successful run.
    pub passed: String,
    /// Limit for each test in minutes.
    pub minutes: u64,
    /// Where there are live updates, the tests start servers that are brought up to date at once. What a server prints when
    /// its clients may come.
    pub ready: String,
    /// Settings that the first state of the series does not know: where a test has a configuration file with one of
    /// them, its server is started from the last state's build.
    #[serde(default)]
    pub new_settings: Vec<String>,
}

/// A load to measure.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bench {
    /// Its name in the table.
    pub name: String,
    /// For `ftp`: `connect-list` or `download`. For others: a command, with `{port}`, `{tree}`.
    pub load: String,
    /// How many times the load is done in one run, where the load itself does not say.
    #[serde(default)]
    pub repeat: usize,
    /// Words of the command.
    #[serde(default)]
    pub args: Vec<String>,
    /// Lines added to the configuration.
    #[serde(default)]
    pub config: Vec<String>,
}

impl Recipe {
    /// Reads the recipe of a server.
    pub fn read(name: &str) -> Result<Self> {
        let servers = paths::root().join("demos").join("servers");
        let folder = servers.join(name);
        let path = folder.join("recipe.toml");
        if !path.is_file() {
            let known = fs::read_dir(&servers).into_iter().flatten().flatten();
            let mut known: Vec<String> = known.filter_map(|entry| entry.file_name().into_string().ok()).collect();
            known.sort();
            bail!("there is no recipe for {name}; known servers: {}", known.join(", "));
        }
        let text = fs::read_to_string(&path)?;
        let mut recipe: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        recipe.folder = folder;
        Ok(recipe)
    }

    /// The part on running it.
    pub fn run(&self) -> Result<&Run> {
        self.run.as_ref().with_context(|| format!("{} has no [run] section", self.folder.join("recipe.toml").display()))
    }
}

/// Replaces `{name}` placeholders.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_string(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// The last part of a path as text.
pub fn base_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A path as text.
pub fn show(path: &Path) -> String {
    path.display().to_string()
}
