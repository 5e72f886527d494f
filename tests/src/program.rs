//! C programs as directories of sources, with directives in `//!` comments at the head of their sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::tools::{Finished, Tools, run, run_well, tools};

/// Directives: for each name the values, in order.
#[derive(Clone, Debug, Default)]
pub struct Directives(BTreeMap<String, Vec<String>>);

/// The directives that exist; see `README.md`.
const KNOWN: &[&str] = &[
    "archive",
    "args",
    "by-name",
    "config",
    "direct",
    "exit",
    "flags",
    "flags-for",
    "indirect",
    "kept",
    "link",
    "link-fails",
    "needs",
    "no-room",
    "no-stub",
    "no-symbol",
    "not-rewritten",
    "note",
    "object",
    "output",
    "plain",
    "rewritten",
    "room",
    "stdin",
    "stub",
    "symbol",
    "unproven",
    "variant",
];

impl Directives {
    /// Adds those at the head of a source.
    ///
    /// # Errors
    /// When there is an unknown one.
    pub fn read(&mut self, text: &str) -> Result<()> {
        let head = text.lines().take_while(|l| l.is_empty() || ["/*", "//", " *"].iter().any(|c| l.starts_with(c)));
        for line in head.filter_map(|l| l.strip_prefix("//!")) {
            let (name, value) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
            ensure!(KNOWN.contains(&name), "unknown directive {name:?}");
            self.0.entry(name.to_owned()).or_default().push(value.trim().to_owned());
        }
        Ok(())
    }

    /// All values of one name.
    pub fn all(&self, name: &str) -> &[String] {
        debug_assert!(KNOWN.contains(&name));
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// All words of all values of one name.
    pub fn words(&self, name: &str) -> Vec<String> {
        self.all(name).iter().flat_map(|v| words(v)).collect()
    }

    /// Values of the form `KEY: REST`.
    pub fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let pair = |v: &String| {
            let (key, rest) = v.split_once(':').unwrap_or((v, ""));
            (key.trim().to_owned(), rest.trim().to_owned())
        };
        self.all(name).iter().map(pair).collect()
    }
}

/// Splits at white space; double quotes hold words together, a backslash takes a character's meaning away.
pub fn words(text: &str) -> Vec<String> {
    let (mut found, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => word.extend(characters.next()),
            '"' => (quoted, any) = (!quoted, true),
            c if c.is_whitespace() && !quoted => {
                if any || !word.is_empty() {
                    found.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => word.push(c),
        }
    }
    if any || !word.is_empty() {
        found.push(word);
    }
    found
}

/// Which compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// The system's.
    Plain,
    /// `dsu-cc`.
    Updatable,
}

/// A program: a directory with sources.
#[derive(Debug)]
pub struct Program {
    /// The directory.
    pub directory: PathBuf,
    /// Its C and assembler sources, by name, sorted.
    pub sources: Vec<String>,
    /// What they say about themselves.
    pub directives: Directives,
    annotated: bool,
}

/// A built program.
#[derive(Debug)]
pub struct Built {
    /// The executable.
    pub executable: PathBuf,
    /// The link's output.
    pub link: Finished,
    /// `dsu-cc`'s report.
    pub report: serde_json::Value,
    /// Where `dsu-cc` kept its intermediate files.
    pub saved: PathBuf,
}

