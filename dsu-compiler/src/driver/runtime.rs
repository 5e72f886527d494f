//! `libdsu` as one object, reduced to what programs can use.
//!
//! `libdsu.a` holds Rust's standard library in large pieces, of which an ordinary link takes whole ones. Linked
//! relocatably once, with garbage collection from `libdsu`'s entry points, it shrinks to less than half; its own names
//! then become local, so that they cannot clash with those of the program or of other Rust code in it.
//!
//! Its code comes in two parts: what a program at rest calls, which linkers put together with the program's own hot
//! code, and all the rest, which stays behind the program's code. A process never touches the pages of the latter
//! before an update.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dsu_abi::{calls, section};

use super::cache::Cache;

/// The file to link: the reduced object in `directory`, or, where it cannot be made, the archive itself.
#[must_use]
pub fn reduced(archive: &Path, cache: &Cache, directory: &Path) -> PathBuf {
    let output = directory.join("libdsu.o");
    let Some(key) = key(archive) else { return archive.to_path_buf() };
    let bytes = cache.get(&key).or_else(|| {
        let bytes = reduce(archive, directory)?;
        cache.put(&key, &bytes);
        Some(bytes)
    });
    match bytes.map(|b| fs::write(&output, b)) {
        Some(Ok(())) => output,
        _ => archive.to_path_buf(),
    }
}

fn key(archive: &Path) -> Option<String> {
    let meta = fs::metadata(archive).ok()?;
    let modified = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let path = archive.canonicalize().ok()?;
    let stamp = format!("{} {} {}", path.display(), meta.len(), modified.as_nanos());
    Some(Cache::key(&["libdsu", env!("CARGO_PKG_VERSION"), LAYOUT, "no groups", &stamp]))
}

/// Names under which linkers place the two parts of the code. Constructors are left out: Rust's library has one that keeps
/// the program's arguments, which `libdsu` does not ask for, and running it would fault in pages at every start. Unwind tables
/// are kept by name: nothing refers to them, and without them nobody sees past a wrapped call (signal handlers below it, cleanups of
/// threads that are cancelled in it). Of functions that are dropped, `ld` drops them, too.
const LAYOUT: &str = "SECTIONS { /DISCARD/ : { *(.init_array .init_array.*) } \
                      .text.hot.dsu : { *(.text.hot .text.hot.*) } .text.dsu : { *(.text .text.*) } \
                      .eh_frame : { KEEP(*(.eh_frame)) } }\n";

fn reduce(archive: &Path, directory: &Path) -> Option<Vec<u8>> {
    let (linked, finished) = (directory.join("libdsu-linked.o"), directory.join("libdsu-finished.o"));
    let layout = directory.join("libdsu.ld");
    fs::write(&layout, LAYOUT).ok()?;
    let mut link = Command::new("ld");
    // Groups are dissolved: of two with one name, a link drops one, while the names that lead into it are local here.
    link.args(["-r", "--gc-sections", "--force-group-allocation", "-T"]).arg(&layout);
    for name in calls::ENTRY_POINTS.iter().filter(|n| **n != section::PENDING_SYMBOL) {
        link.args(["-u", name]);
    }
    for name in calls::BLOCKING {
        link.arg("-u").arg(format!("{}{name}", calls::WRAPPER_PREFIX));
    }
    link.args(["-u", section::THREAD_SYMBOL, "-u", "__jit_debug_register_code", "-u", "__jit_debug_descriptor"]);
    quiet(link.arg("-o").arg(&linked).arg(archive))?;
    let mut strip = Command::new("objcopy");
    strip.args(["--strip-debug", "--remove-section=.llvmbc", "--remove-section=.llvmcmd", "-w"]);
    strip.args(["--keep-global-symbol=dsu_*", "--keep-global-symbol=__jit_debug_*"]);
    quiet(strip.arg(&linked).arg(&finished))?;
    fs::read(&finished).ok()
}

fn quiet(command: &mut Command) -> Option<()> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    status.success().then_some(())
}
