//! The real compiler, and where our own header and library are.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use super::error::{DriverError, at};
use super::response;

/// Longer command lines go through a response file; the kernel's limit is about 128 KiB for one word and 2 MiB in all.
const MAX_COMMAND_LINE: usize = 512 * 1024;

/// The real compiler and our own installation.
#[derive(Debug)]
pub struct Toolchain {
    /// Program and leading arguments: `DSU_CC` may say `ccache gcc`.
    words: Vec<OsString>,
    /// The directory of this executable.
    own: PathBuf,
    identity: OnceLock<String>,
}

impl Toolchain {
    /// Finds the real compiler: `DSU_CC`, or `cc`.
    ///
    /// # Errors
    /// When it is this very program.
    pub fn find() -> Result<Self, DriverError> {
        let text = std::env::var("DSU_CC").unwrap_or_default();
        let mut words: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        if words.is_empty() {
            words.push("cc".into());
        }
        let exe = std::env::current_exe().and_then(fs::canonicalize).map_err(at("/proc/self/exe"))?;
        if which(&words[0]).and_then(|p| fs::canonicalize(p).ok()).is_some_and(|p| p == exe) {
            return Err(DriverError::Recursion(words[0].to_string_lossy().into_owned()));
        }
        let own = exe.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self { words, own, identity: OnceLock::new() })
    }

    /// The compiler, as called, for records and messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.words.iter().map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// A command of the compiler, without arguments.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        command
    }

    /// Runs it with our stdin, stdout and stderr.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, args: &[OsString]) -> Result<ExitStatus, DriverError> {
        let (mut command, _response) = self.with_args(args)?;
        command.status().map_err(|e| self.cannot_run(e))
    }

    /// Becomes it. Returns only if that fails.
    #[must_use]
    pub fn exec(&self, args: &[OsString]) -> DriverError {
        match self.with_args(args) {
            Ok((mut command, response)) => {
                if let Some(file) = response {
                    // The file must outlive us; it is small, and lies in the directory for temporary files.
                    let _ = file.keep();
                }
                let error = command.exec();
                self.cannot_run(error)
            }
            Err(error) => error,
        }
    }

    /// A command with arguments, in a response file if there are very many.
    ///
    /// # Errors
    /// When the response file cannot be written.
    pub fn with_args(&self, args: &[OsString]) -> Result<(Command, Option<tempfile::NamedTempFile>), DriverError> {
        let mut command = self.command();
        if args.iter().map(|a| a.len() + 9).sum::<usize>() < MAX_COMMAND_LINE {
            command.args(args);
            return Ok((command, None));
        }
        let directory = std::env::temp_dir();
        let file = tempfile::Builder::new().prefix("dsu-args-").tempfile().map_err(at(&directory))?;
        fs::write(file.path(), response::join(args)).map_err(at(file.path()))?;
        let mut word = OsString::from("@");
        word.push(file.path());
        command.arg(word);
        Ok((command, Some(file)))
    }

    /// Makes a command write no dependency file: these variables ask for one like `-MD` does.
    pub fn without_dependencies(command: &mut Command) {
        command.env_remove("DEPENDENCIES_OUTPUT").env_remove("SUNPRO_DEPENDENCIES");
    }

    /// The error for a compiler that does not start.
    #[must_use]
    pub fn cannot_run(&self, source: std::io::Error) -> DriverError {
        DriverError::Run { program: self.name(), source }
    }

    /// What tells this compiler from another one, or from itself after an upgrade: part of cache keys.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.identity.get_or_init(|| {
            let mut identity = self.name();
            for word in &self.words {
                let Some(path) = which(word) else { continue };
                let path = fs::canonicalize(&path).unwrap_or(path);
                let Ok(data) = fs::metadata(&path) else { continue };
                identity += &format!("\n{} {} {}.{}", path.display(), data.len(), data.mtime(), data.mtime_nsec());
            }
            let version = self.command().arg("--version").stderr(Stdio::null()).stdin(Stdio::null()).output();
            let version = version.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
            identity + "\n" + version.lines().next().unwrap_or_default()
        })
    }

    /// What every compilation of C is given in addition: our mark, and a way to find `dsu.h` behind all other headers.
    #[must_use]
    pub fn own_options(&self) -> Vec<OsString> {
        let mut options = vec![OsString::from("-D__DSU_CC__=1")];
        if let Some(directory) = self.include_directory() {
            options.extend(["-idirafter".into(), directory.into()]);
        }
        options
    }

    /// The directory of `dsu.h`: installed, or in the source tree this was built in.
    #[must_use]
    pub fn include_directory(&self) -> Option<PathBuf> {
        ["../include/dsu", "include", "../../dsu-runtime/include"]
            .iter()
            .map(|relative| self.own.join(relative))
            .find(|directory| directory.join("dsu.h").exists())
            .map(|directory| fs::canonicalize(&directory).unwrap_or(directory))
    }

    /// `libdsu.a`, beside this executable or in the `lib` next to its `bin`.
    #[must_use]
    pub fn runtime(&self) -> Option<PathBuf> {
        ["libdsu.a", "../lib/libdsu.a", "../lib/dsu/libdsu.a"]
            .iter()
            .map(|relative| self.own.join(relative))
            .find(|file| file.exists())
    }
}

/// Where the shell would find a program.
fn which(program: &OsStr) -> Option<PathBuf> {
    if Path::new(program).components().count() > 1 {
        return Some(PathBuf::from(program));
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|d| d.join(program)).find(|p| p.is_file())
}

/// The exit code to pass on: a process killed by a signal counts as 128 + signal, as in the shell.
#[must_use]
pub fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code & 0xff).unwrap_or(1)
}

/// The working directory by the name the user knows it by, as compilers record it in debug information.
#[must_use]
pub fn working_directory() -> PathBuf {
    let real = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let Some(named) = std::env::var_os("PWD").map(PathBuf::from).filter(|p| p.is_absolute()) else { return real };
    let id = |p: &Path| fs::metadata(p).ok().map(|m| (m.dev(), m.ino()));
    if id(&named).is_some() && id(&named) == id(&real) { named } else { real }
}
