//! Links: the plain one first, exactly as the user wants it, and then, if the program has update points, the updatable
//! one in its place.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::args::{CommandLine, Input, InputKind, ReportFormat};
use super::compile;
use super::error::{DriverError, at};
use super::inputs::{Inputs, Place};
use super::interface::Report;
use super::options::Class;
use super::relink::{Token, tokens};
use super::toolchain::{Toolchain, exit_code};
use super::trace::{self, Entry};
use super::work::Work;
use super::{fallback, find_config, history, report, scheduler, suggest, updatable};
use crate::elf;
use crate::unit::UnitImage;

/// A link under way.
#[derive(Debug)]
pub struct Link<'a> {
    /// The real compiler.
    pub tools: &'a Toolchain,
    /// What the user wants.
    pub line: &'a CommandLine,
    /// The sources on the command line.
    pub sources: Vec<&'a Input>,
    /// Where the program goes.
    pub output: PathBuf,
    /// Where intermediate files go.
    pub work: Work,
}

/// The plain output, until it is known that it may stay: after a failure, also an internal one, `make` must not take
/// it for done.
struct Unfinished<'a>(&'a Path);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

/// Does what a command line that makes an executable asks for; the exit code is the real compiler's.
///
/// # Errors
/// When the real compiler cannot be run, or the program cannot be made updatable though it has update points.
pub fn run(tools: &Toolchain, line: &CommandLine) -> Result<u8, DriverError> {
    let output = line.output().map_or_else(|| "a.out".into(), PathBuf::from);
    if is_probe(line, &output) && !line.own.suggest {
        return Err(tools.exec(&compile::words(tools, line)));
    }
    Link::new(tools, line, output)?.run()
}

/// Prints update points for a link, without its output.
///
/// # Errors
/// As [`run`].
pub fn suggest_only(tools: &Toolchain, line: &CommandLine) -> Result<u8, DriverError> {
    let mut link = Link::new(tools, line, "a.out".into())?;
    link.output = link.work.path().join("a.out");
    link.run()
}

/// `configure` and `cmake` link hundreds of little programs to find out what works.
fn is_probe(line: &CommandLine, output: &Path) -> bool {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let from_conftest = |i: &Input| Path::new(&i.path).file_stem().is_some_and(|s| s == "conftest");
    name.starts_with("conftest")
        || name.starts_with("cmTC_")
        || name == "_configtest"
        || line.inputs().any(from_conftest)
        || fs::metadata(output).is_ok_and(|m| !m.is_file())
        || line.inputs().any(Input::is_stdin)
}

impl<'a> Link<'a> {
    fn new(tools: &'a Toolchain, line: &'a CommandLine, output: PathBuf) -> Result<Self, DriverError> {
        let work = Work::new(line.own.save.as_deref(), &output)?;
        let sources = line.inputs().filter(|i| i.kind != InputKind::Linkable).collect();
        Ok(Self { tools, line, sources, output, work })
    }

    fn run(&self) -> Result<u8, DriverError> {
        let texts = scheduler::parallel(scheduler::jobs(), &self.sources, |_, source| {
            source.kind.is_c().then(|| compile::preprocess(self.tools, self.line, source, None)).flatten()
        });
        let (code, trace) = self.plain(&texts)?;
        if code != 0 {
            return Ok(code);
        }
        let unfinished = Unfinished(&self.output);
        self.after_plain(&trace, texts)?;
        std::mem::forget(unfinished);
        Ok(0)
    }

    /// The user's own link, traced.
    fn plain(&self, texts: &[Option<String>]) -> Result<(u8, Vec<Entry>), DriverError> {
        let mut words = compile::words(self.tools, self.line);
        if self.output.starts_with(self.work.path()) {
            words.extend(["-o".into(), self.output.clone().into()]);
        }
        if fallback::needed(self.line, texts) {
            words.push(fallback::object(self.tools, self.work.path())?.into());
        }
        self.work.note_command("plain.sh", &self.tools.name(), &words);
        let linker_word = |t: &Token| matches!(t, Token::Linker(w) if trace::clashes(w));
        let direct = self.line.options().any(|(w, _)| w[0] == "-t");
        if direct || tokens(self.line).iter().any(linker_word) {
            let code = exit_code(self.tools.run(&words)?);
            if code != 0 {
                return Ok((code, Vec::new()));
            }
            words.extend(["-o".into(), self.work.path().join("traced").into(), "-w".into()]);
            return self.traced(words, true);
        }
        self.traced(words, false)
    }

