//! `--status`: what a process runs.

use crate::{
    Result,
    control::{ChangedType, Remote},
    process::Process,
    ptrace::Tracer,
    symbols::{MOST_RECORDS, records},
    threads::{Activity, Threads, activity},
};
use dsu_abi::{
    control::{Control, flags, thread},
    patch::{PatchFunction, PatchHeader},
    registry::{FunctionRecord, Rel32, UnitRecord, UpdatePointRecord, function_flags},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Write},
    mem::{offset_of, size_of},
    time::{SystemTime, UNIX_EPOCH},
};

/// The status of a process.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// The process.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// Its executable.
    pub executable: String,
    /// Whether it can be updated at all.
    pub updatable: bool,
    /// The build.
    pub build: String,
    /// The state.
    pub state: String,
    /// Whether a request is under way.
    pub pending: bool,
    /// Patches in force, newest first.
    pub patches: Vec<PatchReport>,
    /// Update points.
    pub update_points: Vec<PointReport>,
    /// Units.
    pub units: Vec<UnitReport>,
    /// Replaced functions whose old code may be running still, because it was on a stack when the
    /// patch was applied.
    pub old_code: Vec<OldCode>,
    /// Threads.
    pub threads: Vec<ThreadReport>,
}

/// A patch in force.
#[derive(Debug, Serialize)]
pub struct PatchReport {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// State before.
    pub from: String,
    /// State after.
    pub to: String,
    /// When, in nanoseconds since the epoch.
    pub applied_at_ns: u64,
    /// Its pause in nanoseconds.
    pub pause_ns: u64,
    /// The types it changed.
    pub types: Vec<TypeReport>,
    /// Values of variables that did not fit into their new types.
    pub out_of_range: u64,
}

/// A version of a type.
#[derive(Debug, Serialize)]
pub struct TypeReport {
    /// The type.
    pub name: String,
    /// The version: 0 is that of the build.
    pub version: u32,
    /// How many objects were brought to this version so far; `None` where nothing has to be done to objects.
    pub migrated: Option<u64>,
    /// How many of their values did not fit into their new types.
    pub out_of_range: u64,
    /// How many blocks of the side table came into use with this version.
    pub blocks: u32,
}

/// An update point.
#[derive(Debug, Serialize)]
pub struct PointReport {
    /// Its name.
    pub name: String,
    /// The function it is in.
    pub function: String,
    /// The source file.
    pub file: String,
    /// The line.
    pub line: u32,
}

/// A unit.
#[derive(Debug, Serialize)]
pub struct UnitReport {
    /// Its name.
    pub name: String,
    /// Whether it is as the build has it and cannot be replaced.
    pub kept: bool,
    /// The patch that brought its present version, if any.
    pub replaced_by: Option<String>,
}

/// A function whose old version may be running still.
#[derive(Debug, Serialize)]
pub struct OldCode {
    /// The function.
    pub function: String,
    /// The patch that replaced it.
    pub replaced_by: String,
}

/// A thread.
#[derive(Debug, Serialize)]
pub struct ThreadReport {
    /// Its id.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: &'static str,
    /// The update point in whose quiescent call it is.
    pub inside: Option<String>,
    /// The system call it sleeps in.
    pub call: Option<String>,
}

/// Looks at process `pid`, without stopping it.
pub fn status(pid: i32) -> Result<StatusReport> {
    status_of(&Process::open(pid)?)
}

