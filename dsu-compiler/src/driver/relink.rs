//! The command line of the final link: the user's own, with rewritten objects in the places of the originals.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::args::{CommandLine, InputKind, Item, argument};
use super::options::Class;

/// What takes the place of what.
#[derive(Debug, Default)]
pub struct Substitution {
    /// Objects instead of files named on the command line.
    pub files: HashMap<String, PathBuf>,
    /// Objects instead of sources, by their index among the sources.
    pub sources: HashMap<usize, PathBuf>,
    /// Objects to link before an archive: its members that are in the program already need not be taken from it.
    pub archives: HashMap<String, Vec<PathBuf>>,
    /// To be linked before everything else.
    pub first: Vec<PathBuf>,
    /// To be linked after everything else.
    pub last: Vec<OsString>,
}

/// The words of a link, split as far as the linker's own options go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A word for the compiler driver.
    Word(OsString),
    /// A word for the linker.
    Linker(String),
    /// A file.
    File(String),
    /// `-lNAME`.
    Library(String),
    /// The source with this index.
    Source(usize),
}

/// Splits a command line; what concerns only compilation is left out.
#[must_use]
pub fn tokens(line: &CommandLine) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut sources = 0;
    for item in &line.items {
        match item {
            Item::Input(input) if input.kind == InputKind::Linkable => {
                tokens.push(Token::File(input.path.to_string_lossy().into_owned()));
            }
            Item::Input(_) => {
                tokens.push(Token::Source(sources));
                sources += 1;
            }
            Item::Option { words, class } => option_tokens(words, *class, &mut tokens),
        }
    }
    tokens
}

/// The first symbol that the linker is asked to wrap.
pub fn wrapped(line: &CommandLine) -> Option<String> {
    let words: Vec<String> = tokens(line)
        .into_iter()
        .filter_map(|token| if let Token::Linker(word) = token { Some(word) } else { None })
        .collect();
    words.iter().enumerate().find_map(|(i, word)| {
        let word = word.trim_start_matches('-');
        word.strip_prefix("wrap=")
            .or_else(|| words.get(i + 1).map(String::as_str).filter(|_| word == "wrap"))
            .map(str::to_owned)
    })
}

fn option_tokens(words: &[OsString], class: Class, tokens: &mut Vec<Token>) {
    let text = words[0].to_string_lossy();
    match class {
        Class::Linker => {
            if let Some(list) = text.strip_prefix("-Wl,") {
                tokens.extend(list.split(',').map(|w| Token::Linker(w.to_owned())));
            } else if matches!(&*text, "-Xlinker" | "--for-linker") {
                tokens.extend(words.get(1).map(|w| Token::Linker(w.to_string_lossy().into_owned())));
            } else if text.starts_with("-l") {
                tokens.extend(argument(words).map(|name| Token::Library(name.to_string_lossy().into_owned())));
            } else {
                tokens.extend(words.iter().cloned().map(Token::Word));
            }
        }
        Class::CodeGeneration | Class::Lto | Class::Profile | Class::NotExecutable => {
            tokens.extend(words.iter().cloned().map(Token::Word));
        }
        _ => {}
    }
}

/// Composes the final link.
#[must_use]
pub fn compose(line: &CommandLine, substitution: &Substitution, output: &Path) -> Vec<OsString> {
    let mut composer =
        Composer { substitution, placed: HashSet::new(), whole: WholeArchive::default(), args: Vec::new() };
    composer.args.extend(["-o".into(), output.into()]);
    composer.args.extend(substitution.first.iter().map(OsString::from));
    for token in tokens(line) {
        composer.token(&token);
    }
    // Archives that something else than the command line names: their objects come last, and are still linked.
    let mut unplaced: Vec<_> =
        substitution.archives.iter().filter(|(a, _)| !composer.placed.contains(a.as_str())).collect();
    unplaced.sort();
    for (_, objects) in unplaced {
        composer.args.extend(objects.iter().map(OsString::from));
    }
    composer.args.extend(substitution.last.iter().cloned());
    composer.args
}

struct Composer<'a> {
    substitution: &'a Substitution,
    placed: HashSet<&'a str>,
    whole: WholeArchive,
    args: Vec<OsString>,
}

