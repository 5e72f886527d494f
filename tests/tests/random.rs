//! Random programs: each is built plainly with both versions in it, told apart at run time, and updatable with one
//! version at a time. Whatever the commands, both must print the same.
//!
//! `DSU_TESTS_SEEDS=FROM..TO` chooses other programs than the usual ones; with `DSU_TESTS_KEEP` set, those that fail are
//! kept.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use dsu_tests::program::{Compiler, Program};
use dsu_tests::target::Target;
use dsu_tests::tools::{self, tools};
use libtest_mimic::{Arguments, Failed, Trial};

/// Numbers that depend on the seed only.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % below.max(1) as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.next(100) < percent
    }
}

/// Which versions have a function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Both,
    First,
    Second,
}

struct Function {
    unit: usize,
    external: bool,
    life: Life,
}

/// A program under construction. A function calls only functions above it, so that every call returns.
struct Generator {
    random: Random,
    units: usize,
    functions: Vec<Function>,
    /// For each unit, the values of a constant in the two versions.
    constants: Vec<(usize, usize)>,
}

const POINTERS: usize = 4;

impl Generator {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
        let units = 2 + random.next(3);
        let count = 12 + random.next(14);
        let functions = (0..count)
            .map(|index| Function {
                unit: random.next(units),
                external: index < 4 || random.chance(50),
                life: match random.next(10) {
                    _ if index < 4 => Life::Both,
                    0 => Life::First,
                    1 => Life::Second,
                    _ => Life::Both,
                },
            })
            .collect();
        let constants = (0..units).map(|_| (random.next(90), random.next(90))).collect();
        Self { random, units, functions, constants }
    }

    /// A function above `from` that `unit` can call, of one of these lives.
    fn callee(&mut self, unit: usize, from: usize, lives: &[Life]) -> Option<usize> {
        let fits = |(index, f): &(usize, &Function)| {
            *index > from && (f.external || f.unit == unit) && lives.contains(&f.life)
        };
        let list: Vec<usize> = self.functions.iter().enumerate().filter(fits).map(|(index, _)| index).collect();
        (!list.is_empty()).then(|| list[self.random.next(list.len())])
    }

    /// A pointer of class `p` is called by functions below this one only, and points to functions from it on.
    fn limit(&self, p: usize) -> usize {
        self.functions.len() * (p + 1) / (POINTERS + 1)
    }

    fn header(&self) -> String {
        let mut text = String::from(
            "#ifndef GEN_H\n#define GEN_H\n#ifdef ORACLE\nextern int version;\n\
             #define SELECT(a, b) (version == 1 ? (a) : (b))\n#define START(a, b) (a)\n\
             #else\n#if VERSION == 1\n#define SELECT(a, b) (a)\n#define START(a, b) (a)\n\
             #else\n#define SELECT(a, b) (b)\n#define START(a, b) (b)\n#endif\n#endif\n\
             typedef unsigned number;\ntypedef number function(number);\n\
             struct row { const char *name; function *run; };\n",
        );
        for (index, _) in self.functions.iter().enumerate().filter(|(_, f)| f.external) {
            let _ = writeln!(text, "function f{index};");
        }
        for p in 0..POINTERS {
            let _ = writeln!(text, "extern function *pointer{p};");
        }
        for (unit, (a, b)) in self.constants.iter().enumerate() {
            let _ = writeln!(text, "extern number global{unit}, array{unit}[8];\nextern __thread number thread{unit};");
            let _ = writeln!(text, "number sum{unit}(void);");
            let _ = writeln!(text, "#ifdef ORACLE\n#define constant{unit} SELECT({a}, {b})");
            let _ = writeln!(text, "#else\nextern const number constant{unit};\n#endif");
        }
        text + "#endif\n"
    }

    fn unit(&mut self, unit: usize) -> String {
        let mut text = String::from("#include \"gen.h\"\n\n");
        let (a, b) = (self.random.next(100), self.random.next(100));
        let (c, d) = self.constants[unit];
        let _ = writeln!(text, "number global{unit} = START({a}, {b}), array{unit}[8] = {{START({b}, {a}), 2, 3}};");
        let _ = writeln!(text, "__thread number thread{unit} = {a};\nstatic __thread number mine = {b};");
        let _ = writeln!(text, "static number local = START({a}, {b});");
        let _ = writeln!(text, "static struct {{ number a : 5, b : 9; function *f; }} record = {{1, {b}}};");
        // What nothing writes has the value of the version.
        let _ = writeln!(text, "#ifdef ORACLE\n#define unwritten SELECT({b}, {a})");
        let _ = writeln!(text, "#else\nstatic number unwritten = SELECT({b}, {a});");
        let _ = writeln!(text, "const number constant{unit} = SELECT({c}, {d});\n#endif");
        let own: Vec<usize> = (0..self.functions.len()).filter(|f| self.functions[*f].unit == unit).collect();
        for &f in own.iter().filter(|f| !self.functions[**f].external) {
            text += &self.guarded(f, &format!("static number f{f}(number x);\n"));
        }
        for p in (unit..POINTERS).step_by(self.units) {
            let from = self.limit(p).saturating_sub(1);
            let _ = match self.callee(unit, from, &[Life::Both]) {
                Some(target) => writeln!(text, "function *pointer{p} = f{target};"),
                None => writeln!(text, "function *pointer{p};"),
            };
        }
        text += &self.table(unit);
        for &f in &own {
            let storage = if self.functions[f].external { "" } else { "static " };
            let body = self.body(f);
            text += &self.guarded(f, &format!("{storage}number f{f}(number x)\n{{\n{body}    return x;\n}}\n"));
        }
        let _ = writeln!(
            text,
            // All is written somewhere; otherwise a new initial value would be a new value.
            "number sum{unit}(void)\n{{\n    global{unit} += 0;\n    array{unit}[0] += 0;\n    local += 0;\n    \
             number x = SELECT(global{unit}, global{unit} + 0) * 3 + local * 5 + record.a * 7 + record.b;\n    \
             for (int i = 0; i < 8; i++)\n        x = x * 31 + array{unit}[i];\n    \
             x += thread{unit} * 11 + mine + unwritten;\n    \
             return x + (record.f ? record.f == table[0].run : 2);\n}}"
        );
        text
    }

    /// The text, only in the versions that have the function; the oracle has all.
    fn guarded(&self, f: usize, text: &str) -> String {
        let condition = match self.functions[f].life {
            Life::Both => return text.to_owned(),
            Life::First => 1,
            Life::Second => 2,
        };
        format!("#if defined ORACLE || VERSION == {condition}\n{text}#endif\n")
    }

    /// A constant table of functions, with other contents in the second version.
    fn table(&mut self, unit: usize) -> String {
        let from = self.functions.len() / 2;
        let mut rows = || {
            let mut row = || match self.callee(unit, from, &[Life::Both]) {
                Some(f) => format!("{{\"f{f}\", f{f}}}"),
                None => "{\"none\", 0}".to_owned(),
            };
            [row(), row(), row(), row()].join(", ")
        };
        let (first, second) = (rows(), rows());
        format!(
            "#ifdef ORACLE\nstatic const struct row table_1[4] = {{{first}}}, table_2[4] = {{{second}}};\n\
             #define table SELECT(table_1, table_2)\n#elif VERSION == 1\nstatic const struct row table[4] = {{{first}}};\n\
             #else\nstatic const struct row table[4] = {{{second}}};\n#endif\n"
        )
    }

    fn body(&mut self, f: usize) -> String {
        let mut text = String::new();
        let changes = self.random.chance(40);
        for _ in 0..1 + self.random.next(6) {
            let statement = self.statement(f, changes);
            let _ = writeln!(text, "    {statement}");
        }
        text
    }

    fn statement(&mut self, f: usize, changes: bool) -> String {
        let (unit, lives_on) = (self.functions[f].unit, self.functions[f].life == Life::Both);
        let (a, b, other) = (self.random.next(50), self.random.next(50), self.random.next(self.units));
        let p = self.random.next(POINTERS);
        let upper_half = f > self.functions.len() / 2;
        match self.random.next(17) {
            0 | 1 if changes => format!("x = x * SELECT({a}, {b}) + 1;"),
            2 if lives_on => match self.callee(unit, f, &[Life::Both, Life::Second]) {
                // The second alternative may be a function that only the second version has.
                Some(g) => format!("x += SELECT({a}u, f{g}(x % 7));"),
                None => "x++;".to_owned(),
            },
            3 if lives_on => match self.callee(unit, f, &[Life::Both, Life::First]) {
                Some(g) => format!("x += SELECT(f{g}(x % 7), {a}u);"),
                None => "x--;".to_owned(),
            },
            4 => format!("global{other} += x % 17;"),
            5 => format!("array{other}[x % 8] += {a};"),
            6 => format!("{{ static number n = START({a}, {b}); n += x; x ^= n % 19; }}"),
            7 => "local++; record.a++; record.b += x;".to_owned(),
            8 => format!("thread{other}++; mine += x % 3;"),
            9 if f < self.limit(p) => format!("if (pointer{p}) x += pointer{p}(x % 11);"),
            10 => match self.callee(unit, self.limit(p).saturating_sub(1), &[Life::Both]) {
                Some(g) => format!("pointer{p} = f{g}; x += pointer{p} == f{g};"),
                None => "x *= 3;".to_owned(),
            },
            11 if !upper_half => "if (table[x % 4].run) x += table[x % 4].run(x % 5);".to_owned(),
            12 => format!("record.f = table[{}].run;", self.random.next(4)),
            13 if !upper_half => "if (record.f) x += record.f(x % 3);".to_owned(),
            14 => format!("x += constant{other} + unwritten;"),
            _ => match self.callee(unit, f, &[Life::Both]) {
                Some(g) => format!("x += f{g}(x % 13);"),
                None => "x ^= 5;".to_owned(),
            },
        }
    }

    fn main(&self) -> String {
        let mut text = String::from(
            "#include \"gen.h\"\n#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n\
             #ifdef ORACLE\nint version = 1;\n#endif\n\
             static int next_line(char *to, int size)\n{\n    int n = 0;\n    while (n < size - 1) {\n        \
             if (read(0, to + n, 1) != 1)\n            return -1;\n        if (to[n] == '\\n')\n            break;\n        \
             n++;\n    }\n    to[n] = 0;\n    return n;\n}\n\n\
             int main(void)\n{\n    char line[100];\n    function *const entries[] = {f0, f1, f2, f3};\n    \
             setvbuf(stdout, NULL, _IOLBF, 0);\n    puts(\"ready\");\n    while (next_line(line, sizeof line) >= 0) {\n\
             #ifdef ORACLE\n        if (line[0] == 'v') {\n            version = line[1] - '0';\n            continue;\n        }\n\
             #endif\n        \
             number n = (number)atoi(line), x = entries[n % 4](n);\n        printf(\"%s: %u\", line, x);\n",
        );
        for unit in 0..self.units {
            let _ = writeln!(text, "        printf(\" %u\", sum{unit}());");
        }
        text + "        puts(\"\");\n    }\n    return 0;\n}\n"
    }

    fn write(mut self, directory: &Path) -> Result<()> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("gen.h"), self.header())?;
        for unit in 0..self.units {
            let text = self.unit(unit);
            std::fs::write(directory.join(format!("unit{unit}.c")), text)?;
        }
        std::fs::write(directory.join("main.c"), self.main())?;
        let points = "[[update-point]]\nfunction = \"main\"\nquiescent = [\"next_line\"]\n";
        Ok(std::fs::write(directory.join("dsu.toml"), points)?)
    }
}

