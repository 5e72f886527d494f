//! The link of a patch, and what can be put in only after it: which dynamic symbol is which import, and the checksum.

use std::collections::HashMap;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;

use dsu_abi::patch::{self, HEADER_SYMBOL, ImportRecord, PatchHeader};
use dsu_abi::section;
use object::read::elf::ElfFile64;
use object::{Object, ObjectSegment, ObjectSymbol};

use crate::diff::build::{Options, io, run};
use crate::diff::{Diff, DiffError};
use crate::elf;
use crate::emit::patch::{Import, Manifest};

/// Links the patch of `manifest` from `objects`, with intermediate files in `directory`.
///
/// # Errors
/// When the linker fails, or what it makes is not a patch.
pub fn link(
    diff: &Diff,
    directory: &Path,
    objects: &[PathBuf],
    manifest: &Manifest,
    options: &Options,
) -> Result<(), DiffError> {
    let write = |name: &str, text: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(|e| io(path.display(), e)).map(|()| path)
    };
    let lineage = write("lineage.bin", &diff.lineage)?;
    let assembly = write("patch.s", manifest.assemble(&lineage).as_bytes())?;
    let script = write("patch.map", format!("{{ global: {HEADER_SYMBOL}; local: *; }};\n").as_bytes())?;
    let linked = directory.join("patch.so");
    let first = diff.changes.replaced.first().map(|u| &diff.new.model.units[*u].image);
    let compiler = first.map_or("cc", |i| i.compiler.as_str());
    let images = diff.changes.replaced.iter().map(|u| &diff.new.model.units[*u].image);
    let debug = !options.strip_debug && images.flat_map(|i| &i.flags).any(|f| f.starts_with("-g") && f != "-g0");
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words).args(first.iter().flat_map(|i| &i.flags).filter(|f| f.starts_with("-m")));
    command.args(["-shared", "-nostdlib", "-Wl,-z,now", "-Wl,-z,noexecstack", "-Wl,--gc-sections", "-Wl,-Bsymbolic"]);
    command.args(["-Wl,--as-needed", "-Wl,--build-id=none", "-Wl,--hash-style=gnu"]);
    // With the relocations of the debug information libdsu can show gdb where the code really is.
    command.arg(if debug { "-Wl,--emit-relocs" } else { "-Wl,--strip-debug" });
    command.arg(format!("-Wl,--version-script={}", script.display()));
    // The unwind tables end with a zero, which the compiler's last start file brings in an ordinary link.
    let end = write(
        "end.s",
        b"\t.section .eh_frame,\"a\",@progbits\n\t.long 0\n\t.section .note.GNU-stack,\"\",@progbits\n",
    )?;
    command.args(objects).arg(&assembly).args(["-lgcc", "-lgcc_s", "-lc", "-lgcc"]).arg(&end).arg("-o").arg(&linked);
    run(command, "the patch does not link")?;
    let bytes = std::fs::read(&linked).map_err(|e| io(linked.display(), e))?;
    let unusable = |reason: String| DiffError::Build(format!("{}: {reason}", linked.display()));
    let mut bytes =
        elf::with_section(bytes, section::REPORT, &options.report, 0).map_err(|e| unusable(e.to_string()))?;
    complete(&mut bytes, &manifest.imports).ok_or_else(|| unusable("it is not a patch".to_owned()))?;
    let partial = options.output.with_extension("dsu-partial");
    std::fs::write(&partial, bytes).map_err(|e| io(partial.display(), e))?;
    std::fs::rename(&partial, &options.output).map_err(|e| io(options.output.display(), e))
}

/// Puts the numbers of the imports' symbols and the checksum into a patch.
fn complete(file: &mut [u8], imports: &[Import]) -> Option<()> {
    let elf = ElfFile64::<object::LittleEndian>::parse(&*file).ok()?;
    let header = elf.dynamic_symbols().find(|s| s.name() == Ok(HEADER_SYMBOL))?.address();
    let segments: Vec<(u64, u64)> = elf.segments().map(|s| s.file_range()).collect();
    let segment = elf.segments().find(|s| header.checked_sub(s.address()).is_some_and(|at| at < s.size()))?;
    let header = segment.file_range().0 + (header - segment.address());
    let undefined = elf.dynamic_symbols().filter(ObjectSymbol::is_undefined);
    let numbers: HashMap<&str, usize> = undefined.filter_map(|s| Some((s.name().ok()?, s.index().0))).collect();
    let numbers: Vec<usize> = imports.iter().map(|i| numbers.get(i.symbol.as_str()).copied().unwrap_or(0)).collect();
    // Both are in one section, so they are as far apart in the file as in memory.
    let table = header + offset_of!(PatchHeader, imports) as u64;
    let offset = i64::from_le_bytes(file.get(usize::try_from(table).ok()?..)?.first_chunk().copied()?);
    let records = usize::try_from(table.checked_add_signed(offset)?).ok()?;
    for (at, number) in numbers.into_iter().enumerate() {
        let place = records + at * size_of::<ImportRecord>() + offset_of!(ImportRecord, symbol);
        file.get_mut(place..place + 4)?.copy_from_slice(&u32::try_from(number).ok()?.to_le_bytes());
    }
    let field = header + offset_of!(PatchHeader, checksum) as u64;
    let sum = patch::checksum(file, segments, field)?;
    let place = usize::try_from(field).ok()?;
    file.get_mut(place..place + 8)?.copy_from_slice(&sum.to_le_bytes());
    Some(())
}
