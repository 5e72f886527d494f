//! What `dsu-cc` and `dsu-diff` read: objects, archives, unit records, program descriptions, configurations, text.

use crate::{executable::Context, memory_file::MemoryFile};
use dsu_abi::lineage::steps;
use dsu_compiler::{
    config::Config,
    description::Description,
    diff::{Diff, build, directives::Directives},
    driver::{find_config, inputs::Inputs, response, trace::Entry},
    elf,
    facts::content,
    lineage::{State, step_of_patch},
    text::{
        edits::Edits,
        lexer::{Lexer, after_declarator, after_semicolon, identifier_at},
    },
    unit,
};
use std::{collections::HashSet, ffi::OsString, os::unix::ffi::OsStringExt as _};

/// Level of compression: the fastest.
const LEVEL: i32 = 1;

/// Reads and edits an object.
pub fn object(data: &[u8]) {
    if let Ok(Some(facts)) = elf::object(data) {
        let _ = facts.units.as_deref().map(unit::decode);
    }
    let _ = (elf::executable(data), elf::section(data, dsu_abi::section::UNIT));
    if let Ok(with) = elf::with_section(data.to_vec(), ".dsu.unit", b"data", 0) {
        assert!(with.len() < 3 * data.len() + 256);
    }
    let renames = [("main", "renamed"), ("scale", "x"), ("counter", "y"), ("", "z")];
    let _ = elf::rename_symbols(&mut data.to_vec(), &renames.map(|(old, new)| (old.into(), new.into())));
}

/// Reads an archive and its members.
pub fn archive(data: &[u8]) {
    // The members of a thin archive are files elsewhere.
    if data.starts_with(b"!<thin>") {
        return;
    }
    let Ok(file) = MemoryFile::new(data) else { return };
    let path = file.path().display().to_string();
    let Ok(inputs) = Inputs::collect(&[Entry::File(path.clone())], 0, &HashSet::new()) else { return };
    let Some(archive) = inputs.archives.get(&path) else { return };
    for index in 0..archive.len().min(64) {
        if let Ok(member) = archive.member(index) {
            let _ = elf::object(&member);
        }
    }
}

/// Reads unit records: as they are in an object, or, without their magic number, the decompressed payload of one.
pub fn unit(data: &[u8]) {
    let section = if data.starts_with(b"DSUUNIT\0") {
        data.to_vec()
    } else {
        let Ok(payload) = zstd::bulk::compress(data, LEVEL) else { return };
        let mut record = b"DSUUNIT\0\x01\0\0\0\0\0\0\0".to_vec();
        record.extend((payload.len() as u64).to_le_bytes());
        record.extend(payload);
        record
    };
    for image in unit::decode(&section).unwrap_or_default() {
        let _ = (image.path(), find_config::defines(&image.text, "main"));
    }
}

/// Reads a program description, out of an executable or decompressed as it is, and compares the program with those that
/// the fuzzers play, as `dsu-diff` does.
pub fn program(context: &Context, data: &[u8]) {
    let read = if data.starts_with(b"\x7fELF") { State::of_executable(data) } else { State::of_payload(data.to_vec()) };
    if let (Ok(read), Some((old, new))) = (read, &context.builds) {
        compare(old.clone(), read.description.clone());
        compare(read, new.description.clone());
    }
}

/// Compares two programs, and makes what a compiler would get of the difference.
fn compare(old: State, new: Description) {
    if let Ok(diff) = Diff::new(old, new, &Directives::default(), "fuzz") {
        let _ = build::texts(&diff);
    }
}

/// Reads what a patch says of the state it leads to, and a list of such.
pub fn lineage(context: &Context, data: &[u8]) {
    let Some((old, new)) = &context.builds else { return };
    let _ = step_of_patch(data);
    for step in steps(data).into_iter().flatten().map_while(|step| step) {
        assert!(step.bytes.len() < data.len());
    }
    if let Ok(state) = old.after(data) {
        compare(state, new.description.clone());
    }
}

/// Reads a transform file.
pub fn transform(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Other directives are for the preprocessor: a program of its own.
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#') || line.contains("pragma dsu"));
    let _ = Directives::parse("file.c", &lines.collect::<Vec<_>>().join("\n"));
}

/// Reads a `dsu.toml`.
pub fn config(data: &[u8]) {
    let Ok(file) = MemoryFile::new(data) else { return };
    let _ = Config::read(&file.path());
}

/// Reads a response file and writes it again.
pub fn response(data: &[u8]) {
    let words = response::split(data);
    assert_eq!(response::split(&response::join(&words)), words);
    let Ok(file) = MemoryFile::new(data) else { return };
    // Words that name further files are not followed: there is no telling what they hold.
    if !words.iter().any(|word| word.as_encoded_bytes().starts_with(b"@")) {
        let argument = OsString::from_vec(format!("@{}", file.path().display()).into_bytes());
        assert_eq!(response::expand(vec![argument]), words);
    }
}

/// Walks over a text and edits it.
pub fn text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut end = 0;
    let mut edits = Edits::default();
    for (index, token) in Lexer::new(&text, 0).enumerate() {
        assert!(end <= token.start && token.start < token.end, "tokens overlap");
        assert!(text.get(token.start..token.end).is_some(), "a token is not whole");
        end = token.end;
        match index % 7 {
            0 => edits.insert(token.start, "/**/"),
            1 => edits.wrap(token.start, token.end, "(", ")"),
            2 => edits.replace(token.start, token.end - token.start, "x"),
            _ => {}
        }
        if index < 64 {
            let _ = (after_semicolon(&text, token.end), after_declarator(&text, token.end));
            let _ = identifier_at(&text, token.start, "name");
        }
    }
    assert!(edits.apply(&text).is_ok(), "edits of different tokens overlap");
    let mut edits = Edits::default();
    for place in data.chunks_exact(3) {
        let (at, length) = (usize::from(place[0]), usize::from(place[1]));
        match place[2] % 3 {
            0 => edits.insert(at, "i"),
            1 => edits.wrap(at, at + length, "w", "W"),
            _ => edits.replace(at, length, "r"),
        }
    }
    let _ = edits.apply(&text);
    let _ = (content::of_text(&text), find_config::defines(&text, "f"));
}
