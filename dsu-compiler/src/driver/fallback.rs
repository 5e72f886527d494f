//! What a program that includes `dsu.h` is linked with where it is not updatable: the plain link that comes before
//! every other one must succeed, and a program without update points must run.

use std::path::{Path, PathBuf};

use dsu_abi::status::Status;

use super::args::CommandLine;
use super::error::{DriverError, at};
use super::relink::{Token, tokens};
use super::toolchain::Toolchain;

/// `dsu_apply` says that the state is the wrong one: no patch is for this build.
fn source() -> String {
    format!(
        r#"
volatile unsigned dsu_pending;
void dsu_update_point(const char *name) {{ (void)name; }}
int dsu_apply(const char *path) {{ (void)path; return {}; }}
const char *dsu_last_message(void) {{ return "this program was built without update points and cannot be updated"; }}
"#,
        Status::WrongState as u32
    )
}

/// The symbols it defines.
const SYMBOLS: &[&str] = &["dsu_pending", "dsu_update_point", "dsu_apply", "dsu_last_message"];

/// Whether the preprocessed sources, or the files to be linked, refer to libdsu.
#[must_use]
pub fn needed(line: &CommandLine, texts: &[Option<String>]) -> bool {
    let mentioned = |bytes: &[u8]| SYMBOLS.iter().any(|symbol| contains(bytes, symbol.as_bytes()));
    let file_mentions = |path: &Path| std::fs::read(path).is_ok_and(|bytes| mentioned(&bytes));
    texts.iter().flatten().any(|text| mentioned(text.as_bytes()))
        || files(line).iter().any(|path| path.is_file() && file_mentions(path))
}

/// The objects and archives a command line names, also by `-l` where `-L` says where they are.
fn files(line: &CommandLine) -> Vec<PathBuf> {
    let tokens = tokens(line);
    let directories: Vec<&Path> = line
        .options()
        .filter(|(words, _)| words[0].to_string_lossy().starts_with("-L"))
        .filter_map(|(words, _)| super::args::argument(words).map(Path::new))
        .collect();
    tokens
        .iter()
        .flat_map(|token| match token {
            Token::File(path) => vec![path.into()],
            Token::Linker(word) if !word.starts_with('-') => vec![word.into()],
            Token::Library(name) => directories.iter().map(|d| d.join(format!("lib{name}.a"))).collect(),
            _ => Vec::new(),
        })
        .collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    // The names have a common rare start; looking for its first byte is fast enough for object files.
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|b| *b == needle[0]) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// Compiles it.
///
/// # Errors
/// When the compiler cannot be run.
pub fn object(tools: &Toolchain, directory: &Path) -> Result<PathBuf, DriverError> {
    let path = directory.join("dsu_fallback.c");
    let object = directory.join("dsu_fallback.o");
    std::fs::write(&path, source()).map_err(at(&path))?;
    let mut command = tools.command();
    command.args(["-O1", "-fPIC", "-w", "-c"]).arg(&path).arg("-o").arg(&object);
    command.status().map_err(|e| tools.cannot_run(e))?;
    Ok(object)
}
