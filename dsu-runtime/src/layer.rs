//! What a patch adds to the registry, and lookups through all layers.
//!
//! Every patch in force has one layer over the executable's tables. A layer has all that the ones below it have, too, as
//! far as it says nothing else itself: so a lookup takes as long with many patches as with one. Undoing a patch removes
//! its layer, and with it every trace of it in the registry.

use crate::journal;
use crate::registry::{self, Function, Variable};
use std::sync::Mutex;

/// What layers that are gone leave behind: pointers in data may still be to stubs of a patch that was undone, and what
/// its code has written stays written.
static GONE: Mutex<Gone> = Mutex::new(Gone { functions: Vec::new(), written: Vec::new() });

struct Gone {
    functions: Vec<(u64, u64, Function)>,
    written: Vec<u64>,
}

/// What a patch and those before it add. Sorted by key.
#[derive(Debug, Default)]
pub struct Layer {
    functions: Vec<(u64, u64, Function)>,
    /// Keys under which nothing is found any more, in this layer or below it: what has moved away.
    gone_functions: Vec<(u64, u64)>,
    variables: Vec<(u64, Option<Variable>)>,
    types: Vec<(u64, u64)>,
    /// Keys of variables that the patch's code writes.
    written: Vec<u64>,
}

impl Layer {
    /// Adds a function under a name. The first one under a name and prototype stays.
    pub fn add_function(&mut self, key: u64, fingerprint: u64, function: Function) {
        self.functions.push((key, fingerprint, function));
    }

    /// Hides a function: it moved, or was renamed.
    pub fn hide_function(&mut self, key: u64, fingerprint: u64) {
        self.gone_functions.push((key, fingerprint));
    }

    /// Adds a variable. The first one under a name stays.
    pub fn add_variable(&mut self, key: u64, variable: Variable) {
        self.variables.push((key, Some(variable)));
    }

    /// Hides a variable, unless the layer has one of that name: so after all have been added.
    pub fn hide_variable(&mut self, key: u64) {
        self.variables.push((key, None));
    }

    /// Adds a type.
    pub fn add_type(&mut self, key: u64, layout: u64) {
        self.types.push((key, layout));
    }

    /// Notes that the patch's code writes a variable.
    pub fn add_written(&mut self, key: u64) {
        self.written.push(key);
    }

    /// Leaves behind what must outlive the layer: to be called when its patch is undone.
    pub fn retire(self) {
        if let Ok(mut gone) = GONE.lock() {
            // What was there stays: the sort is stable.
            gone.functions.extend(self.functions);
            sort_functions(&mut gone.functions);
            gone.written.extend(self.written);
            gone.written.sort_unstable();
            gone.written.dedup();
        }
    }

    /// Sorts the tables, and takes over what is known from earlier patches: to be called once, when all is added.
    pub fn finish(&mut self) {
        sort_functions(&mut self.functions);
        self.gone_functions.sort_unstable();
        sort_variables(&mut self.variables);
        self.types.sort_unstable();
        if let Some(below) = top() {
            self.stack_on(below);
        }
        self.written.sort_unstable();
        self.written.dedup();
    }

    /// Adds what `below` has and this one does not mention. What this one hides stays hidden, and what it has hides what
    /// is hidden below.
    fn stack_on(&mut self, below: &Layer) {
        let functions = below.functions.iter().filter(|entry| self.function(entry.0, entry.1).is_none()).copied();
        let functions: Vec<_> = functions.collect();
        let gone = below.gone_functions.iter().filter(|entry| self.function(entry.0, entry.1).is_none()).copied();
        let gone: Vec<_> = gone.collect();
        let unmentioned = |entry: &&(u64, Option<Variable>)| self.variable(entry.0).is_none();
        let variables: Vec<_> = below.variables.iter().filter(unmentioned).copied().collect();
        let types: Vec<_> = below.types.iter().filter(|entry| self.type_layout(entry.0).is_none()).copied().collect();
        self.functions.extend(functions);
        sort_functions(&mut self.functions);
        self.gone_functions.extend(gone);
        self.gone_functions.sort_unstable();
        self.variables.extend(variables);
        sort_variables(&mut self.variables);
        self.types.extend(types);
        self.types.sort_unstable();
        self.written.extend_from_slice(&below.written);
    }

