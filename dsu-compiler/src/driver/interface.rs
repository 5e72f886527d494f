//! What the driver hands to the program rewriter at a link, and what it gets back.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use crate::config::Config;
use crate::driver::cache::Cache;
use crate::elf::ObjectSymbols;
use crate::program::Plan;
use crate::rewrite::SlotCalls;
use crate::unit::UnitImage;

/// A link of units, as learned from the plain link that came before.
#[derive(Debug)]
pub struct LinkInput {
    /// The units linked, in link order.
    pub units: Vec<LinkedUnit>,
    /// Objects and archive members in the executable that are not in `units`: assembler, other compilers,
    /// static libraries. The start files and the compiler's own libraries are among them.
    pub foreign: Vec<ObjectSymbols>,
    /// Names of those objects, for people, in the same order.
    pub foreign_names: Vec<String>,
    /// Global symbols defined in the plain executable.
    pub defined: HashSet<String>,
    /// Global symbols the plain executable exports dynamically: a shared library may call them by name.
    pub exported: HashSet<String>,
    /// Symbols that the shared libraries of the link expect elsewhere.
    pub shared: HashSet<String>,
    /// Symbols that shared libraries of the link define, the C library's aside.
    pub libraries: HashSet<String>,
    /// Update points and so on.
    pub config: Config,
    /// The output, as named on the command line.
    pub output: String,
    /// How many threads to use.
    pub jobs: usize,
    /// Structs that get no room for later, by name, and why: a unit did not compile with it.
    pub unwrapped: BTreeMap<String, String>,
    /// Where facts of units are remembered.
    pub cache: Arc<Cache>,
}

impl LinkInput {
    /// Whether the program exports all its symbols: it is linked with `-rdynamic`.
    pub fn exports_all(&self) -> bool {
        self.exported.contains("main")
    }

    /// Whether a function of this name, which no unit defines, may call back functions that it was given in an earlier call:
    /// one of the C library does not.
    pub fn may_call_back(&self, function: &str) -> bool {
        let foreign = || self.foreign.iter().any(|o| o.defined.iter().any(|d| d.name == function));
        self.libraries.contains(function) || foreign()
    }

    /// Exported symbols that code outside of the executable may use by their names: what a shared library takes from the
    /// program; all of them, if it exports all and loads `plugins`.
    pub fn taken(&self, plugins: bool) -> impl Iterator<Item = &String> {
        let all = plugins || !self.exports_all();
        self.exported.iter().filter(move |s| all || self.shared.contains(*s))
    }
}

/// One unit of a link.
#[derive(Debug, Clone)]
pub struct LinkedUnit {
    /// The record found in the object.
    pub image: UnitImage,
    /// The object, for people: `foo.o`, `libfoo.a(bar.o)`.
    pub object: String,
    /// Symbols of the plain object.
    pub symbols: ObjectSymbols,
    /// How calls through slots are written in it.
    pub calls: SlotCalls,
    /// Set if the unit must stay as it is; `rewrite` then returns no text for it.
    pub keep_reason: Option<String>,
}

/// What the rewriter made of a link.
#[derive(Debug)]
pub struct Rewritten {
    /// One per unit of the input, in the same order.
    pub units: Vec<RewrittenUnit>,
    /// The report so far.
    pub report: Report,
    /// What `finish` needs to know; the driver does not look into it.
    pub plan: Plan,
}

/// What the rewriter made of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewrittenUnit {
    /// The text to compile, with line markers; `None`: the original object is used.
    pub text: Option<String>,
    /// The flags to compile it with.
    pub flags: Vec<String>,
}

/// The last pieces of an updatable program.
#[derive(Debug)]
pub struct Finished {
    /// Assembler source with the control block, the registry and the stubs.
    pub assembly: String,
    /// Per unit: symbols to rename, (old, new), in its object: the compiled one, or the original if kept.
    pub renames: Vec<Vec<(String, String)>>,
    /// The program description, for section `.dsu.program`.
    pub description: Vec<u8>,
    /// The complete report.
    pub report: Report,
}

/// What `--dsu-report` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The output, as named on the command line.
    pub output: String,
    /// Every unit.
    pub units: Vec<UnitReport>,
    /// Functions called through a slot.
    pub functions_indirect: usize,
    /// Functions only ever called directly.
    pub functions_direct: usize,
    /// Functions represented by a stub, as their address is taken.
    pub stubs: Vec<String>,
    /// Functions whose own symbol is a stub, as somebody outside the rewritten units calls them by name.
    pub by_name_stubs: Vec<String>,
    /// The update points.
    pub update_points: Vec<UpdatePointReport>,
    /// Structs.
    pub types: TypesReport,
    /// What will keep patches from being applied, as it looks. Told at every link.
    pub warnings: Vec<String>,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
}

/// One unit in the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UnitReport {
    /// The source file.
    pub source: String,
    /// The object it came from.
    pub object: String,
    /// Functions the unit defines.
    pub functions: usize,
    /// Why the unit is not updatable, if it is not.
    pub kept: Option<String>,
}

/// Structs in the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TypesReport {
    /// Structs with room for later, and how much.
    pub wrapped: BTreeMap<String, u64>,
    /// Structs that are too small.
    pub small: Vec<String>,
    /// The others, and why they get none.
    pub unwrapped: Vec<UnwrappedReport>,
    /// Calls that may make structs with room for later, of functions that are not known as allocators.
    pub unproven: Vec<UnprovenReport>,
}

/// A struct without room for later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UnwrappedReport {
    /// Its name.
    pub name: String,
    /// Where it is defined: `file:line`.
    pub place: String,
    /// Why, with function, file and line where there is one.
    pub reason: String,
}

/// Calls of a function that may give fresh memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UnprovenReport {
    /// The function.
    pub function: String,
    /// What its result becomes.
    pub name: String,
    /// The first such call: `function (file:line)`.
    pub place: String,
    /// How many there are.
    pub calls: usize,
}

/// One update point in the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UpdatePointReport {
    /// Its name.
    pub name: String,
    /// The function it is in.
    pub function: String,
    /// The user's file.
    pub file: String,
    /// The user's line.
    pub line: u32,
    /// Calls during which a thread counts as standing at the point.
    pub quiescent: Vec<String>,
    /// How many functions are on its update path.
    pub path_functions: usize,
}

/// A place that would make a good update point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// The name to propose.
    pub name: String,
    /// The function.
    pub function: String,
    /// The user's file, if the function is static and its name not unique.
    pub file: Option<String>,
    /// Where it is, `file:line`, for the comment.
    pub place: String,
    /// Ordinal of the loop in the function, from 1; `None` if it need not be said.
    pub loop_ordinal: Option<u32>,
    /// The point is at the entry of the function, not in a loop.
    pub entry: bool,
    /// It may be a loop that belongs to another one's work.
    pub doubtful: bool,
    /// Functions called in the loop that sleep.
    pub quiescent: Vec<String>,
    /// Why it is proposed, a sentence for the comment.
    pub why: String,
}