impl Composer<'_> {
    fn token(&mut self, token: &Token) {
        match token {
            Token::Word(word) => self.args.push(word.clone()),
            Token::Source(index) => self.args.extend(self.substitution.sources.get(index).map(OsString::from)),
            Token::File(path) => self.file(path, vec![path.into()]),
            Token::Library(name) => self.library(name, vec![format!("-l{name}").into()]),
            Token::Linker(word) => {
                self.whole.see(word);
                let library = word.strip_prefix("-l").or_else(|| word.strip_prefix("--library="));
                match library {
                    Some(name) => self.library(name, linker_words(word)),
                    None => self.file(word, linker_words(word)),
                }
            }
        }
    }

    /// A file, or a word for the linker that may be one.
    fn file(&mut self, path: &str, words: Vec<OsString>) {
        if let Some(object) = self.substitution.files.get(path) {
            self.args.push(object.into());
        } else {
            self.archive(|archive| archive == path, words);
        }
    }

    fn library(&mut self, name: &str, words: Vec<OsString>) {
        let file = name.strip_prefix(':').map_or_else(|| format!("lib{name}.a"), str::to_owned);
        self.archive(|archive| Path::new(archive).file_name() == Some(OsStr::new(&file)), words);
    }

    fn archive(&mut self, is_it: impl Fn(&str) -> bool, words: Vec<OsString>) {
        let found = self.substitution.archives.iter().find(|(archive, _)| is_it(archive));
        let Some((archive, objects)) = found else { return self.args.extend(words) };
        if self.placed.insert(archive) {
            self.args.extend(objects.iter().map(OsString::from));
        }
        // Under --whole-archive all members are among the objects, and would be there twice.
        if !self.whole.active {
            self.args.extend(words);
        }
    }
}

fn linker_words(word: &str) -> Vec<OsString> {
    if word.contains(',') { vec!["-Xlinker".into(), word.into()] } else { vec![format!("-Wl,{word}").into()] }
}

/// Whether `--whole-archive` is in force.
#[derive(Debug, Default)]
struct WholeArchive {
    active: bool,
    saved: Vec<bool>,
}

impl WholeArchive {
    fn see(&mut self, word: &str) {
        match word.trim_start_matches('-') {
            "whole-archive" => self.active = true,
            "no-whole-archive" => self.active = false,
            "push-state" => self.saved.push(self.active),
            "pop-state" => self.active = self.saved.pop().unwrap_or(self.active),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(line: &str, substitution: &Substitution) -> String {
        let line = CommandLine::parse(line.split_whitespace().map(OsString::from).collect());
        let words = compose(&line, substitution, Path::new("tmp"));
        words.iter().map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    fn substitution() -> Substitution {
        Substitution {
            files: HashMap::from([("a.o".into(), "/t/a.o".into())]),
            sources: HashMap::from([(0, "/t/s.o".into())]),
            archives: HashMap::from([("lib/libx.a".into(), vec!["/t/x1.o".into(), "/t/x2.o".into()])]),
            first: vec!["/t/program.o".into()],
            last: vec!["/d/libdsu.a".into(), "-lc".into()],
        }
    }

    #[test]
    fn objects_take_their_places() {
        for (line, want) in [
            ("-O2 a.o b.o -o x -lm", "-o tmp /t/program.o -O2 /t/a.o b.o -lm /t/x1.o /t/x2.o /d/libdsu.a -lc"),
            ("s.c a.o -o x -DX -MD -x c -Wall", "-o tmp /t/program.o /t/s.o /t/a.o /t/x1.o /t/x2.o /d/libdsu.a -lc"),
            (
                "lib/libx.a a.o lib/libx.a",
                "-o tmp /t/program.o /t/x1.o /t/x2.o lib/libx.a /t/a.o lib/libx.a /d/libdsu.a -lc",
            ),
            ("a.o -L lib -lx -lm -lx", "-o tmp /t/program.o /t/a.o -L lib /t/x1.o /t/x2.o -lx -lm -lx /d/libdsu.a -lc"),
            ("a.o -l:libx.a", "-o tmp /t/program.o /t/a.o /t/x1.o /t/x2.o -l:libx.a /d/libdsu.a -lc"),
            (
                "-Wl,--whole-archive,lib/libx.a,--no-whole-archive,-z,now a.o",
                "-o tmp /t/program.o -Wl,--whole-archive /t/x1.o /t/x2.o -Wl,--no-whole-archive -Wl,-z -Wl,now /t/a.o \
                 /d/libdsu.a -lc",
            ),
            (
                "-Wl,--push-state,--whole-archive -lx -Wl,--pop-state -lx",
                "-o tmp /t/program.o -Wl,--push-state -Wl,--whole-archive /t/x1.o /t/x2.o -Wl,--pop-state -lx \
                 /d/libdsu.a -lc",
            ),
            ("b.o -Xlinker -lx", "-o tmp /t/program.o b.o /t/x1.o /t/x2.o -Wl,-lx /d/libdsu.a -lc"),
            ("b.o", "-o tmp /t/program.o b.o /t/x1.o /t/x2.o /d/libdsu.a -lc"),
        ] {
            assert_eq!(composed(line, &substitution()), want, "{line}");
        }
    }
}
