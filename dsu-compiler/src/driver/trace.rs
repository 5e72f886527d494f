//! Which object files and archive members a link really took, as told by the linker's own trace (`-t -t`).
//!
//! The linkers agree on one line per file, and differ in how they write a member:
//!
//! ```text
//! GNU ld       (libfoo.a)bar.o        thin archives: dir/bar.o, after a line with the archive
//! gold, lld    libfoo.a(bar.o)
//! ```

use std::path::Path;

/// A file that went into the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An object, archive or shared library.
    File(String),
    /// An object the compiler made for a source on the command line, and has deleted.
    Vanished,
    /// A member of an archive.
    Member {
        /// The archive.
        archive: String,
        /// The member's name, or its path if the archive is thin.
        member: String,
    },
}

/// What to add to a link to get the trace. Once is not enough for GNU ld to name members.
pub const OPTION: &str = "-Wl,-t,-t";

/// Splits a traced link's standard output into trace and the rest, which is not ours to swallow.
#[must_use]
pub fn parse(output: &str) -> (Vec<Entry>, String) {
    let mut entries = Vec::new();
    let mut rest = String::new();
    for line in output.lines() {
        match entry(line) {
            Some(entry) => entries.push(entry),
            None => {
                rest.push_str(line);
                rest.push('\n');
            }
        }
    }
    (entries, rest)
}

fn entry(line: &str) -> Option<Entry> {
    let exists = |path: &str| Path::new(path).exists();
    if line.is_empty() {
        return None;
    }
    if exists(line) {
        return Some(Entry::File(line.to_owned()));
    }
    let gnu = line.strip_prefix('(').and_then(|l| l.rsplit_once(')'));
    let other = line
        .strip_suffix(')')
        .and_then(|l| l.match_indices('(').map(|(i, _)| (&l[..i], &l[i + 1..])).find(|(archive, _)| exists(archive)));
    match gnu.or(other) {
        Some((archive, member)) if exists(archive) => {
            Some(Entry::Member { archive: archive.to_owned(), member: member.to_owned() })
        }
        _ if line.ends_with(".o") => Some(Entry::Vanished),
        _ => None,
    }
}

/// Whether the user's own options already make the linker talk on standard output: then the trace needs a link of its
/// own, so that the user gets just what was asked for.
#[must_use]
pub fn clashes(linker_word: &str) -> bool {
    matches!(
        linker_word,
        "-t" | "--trace" | "-M" | "--print-map" | "-print-map" | "--verbose" | "-verbose" | "--cref" | "-cref"
    ) || linker_word.starts_with("-dll-verbose")
        || linker_word.starts_with("--verbose=")
        || matches!(linker_word, "-Map=-" | "--Map=-" | "--stats" | "--print-memory-usage")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_the_linkers() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        for name in ["a.o", "lib(1).a", "libx.so"] {
            std::fs::write(path(name), "").unwrap();
        }
        let archive = path("lib(1).a");
        let output = format!("{}\n{archive}\n({archive})m.o\n{archive}(n.o)\n/gone/cc1.o\nhello\n\n", path("a.o"));
        let (entries, rest) = parse(&output);
        let member = |m: &str| Entry::Member { archive: archive.clone(), member: m.into() };
        assert_eq!(
            entries,
            [Entry::File(path("a.o")), Entry::File(archive.clone()), member("m.o"), member("n.o"), Entry::Vanished]
        );
        assert_eq!(rest, "hello\n\n");
        assert!(clashes("--trace") && !clashes("-Map=x"));
    }
}