/// Looks at a process, without stopping it. Its memory is not trusted: what makes no sense is left out.
pub fn status_of(process: &Process) -> Result<StatusReport> {
    let remote = Remote::open(process)?;
    let block = remote.read()?;
    let table = |field: usize| process.control + field as u64;
    let functions = block.functions.resolve(table(offset_of!(Control, functions)));
    let functions = records::<FunctionRecord>(process, functions, block.functions.count).unwrap_or_default();
    // Functions that can be on a stack at an update point, by name and prototype; patches add to them.
    let mut path: HashMap<(u64, u64), bool> = functions
        .iter()
        .map(|(_, record)| ((record.key, record.fingerprint), record.flags & function_flags::UPDATE_PATH != 0))
        .collect();

    let applied = remote.applied()?;
    let mut units = unit_table(process, block.units.resolve(table(offset_of!(Control, units))), block.units.count);
    let (mut old_code, mut most) = (Vec::new(), MOST_RECORDS);
    for patch in applied.iter().rev() {
        let Ok(header) = process.memory.read::<PatchHeader>(patch.header) else { continue };
        // In all of them together.
        let left = most.checked_sub(header.units.count).and_then(|left| left.checked_sub(header.functions.count));
        let Some(left) = left else { continue };
        most = left;
        let at = |field: usize| patch.header + field as u64;
        let first = header.units.resolve(at(offset_of!(PatchHeader, units)));
        for (name, _) in unit_table(process, first, header.units.count) {
            units.entry(name).or_insert((false, None)).1 = Some(patch.name.clone());
        }
        let first = header.functions.resolve(at(offset_of!(PatchHeader, functions)));
        for (address, function) in records::<PatchFunction>(process, first, header.functions.count).unwrap_or_default()
        {
            let old = path.get(&(function.key, function.fingerprint)).copied();
            let old = old.or_else(|| path.get(&(function.old_key, function.fingerprint)).copied());
            if old == Some(true) {
                let name = text(process, address, offset_of!(PatchFunction, name), function.name);
                old_code.push(OldCode { function: name, replaced_by: patch.name.clone() });
            }
            path.insert((function.key, function.fingerprint), function.flags & function_flags::UPDATE_PATH != 0);
        }
    }

    let first = block.update_points.resolve(table(offset_of!(Control, update_points)));
    let points = records::<UpdatePointRecord>(process, first, block.update_points.count).unwrap_or_default();
    Ok(StatusReport {
        pid: process.pid,
        name: process.name.clone(),
        executable: process.executable.clone(),
        updatable: block.flags & flags::UPDATABLE != 0,
        build: block.build.to_string(),
        state: block.state.to_string(),
        pending: block.pending.load(std::sync::atomic::Ordering::Relaxed) != 0,
        patches: applied
            .iter()
            .map(|patch| PatchReport {
                name: patch.name.clone(),
                id: patch.id.to_string(),
                from: patch.from.to_string(),
                to: patch.to.to_string(),
                applied_at_ns: patch.applied_at,
                pause_ns: patch.pause_ns,
                types: patch.types.iter().map(TypeReport::of).collect(),
                out_of_range: patch.out_of_range,
            })
            .collect(),
        update_points: points
            .iter()
            .map(|(address, point)| PointReport {
                name: text(process, *address, offset_of!(UpdatePointRecord, name), point.name),
                function: text(process, *address, offset_of!(UpdatePointRecord, function), point.function),
                file: text(process, *address, offset_of!(UpdatePointRecord, file), point.file),
                line: point.line,
            })
            .collect(),
        units: units.into_iter().map(|(name, (kept, replaced_by))| UnitReport { name, kept, replaced_by }).collect(),
        old_code,
        threads: threads(process, block.thread_offset)?,
    })
}

impl TypeReport {
    fn of(changed: &ChangedType) -> Self {
        Self {
            name: changed.name.clone(),
            version: changed.version,
            migrated: changed.lazy.then_some(changed.migrated),
            out_of_range: changed.out_of_range,
            blocks: changed.blocks,
        }
    }
}

impl fmt::Display for TypeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  version {}", self.name, self.version)?;
        match self.migrated {
            Some(1) => write!(f, ", 1 object migrated")?,
            Some(count) => write!(f, ", {count} objects migrated")?,
            None => write!(f, ", objects stay as they are")?,
        }
        if self.blocks != 0 {
            write!(f, ", {} blocks in its side table", self.blocks)?;
        }
        if self.out_of_range != 0 {
            write!(f, ", {} values out of range", self.out_of_range)?;
        }
        Ok(())
    }
}

/// A table of units: name, and whether it was kept.
fn unit_table(process: &Process, first: u64, count: u64) -> BTreeMap<String, (bool, Option<String>)> {
    records::<UnitRecord>(process, first, count)
        .unwrap_or_default()
        .iter()
        .map(|(at, unit)| (text(process, *at, offset_of!(UnitRecord, name), unit.name), (unit.kept != 0, None)))
        .collect()
}

/// The string that a record refers to.
fn text(process: &Process, record: u64, field: usize, reference: Rel32) -> String {
    debug_assert!(field < size_of::<PatchHeader>());
    let address = reference.resolve(record + field as u64);
    address.and_then(|address| process.memory.read_string(address, 1024).ok()).unwrap_or_default()
}