fn test(seed: u64) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("dsu-tests-").tempdir()?;
    let result = test_in(seed, scratch.path());
    if result.is_err() && std::env::var_os("DSU_TESTS_KEEP").is_some() {
        let kept = scratch.keep();
        return result.with_context(|| format!("kept in {}", kept.display()));
    }
    result
}

fn test_in(seed: u64, scratch: &Path) -> Result<()> {
    let (source, temporary) = (scratch.join("source"), scratch.join("tmp"));
    std::fs::create_dir_all(&temporary)?;
    Generator::new(seed).write(&source)?;
    let level = ["-O0", "-O1", "-O2", "-O3"][seed as usize % 4];
    let program = Program::open(&source)?;
    let build = |compiler, define: &str, name: &str| -> Result<_> {
        let flags = [define, level, "-g", "-w"].map(str::to_owned);
        let built = program.build(compiler, &flags, &scratch.join(name), &temporary)?;
        ensure!(built.link.status.success(), "{name} does not link:\n{}", built.link.all());
        for unit in built.report["units"].as_array().into_iter().flatten() {
            ensure!(unit["kept"].is_null(), "{unit}");
        }
        Ok(built.executable)
    };
    let oracle = build(Compiler::Plain, "-DORACLE", "oracle")?;
    let first = build(Compiler::Updatable, "-DVERSION=1", "v1")?;
    let second = build(Compiler::Updatable, "-DVERSION=2", "v2")?;
    let patch = scratch.join("patch.dsu");
    let mut command = tools()?.command(&tools()?.diff, scratch, &temporary);
    command.arg(&first).arg(&second).arg("-o").arg(&patch);
    tools::run_well(command).context("dsu-diff")?;
    let mut oracle = Target::start(tools()?.command(oracle, scratch, &temporary))?;
    let mut process = Target::start(tools()?.command(first, scratch, &temporary))?;
    ensure!(oracle.line()? == "ready" && process.line()? == "ready");
    let mut random = Random(seed);
    for round in 0..10 {
        let version = 1 + round % 2;
        if round > 0 {
            let mut command = tools()?.command(&tools()?.push, scratch, &temporary);
            command.args((version == 1).then_some("--undo")).arg(process.pid().to_string());
            command.args((version == 2).then_some(&patch));
            tools::run_well(command)?;
            oracle.send(&format!("v{version}"))?;
        }
        for _ in 0..12 {
            let question = random.next(1000).to_string();
            oracle.send(&question)?;
            process.send(&question)?;
            let (want, got) = (oracle.line()?, process.line()?);
            ensure!(want == got, "in round {round}, version {version} answers {got}, not {want}");
        }
    }
    process.exits(0)
}

fn main() {
    let arguments = Arguments::from_args();
    let seeds = std::env::var("DSU_TESTS_SEEDS").ok();
    let seeds = seeds.as_deref().and_then(|s| s.split_once("..")).map(|(a, b)| (a.parse(), b.parse()));
    let (from, to) = match seeds {
        Some((Ok(from), Ok(to))) => (from, to),
        _ => (0, 8),
    };
    let trial =
        |seed: u64| Trial::test(format!("seed_{seed}"), move || test(seed).map_err(|e| Failed::from(format!("{e:#}"))));
    libtest_mimic::run(&arguments, (from..to).map(trial).collect()).exit();
}
