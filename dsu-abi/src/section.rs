//! Names of ELF sections and of the symbols that generated code and `libdsu` share.

/// In object files: one or more unit records (see `dsu-compiler`'s `unit` module). `SHF_EXCLUDE`,
/// so an ordinary linker drops it.
pub const UNIT: &str = ".dsu.unit";

/// In executables: the program description that `dsu-diff` reads. Never loaded; survives `strip`.
pub const PROGRAM: &str = ".dsu.program";

/// In executables: the [`crate::control::Control`] block. Loaded, writable; found by section name
/// so that it survives `strip`.
pub const CONTROL: &str = ".dsu.control";

/// In objects: slots, the pointers to current versions of functions. They are read often and written
/// only by updates, so they go with the data that is read-only once it is relocated: the pages of the
/// program's variables stay as full as without them, and a stray store cannot hit a slot.
pub const SLOTS: &str = ".data.rel.ro.dsu";

/// In executables: the registry tables and their strings. Read-only and free of dynamic
/// relocations, so they cost no memory until someone reads them.
pub const REGISTRY: &str = ".dsu.registry";

/// In patches: the [`crate::patch::PatchHeader`], first in its section.
pub const PATCH: &str = ".dsu.patch";

/// In patches: human readable report of `dsu-diff` as JSON. Not loaded.
pub const REPORT: &str = ".dsu.report";

/// In patches: the description of the state the patch leads to, compressed against that of the state before
/// (`dsu-compiler`'s `lineage` module). Loaded, so that `dsu-diff --pid` can read it from the process.
pub const LINEAGE: &str = ".dsu.lineage";

/// Symbol of the control block.
pub const CONTROL_SYMBOL: &str = "dsu_control";

/// Symbol of [`crate::control::Control::pending`]; what update points load.
pub const PENDING_SYMBOL: &str = "dsu_pending";

/// Symbol of the thread state, [`crate::control::ThreadState`], a thread-local variable.
pub const THREAD_SYMBOL: &str = "dsu_thread";
