//! Inputs to start from: made of programs that are built for it.

use crate::push;
use anyhow::{Context as _, Result, ensure};
use dsu_abi::{
    Id,
    lineage::{MAGIC, Step},
};
use dsu_compiler::{description::Description, elf, lineage::step_of_patch};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Builds programs and patches with the tools in `tools`, and writes to `directory`: in `context` what the targets need
/// to know, in `corpus/TARGET` inputs.
///
/// # Errors
/// When something cannot be built.
pub fn make(tools: &Path, directory: &Path) -> Result<()> {
    let maker = Maker { tools, directory };
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (sample, hello) = (root.join("sample"), root.join("../demos/hello"));
    let old = maker.build(&sample, "sample1", &["main.c", "part.c"], "1", ("", ""))?;
    let new = maker.build(&sample, "sample2", &["main.c", "part.c"], "2", ("", ""))?;
    // A smaller step from the same state.
    let other = maker.build(&sample, "sample3", &["main.c", "part.c"], "1", ("counter += n", "counter += n + 1"))?;
    let greeting = ("hello %s", "welcome %s");
    let hello1 = maker.build(&hello, "hello1", &["hello.c"], "1", ("", ""))?;
    let hello2 = maker.build(&hello, "hello2", &["hello.c"], "1", greeting)?;
    maker.write("context", "old", &read(&old.join("program"))?)?;
    maker.write("context", "new", &read(&new.join("program"))?)?;
    let patches = [
        ("full.dsu", maker.diff(&old, &new, "full.dsu", &[])?),
        ("plain.dsu", maker.diff(&old, &new, "plain.dsu", &["--strip-debug"])?),
        ("small.dsu", maker.diff(&old, &other, "small.dsu", &["--strip-debug"])?),
    ];
    for (name, patch) in &patches {
        maker.write("context", name, patch)?;
        maker.write("corpus/loader", name, patch)?;
        maker.write("corpus/patch", name, patch)?;
    }
    maker.write("corpus/patch", "hello.dsu", &maker.diff(&hello1, &hello2, "hello.dsu", &["--strip-debug"])?)?;
    maker.executables(&hello1)?;
    for (name, build) in [("sample", &old), ("hello", &hello1)] {
        maker.descriptions(name, &read(&build.join("program"))?)?;
    }
    for (name, object) in [("part.o", old.join("part.o")), ("main.o", new.join("main.o"))] {
        maker.object(name, &read(&object)?)?;
    }
    maker.archive(&new)?;
    let transform = b"#pragma dsu rename struct point x across\n#pragma dsu keep counter\n#pragma dsu unit \"part.c\"\nint f(int n) { return n; }\n";
    maker.write("corpus/transform", "full", transform)?;
    let step = step_of_patch(&patches[0].1)?;
    maker.write("corpus/lineage", "step", &step)?;
    let step = Step { from: Id([1; 16]), to: Id([2; 16]), bytes: b"step" };
    maker.write(
        "corpus/lineage",
        "list",
        &[&MAGIC[..], &step.head(), step.bytes, &step.head(), step.bytes].concat(),
    )?;
    maker.write("corpus/memory", "sample", &push::sample())?;
    maker.write("corpus/config", "hello", &read(&hello.join("dsu.toml"))?)?;
    let config = b"[[update-point]]\nname = \"a\"\nprogram = \"p\"\nfunction = \"f\"\nfile = \"a.c\"\nloop = 2\nentry = false\nquiescent = [\"g > poll\"]\n[types]\nwrap = false\nmin-size = 8\nslop = 16\nplugins = false\nallocators = [\"h\"]\n[types.\"struct s\"]\nwrap = true\nslop = 24\n";
    maker.write("corpus/config", "full", config)?;
    maker.write("corpus/response", "flags", b" -DA='x y' \"a b\"c\n\t\\\"q\\\" '' a\\ b ")?;
    for name in ["main.c", "part.c"] {
        maker.write("corpus/text", name, &read(&sample.join(name))?)?;
    }
    maker.write("corpus/text", "hello.c", &read(&hello.join("hello.c"))?)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

struct Maker<'a> {
    tools: &'a Path,
    directory: &'a Path,
}

