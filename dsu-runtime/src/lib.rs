//! `libdsu`: the runtime of an updatable program.
//!
//! It is linked into every program that `dsu-cc` builds and does nothing until someone pushes a
//! patch: no constructor, thread, descriptor, signal handler, allocation or environment access.
//!
//! A thread that passes an update point, or a wrapped blocking call inside a quiescent call, while
//! a request is pending comes to [`request`]. From there:
//!
//! | module | what |
//! |---|---|
//! | [`request`] | electing a leader, serving, parking the other threads, answering |
//! | [`elf`], [`image`], [`relocate`] | reading, mapping and relocating a patch file |
//! | [`manifest`] | the patch's own tables, checked |
//! | [`registry`], [`layer`] | what the process has: the executable's tables, and what patches added |
//! | [`binding`] | what each symbol and function of a patch means in this process |
//! | [`commit`] | prepare, commit and undo as a transaction |
//! | [`side`] | side tables: room for fields that do not fit into objects |
//! | [`types`], [`migrate`] | changed types: versions and stamps; bringing objects to the version that the code wants |
//! | [`carry`] | state transformers |
//! | [`rehearse`] | a commit in a child process, to see how it goes |
//! | [`journal`] | the patches in force |
//! | [`tls`], [`unwind`], [`gdb`] | thread-local variables, exceptions and debugging of patches |
//!
//! The C half (`c/`) holds what Rust cannot say: the thread-local state and the call wrappers.
//!
//! A patch file is not trusted until it is checked: every offset read from it is checked against
//! the file or the image, and a damaged one is refused. (The code in it is trusted: whoever may
//! push it may control the process anyhow.)

mod binding;
mod carry;
mod commit;
mod control;
mod elf;
mod entry;
mod gdb;
mod image;
mod journal;
mod layer;
mod manifest;
mod migrate;
mod refusal;
mod registry;
mod rehearse;
mod relocate;
mod request;
mod search;
mod selfapply;
mod side;
mod sys;
mod thread;
mod tls;
mod types;
mod unwind;

pub use entry::{
    dsu_apply, dsu_block, dsu_block_free, dsu_last_message, dsu_migrate, dsu_out_of_range, dsu_rt_serve,
    dsu_rt_tls_block, dsu_update_point,
};
