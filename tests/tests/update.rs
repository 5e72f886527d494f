//! Update tests: one test per script in `update/`, and a second one for those that say `sanitized`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use dsu_tests::script::Script;
use dsu_tests::update;
use dsu_tests::versions::Versions;
use libtest_mimic::{Arguments, Failed, Trial};

/// Programs that check how they use memory and numbers. Their patches do, too, as they are compiled with the same flags;
/// `__asan_*` and `__ubsan_*` are then symbols of the process like any others.
const SANITIZERS: &[&str] = &["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"];

/// The scripts of one directory share its programs and patches.
struct Suite {
    versions: Versions,
    left: AtomicUsize,
}

impl Suite {
    fn run(&self, script: &Script) -> Result<()> {
        let result = update::test(&self.versions, script);
        // The last one looks whether anything was left.
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            return result.and(self.versions.check_temporary());
        }
        result
    }
}

fn main() -> Result<()> {
    let mut arguments = Arguments::from_args();
    // Most of the time is spent waiting.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    arguments.test_threads.get_or_insert(cores + 1);
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("update");
    let mut trials = Vec::new();
    for directory in sorted(&home)?.into_iter().filter(|d| d.is_dir()) {
        let scripts: Vec<PathBuf> =
            sorted(&directory)?.into_iter().filter(|f| f.extension().is_some_and(|e| e == "steps")).collect();
        let mut scripts =
            scripts.iter().map(|file| Ok((file.as_path(), Script::read(file)?))).collect::<Result<Vec<_>>>()?;
        trials.extend(suite(&directory, &scripts, "", &[])?);
        scripts.retain(|(_, script)| script.sanitized);
        trials.extend(suite(&directory, &scripts, "sanitized/", SANITIZERS)?);
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// The tests of some scripts of a directory.
fn suite(
    directory: &Path,
    scripts: &[(&Path, Script)],
    prefix: &str,
    flags: &'static [&'static str],
) -> Result<Vec<Trial>> {
    if scripts.is_empty() {
        return Ok(Vec::new());
    }
    let suite = Arc::new(Suite { versions: Versions::new(directory, flags)?, left: AtomicUsize::new(scripts.len()) });
    let stem = |p: &Path| p.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let named = scripts.iter().map(|(file, script)| {
        let (group, own) = (stem(directory), stem(file));
        let name = if group == own { own } else { format!("{group}/{own}") };
        trial(format!("{prefix}{name}"), script.clone(), suite.clone())
    });
    named.collect()
}

fn trial(name: String, script: Script, suite: Arc<Suite>) -> Result<Trial> {
    let lacking = update::lacks(&script)?;
    let trial = Trial::test(name, move || suite.run(&script).map_err(|e| Failed::from(format!("{e:#}"))));
    // DSU_TESTS_NO_SKIP makes what this machine lacks a failure.
    let skip = lacking.is_some() && std::env::var_os("DSU_TESTS_NO_SKIP").is_none();
    Ok(match lacking {
        Some(need) => trial.with_kind(format!("needs {need}")).with_ignored_flag(skip),
        None => trial,
    })
}

fn sorted(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)?.flatten().map(|e| e.path()).collect();
    paths.sort();
    Ok(paths)
}
