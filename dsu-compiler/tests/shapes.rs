//! Programs whose structs changed, rewritten for objects of the version before, must behave like the new program.
//!
//! Each file in `shapes/` is a program of two versions: the old one with `-DOLD`. Its first lines name the types that the
//! old program wraps (`//! wrap: struct conn`), and either nothing more, or what the rewriting says that refuses
//! (`//! refused: ...`), or fragments of the rewritten text (`//! rewritten: ...`). `old_memory(size)` gives an object of
//! the old version: in the rewritten program memory full of rubbish, of which migration clears the fields that are new;
//! else zeros.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use dsu_compiler::clang::Library;
use dsu_compiler::facts::extract::{extract, reshape};
use dsu_compiler::facts::{TypeDefinition, UnitFacts};
use dsu_compiler::layout::place::{Sizes, place};
use dsu_compiler::layout::{Member, SLOP, STAMP, Shape, Shapes, label_of};
use dsu_compiler::rewrite::{access, initializer, shape};
use dsu_compiler::text::edits::Edits;
use dsu_compiler::unit::UnitImage;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[test]
fn programs_with_changed_structs_behave_like_new_ones() -> Outcome<()> {
    Library::load()?.enter();
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shapes");
    let only = std::env::var("SHAPE").unwrap_or_default();
    let mut failures = String::new();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(home)?.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths.iter().filter(|p| p.to_string_lossy().contains(&only)) {
        if let Err(error) = check(path) {
            let _ = writeln!(failures, "{}: {error}", path.display());
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.into()) }
}

/// The values of a directive, which may be a comment of either kind.
fn directives<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let value = |line: &'a str| {
        let line = line.strip_prefix("//! ").or_else(|| line.strip_prefix("/*! ")?.strip_suffix(" */"))?;
        line.strip_prefix(name)?.strip_prefix(": ")
    };
    source.lines().filter_map(value).collect()
}

fn check(path: &Path) -> Outcome<()> {
    let source = std::fs::read_to_string(path)?;
    let scratch = tempfile::tempdir()?;
    let flags: Vec<&str> = directives(&source, "flags").into_iter().flat_map(str::split_whitespace).collect();
    let outcome = rewritten(path, &directives(&source, "wrap"), &flags);
    if let [refusal] = directives(&source, "refused").as_slice() {
        return match outcome {
            Err(error) if error.to_string().contains(refusal) => Ok(()),
            Err(error) => Err(format!("refused with {error}, not {refusal}").into()),
            Ok(_) => Err("not refused".into()),
        };
    }
    let (text, shapes) = outcome?;
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for fragment in directives(&source, "rewritten") {
        if !squeeze(&text).contains(&squeeze(fragment)) {
            return Err(format!("the rewritten text does not contain {fragment}:\n{text}").into());
        }
    }
    for level in ["-O0", "-O2"] {
        let plain = scratch.path().join("plain");
        let plain_memory =
            "void *calloc(unsigned long, unsigned long); void *old_memory(unsigned long n) { return calloc(1, n); }";
        let memory = scratch.path().join("memory.c");
        std::fs::write(&memory, plain_memory)?;
        run(Command::new("gcc").args([level, "-w"]).args(&flags).arg(path).arg(&memory).arg("-o").arg(&plain))?;
        let want = run(&mut Command::new(&plain))?;
        let (unit, support) = (scratch.path().join("unit.i"), scratch.path().join("support.c"));
        std::fs::write(&unit, &text)?;
        std::fs::write(&support, runtime(&shapes))?;
        let planned = scratch.path().join("planned");
        let mut link = Command::new("gcc");
        link.args([level, "-w", "-g", "-no-pie", "-fno-pie"])
            .args(&flags)
            .arg(&unit)
            .arg(&support)
            .arg("-o")
            .arg(&planned);
        for (number, shape) in shapes.values().enumerate() {
            link.arg(format!("-Wl,--defsym=dsu_stamp_{}={}", shape.label, stamp(number)));
        }
        run(&mut link).map_err(|e| format!("{e}\n{}", own(&text)))?;
        let got = run(&mut Command::new(&planned)).map_err(|e| format!("{e}\n{}", own(&text)))?;
        if got != want {
            return Err(format!("with {level} it prints\n{got}not\n{want}\n{}", own(&text)).into());
        }
    }
    Ok(())
}

/// What of a rewritten text is the program's own.
fn own(text: &str) -> &str {
    text.rfind("old_memory(unsigned long)").and_then(|at| text.get(at..)).unwrap_or(text)
}

fn run(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} ends with {}:\n{stderr}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn stamp(number: usize) -> u64 {
    0x5a0_0000 + number as u64
}

