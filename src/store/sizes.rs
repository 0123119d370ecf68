//! The sizes of a store's files.

use std::fs;
use std::path::Path;

use super::handle::Store;
use super::room;

/// Bytes that a store uses, and bytes that its disk still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub journal: u64,
    pub state: u64,
    pub free: Option<u64>,
}

impl Store {
    /// Returns the sizes of its files now. A file that is removed meanwhile counts as empty.
    pub fn sizes(&self) -> Sizes {
        let dir = &self.shared.dir;
        Sizes { journal: size(&dir.join("journal")), state: size(&dir.join("state")), free: room::free(dir) }
    }
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return fs::metadata(path).map_or(0, |file| file.len()) };
    entries.flatten().map(|entry| size(&entry.path())).sum()
}
