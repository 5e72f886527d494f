//! What a unit does with structs as a whole, and where their memory comes from.
