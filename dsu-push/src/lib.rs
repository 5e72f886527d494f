//! `dsu-push`: sends patches to running updatable programs.
//!
//! An updatable program at rest has no thread, socket or handler of ours. It has a control block,
//! found by section name in its ELF file, and update points which load one word of it. This crate
//! reads and writes that block from outside, wakes threads that sleep in a quiescent call, and
//! reports what came of it.
//!
//! | module | what |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`process`] | facts about a process: `/proc`, namespaces, permissions |
//! | [`image`] | the executable file of a process: control block, symbols |
//! | [`memory`] | reading and writing another process |
//! | [`control`] | the control block, seen from outside |
//! | [`threads`] | the threads of a process and their states, without stopping them |
//! | [`arch`] | registers: everything specific to x86-64 |
//! | [`ptrace`] | stopping a thread and making its system call return |
//! | [`guard`] | processes with seccomp filters |
//! | [`interrupt`] | signals to `dsu-push` itself |
//! | [`request`] | the protocol: one request and its answer |
//! | [`blocker`] | what keeps a request from being served |
//! | [`patchfile`] | the manifest of a patch file |
//! | [`push`] | one operation on one process |
//! | [`family`] | which processes: families, and all instances of a program |
//! | [`status`] | `--status` |
//! | [`lineage`] | `--lineage` |
//! | [`report`] | results for people and for programs |

pub mod arch;
pub mod blocker;
pub mod cli;
pub mod control;
pub mod error;
pub mod family;
pub mod guard;
pub mod image;
pub mod interrupt;
pub mod lineage;
pub mod memory;
pub mod patchfile;
pub mod process;
pub mod ptrace;
pub mod push;
pub mod report;
pub mod request;
pub mod status;
pub mod symbols;
pub mod syscalls;
pub mod threads;

pub use error::{Error, Result};
