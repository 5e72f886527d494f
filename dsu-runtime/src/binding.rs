//! What the symbols of a patch mean in this process, with the fingerprint of each checked.

use crate::image::Image;
use crate::layer::{self, Layer};
use crate::manifest::{Manifest, target, text};
use crate::refusal::{Refusal, Result};
use crate::registry::{self, Function, Place, Variable};
use crate::types::Change;
use core::ffi::{CStr, c_void};
use core::mem::offset_of;
use dsu_abi::{
    key_of,
    patch::{ImportRecord, RequiredType, import_kind},
    status::Status,
};
use std::ffi::CString;

/// A library that the patch needs. Let go of when dropped.
pub struct Library(*mut c_void);

impl Library {
    /// The library `name`: the one in the process, else a new one.
    fn open(name: &str) -> Result<Self> {
        let missing = |reason: &str| {
            let text = ["the patch needs the library ", name, ", which is not in the process: ", reason];
            Refusal::new(Status::MissingSymbol, &text)
        };
        let c_name = CString::new(name).map_err(|_| missing("strange name"))?;
        // SAFETY: ordinary use of the dynamic loader, in ordinary program context.
        unsafe {
            let mut handle = libc::dlopen(c_name.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
            if handle.is_null() {
                handle = libc::dlopen(c_name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            }
            if handle.is_null() {
                let error = libc::dlerror();
                let reason = if error.is_null() { c"unknown" } else { CStr::from_ptr(error) };
                return Err(missing(&reason.to_string_lossy()));
            }
            Ok(Self(handle))
        }
    }

    /// Keeps the library for ever.
    pub fn leak(self) {
        core::mem::forget(self);
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: opened once, closed once; nothing refers to it, as the image that did is dropped, too.
        unsafe { libc::dlclose(self.0) };
    }
}

/// Binds undefined symbols.
pub struct Binder {
    manifest: Manifest,
    change: Change,
    libraries: Vec<Library>,
    name: Vec<u8>,
}

unsafe extern "C" {
    /// What a patch calls for `__tls_get_addr`.
    fn dsu_rt_tls_get_addr(index: *const c_void) -> *mut c_void;
}

impl Binder {
    /// For the patch of `manifest`, which changes the types in `change`, with the libraries it needs.
    pub fn new(manifest: Manifest, change: Change, needed: &[&str]) -> Result<Self> {
        let libraries = needed.iter().map(|name| Library::open(name)).collect::<Result<_>>()?;
        Ok(Self { manifest, change, libraries, name: Vec::new() })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The types that the patch changes.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Gives the libraries and the changed types back.
    pub fn into_parts(self) -> (Vec<Library>, Change) {
        (self.libraries, self.change)
    }

    /// Looks all imports up, and refuses the patch if one is missing or of another type. `found` is told the number of each
    /// symbol that a relocation refers to, and what it is bound to.
    pub fn imports(&self, image: &Image, mut found: impl FnMut(u32, Place) -> Result<()>) -> Result<()> {
        for index in 0..self.manifest.imports.len() {
            let (address, record) = self.manifest.imports.get(image, index)?;
            match import(image, address, &record, &self.change)? {
                Some(place) if record.symbol != 0 => found(record.symbol, place)?,
                None if record.kind != import_kind::FOREIGN => return Err(absent(image, address, &record)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// Binds the undefined symbol `name`, which is not imported from the program.
    pub fn bind(&mut self, name: &str, weak: bool) -> Result<Place> {
        let found = runtime_symbol(name).or_else(|| self.library_symbol(name));
        if let Some(address) = found.or_else(|| registry::foreign(key_of(name.as_bytes()))) {
            return Ok(Place::Address(address));
        }
        if weak {
            return Ok(Place::Address(0));
        }
        let text = ["the patch needs the symbol ", name, ", which is neither in the program nor in its libraries"];
        Err(Refusal::new(Status::MissingSymbol, &text))
    }

    fn library_symbol(&mut self, name: &str) -> Option<u64> {
        self.name.clear();
        self.name.extend_from_slice(name.as_bytes());
        self.name.push(0);
        let symbol = self.name.as_ptr().cast();
        let handles = self.libraries.iter().map(|library| library.0);
        // SAFETY: the name is NUL terminated; the handles are open.
        let mut found =
            core::iter::once(libc::RTLD_DEFAULT).chain(handles).map(|handle| unsafe { libc::dlsym(handle, symbol) });
        found.find(|address| !address.is_null()).map(|address| address as u64)
    }
}

/// What patches use of the runtime: of this one, as a program's registry says where these are only if it was linked with a
/// runtime that has them.
fn runtime_symbol(name: &str) -> Option<u64> {
    match name {
        "__tls_get_addr" => Some(dsu_rt_tls_get_addr as *const () as u64),
        "dsu_migrate" => Some(crate::entry::dsu_migrate as *const () as u64),
        "dsu_block" => Some(crate::entry::dsu_block as *const () as u64),
        "dsu_block_free" => Some(crate::entry::dsu_block_free as *const () as u64),
        "dsu_out_of_range" => Some(crate::entry::dsu_out_of_range as *const () as u64),
        _ => None,
    }
}

/// Why nothing was found for an import.
fn absent(image: &Image, address: u64, record: &ImportRecord) -> Result<Refusal> {
    let name = text(image, address, offset_of!(ImportRecord, name), record.name)?;
    let parts = match record.kind {
        import_kind::SLOT | import_kind::STUB => {
            match (layer::function(record.key, record.fingerprint), layer::has_function(record.key)) {
                (Some(_), _) => ["function ", name, " cannot be reached from outside its unit in the running program"],
                (None, true) => {
                    ["function ", name, " has another prototype in the running program than the patch expects"]
                }
                (None, false) => ["function ", name, " is not in the running program"],
            }
        }
        _ => ["variable ", name, " is not in the running program"],
    };
    Ok(Refusal::incompatible(&parts))
}

/// Looks an import up; `None`: there is no such entry, and no fallback.
fn import(image: &Image, address: u64, record: &ImportRecord, change: &Change) -> Result<Option<Place>> {
    let kind = record.kind & !import_kind::WRITTEN;
    let found = match kind {
        import_kind::SLOT | import_kind::STUB => {
            let mut function = layer::function(record.key, record.fingerprint).unwrap_or_default();
            if record.fallback.0 != 0 {
                let gone = layer::gone_function(record.new_key, record.fingerprint);
                function = merge(function, gone.slot, gone.stub);
            }
            let found = if kind == import_kind::SLOT { function.slot } else { function.stub };
            Some(found).filter(|&found| found != 0).map(Place::Address)
        }
        import_kind::VARIABLE | import_kind::TLS => variable(image, address, record)?.map(|variable| variable.place),
        import_kind::FOREIGN => {
            let name = text(image, address, offset_of!(ImportRecord, name), record.name)?;
            runtime_symbol(name).or_else(|| registry::foreign(record.key)).map(Place::Address)
        }
        import_kind::STAMP => Some(Place::Address(change.stamp(record.key))),
        import_kind::SIDE_TABLE => change.side(record.key).map(Place::Address),
        _ => return Err(Refusal::damaged("an import is of an unknown kind")),
    };
    if found.is_some() || kind == import_kind::TLS {
        return Ok(found);
    }
    let fallback = target(image, address, offset_of!(ImportRecord, fallback), record.fallback, 1, 0)?;
    Ok(fallback.map(Place::Address))
}

fn variable(image: &Image, address: u64, record: &ImportRecord) -> Result<Option<Variable>> {
    let Some(variable) = layer::variable(record.key) else { return Ok(None) };
    let thread_local = matches!(variable.place, Place::ThreadLocal { .. });
    let wants_thread_local = record.kind & !import_kind::WRITTEN == import_kind::TLS;
    if variable.fingerprint == record.fingerprint && thread_local == wants_thread_local {
        return Ok(Some(variable));
    }
    let name = text(image, address, offset_of!(ImportRecord, name), record.name)?;
    let what = if thread_local == wants_thread_local { " has another type" } else { " has another storage class" };
    Err(Refusal::incompatible(&["variable ", name, what, " in the running program than the patch expects"]))
}

/// Adds to `layer` what the imports say: which variables are written, and the new names of what moved.
///
/// To be called after the patch's own functions and variables were added: their names come first.
pub fn add_imports(image: &Image, manifest: &Manifest, layer: &mut Layer) -> Result<()> {
    let mut hidden = Vec::new();
    for index in 0..manifest.imports.len() {
        let (address, record) = manifest.imports.get(image, index)?;
        let kind = record.kind & !import_kind::WRITTEN;
        if record.kind != kind {
            layer.add_written(record.new_key);
        }
        if record.new_key == record.key {
            continue;
        }
        match kind {
            import_kind::SLOT | import_kind::STUB => {
                if let Some(function) = layer::function(record.key, record.fingerprint) {
                    layer.add_function(record.new_key, record.fingerprint, function);
                    layer.hide_function(record.key, record.fingerprint);
                }
            }
            import_kind::VARIABLE | import_kind::TLS => {
                if let Some(variable) = variable(image, address, &record)? {
                    layer.add_variable(record.new_key, variable);
                    hidden.push(record.key);
                }
            }
            _ => {}
        }
    }
    hidden.into_iter().for_each(|key| layer.hide_variable(key));
    Ok(())
}

/// Checks the layouts that the patch relies on; types that the process does not know yet are added.
pub fn check_types(image: &Image, manifest: &Manifest, layer: &mut Layer) -> Result<()> {
    for index in 0..manifest.types.len() {
        let (address, record) = manifest.types.get(image, index)?;
        match layer::type_layout(record.key) {
            // The types that the patch changes are checked with their old layouts.
            Some(layout)
                if layout != record.layout && !Change::leads_to(manifest, image, record.key, record.layout) =>
            {
                let name = text(image, address, offset_of!(RequiredType, name), record.name)?;
                return Err(Refusal::incompatible(&[
                    name,
                    " has another layout in the running program than the patch expects",
                ]));
            }
            Some(_) => {}
            None => layer.add_type(record.key, record.layout),
        }
    }
    Ok(())
}

/// Slot and stub of a function of the process, with what it lacks taken from the patch.
pub fn merge(old: Function, slot: u64, stub: u64) -> Function {
    Function { slot: if old.slot != 0 { old.slot } else { slot }, stub: if old.stub != 0 { old.stub } else { stub } }
}
