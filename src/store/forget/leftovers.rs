//! Files that were set aside. They hold personal data and cannot be rewritten.

use std::path::{Path, PathBuf};

use crate::store::directory::journal_dir;
use crate::store::handle::Store;
use crate::store::{Error, disk};

/// Files that were set aside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Unusable states and torn ends, kept only for a diagnosis.
    pub removable: Vec<PathBuf>,
    /// Damaged journals: the only copy of their records.
    pub journals: Vec<PathBuf>,
}

fn find(dir: &Path) -> Result<Leftovers, Error> {
    let mut found = Leftovers::default();
    for dir in [dir.to_owned(), journal_dir(dir)] {
        let doing = || format!("listing {}", dir.display());
        for entry in std::fs::read_dir(&dir).map_err(Error::io(doing()))? {
            let entry = entry.map_err(Error::io(doing()))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("journal.damaged-") {
                found.journals.push(entry.path());
            } else if name.starts_with("state.damaged-") || name.starts_with("cut-") {
                found.removable.push(entry.path());
            }
        }
    }
    Ok(found)
}

impl Store {
    /// Returns the files that were set aside.
    pub fn leftovers(&self) -> Result<Leftovers, Error> {
        find(&self.shared.dir)
    }

    /// Removes unusable states and torn ends that were set aside. Returns their number.
    pub fn remove_leftovers(&self) -> Result<usize, Error> {
        let found = self.leftovers()?.removable;
        for path in &found {
            if path.is_dir() {
                std::fs::remove_dir_all(path).map_err(Error::io(format!("removing {}", path.display())))?;
            } else {
                disk::remove(path)?;
            }
        }
        Ok(found.len())
    }
}
