//! Where a unit's text depends on how structs are laid out: definitions, accesses, initialiser lists.