fn image(path: &Path, flags: &[&str], version: &str) -> Outcome<UnitImage> {
    let text = run(Command::new("gcc").args(["-E", version]).args(flags).arg(path))?;
    Ok(UnitImage {
        source: path.display().to_string(),
        directory: "/".into(),
        compiler: "gcc".into(),
        flags: flags.iter().map(|f| (*f).to_owned()).collect(),
        text,
    })
}

fn facts(image: &UnitImage) -> Outcome<UnitFacts> {
    let facts = extract(image)?;
    if facts.errors.is_empty() { Ok(facts) } else { Err(facts.errors.join("\n").into()) }
}

fn find<'a>(facts: &'a UnitFacts, name: &str) -> Outcome<&'a TypeDefinition> {
    Ok(facts.types.iter().find(|t| t.name == name).ok_or_else(|| format!("there is no {name}"))?)
}

/// The text of the new version, rewritten for objects of the old one.
fn rewritten(path: &Path, wrapped: &[&str], flags: &[&str]) -> Outcome<(String, Shapes)> {
    let old = image(path, flags, "-DOLD")?;
    let plain = facts(&old)?;
    let mut room = Shapes::new();
    // What is inside others first: their sizes count.
    for (n, name) in wrapped.iter().enumerate() {
        let so_far = reshape(&old, &plain, &room)?;
        let t = find(&so_far, name).map_err(|e| format!("{e} ({n})"))?;
        room.insert((*name).to_owned(), with_room(t, 256));
    }
    let before = reshape(&old, &plain, &room)?;
    let new = image(path, flags, "-DNEW")?;
    let after = facts(&new)?;
    let mut shapes = Shapes::new();
    let sizes: Sizes = before.types.iter().map(|t| (t.name.clone(), (t.size, t.align))).collect();
    for t in &after.types {
        if let Some(old) = before.types.iter().find(|o| o.name == t.name) {
            let changed = wrapped.contains(&t.name.as_str()) || old.fields.len() != t.fields.len();
            if changed {
                let (shape, _) = place(old, t, &Default::default(), &sizes, 1)?;
                shapes.insert(t.name.clone(), shape);
            }
        }
    }
    let effective = reshape(&new, &after, &shapes)?;
    let mut edits = Edits::default();
    shape::definitions(&effective, &new.text, &shapes, &mut edits)?;
    access::accesses(&effective, &new.text, &shapes, &mut edits)?;
    initializer::lists(&effective, &new.text, &shapes, &mut edits)?;
    Ok((edits.apply(&new.text)?, shapes))
}

/// The shape that a struct of the base program gets: its own members, a stamp and room.
fn with_room(t: &TypeDefinition, slop: u64) -> Shape {
    let mut members: Vec<Member> = t
        .fields
        .iter()
        .filter(|f| !f.name.is_empty() || f.bits.is_none())
        .map(|f| Member {
            name: f.name.clone(),
            offset: f.offset as u64,
            bits: f.bits,
            ty: f.ty.clone(),
            size: f.size,
            align: f.align,
            since: 0,
        })
        .collect();
    let end = members.iter().map(|m| m.offset + m.bits.map_or(m.size * 8, u64::from)).max().unwrap_or(0);
    let stamp = end.div_ceil(64) * 8;
    let mut ours = |name: &str, at: u64, ty: String, size, align| {
        members.push(Member { name: name.into(), offset: at * 8, bits: None, ty, size, align, since: 0 });
    };
    ours(STAMP, stamp, "unsigned long".into(), 8, 8);
    ours(SLOP, stamp + 8, format!("[{slop}]unsigned char"), slop, 1);
    let align = t.align.max(8);
    let size = (stamp + 8 + slop).next_multiple_of(align);
    let (name, label) = (t.name.clone(), label_of(&t.name));
    Shape { name, label, kind: t.kind, size, align, members, reordered: false, natural: true }
}

/// In the place of libdsu: objects get zeros for fields that they lack.
fn runtime(shapes: &Shapes) -> String {
    let mut text = String::from(
        "#include <stdlib.h>\n#include <string.h>\n\
         void *old_memory(unsigned long n) { return memset(malloc(n), 0xa5, n); }\n\
         void dsu_migrate(void *object, unsigned long stamp) { char *o = object; int b; switch (stamp) {\n",
    );
    for (number, shape) in shapes.values().enumerate() {
        let Some(at) = shape.stamp_offset() else { continue };
        let _ = writeln!(text, "case {}:", stamp(number));
        for m in shape.members.iter().filter(|m| m.since > 0) {
            let (from, bits) = (m.offset, m.bits.map_or(m.size * 8, u64::from));
            let _ = writeln!(text, "for (b = {from}; b < {}; b++) o[b / 8] &= ~(1 << b % 8);", from + bits);
        }
        let _ = writeln!(text, "memcpy(o + {at}, &stamp, 8); return;");
    }
    text + "} abort(); }\n"
}