fn threads(process: &Process, offset: i64) -> Result<Vec<ThreadReport>> {
    // Never asked to lift filters: it is only consulted for threads that show no state otherwise.
    let mut tracer = Tracer::new(process.memory, process.control);
    let mut threads = Threads::new(process, offset);
    let views = threads.survey(&mut tracer)?;
    Ok(views
        .iter()
        .map(|view| {
            let status = crate::process::ProcStatus::of_thread(process.pid, view.tid).unwrap_or_default();
            ThreadReport {
                tid: view.tid,
                name: status.name,
                state: match view.state {
                    Some(thread::RUNNING) => "running",
                    Some(thread::BLOCKED) => "blocked",
                    Some(thread::PARKED) => "parked",
                    Some(thread::LEADING) => "leading",
                    Some(thread::SERVING) => "in the runtime",
                    _ => "unknown",
                },
                inside: (view.inside != 0).then(|| threads.point_name(view.inside)),
                call: match activity(process.pid, view.tid) {
                    Activity::Call { number, .. } => Some(crate::syscalls::name(number)),
                    _ => None,
                },
            }
        })
        .collect())
}

impl fmt::Display for StatusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pid {}: {} ({})", self.pid, self.name, self.executable)?;
        writeln!(f, "  build  {}", self.build)?;
        writeln!(f, "  state  {}", self.state)?;
        if !self.updatable {
            writeln!(f, "  not updatable: built without update points")?;
        }
        if self.pending {
            writeln!(f, "  a request is under way")?;
        }
        writeln!(f, "  patches, newest first:{}", if self.patches.is_empty() { " none" } else { "" })?;
        for patch in &self.patches {
            let pause = duration(patch.pause_ns);
            writeln!(f, "    {}  {}  {}, pause {pause}", patch.name, patch.id, ago(patch.applied_at_ns))?;
            for changed in &patch.types {
                writeln!(f, "      {changed}")?;
            }
            if patch.out_of_range != 0 {
                writeln!(f, "      {} values of variables out of range", patch.out_of_range)?;
            }
        }
        writeln!(f, "  update points:{}", if self.update_points.is_empty() { " none" } else { "" })?;
        for point in &self.update_points {
            writeln!(f, "    {}  in {} ({}:{})", point.name, point.function, point.file, point.line)?;
        }
        let replaced: Vec<_> = self.units.iter().filter(|unit| unit.replaced_by.is_some()).collect();
        let kept = self.units.iter().filter(|unit| unit.kept).count();
        writeln!(f, "  units: {}, {} replaced, {kept} not replaceable", self.units.len(), replaced.len())?;
        for unit in replaced {
            writeln!(f, "    {}  by {}", unit.name, unit.replaced_by.as_deref().unwrap_or_default())?;
        }
        if !self.old_code.is_empty() {
            writeln!(f, "  old code that may be running still, until it returns:")?;
            let mut by_function: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for old in &self.old_code {
                by_function.entry(&old.function).or_default().push(&old.replaced_by);
            }
            for (function, patches) in by_function {
                writeln!(f, "    {function}  replaced by {}", patches.join(", "))?;
            }
        }
        let mut threads = String::new();
        for thread in &self.threads {
            let _ = write!(threads, "\n    {} ({})  ", thread.tid, thread.name);
            let _ = match (&thread.call, thread.state) {
                (Some(call), "running") => write!(threads, "asleep in {call}, not at rest"),
                (Some(call), state) => write!(threads, "{state} in {call}"),
                (None, state) => write!(threads, "{state}"),
            };
            if let Some(point) = &thread.inside {
                let _ = write!(threads, ", at update point {point}");
            }
        }
        write!(f, "  threads: {}{threads}", self.threads.len())
    }
}

/// A time span as people read it.
pub fn duration(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{:.1} us", ns as f64 / 1e3),
        10_000..10_000_000 => format!("{} us", ns / 1000),
        10_000_000..10_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{} s", ns / 1_000_000_000),
    }
}

/// How long ago a moment was.
fn ago(at_ns: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let seconds = now.saturating_sub(at_ns) / 1_000_000_000;
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86400),
    }
}