    fn traced(&self, mut words: Vec<OsString>, quiet: bool) -> Result<(u8, Vec<Entry>), DriverError> {
        words.push(trace::OPTION.into());
        let (mut command, _response) = self.tools.with_args(&words)?;
        command.stdout(Stdio::piped());
        if quiet {
            command.stderr(Stdio::null());
        }
        let child = command.spawn().map_err(|e| self.tools.cannot_run(e))?;
        let output = child.wait_with_output().map_err(|e| self.tools.cannot_run(e))?;
        let (entries, rest) = trace::parse(&String::from_utf8_lossy(&output.stdout));
        if !quiet {
            let _ = std::io::stdout().write_all(rest.as_bytes());
        }
        self.work.note("trace", || String::from_utf8_lossy(&output.stdout).into_owned());
        Ok((exit_code(output.status), entries))
    }

    /// Looks at what was linked, and makes it updatable if it has update points.
    fn after_plain(&self, trace: &[Entry], texts: Vec<Option<String>>) -> Result<(), DriverError> {
        let bytes = fs::read(&self.output).map_err(at(&self.output))?;
        let plain = match elf::executable(&bytes) {
            Ok(plain) if plain.executable => plain,
            Err(_) if bytes.starts_with(b"\x7fELF") => {
                eprintln!("dsu-cc: {} is no 64-bit program and can never be updated", self.output.display());
                return Ok(());
            }
            _ => return Ok(()), // --oformat=binary and the like
        };
        let explicit: HashSet<String> = tokens(self.line)
            .into_iter()
            .filter_map(|t| match t {
                Token::File(path) | Token::Linker(path) => Some(path),
                _ => None,
            })
            .collect();
        let mut inputs = Inputs::collect(trace, self.sources.len(), &explicit)?;
        self.add_sources(&mut inputs, texts);
        if !self.line.own.suggest && inputs.files.iter().any(|f| !f.images.is_empty()) {
            history::remember(self.line, &self.output);
        }
        let images: Vec<&UnitImage> = inputs.files.iter().flat_map(|f| &f.images).collect();

        let mut config = find_config::read(self.line.own.config.as_deref(), &self.output, &images)?;
        let name = self.output.display().to_string();
        for point in find_config::select(&mut config, &name, &images) {
            let file = config.path.as_deref().unwrap_or(Path::new("dsu.toml")).display();
            eprintln!(
                "dsu-cc: {name}: update point \"{}\" of {file} left out: no function {} here \
                 (program = \"...\" in that file says which program it is for)",
                point.label(),
                point.function
            );
        }
        if self.line.own.suggest {
            return suggest::print(self, inputs, plain);
        }
        let annotated = images.iter().any(|i| i.text.contains("dsu_update_point("));
        if images.is_empty() || config.update_points.is_empty() && !annotated {
            self.never_updatable(&name, images.len());
            return Ok(());
        }
        let units = images.len();
        if !updatable::make(self, inputs, plain, config)? {
            self.never_updatable(&name, units);
        }
        Ok(())
    }

    /// Gives the sources on the command line their records.
    fn add_sources(&self, inputs: &mut Inputs, texts: Vec<Option<String>>) {
        let mut texts: Vec<_> = texts.into_iter().map(Some).collect();
        for file in &mut inputs.files {
            let Place::Source(index) = file.place else { continue };
            let source = self.sources[index];
            file.display = source.display();
            if let Some(text) = texts.get_mut(index).and_then(Option::take).flatten() {
                file.images.push(compile::image(self.tools, self.line, source, text));
            }
        }
    }

    fn never_updatable(&self, name: &str, units: usize) {
        eprintln!("dsu-cc: {name} has no update points and can never be updated (see dsu-cc --suggest-update-points)");
        if let Some(format) = self.line.own.report {
            let mut note =
                "no dsu.toml with an update point was found, and no unit contains DSU_UPDATE_POINT".to_owned();
            if units == 0 {
                note = "no object was compiled by dsu-cc".to_owned();
            }
            report::print(&Report { output: name.to_owned(), notes: vec![note], ..Report::default() }, format);
        }
    }
}

/// Says under a report what passing a link through means for the units in it.
pub fn note_pass_through(line: &CommandLine) {
    let not_executable = line.options().find(|(_, class)| *class == Class::NotExecutable);
    let (Some(format), Some((words, _))) = (line.own.report, not_executable) else { return };
    let note = if words[0] == "-r" {
        "units joined by -r stay as they are in the program they are linked into: link their objects separately"
    } else {
        "a shared library: its units are not updatable, only those of the executable are"
    };
    let output = line.output().map_or_else(|| "a.out".into(), |o| o.to_string_lossy().into_owned());
    match format {
        ReportFormat::Text => eprintln!("dsu-cc: {output}: {note}"),
        ReportFormat::Json => {
            report::print(&Report { output, notes: vec![note.to_owned()], ..Report::default() }, format);
        }
    }
}
