//! The command line: which words are inputs, which are options, and what is to be done.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::options::{Class, Shape, classify, is_dependency_with_file, is_dependency_word};

/// One thing on the command line, in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A file, or `-` for standard input.
    Input(Input),
    /// An option with its separate argument, if it takes one.
    Option {
        /// One or two words.
        words: Vec<OsString>,
        /// What it is for.
        class: Class,
    },
}

/// An input file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// As named.
    pub path: OsString,
    /// What it is.
    pub kind: InputKind,
    /// The `-x` language in force, if any.
    pub language: Option<String>,
}

/// What an input is, by `-x` or by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// C source.
    C,
    /// Preprocessed C source.
    PreprocessedC,
    /// Source in another language, assembler, or a header to precompile.
    OtherSource,
    /// An object, archive, library or linker script.
    Linkable,
}

impl InputKind {
    /// Whether this becomes a unit.
    #[must_use]
    pub fn is_c(self) -> bool {
        matches!(self, Self::C | Self::PreprocessedC)
    }
}

/// What the command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing that concerns us: the real compiler takes over.
    PassThrough,
    /// `-c` with at least one C source.
    Compile,
    /// An executable.
    Link,
}

/// Our own options, removed from what the real compiler sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnOptions {
    /// `--dsu-report`, or `DSU_REPORT` in the environment.
    pub report: Option<ReportFormat>,
    /// `--dsu-config FILE`, or `DSU_CONFIG`.
    pub config: Option<PathBuf>,
    /// `--dsu-save=DIR`, or `DSU_SAVE`.
    pub save: Option<PathBuf>,
    /// `--suggest-update-points`.
    pub suggest: bool,
    /// `--dsu-help`.
    pub help: bool,
}

/// How to print the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// A parsed command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Everything for the real compiler, response files expanded.
    pub items: Vec<Item>,
    /// Ours.
    pub own: OwnOptions,
    /// A word that is wrong: one of our options without its argument.
    pub problem: Option<String>,
}

impl CommandLine {
    /// Parses arguments (without the program's name, response files expanded).
    #[must_use]
    pub fn parse(args: Vec<OsString>) -> Self {
        let mut line = Self::default();
        let mut language = None;
        let mut args = args.into_iter();
        while let Some(word) = args.next() {
            if line.take_own(&word, &mut args) {
                continue;
            }
            if !is_option(&word) {
                line.items.push(Item::Input(Input::new(word, language.clone())));
                continue;
            }
            let (shape, class) = classify(&word.to_string_lossy());
            let mut words = vec![word];
            if shape == Shape::Separate {
                words.extend(args.next());
            }
            if class == Class::Language {
                language = argument(&words).map(|l| l.to_string_lossy().into_owned()).filter(|l| l != "none");
            }
            line.items.push(Item::Option { words, class });
        }
        line
    }

    /// Takes one of our own options; false if the word is none.
    fn take_own(&mut self, word: &OsStr, rest: &mut impl Iterator<Item = OsString>) -> bool {
        let Some(text) = word.to_str() else { return false };
        let (name, value) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
        let mut value_or_next = |problem: &mut Option<String>| {
            let value = value.map(PathBuf::from).or_else(|| rest.next().map(PathBuf::from));
            if value.is_none() {
                *problem = Some(format!("{name} needs an argument"));
            }
            value
        };
        match (name, value) {
            ("--dsu-report", None | Some("text")) => self.own.report = Some(ReportFormat::Text),
            ("--dsu-report", Some("json")) => self.own.report = Some(ReportFormat::Json),
            ("--dsu-report", Some(other)) => {
                self.problem = Some(format!("--dsu-report={other}: the formats are text and json"));
            }
            ("--dsu-config", _) => self.own.config = value_or_next(&mut self.problem),
            ("--dsu-save", _) => self.own.save = value_or_next(&mut self.problem),
            ("--suggest-update-points", None) => self.own.suggest = true,
            ("--dsu-help", None) => self.own.help = true,
            _ if name.starts_with("--dsu-") => self.problem = Some(format!("unknown option {text}")),
            _ => return false,
        }
        true
    }