    /// `Some(None)`: hidden.
    fn function(&self, key: u64, fingerprint: u64) -> Option<Option<Function>> {
        if let Ok(index) = self.functions.binary_search_by_key(&(key, fingerprint), |entry| (entry.0, entry.1)) {
            return self.functions.get(index).map(|entry| Some(entry.2));
        }
        self.gone_functions.binary_search(&(key, fingerprint)).ok().map(|_| None)
    }

    /// `Some(None)`: hidden.
    fn variable(&self, key: u64) -> Option<Option<Variable>> {
        let index = self.variables.binary_search_by_key(&key, |entry| entry.0).ok()?;
        self.variables.get(index).map(|entry| entry.1)
    }

    fn type_layout(&self, key: u64) -> Option<u64> {
        let index = self.types.binary_search_by_key(&key, |entry| entry.0).ok()?;
        self.types.get(index).map(|entry| entry.1)
    }

    fn is_written(&self, key: u64) -> bool {
        self.written.binary_search(&key).is_ok()
    }
}

/// Sorts by name and prototype, and keeps the first of each. One function for all uses: a sort is a lot of code, and this
/// is linked into every program.
#[inline(never)]
fn sort_functions(functions: &mut Vec<(u64, u64, Function)>) {
    functions.sort_by_key(|entry| (entry.0, entry.1));
    functions.dedup_by_key(|entry| (entry.0, entry.1));
}

/// Sorts by name, and keeps the first of each.
#[inline(never)]
fn sort_variables(variables: &mut Vec<(u64, Option<Variable>)>) {
    variables.sort_by_key(|entry| entry.0);
    variables.dedup_by_key(|entry| entry.0);
}

/// The layer of the newest patch in force.
fn top() -> Option<&'static Layer> {
    journal::entries().next().map(|entry| &entry.layer)
}

/// The function of this name and prototype.
pub fn function(key: u64, fingerprint: u64) -> Option<Function> {
    let found = top().and_then(|layer| layer.function(key, fingerprint));
    found.unwrap_or_else(|| registry::function(key, fingerprint))
}

/// Slot and stub that a patch which was undone had for the function of this name and prototype.
pub fn gone_function(key: u64, fingerprint: u64) -> Function {
    let found = GONE.lock().ok().and_then(|gone| {
        let index = gone.functions.binary_search_by_key(&(key, fingerprint), |entry| (entry.0, entry.1)).ok()?;
        gone.functions.get(index).map(|entry| entry.2)
    });
    found.unwrap_or_default()
}

/// Whether any version of the program that this process has run writes the variable of this name.
pub fn is_written(key: u64) -> bool {
    registry::is_written(key)
        || top().is_some_and(|layer| layer.is_written(key))
        || GONE.lock().map_or(true, |gone| gone.written.binary_search(&key).is_ok())
}

/// Whether there is a function of this name, with whatever prototype.
pub fn has_function(key: u64) -> bool {
    let in_layer = |layer: &Layer| layer.functions.binary_search_by_key(&key, |entry| entry.0).is_ok();
    top().is_some_and(in_layer) || registry::has_function(key)
}

/// The variable of this name.
pub fn variable(key: u64) -> Option<Variable> {
    top().and_then(|layer| layer.variable(key)).unwrap_or_else(|| registry::variable(key))
}

/// The layout of a type.
pub fn type_layout(key: u64) -> Option<u64> {
    top().and_then(|layer| layer.type_layout(key)).or_else(|| registry::type_layout(key))
}
