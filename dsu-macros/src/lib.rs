//! dsu-macros
