//! Outcomes of a request, as codes. Each comes with a sentence in
//! [`Response::message`](crate::control::Response::message).

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $word:literal;)*) => {
        /// The outcome of a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Status { $($(#[$doc])* $name = $code,)* }

        impl Status {
            /// The outcome with this code.
            pub fn from_code(code: u32) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
            /// A short stable word for `--json` and for C callers.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

statuses! {
    /// Done.
    Done = 0, "done";
    /// The patch is in force already; nothing was changed.
    AlreadyApplied = 1, "already-applied";
    /// Refused: the patch is for another build or state of the program.
    WrongState = 10, "wrong-state";
    /// Refused: the patch file is damaged or of another version.
    BadPatch = 11, "bad-patch";
    /// Refused: a function, variable or type differs from what the patch expects.
    Incompatible = 12, "incompatible";
    /// Refused: a library symbol that the patch needs is not in the process.
    MissingSymbol = 13, "missing-symbol";
    /// Refused: the patch to undo is not the newest.
    NotNewest = 14, "not-newest";
    /// Refused: a state transformer said no.
    TransformerFailed = 16, "transformer-failed";
    /// Refused: the patch changes data in a way that cannot be undone.
    Irreversible = 17, "irreversible";
    /// Refused: the rehearsal went wrong, or could not be held.
    RehearsalFailed = 18, "rehearsal-failed";
    /// Refused: nothing to undo.
    NothingToUndo = 15, "nothing-to-undo";
    /// Not now: the threads did not all come to rest in time; nothing was changed.
    TimedOut = 20, "timed-out";
    /// Not now: another request is being served.
    Busy = 21, "busy";
    /// The system refused memory or a change of protection; nothing was changed.
    NoMemory = 30, "no-memory";
    /// An error in the runtime itself; nothing was changed.
    Internal = 31, "internal";
    /// The request makes no sense to this runtime.
    BadRequest = 32, "bad-request";
}