impl Program {
    /// Looks at a directory.
    ///
    /// # Errors
    /// When it cannot be read, or has unknown directives.
    pub fn open(directory: &Path) -> Result<Self> {
        let (mut sources, mut directives, mut annotated) = (Vec::new(), Directives::default(), false);
        for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let is_source = [".c", ".s", ".S"].iter().any(|end| name.ends_with(end));
            if is_source || name.ends_with(".h") {
                let text = std::fs::read_to_string(directory.join(&name))?;
                annotated |= text.contains("DSU_UPDATE_POINT");
                directives.read(&text).with_context(|| name.clone())?;
            }
            if is_source {
                sources.push(name);
            }
        }
        sources.sort();
        Ok(Self { directory: directory.to_path_buf(), sources, directives, annotated })
    }

    /// Writes `dsu.toml`, unless it is there, or the program names its update points itself.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self) -> Result<()> {
        let file = self.directory.join("dsu.toml");
        let lines = self.directives.all("config");
        if !lines.is_empty() {
            std::fs::write(file, lines.join("\n") + "\n")?;
        } else if !file.exists() && !self.annotated {
            std::fs::write(file, "[[update-point]]\nfunction = \"main\"\nentry = true\n")?;
        }
        Ok(())
    }

    /// Builds it in `output`, a directory of its own. A single source is compiled and linked in one step, several are
    /// compiled one by one. The link may fail; compiling may not.
    ///
    /// # Errors
    /// When something other than the link fails.
    pub fn build(&self, compiler: Compiler, flags: &[String], output: &Path, temporary: &Path) -> Result<Built> {
        let tools = tools()?;
        std::fs::create_dir_all(output)?;
        let builder = Builder { program: self, tools, compiler, flags, output, temporary };
        let executable = output.join("program");
        let saved = output.join("saved");
        let mut command = builder.command(None);
        command.arg("-o").arg(&executable);
        if compiler == Compiler::Updatable {
            command.arg("--dsu-report=json").arg(format!("--dsu-save={}", saved.display()));
        }
        command.args(builder.objects()?);
        for archive in builder.archives()? {
            command.arg(archive);
        }
        command.args(self.directives.words("link"));
        let link = run(command)?;
        let report = link
            .stderr
            .find('{')
            .and_then(|at| serde_json::Deserializer::from_str(link.stderr.get(at..)?).into_iter().next()?.ok());
        Ok(Built { executable, report: report.unwrap_or_default(), link, saved })
    }
}

struct Builder<'a> {
    program: &'a Program,
    tools: &'a Tools,
    compiler: Compiler,
    flags: &'a [String],
    output: &'a Path,
    temporary: &'a Path,
}

impl Builder<'_> {
    fn command(&self, source: Option<&str>) -> std::process::Command {
        let directives = &self.program.directives;
        let plain = source.is_some_and(|s| directives.words("plain").iter().any(|p| p == s));
        let program = if self.compiler == Compiler::Plain || plain { Path::new("cc") } else { &self.tools.cc };
        let mut command = self.tools.command(program, &self.program.directory, self.temporary);
        if program == Path::new("cc") {
            // dsu-cc finds its header by itself.
            command.arg("-I").arg(&self.tools.include);
        }
        command.args(directives.words("flags")).args(self.flags);
        for (name, flags) in directives.pairs("flags-for") {
            if source == Some(name.as_str()) {
                command.args(words(&flags));
            }
        }
        command
    }

    fn compile(&self, source: &str, object: &str, flags: &[String]) -> Result<PathBuf> {
        let path = self.output.join(object);
        let mut command = self.command(Some(source));
        command.args(flags).arg("-c").arg(source).arg("-o").arg(&path);
        run_well(command)?;
        Ok(path)
    }

    /// What to link: objects, or the only source.
    fn objects(&self) -> Result<Vec<PathBuf>> {
        let directives = &self.program.directives;
        let named = directives.pairs("object");
        let archived: Vec<String> = directives.pairs("archive").iter().flat_map(|(_, m)| words(m)).collect();
        let elsewhere = |source: &String| {
            archived.contains(source) || named.iter().any(|(_, how)| words(how).first() == Some(source))
        };
        let own: Vec<&String> = self.program.sources.iter().filter(|s| !elsewhere(s)).collect();
        if let ([only], true) = (own.as_slice(), named.is_empty()) {
            if only.ends_with(".c") && directives.all("flags-for").is_empty() {
                return Ok(vec![PathBuf::from(only)]);
            }
        }
        let mut objects = Vec::new();
        for source in own {
            objects.push(self.compile(source, &format!("{source}.o"), &[])?);
        }
        for (object, how) in named {
            let how = words(&how);
            let Some((source, flags)) = how.split_first() else { bail!("object {object} has no source") };
            objects.push(self.compile(source, &object, flags)?);
        }
        Ok(objects)
    }

    fn archives(&self) -> Result<Vec<PathBuf>> {
        let mut archives = Vec::new();
        for (archive, members) in self.program.directives.pairs("archive") {
            let path = self.output.join(archive);
            let mut command = self.tools.command("ar", self.output, self.temporary);
            command.arg("rcs").arg(&path);
            for member in words(&members) {
                command.arg(self.compile(&member, &format!("{member}.o"), &[])?);
            }
            run_well(command)?;
            archives.push(path);
        }
        Ok(archives)
    }
}

/// Copies the files of a directory into another one, not those of its directories.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy_files(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
