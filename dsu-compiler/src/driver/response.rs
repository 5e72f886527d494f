//! Response files: `@file` arguments, read and written the way gcc does.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Deeper nesting than this is a loop.
const MAX_FILES: usize = 2000;

/// Expands `@file` arguments, also nested ones. One that cannot be read stays as it is, as with gcc.
#[must_use]
pub fn expand(args: Vec<OsString>) -> Vec<OsString> {
    let mut todo: Vec<OsString> = args.into_iter().rev().collect();
    let mut out = Vec::new();
    let mut files = 0;
    while let Some(arg) = todo.pop() {
        let text = match arg.as_bytes() {
            [b'@', path @ ..] if files < MAX_FILES => std::fs::read(Path::new(OsStr::from_bytes(path))).ok(),
            _ => None,
        };
        match text {
            Some(text) => {
                files += 1;
                todo.extend(split(&text).into_iter().rev());
            }
            None => out.push(arg),
        }
    }
    out
}

/// Splits the text of a response file: white space separates, quotes group, a backslash makes the next byte ordinary.
#[must_use]
pub fn split(text: &[u8]) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied();
    while let Some(b) = bytes.next() {
        match (b, quote) {
            (b'\\', _) => word.get_or_insert_default().extend(bytes.next()),
            (_, Some(q)) if b == q => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(b),
            (b'\'' | b'"', None) => {
                quote = Some(b);
                word.get_or_insert_default();
            }
            _ if b.is_ascii_whitespace() || b == 0x0b => words.extend(word.take().map(OsString::from_vec)),
            _ => word.get_or_insert_default().push(b),
        }
    }
    words.extend(word.map(OsString::from_vec));
    words
}

/// The text of a response file that splits into these words.
#[must_use]
pub fn join(words: &[OsString]) -> Vec<u8> {
    let mut text = Vec::new();
    for word in words {
        if word.is_empty() {
            text.extend_from_slice(b"\"\"");
        }
        for &b in word.as_bytes() {
            if b.is_ascii_whitespace() || b == 0x0b || matches!(b, b'\\' | b'\'' | b'"') {
                text.push(b'\\');
            }
            text.push(b);
        }
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<OsString> {
        list.iter().map(Into::into).collect()
    }

    #[test]
    fn splitting() {
        assert_eq!(
            split(b" -DA='x y' \"a b\"c\n\t\\\"q\\\" '' a\\ b "),
            words(&["-DA=x y", "a bc", "\"q\"", "", "a b"])
        );
        assert_eq!(split(b""), words(&[]));
    }

    #[test]
    fn joining_is_the_inverse() {
        let list = words(&["-DS=\"a b\"", "", "it's", "back\\slash", "new\nline", "plain"]);
        assert_eq!(split(&join(&list)), list);
    }

    #[test]
    fn nested_missing_and_endless_files() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        let outer = dir.path().join("outer");
        let endless = dir.path().join("endless");
        std::fs::write(&inner, "-DX -DY").unwrap();
        std::fs::write(&outer, format!("-c @{} @missing", inner.display())).unwrap();
        std::fs::write(&endless, format!("a @{}", endless.display())).unwrap();
        let args = vec![OsString::from(format!("@{}", outer.display())), "-O2".into()];
        assert_eq!(expand(args), words(&["-c", "-DX", "-DY", "@missing", "-O2"]));
        assert!(expand(vec![format!("@{}", endless.display()).into()]).len() > 10);
    }
}
