//! `-c`: the real compiler makes the object, and a unit record is added to it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::args::{CommandLine, Input, InputKind};
use super::error::{DriverError, at};
use super::toolchain::{Toolchain, exit_code, working_directory};
use crate::elf;
use crate::unit::{self, UnitImage};

/// `SHF_EXCLUDE`: a linker drops the section, unless it makes another object (`-r`).
const SHF_EXCLUDE: u64 = 0x8000_0000;

/// Does what a command line with `-c` asks for; the exit code is the real compiler's.
///
/// # Errors
/// When the real compiler cannot be run.
pub fn run(tools: &Toolchain, line: &CommandLine) -> Result<u8, DriverError> {
    let stdin = read_stdin(line)?;
    let sources: Vec<&Input> = line.inputs().filter(|i| i.kind.is_c() && !is_probe_source(i)).collect();
    let (code, texts) = std::thread::scope(|scope| {
        // Both read the same files and run at the same time.
        let texts: Vec<_> =
            sources.iter().map(|s| scope.spawn(|| preprocess(tools, line, s, stdin.as_deref()))).collect();
        let code = run_plain(tools, line, stdin.as_deref());
        (code, texts.into_iter().map(|t| t.join().unwrap_or(None)).collect::<Vec<_>>())
    });
    let code = code?;
    if code == 0 {
        for (source, text) in sources.iter().zip(texts) {
            let Some(text) = text else { continue };
            let output = line.output().map_or_else(|| default_object(source), PathBuf::from);
            if let Err(error) = attach(&output, &image(tools, line, source, text)) {
                eprintln!("dsu-cc: warning: {} will not be updatable: {error}", output.display());
            }
        }
    }
    Ok(code)
}

/// `configure` compiles hundreds of these, and none is ever linked into a program.
fn is_probe_source(source: &Input) -> bool {
    Path::new(&source.path).file_stem().is_some_and(|stem| stem == "conftest")
}

/// Standard input can be read only once, and two processes want it.
fn read_stdin(line: &CommandLine) -> Result<Option<Vec<u8>>, DriverError> {
    if !line.inputs().any(Input::is_stdin) {
        return Ok(None);
    }
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text).map_err(at("<stdin>"))?;
    Ok(Some(text))
}

/// The user's own command.
fn run_plain(tools: &Toolchain, line: &CommandLine, stdin: Option<&[u8]>) -> Result<u8, DriverError> {
    let (mut command, _response) = tools.with_args(&words(tools, line))?;
    command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::inherit() });
    let mut child = command.spawn().map_err(|e| tools.cannot_run(e))?;
    feed(&mut child, stdin);
    Ok(exit_code(child.wait().map_err(|e| tools.cannot_run(e))?))
}

/// All words of the user's own command, and our additions if it compiles C.
#[must_use]
pub fn words(tools: &Toolchain, line: &CommandLine) -> Vec<OsString> {
    let mut words = Vec::new();
    if line.inputs().any(|i| i.kind == InputKind::C) {
        words.extend(tools.own_options());
    }
    words.extend(line.words());
    words
}

/// Writes to a child's standard input; one that does not want it all is no error.
pub(super) fn feed(child: &mut Child, stdin: Option<&[u8]>) {
    if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
        let _ = pipe.write_all(text);
    }
}

/// The preprocessed text of a source; `None` if it cannot be had, which the real compiler then also says.
pub fn preprocess(tools: &Toolchain, line: &CommandLine, source: &Input, stdin: Option<&[u8]>) -> Option<String> {
    if source.kind == InputKind::PreprocessedC {
        return match stdin {
            Some(text) if source.is_stdin() => Some(to_text(text.to_vec())),
            _ => fs::read(&source.path).ok().map(to_text),
        };
    }
    let mut args = tools.own_options();
    args.extend(line.preprocess_options());
    args.extend(["-E", "-w", "-x", "c"].map(OsString::from));
    args.push(source.path.clone());
    let (mut command, _response) = tools.with_args(&args).ok()?;
    Toolchain::without_dependencies(&mut command);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command.stdin(if source.is_stdin() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().ok()?;
    let mut text = Vec::new();
    std::thread::scope(|scope| {
        let pipe = child.stdin.take();
        scope.spawn(move || {
            if let (Some(mut pipe), Some(text)) = (pipe, stdin) {
                let _ = pipe.write_all(text);
            }
        });
        child.stdout.take()?.read_to_end(&mut text).ok()
    })?;
    child.wait().ok()?.success().then(|| to_text(text))
}

/// Makes text of what may be in an old 8-bit encoding: such bytes are in literals, where an escape means the same.
fn to_text(bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len() + 64);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\{byte:03o}"));
        }
    }
    text
}

/// The record of a source.
#[must_use]
pub fn image(tools: &Toolchain, line: &CommandLine, source: &Input, text: String) -> UnitImage {
    UnitImage {
        source: source.path.to_string_lossy().into_owned(),
        directory: working_directory().to_string_lossy().into_owned(),
        compiler: tools.name(),
        flags: line.code_options(),
        text,
    }
}

/// Where the real compiler puts an object when no `-o` says so.
fn default_object(source: &Input) -> PathBuf {
    let stem = Path::new(&source.path).file_stem().unwrap_or_default();
    let mut name = OsString::from(stem);
    name.push(".o");
    name.into()
}

/// Adds a record to an object.
fn attach(output: &Path, image: &UnitImage) -> Result<(), DriverError> {
    let data = fs::metadata(output).map_err(at(output))?;
    if !data.is_file() {
        return Ok(());
    }
    let record = unit::encode(image)?;
    let bytes = fs::read(output).map_err(at(output))?;
    if data.nlink() > 1 {
        // Compiler caches hand out links to their own copy, which is not ours to change.
        fs::remove_file(output).and_then(|()| fs::write(output, &bytes)).map_err(at(output))?;
    }
    let file = File::options().write(true).open(output).map_err(at(output))?;
    elf::add_section(&file, &bytes, dsu_abi::section::UNIT, &record, SHF_EXCLUDE)
        .map_err(|source| DriverError::Elf { object: output.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_old_encodings_become_escapes() {
        assert_eq!(to_text(b"char *s = \"caf\xe9\";".to_vec()), "char *s = \"caf\\351\";");
        assert_eq!(to_text("char *s = \"caf\u{e9}\";".into()), "char *s = \"caf\u{e9}\";");
    }
}