    /// What is asked for.
    #[must_use]
    pub fn action(&self) -> Action {
        let has = |wanted: Class| self.options().any(|(_, class)| class == wanted);
        if has(Class::Other) || self.inputs().next().is_none() {
            Action::PassThrough
        } else if has(Class::CompileOnly) {
            if self.inputs().any(|i| i.kind.is_c()) { Action::Compile } else { Action::PassThrough }
        } else if has(Class::NotExecutable) || self.inputs().all(|i| i.is_header()) {
            Action::PassThrough
        } else {
            Action::Link
        }
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.items.iter().filter_map(|item| match item {
            Item::Input(input) => Some(input),
            Item::Option { .. } => None,
        })
    }

    /// The options, in order.
    pub fn options(&self) -> impl Iterator<Item = (&[OsString], Class)> {
        self.items.iter().filter_map(|item| match item {
            Item::Input(_) => None,
            Item::Option { words, class } => Some((words.as_slice(), *class)),
        })
    }

    /// The last `-o`, which is the one that counts.
    #[must_use]
    pub fn output(&self) -> Option<&OsStr> {
        self.options().filter(|(_, class)| *class == Class::Output).filter_map(|(words, _)| argument(words)).last()
    }

    /// All words, as the real compiler should see them for the user's own request.
    #[must_use]
    pub fn words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        for item in &self.items {
            match item {
                Item::Input(input) => words.push(input.path.clone()),
                Item::Option { words: option, .. } => words.extend_from_slice(option),
            }
        }
        words
    }

    /// The words of the options of which `keep` approves.
    pub fn options_where(&self, keep: impl Fn(Class) -> bool) -> Vec<OsString> {
        self.options().filter(|(_, class)| keep(*class)).flat_map(|(words, _)| words.iter().cloned()).collect()
    }

    /// Options to preprocess with: no dependency files, no outputs, nothing that changes the text's form.
    #[must_use]
    pub fn preprocess_options(&self) -> Vec<OsString> {
        let mut out = Vec::new();
        let mut skip_preprocessor_argument = false;
        for (words, class) in self.options() {
            match class {
                Class::Preprocessor => {
                    if words[0] == "-Xpreprocessor" {
                        let word = words.get(1).map(|w| w.to_string_lossy().into_owned()).unwrap_or_default();
                        if std::mem::take(&mut skip_preprocessor_argument) {
                            continue;
                        }
                        if is_dependency_word(&word) || is_dependency_with_file(&word) {
                            skip_preprocessor_argument = is_dependency_with_file(&word);
                            continue;
                        }
                    }
                    out.extend(words.iter().filter_map(without_dependencies));
                }
                Class::CodeGeneration | Class::Lto => out.extend_from_slice(words),
                // -Wunknown-flag must stay as an error of the user's own run, and -fprofile-* define no macros.
                _ => {}
            }
        }
        out
    }

    /// Options that shape the code of a unit, for its record.
    #[must_use]
    pub fn code_options(&self) -> Vec<String> {
        let mut flags = Vec::new();
        for (words, class) in self.options() {
            if class == Class::CodeGeneration && words[0] != "-pipe" {
                flags.extend(words.iter().map(|w| w.to_string_lossy().into_owned()));
            } else if words[0].as_bytes().starts_with(b"-gsplit-dwarf") {
                // A file of its own for debug information would be lost; in the object it is not.
                flags.push("-g".to_owned());
            }
        }
        flags
    }
}

impl Input {
    fn new(path: OsString, language: Option<String>) -> Self {
        let kind = match language.as_deref() {
            Some("c") => InputKind::C,
            Some("cpp-output") => InputKind::PreprocessedC,
            Some(_) => InputKind::OtherSource,
            None => kind_by_name(&path),
        };
        Self { path, kind, language }
    }