impl Maker<'_> {
    fn write(&self, directory: &str, name: &str, data: &[u8]) -> Result<()> {
        let directory = self.directory.join(directory);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(name), data)?;
        Ok(())
    }

    fn run(&self, tool: &Path, directory: &Path, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(tool);
        command.args(arguments).current_dir(directory).env("DSU_CACHE", "off");
        for name in ["DSU_CC", "DSU_CONFIG", "DSU_REPORT", "DSU_SAVE"] {
            command.env_remove(name);
        }
        let output = command.output().with_context(|| format!("cannot run {}", tool.display()))?;
        ensure!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Builds `sources` of the directory `from`, with a text of them replaced by another, into a directory of its own.
    fn build(
        &self,
        from: &Path,
        name: &str,
        sources: &[&str],
        version: &str,
        (before, after): (&str, &str),
    ) -> Result<PathBuf> {
        let directory = self.directory.join("build").join(name);
        fs::create_dir_all(&directory)?;
        for entry in fs::read_dir(from)? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            let mut text = fs::read_to_string(&path)?;
            if !before.is_empty() {
                text = text.replace(before, after);
            }
            fs::write(directory.join(name), text)?;
        }
        let (compiler, version) = (self.tools.join("dsu-cc"), format!("-DVERSION={version}"));
        self.run(&compiler, &directory, &[&["-O2", "-g", "-c", version.as_str()], sources].concat())?;
        let objects: Vec<String> = sources.iter().map(|source| source.replace(".c", ".o")).collect();
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        self.run(&compiler, &directory, &[objects.as_slice(), &["-o", "program"]].concat())?;
        Ok(directory)
    }

    fn diff(&self, old: &Path, new: &Path, name: &str, options: &[&str]) -> Result<Vec<u8>> {
        let [old, new] = [old, new].map(|build| build.join("program").display().to_string());
        let build = self.directory.join("build");
        self.run(&self.tools.join("dsu-diff"), &build, &[&[old.as_str(), &new, "-o", name], options].concat())?;
        read(&build.join(name))
    }

    /// Executables are large because of the runtime in them: a stripped one, and a small one with a symbol table.
    fn executables(&self, build: &Path) -> Result<()> {
        self.run(Path::new("strip"), build, &["-o", "stripped", "program"])?;
        let small = "int main(void) { return 0; } long block[256] __attribute__((section(\".dsu.control\"))) = {1};";
        fs::write(build.join("small.c"), small)?;
        self.run(Path::new("cc"), build, &["-o", "small", "small.c"])?;
        for name in ["stripped", "small"] {
            let file = read(&build.join(name))?;
            self.write("corpus/image", name, &file)?;
            self.write("corpus/object", name, &file)?;
        }
        Ok(())
    }

    /// A program description as it is, and in a small executable.
    fn descriptions(&self, name: &str, program: &[u8]) -> Result<()> {
        self.write("corpus/program", name, &Description::payload_of_executable(program)?)?;
        let section = elf::section(program, dsu_abi::section::PROGRAM)?.context("no description")?;
        let small = read(&self.directory.join("corpus/image/small"))?;
        let with = elf::with_section(small, dsu_abi::section::PROGRAM, section, 0)?;
        self.write("corpus/program", &format!("{name}.elf"), &with)
    }

    fn object(&self, name: &str, object: &[u8]) -> Result<()> {
        self.write("corpus/object", name, object)?;
        let section = elf::section(object, dsu_abi::section::UNIT)?.context("no unit record")?;
        self.write("corpus/unit", name, section)?;
        let length = section.get(16..24).and_then(|bytes| bytes.first_chunk().copied()).map_or(0, u64::from_le_bytes);
        let payload = section.get(24..).and_then(|rest| rest.get(..length as usize)).context("no payload")?;
        self.write("corpus/unit", &format!("{name}.payload"), &zstd::stream::decode_all(payload)?)
    }

    fn archive(&self, build: &Path) -> Result<()> {
        self.run(Path::new("ar"), build, &["rc", "archive.a", "part.o", "sample.h", "dsu.toml"])?;
        self.write("corpus/archive", "plain", &read(&build.join("archive.a"))?)
    }
}
