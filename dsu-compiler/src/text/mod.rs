//! C text after preprocessing: tokens, presumed lines, and edits by byte offset.

pub mod edits;
pub mod lexer;