    /// A header, to be precompiled.
    fn is_header(&self) -> bool {
        let named = matches!(Path::new(&self.path).extension().and_then(OsStr::to_str), Some("h" | "hh" | "hpp" | "H"));
        self.language.as_deref().map_or(named, |l| l.ends_with("-header"))
    }

    /// Standard input.
    #[must_use]
    pub fn is_stdin(&self) -> bool {
        self.path == "-"
    }

    /// For messages.
    #[must_use]
    pub fn display(&self) -> String {
        if self.is_stdin() { "<stdin>".into() } else { self.path.to_string_lossy().into_owned() }
    }
}

fn kind_by_name(path: &OsStr) -> InputKind {
    if path == "-" {
        return InputKind::C; // with -E; without, the real compiler refuses it
    }
    match Path::new(path).extension().and_then(OsStr::to_str) {
        Some("c") => InputKind::C,
        Some("i") => InputKind::PreprocessedC,
        Some(
            "s" | "S" | "sx" | "cc" | "cp" | "cxx" | "cpp" | "CPP" | "c++" | "C" | "ii" | "m" | "mi" | "mm" | "M"
            | "mii" | "h" | "hh" | "H" | "hp" | "hxx" | "hpp" | "HPP" | "h++" | "tcc" | "f" | "for" | "ftn" | "F"
            | "FOR" | "f90" | "f95" | "f03" | "F90" | "ads" | "adb" | "d" | "go" | "mod" | "cu",
        ) => InputKind::OtherSource,
        _ => InputKind::Linkable,
    }
}

/// Options start with `-`; `-` alone is standard input.
fn is_option(word: &OsStr) -> bool {
    word.len() > 1 && word.as_bytes()[0] == b'-'
}

/// The argument of an option that takes one.
#[must_use]
pub fn argument(words: &[OsString]) -> Option<&OsStr> {
    if let [_, argument] = words {
        return Some(argument);
    }
    let word = words.first()?;
    let text = word.to_str().unwrap_or_default();
    if text.starts_with("--") {
        return text.split_once('=').map(|(_, value)| OsStr::new(value));
    }
    // Single-letter options only: -oX, -xX, -lX, -LX.
    word.as_bytes().get(2..).filter(|rest| !rest.is_empty()).map(OsStr::from_bytes)
}

