//! Which `dsu.toml` is for a program, and which of its update points.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::DriverError;
use crate::config::{Config, FILE_NAME, UpdatePoint};
use crate::unit::{self, UnitImage};

/// Files that tell a directory of the project from what is around it.
const PROJECT_FILES: &[&str] = &["Makefile", "configure", "configure.ac", "CMakeLists.txt", "meson.build", ".git"];

/// Reads the configuration: the file named, or the first `dsu.toml` found.
///
/// # Errors
/// When it cannot be read or is not valid.
pub fn read(named: Option<&Path>, output: &Path, units: &[&UnitImage]) -> Result<Config, DriverError> {
    let file = match named {
        Some(file) => Some(file.to_path_buf()),
        None => places(output, units).into_iter().map(|d| d.join(FILE_NAME)).find(|f| f.is_file()),
    };
    Ok(file.map(|f| Config::read(&f)).transpose()?.unwrap_or_default())
}

/// Directories to look in, nearest first: that of the output, the working directory, those of the sources and their
/// parents up to the one that holds all of them, and from there on as long as it is the same project.
fn places(output: &Path, units: &[&UnitImage]) -> Vec<PathBuf> {
    let here = super::toolchain::working_directory();
    let output = here.join(output.parent().unwrap_or(Path::new("")));
    let sources: BTreeSet<PathBuf> =
        units.iter().filter_map(|u| u.path().parent().map(Path::to_path_buf)).filter(|d| d.is_dir()).collect();
    let mut places = vec![unit::normalized(&output), here];
    let common = sources.iter().cloned().reduce(|a, b| common_root(&a, &b));
    if let Some(common) = common.filter(|c| c.parent().is_some()) {
        for source in &sources {
            places.extend(source.ancestors().take_while(|d| d.starts_with(&common)).map(Path::to_path_buf));
        }
        let in_project = |d: &&Path| PROJECT_FILES.iter().any(|f| d.join(f).exists());
        places.extend(common.ancestors().skip(1).take_while(in_project).map(Path::to_path_buf));
    }
    let mut seen = BTreeSet::new();
    places.retain(|d| seen.insert(d.clone()));
    places
}

fn common_root(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(x, y)| x == y).map(|(x, _)| x).collect()
}

/// Leaves the update points that are for this program; says which were left out though nothing names another program.
/// One configuration often serves several programs made from the same sources.
pub fn select(config: &mut Config, output: &str, units: &[&UnitImage]) -> Vec<UpdatePoint> {
    let name = Path::new(output).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let points = std::mem::take(&mut config.update_points);
    let mut left_out = Vec::new();
    for point in points {
        if point.program.as_ref().is_some_and(|p| *p != name) {
            continue;
        }
        if point.program.is_some() || units.iter().any(|u| defines(&u.text, &point.function)) {
            config.update_points.push(point);
        } else {
            left_out.push(point);
        }
    }
    left_out
}

/// Whether preprocessed text seems to define a function. The rewriter knows better; this tells programs without it
/// apart before anything expensive happens.
#[must_use]
pub fn defines(text: &str, function: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(function).any(|(at, _)| {
        let after = &text[at + function.len()..];
        !text[..at].ends_with(word) && !after.starts_with(word) && is_definition(after)
    })
}

/// What follows a function's name: its parameters, and then not the end of a declaration or of a call.
fn is_definition(text: &str) -> bool {
    let Some(mut rest) = skip_parentheses(skip_space(text)) else { return false };
    loop {
        rest = skip_space(rest);
        let attribute = ["__attribute__", "__asm__", "__asm", "asm"].iter().find_map(|a| rest.strip_prefix(a));
        match attribute.and_then(|r| skip_parentheses(skip_space(r))) {
            Some(after) => rest = after,
            None => break,
        }
    }
    // An identifier: the types of parameters in the old style.
    rest.starts_with(|c: char| c == '{' || c.is_alphabetic() || c == '_')
}

/// Skips white space and line markers.
fn skip_space(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        if !text.starts_with('#') {
            return text;
        }
        text = text.split_once('\n').map_or("", |(_, rest)| rest);
    }
}

fn skip_parentheses(text: &str) -> Option<&str> {
    if !text.starts_with('(') {
        return None;
    }
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(&text[at + 1..]),
            ')' => depth -= 1,
            ';' | '{' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_told_from_uses() {
        for (text, want) in [
            ("int f(void) { return 1; }", true),
            ("int\nf (int (*g)(int), char *s)\n# 3 \"a.c\"\n{", true),
            ("int f(a, b)\n int a; char *b; {", true),
            ("int f(void) __attribute__((noinline)) {", true),
            ("int f(void);", false),
            ("int f(void) __attribute__((noreturn));", false),
            ("x = f(1) + 2;", false),
            ("g(f(1), 2);", false),
            ("int ff(void) { }", false),
            ("int f_(void) { }", false),
            ("p = &f;", false),
        ] {
            assert_eq!(defines(text, "f"), want, "{text}");
        }
    }

    #[test]
    fn places_go_up_to_the_common_root_and_through_the_project() {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(dir.path()).unwrap();
        for d in ["outer/project/src/a", "outer/project/src/b", "outer/project/build"] {
            std::fs::create_dir_all(root.join(d)).unwrap();
        }
        std::fs::write(root.join("outer/project/configure"), "").unwrap();
        let image = |source: &str| UnitImage {
            source: source.into(),
            directory: root.join("outer/project/build").display().to_string(),
            compiler: String::new(),
            flags: Vec::new(),
            text: String::new(),
        };
        let (a, b) = (image("../src/a/a.c"), image("../src/b/b.c"));
        let places = places(&root.join("outer/project/build/server"), &[&a, &b]);
        let names: Vec<_> = places.iter().filter_map(|p| p.strip_prefix(root.join("outer")).ok()).collect();
        assert_eq!(names, ["project/build", "project/src/a", "project/src", "project/src/b", "project"].map(Path::new));
    }
}
