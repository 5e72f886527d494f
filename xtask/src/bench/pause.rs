//! How the pause of an update grows with the size of the patch, on generated programs.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{servers::scratch, stats::spread};
use crate::{build::Compiler, cmd, process, tools, ui};

/// Units, and bytes of text in each.
const SIZES: [(usize, usize); 6] = [(1, 0), (10, 0), (50, 0), (200, 0), (50, 24_000), (200, 24_000)];
const FUNCTIONS: usize = 20;
const REPEATS: usize = 9;

/// Pauses of one patch.
#[derive(Serialize)]
pub struct Point {
    /// Units replaced.
    pub units: usize,
    /// Functions in them.
    pub functions: usize,
    /// Size of the patch file.
    pub bytes: u64,
    /// The middle one of several pauses.
    pub median_ns: f64,
    /// The longest.
    pub max_ns: f64,
}

/// Measures pauses for several sizes.
pub fn measure() -> Result<Vec<Point>> {
    ui::stage("Pause against size of the patch");
    let folder = scratch("pause")?;
    SIZES.iter().map(|&(units, data)| point(&folder, units, data)).collect()
}

fn point(folder: &Path, units: usize, data: usize) -> Result<Point> {
    let step = ui::step(format!("{units} units of {FUNCTIONS} functions, {data} bytes of text each"));
    let folder = folder.join(format!("{units}-{data}"));
    let old = generate(&folder.join("old"), units, data, 1)?;
    let new = generate(&folder.join("new"), units, data, 2)?;
    let patch = folder.join("patch.dsu");
    let changes = tools::diff(&old, &new, &patch)?.patch()?;
    ensure!(changes.units.len() == units, "the patch replaces {} units instead of {units}", changes.units.len());
    let mut pauses = Vec::new();
    for _ in 0..REPEATS {
        let server = process::Server::spawn(&mut cmd::command(&old, [""; 0]), &folder.join("output"))?;
        std::thread::sleep(std::time::Duration::from_millis(50));
        pauses.push(tools::push(server.pid(), &patch, &[])?.pause_ns() as f64);
    }
    let spread = spread(&pauses);
    step.done(&format!("median {:.0} us", spread.median / 1e3));
    let bytes = fs::metadata(&patch)?.len();
    Ok(Point { units, functions: units * FUNCTIONS, bytes, median_ns: spread.median, max_ns: spread.max })
}

/// A program of `units` units of which each calls the next; versions differ in every function.
fn generate(folder: &Path, units: usize, data: usize, version: usize) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut main = String::from("#include <poll.h>\n");
    for unit in 0..units {
        let next = (unit + 1) % units;
        let mut text = format!("extern int f{next}_0(int);\nstatic int table{unit}[64];\nint counter{unit};\n");
        for f in (0..FUNCTIONS).rev() {
            let linkage = if f == 0 { "" } else { "static " };
            let call =
                if f + 1 < FUNCTIONS { format!("f{unit}_{}(x - 1)", f + 1) } else { format!("f{next}_0(x - 1)") };
            write!(
                text,
                "{linkage}int f{unit}_{f}(int x)\n{{\n    counter{unit}++;\n    table{unit}[x & 63] += {};\n    return x <= 0 ? table{unit}[{f}] : {call};\n}}\n",
                f * 10 + version
            )?;
        }
        if data > 0 {
            let letters: String = (0..data).map(|n| char::from(b'a' + ((n * 7 + unit + version) % 26) as u8)).collect();
            writeln!(text, "const char *data{unit}(void)\n{{\n    return \"{unit} {letters}\";\n}}")?;
        }
        fs::write(folder.join(format!("u{unit}.c")), text)?;
    }
    main.push_str(
        "extern int f0_0(int);\nint main(void)\n{\n    int sum = 0;\n    for (;;) {\n        sum += f0_0(100);\n        poll(0, 0, 5);\n    }\n    return sum;\n}\n",
    );
    fs::write(folder.join("main.c"), main)?;
    fs::write(folder.join("dsu.toml"), "[[update-point]]\nfunction = \"main\"\nloop = 1\nquiescent = [\"poll\"]\n")?;
    let sources = (0..units).map(|unit| format!("u{unit}.c")).chain(["main.c".to_string()]);
    let mut cc = cmd::command(Compiler::Updatable.command(), ["-O2", "-o", "program"]);
    cc.args(sources).current_dir(folder);
    cmd::output(&mut cc, cmd::LONG)?;
    Ok(folder.join("program"))
}