/// `-Wp,-MD,x.d,-DX` without what writes dependencies; `None` if nothing is left.
fn without_dependencies(word: &OsString) -> Option<OsString> {
    let Some(list) = word.to_str().and_then(|w| w.strip_prefix("-Wp,")) else { return Some(word.clone()) };
    let mut kept = String::new();
    let mut parts = list.split(',');
    while let Some(part) = parts.next() {
        if is_dependency_with_file(part) {
            parts.next();
        } else if !is_dependency_word(part) {
            kept.push(',');
            kept.push_str(part);
        }
    }
    (!kept.is_empty()).then(|| format!("-Wp{kept}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> CommandLine {
        CommandLine::parse(line.split_whitespace().map(OsString::from).collect())
    }

    fn joined(words: &[impl AsRef<OsStr>]) -> String {
        words.iter().map(|w| w.as_ref().to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn actions() {
        for (line, want) in [
            ("", Action::PassThrough),
            ("--version", Action::PassThrough),
            ("-v", Action::PassThrough),
            ("-print-search-dirs a.c", Action::PassThrough),
            ("-E a.c", Action::PassThrough),
            ("-S a.c -o a.s", Action::PassThrough),
            ("-M a.c", Action::PassThrough),
            ("-c a.c", Action::Compile),
            ("a.c -c -o out", Action::Compile),
            ("-o -c a.c", Action::Link),
            ("-c a.S", Action::PassThrough),
            ("-c a.cc", Action::PassThrough),
            ("-c -x c foo", Action::Compile),
            ("-xc - -c", Action::Compile),
            ("-c -x c++ a.c", Action::PassThrough),
            ("-c -x c++ a.c -x none b.c", Action::Compile),
            ("-c a.i", Action::Compile),
            ("a.h", Action::PassThrough),
            ("-c a.o", Action::PassThrough),
            ("a.o -o x", Action::Link),
            ("a.c", Action::Link),
            ("-shared a.o", Action::PassThrough),
            ("-r a.o -o b.o", Action::PassThrough),
            ("-static a.o", Action::Link),
            ("-fsyntax-only a.c", Action::PassThrough),
            ("-MF -c a.c", Action::Link),
            ("-I -c a.c", Action::Link),
            ("-Xlinker -c a.o", Action::Link),
            ("--param -c a.o", Action::Link),
            ("-include -S a.c -c", Action::Compile),
        ] {
            assert_eq!(parse(line).action(), want, "{line}");
        }
    }

    #[test]
    fn outputs_and_inputs() {
        for (line, output, inputs) in [
            ("-o x a.c b.o -lm c.a", Some("x"), "a.c b.o c.a"),
            ("a.c -ox", Some("x"), "a.c"),
            ("a.c -o x -o y", Some("y"), "a.c"),
            ("a.c --output=x", Some("x"), "a.c"),
            ("-T script.ld -u sym -z now -e start a.o", None, "a.o"),
            ("-B dir -wrapper x -specs s -aux-info i -L d -l c -isystem d a.o", None, "a.o"),
            ("-MD -MF d -MT t -MQ q a.c", None, "a.c"),
            ("-D X -U Y -I d -imacros f -iquote q -idirafter i a.c -", None, "a.c -"),
        ] {
            let parsed = parse(line);
            assert_eq!(parsed.output(), output.map(OsStr::new), "{line}");
            assert_eq!(joined(&parsed.inputs().map(|i| &i.path).collect::<Vec<_>>()), inputs, "{line}");
            assert_eq!(joined(&parsed.words()), line, "{line}");
        }
    }

    #[test]
    fn flags_of_a_unit() {
        let line = parse(
            "-O2 -g -std=gnu99 -DX -Iinc -include h.h -Wall -Werror -Wno-implicit-int -MD -MP -MF x.d -c a.c -o a.o \
             -fPIE -pipe -flto -lfoo -Wl,-z,now -pthread --param max-inline=3 -Wa,--noexecstack -pedantic-errors \
             -save-temps -gsplit-dwarf",
        );
        assert_eq!(
            joined(&line.code_options()),
            "-O2 -g -std=gnu99 -Wno-implicit-int -fPIE -pthread --param max-inline=3 -Wa,--noexecstack -g"
        );
        assert_eq!(
            joined(&line.preprocess_options()),
            "-O2 -g -std=gnu99 -DX -Iinc -include h.h -Wno-implicit-int -fPIE -pipe -flto -pthread --param \
             max-inline=3 -Wa,--noexecstack"
        );
    }

    #[test]
    fn dependency_words_in_preprocessor_options() {
        for (line, want) in [
            ("-Wp,-MD,a.d,-DX a.c", "-Wp,-DX"),
            ("-Wp,-MMD,a.d a.c", ""),
            ("-Wp,-MD,a.d,-MP,-MT,t -DY a.c", "-DY"),
            ("-Xpreprocessor -MD -Xpreprocessor a.d -Xpreprocessor -DZ a.c", "-Xpreprocessor -DZ"),
        ] {
            assert_eq!(joined(&parse(line).preprocess_options()), want, "{line}");
        }
    }

    #[test]
    fn own_options_are_removed() {
        let line = parse("--dsu-report=json -c a.c --dsu-config f.toml --dsu-save=dir --suggest-update-points");
        assert_eq!(joined(&line.words()), "-c a.c");
        assert_eq!(line.own.report, Some(ReportFormat::Json));
        assert_eq!(line.own.config.as_deref(), Some(Path::new("f.toml")));
        assert_eq!(line.own.save.as_deref(), Some(Path::new("dir")));
        assert!(line.own.suggest && line.problem.is_none());
        assert!(parse("a.c --dsu-config").problem.is_some());
        assert!(parse("a.c --dsu-nonsense").problem.is_some());
        assert!(parse("a.c -o --dsu-report").own.report.is_none());
    }
}
