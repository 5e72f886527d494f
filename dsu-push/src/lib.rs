//! dsu-push
