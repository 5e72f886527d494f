//! Facts that were read before: a unit is parsed once, however many programs and links it is part of.

use std::time::UNIX_EPOCH;

use crate::clang::Library;
use crate::driver::cache::Cache;
use crate::facts::UnitFacts;
use crate::unit::UnitImage;

/// Facts of units in the user's cache, by what they were read from.
pub struct Remembered<'a> {
    cache: &'a Cache,
    /// Who read them: this very tool, with this very parser. None: nothing is remembered.
    reader: Option<String>,
}

impl<'a> Remembered<'a> {
    /// Looks into a cache. The calling thread must have entered the library.
    pub fn new(cache: &'a Cache, library: &Library) -> Self {
        Self { cache, reader: own_identity().map(|own| format!("{own} {}", library.version())) }
    }

    fn key(&self, image: &UnitImage) -> Option<String> {
        Some(Cache::key(&["facts", self.reader.as_deref()?, &image.flags.join("\0"), &image.text]))
    }

    /// The facts of a unit, if they are there.
    pub fn get(&self, image: &UnitImage) -> Option<UnitFacts> {
        let bytes = self.cache.get(&self.key(image)?)?;
        postcard::from_bytes(&zstd::decode_all(bytes.as_slice()).ok()?).ok()
    }

    /// Keeps the facts of a unit; failure is silent. Those of a text with errors are not kept: the cause may be outside of it.
    pub fn put(&self, image: &UnitImage, facts: &UnitFacts) {
        let Some(key) = self.key(image).filter(|_| facts.errors.is_empty()) else { return };
        let bytes = postcard::to_allocvec(facts).ok().and_then(|bytes| zstd::encode_all(bytes.as_slice(), 1).ok());
        bytes.iter().for_each(|bytes| self.cache.put(&key, bytes));
    }
}

/// What tells this build of the tool from others.
fn own_identity() -> Option<String> {
    let meta = std::fs::metadata(std::env::current_exe().ok()?).ok()?;
    let modified = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} {}", meta.len(), modified.as_nanos()))
}
