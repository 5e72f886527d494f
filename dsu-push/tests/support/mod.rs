//! Builds the test program with the real tools, runs it, and pushes to it.

#![allow(dead_code, missing_docs)]

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{
        OnceLock,
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};

/// The test program in three versions, and the patches between them.
pub struct Built {
    pub dir: PathBuf,
    pub one: PathBuf,
    pub two: PathBuf,
    pub to_two: PathBuf,
    pub to_three: PathBuf,
    /// Version one, built without update points.
    pub without_points: PathBuf,
}

/// Folder of the finished tools.
fn tools() -> PathBuf {
    let target = std::env::current_exe().expect("this test's path");
    target.ancestors().nth(3).expect("target/PROFILE/deps/TEST").join("release")
}

/// Runs a command, which has to succeed.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the command can be run");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    output
}

/// Puts a copy of a file where it can be run. By a process of its own: a program that another thread
/// starts meanwhile would hold our descriptor for a moment, and a file open for writing cannot be run.
pub fn install(file: &Path, to: &Path) {
    run(Command::new("install").args(["-m", "755"]).arg(file).arg(to));
}

/// What every test needs, built once.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        run(Command::new(env!("CARGO"))
            .args(["build", "--release", "--quiet", "--package", "dsu-compiler", "--package", "dsu-runtime"])
            .current_dir(env!("CARGO_MANIFEST_DIR")));
        let dir = build_folder();
        let [one, two, three] = [1, 2, 3].map(|version| build(&dir, version, true));
        let without_points = build(&dir, 1, false);
        let diff = |old: &Path, new: &Path, name: &str| {
            let patch = dir.join(name);
            run(Command::new(tools().join("dsu-diff")).args([old, new]).arg("-o").arg(&patch));
            patch
        };
        let to_two = diff(&one, &two, "two.dsu");
        let to_three = diff(&two, &three, "three.dsu");
        Built { dir, one, two, to_two, to_three, without_points }
    })
}

/// A folder for this process; those of earlier ones are removed.
fn build_folder() -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dsu-push");
    let old = std::fs::read_dir(&all).into_iter().flatten().flatten();
    for entry in old.filter(|entry| !Path::new("/proc").join(entry.file_name()).exists()) {
        let _ = std::fs::remove_dir_all(entry.path());
    }
    let dir = all.join(std::process::id().to_string());
    std::fs::create_dir_all(&dir).expect("a folder for the build");
    dir
}

/// Builds one version of the program.
fn build(dir: &Path, version: u32, points: bool) -> PathBuf {
    let dir = dir.join(format!("{version}{}", if points { "" } else { "-without-points" }));
    std::fs::create_dir(&dir).expect("a folder");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program");
    for entry in std::fs::read_dir(sources).expect("the program's sources") {
        let path = entry.expect("a source").path();
        let name = path.file_name().expect("a name");
        if points || name != "dsu.toml" {
            std::fs::copy(&path, dir.join(name)).expect("a copy");
        }
    }
    let unit = dir.join("answer.c");
    let text = std::fs::read_to_string(&unit).expect("the unit");
    std::fs::write(&unit, text.replace("VERSION 1", &format!("VERSION {version}"))).expect("the changed unit");
    let mut command = Command::new(tools().join("dsu-cc"));
    command.current_dir(&dir).args(["-O2", "-g", "-o", "program", "answer.c", "rest.c", "main.c", "-lpthread"]);
    run(&mut command);
    dir.join("program")
}

/// A running program.
pub struct Program {
    pub child: Child,
    pub input: Option<ChildStdin>,
    lines: Receiver<String>,
}

/// A line that the program prints when its system call returns.
#[derive(Debug, PartialEq)]
pub struct Returned {
    pub result: i64,
    pub errno: i32,
    pub seconds: f64,
    pub signals: u32,
    pub answer: i32,
}

impl Program {
    /// Starts version one.
    pub fn start(arguments: &[&str]) -> Self {
        Self::spawn(Command::new(&built().one).args(arguments))
    }

    /// Starts a program and waits until it is ready.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program can be run");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        let program = Self { child, input, lines };
        let ready = program.line();
        assert!(ready.starts_with("ready"), "{ready}");
        // Until it sleeps.
        std::thread::sleep(Duration::from_millis(50));
        program
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn pid_text(&self) -> String {
        self.child.id().to_string()
    }

    /// The next line it prints.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(20)).expect("the program goes on")
    }

    /// What it has printed that was not looked at.
    pub fn pending_lines(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// What its system call returned.
    pub fn returned(&self) -> Returned {
        let line = self.line();
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, result, errno, seconds, signals, answer] = words[..] else { panic!("{line}") };
        Returned {
            result: result.parse().expect("a number"),
            errno: errno.parse().expect("a number"),
            seconds: seconds.parse().expect("a number"),
            signals: signals.parse().expect("a number"),
            answer: answer.parse().expect("a number"),
        }
    }

    /// Makes a read of standard input return.
    pub fn poke(&mut self) -> Returned {
        self.input.as_mut().expect("its input").write_all(b"x").expect("it reads");
        self.returned()
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: sends a signal to our own child, which was not waited for.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0);
    }

    /// Sees that it runs and serves, and takes patches: after whatever was done to it.
    pub fn assert_well(&mut self) {
        assert!(self.child.try_wait().expect("its status").is_none(), "the program has ended");
        let push = Push::run(&["--json", &self.pid_text(), &path(&built().to_two)]);
        assert_eq!(push.code, 0, "{push:?}");
        let undo = Push::run(&["--undo", &self.pid_text()]);
        assert_eq!(undo.code, 0, "{undo:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a run of `dsu-push` came to.
#[derive(Debug)]
pub struct Push {
    pub code: i32,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Push {
    pub fn run(arguments: &[&str]) -> Self {
        Self::of(Self::command().args(arguments))
    }

    pub fn command() -> Command {
        Command::new(env!("CARGO_BIN_EXE_dsu-push"))
    }

    pub fn of(command: &mut Command) -> Self {
        let start = Instant::now();
        let output = command.output().expect("dsu-push can be run");
        Self {
            code: output.status.code().expect("an exit code"),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
            took: start.elapsed(),
        }
    }

    /// The only line of JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn outcome(&self) -> String {
        self.json()["outcome"].as_str().expect("an outcome").to_owned()
    }

    /// Sees that it ended with `code` and said each of `words`.
    #[track_caller]
    pub fn expect(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.out.contains(word) || self.err.contains(word), "`{word}` is missing: {self:?}");
        }
    }
}

pub fn path(path: &Path) -> String {
    path.display().to_string()
}
