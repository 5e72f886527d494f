//! dsu-runtime
