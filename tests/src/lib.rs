//! Tests of the whole system: small C programs, built by `dsu-cc`, patched by `dsu-diff`, updated by `dsu-push`.
//!
//! `rewrite/` holds programs that must behave the same whether they are built plainly or updatable; `update/` holds
//! programs in several versions, with scripts that say how they are updated and what they must print meanwhile.
//! `README.md` says how to write one.

pub mod golden;
pub mod program;
pub mod script;
pub mod target;
pub mod tools;
pub mod update;
pub mod versions;
