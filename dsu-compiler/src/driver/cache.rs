//! The cache of compiled units: objects by the content they were compiled from.
//!
//! It is shared by all builds of a user, survives crashes (entries appear by rename) and is never needed: if its
//! directory cannot be written, everything works without it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// The directory of everything we keep for a user: `$DSU_CACHE`, `$XDG_CACHE_HOME/dsu` or `~/.cache/dsu`; `None` if
/// that is no absolute path, as with `DSU_CACHE=off`.
#[must_use]
pub fn root() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    variable("DSU_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|d| d.join("dsu")))
        .or_else(|| variable("HOME").map(|d| d.join(".cache/dsu")))
        .filter(|d| d.is_absolute())
}

/// Pruned when it grows beyond this ...
const LIMIT: u64 = 1 << 30;
/// ... down to this.
const TARGET: u64 = LIMIT / 10 * 8;

/// The cache.
#[derive(Debug)]
pub struct Cache {
    directory: Option<PathBuf>,
    grew: AtomicBool,
}

impl Cache {
    /// Opens the user's cache.
    #[must_use]
    pub fn open() -> Self {
        Self::at(root())
    }

    fn at(directory: Option<PathBuf>) -> Self {
        let directory = directory.map(|d| d.join("objects")).filter(|d| fs::create_dir_all(d).is_ok());
        Self { directory, grew: AtomicBool::new(false) }
    }

    /// The key of what a list of inputs determines.
    #[must_use]
    pub fn key(parts: &[&str]) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            // Lengths keep ("ab", "c") apart from ("a", "bc").
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// An object, if it is there.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.path(key)?;
        let bytes = fs::read(&path).ok()?;
        // For pruning: what is used is young.
        let _ = File::options().append(true).open(&path).and_then(|f| f.set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Keeps an object; failure is silent.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        let _ = self.try_put(key, bytes);
    }

    fn try_put(&self, key: &str, bytes: &[u8]) -> Option<()> {
        let path = self.path(key)?;
        let parent = path.parent()?;
        fs::create_dir_all(parent).ok()?;
        let temporary = tempfile::NamedTempFile::new_in(parent).ok()?;
        fs::write(temporary.path(), bytes).ok()?;
        temporary.persist(&path).ok()?;
        self.grew.store(true, Ordering::Relaxed);
        Some(())
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        let (shard, rest) = key.split_at_checked(2)?;
        Some(self.directory.as_ref()?.join(shard).join(rest))
    }

    /// Removes the entries not used for longest, if there are too many.
    pub fn prune(&self) {
        if let (true, Some(directory)) = (self.grew.load(Ordering::Relaxed), &self.directory) {
            prune(directory, LIMIT, TARGET);
        }
    }
}

fn prune(directory: &Path, limit: u64, target: u64) {
    let files_of = |d: &Path| fs::read_dir(d).into_iter().flatten().flatten();
    let mut files: Vec<(SystemTime, u64, PathBuf)> = files_of(directory)
        .flat_map(|shard| files_of(&shard.path()))
        .filter_map(|file| {
            let data = file.metadata().ok()?;
            Some((data.modified().ok()?, data.len(), file.path()))
        })
        .collect();
    let mut total: u64 = files.iter().map(|f| f.1).sum();
    if total <= limit {
        return;
    }
    files.sort();
    for (_, size, path) in files {
        if total <= target {
            break;
        }
        if fs::remove_file(path).is_ok() {
            total -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_and_found() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(Some(dir.path().into()));
        let key = Cache::key(&["text", "flags"]);
        assert_ne!(key, Cache::key(&["textf", "lags"]));
        assert_eq!(cache.get(&key), None);
        cache.put(&key, b"object");
        assert_eq!(cache.get(&key).as_deref(), Some(&b"object"[..]));
    }

    #[test]
    fn nothing_to_write_to() {
        let cache = Cache::at(Some("/proc/nonexistent".into()));
        let key = Cache::key(&["x"]);
        cache.put(&key, b"object");
        assert_eq!(cache.get(&key), None);
        cache.prune();
    }

    #[test]
    fn pruning_removes_the_oldest() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(Some(dir.path().into()));
        let keys: Vec<String> = (0..4).map(|i| Cache::key(&[&i.to_string()])).collect();
        for (i, key) in keys.iter().enumerate() {
            cache.put(key, &[0; 100]);
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 + i as u64);
            File::options().append(true).open(cache.path(key).unwrap()).unwrap().set_modified(time).unwrap();
        }
        prune(cache.directory.as_ref().unwrap(), 399, 250);
        let left: Vec<bool> = keys.iter().map(|k| cache.get(k).is_some()).collect();
        assert_eq!(left, [false, false, true, true]);
    }
}
