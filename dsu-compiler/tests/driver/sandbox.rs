//! A directory of its own for each test, and commands in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub struct Sandbox {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// One with two units and an update point; the program prints 12 and exits with 0.
    pub fn with_program() -> Self {
        runtime();
        let sandbox = Self::new();
        sandbox.file(
            "main.c",
            "#include <stdio.h>\n#include <unistd.h>\nint step(int n);\nint main(void) {\n    for (int i = 0; ; i++) {\n\
             \x20       if (i == 2) return 0;\n        if (i == 1) printf(\"%d\\n\", step(i));\n        usleep(1);\n    }\n}\n",
        );
        sandbox
            .file("step.c", "static int scale(int n) { return 10 * n; }\nint step(int n) { return scale(n) + 2; }\n");
        sandbox.file("dsu.toml", "[[update-point]]\nfunction = \"main\"\nquiescent = [\"usleep\"]\n");
        sandbox
    }

    /// Sets a variable for all commands.
    pub fn set(&mut self, name: &str, value: impl AsRef<Path>) {
        self.variables.push((name.into(), value.as_ref().display().to_string()));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A script that can be run. Written by a process of its own: a program that another test starts
    /// meanwhile would hold our descriptor for a moment, and a file open for writing cannot be run.
    pub fn script(&self, name: &str, text: &str) {
        let text_name = format!("{name}.text");
        self.file(&text_name, text);
        let mut install = self.command("install", "-m 755");
        assert!(install.args([&text_name, name]).status().unwrap().success(), "{name}");
    }

    pub fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub fn command(&self, program: &str, args: &str) -> Command {
        let mut command = Command::new(program);
        command.args(args.split_whitespace()).current_dir(self.directory.path());
        command.env("PWD", self.directory.path()).env("LC_ALL", "C").env("DSU_CACHE", self.path(".cache"));
        for variable in ["DSU_CC", "DSU_CONFIG", "DSU_REPORT", "DSU_SAVE", "MAKEFLAGS", "CFLAGS", "LDFLAGS"] {
            command.env_remove(variable);
        }
        command.envs(self.variables.iter().cloned());
        command
    }

    /// Runs a program; arguments are separated by spaces.
    pub fn run(&self, program: &str, args: &str) -> Done {
        self.with_input(program, args, "")
    }

    pub fn with_input(&self, program: &str, args: &str, input: &str) -> Done {
        use std::io::Write;
        let mut command = self.command(program, args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{program}: {e}"));
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Done {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a program that must succeed.
    pub fn ok(&self, program: &str, args: &str) -> Done {
        let done = self.run(program, args);
        let said: String = format!("{}{}", done.out, done.err).chars().take(4000).collect();
        assert_eq!(done.code, Some(0), "{program} {args}: {said}");
        done
    }

    /// Runs dsu-cc.
    pub fn cc(&self, args: &str) -> Done {
        self.run(dsu_cc(), args)
    }

    /// Runs dsu-cc, which must succeed.
    pub fn cc_ok(&self, args: &str) -> Done {
        self.ok(dsu_cc(), args)
    }

    /// Runs a program made in the sandbox, which must succeed; its output.
    pub fn program(&self, name: &str) -> String {
        self.ok(self.path(name).to_str().unwrap(), "").out
    }

    /// The report of a link that must succeed.
    pub fn report(&self, args: &str) -> serde_json::Value {
        let done = self.cc_ok(&format!("--dsu-report=json {args}"));
        let start = done.err.find('{').unwrap_or_else(|| panic!("no report: {}", done.err));
        serde_json::from_str(&done.err[start..]).unwrap()
    }

    /// Whether an ELF file has a section.
    pub fn has_section(&self, name: &str, section: &str) -> bool {
        self.ok("readelf", &format!("-SW {name}")).out.split_whitespace().any(|word| word == section)
    }

    pub fn updatable(&self, name: &str) -> bool {
        self.has_section(name, ".dsu.program") && self.has_section(name, ".dsu.control")
    }
}

pub fn dsu_cc() -> &'static str {
    env!("CARGO_BIN_EXE_dsu-cc")
}

/// One member of every entry of a list of a report.
pub fn members(value: &serde_json::Value, name: &str) -> Vec<String> {
    value.as_array().unwrap().iter().map(|v| v[name].as_str().unwrap_or_default().to_owned()).collect()
}

/// libdsu.a has to be beside dsu-cc; cargo does not build it for the tests of another package.
pub fn runtime() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let directory = Path::new(dsu_cc()).parent().unwrap();
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--package", "dsu-runtime", "--lib"]);
        if directory.ends_with("release") {
            command.arg("--release");
        }
        command.arg("--target-dir").arg(directory.parent().unwrap());
        let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
        assert!(status.success() && directory.join("libdsu.a").exists(), "libdsu.a must be built");
    });
}
