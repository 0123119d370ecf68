//! Changes of files that must survive a power cut: journal, mark, secret, backups. Every change goes through this file,
//! where a test can observe it and compute what a power cut would have left.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::Error;

/// A change of a file or a directory. Content is on the disk after `Sync`, names after `Names` of their directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// An empty file; replaces an existing one.
    Create,
    Write {
        at: u64,
        bytes: &'a [u8],
    },
    Length(u64),
    Sync,
    Rename {
        to: &'a Path,
    },
    Remove,
    /// Of a directory: its names are on the disk.
    Names,
}

/// Receives each change after it was made.
pub type Observer = dyn Fn(&Path, Change<'_>) + Send + Sync;

static OBSERVERS: OnceLock<RwLock<Vec<Arc<Observer>>>> = OnceLock::new();

/// Adds an observer for the rest of the process. For tests that simulate power cuts.
pub fn observe(observer: Arc<Observer>) {
    let observers = OBSERVERS.get_or_init(RwLock::default);
    observers.write().unwrap_or_else(PoisonError::into_inner).push(observer);
}

fn changed(path: &Path, change: Change<'_>) {
    let Some(observers) = OBSERVERS.get() else { return };
    for observer in observers.read().unwrap_or_else(PoisonError::into_inner).iter() {
        observer(path, change);
    }
}

/// A file that is open for writing. Only its owner can read it: files of a store contain personal data.
#[derive(Debug)]
pub(super) struct Disk {
    file: File,
    path: PathBuf,
}

impl Disk {
    /// Creates an empty file, or empties an existing one.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        changed(path, Change::Create);
        Ok(Self { file, path: path.to_owned() })
    }

    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().write(true).open(path)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Writes at a position. After an error an unknown part is written.
    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)?;
        changed(&self.path, Change::Write { at, bytes });
        Ok(())
    }

    pub(super) fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        changed(&self.path, Change::Length(length));
        Ok(())
    }

    /// Makes the content and the length durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        changed(&self.path, Change::Sync);
        Ok(())
    }
}

/// Renames a file; `sync_dir` makes it durable.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    changed(from, Change::Rename { to });
    Ok(())
}

/// Removes a file, if it exists.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Ok(()) => {
            changed(path, Change::Remove);
            Ok(())
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(Error::io(format!("removing {}", path.display()))(cause)),
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io(format!("syncing the directory {}", dir.display())))?;
    changed(dir, Change::Names);
    Ok(())
}

/// Writes a file atomically: to a temporary file that is synced and renamed, with its name synced.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let beside = path.with_extension("tmp");
    let write = || -> io::Result<()> {
        let file = Disk::create(&beside)?;
        file.write(0, bytes)?;
        file.sync()?;
        rename(&beside, path)
    };
    write().map_err(Error::io(format!("writing {}", path.display())))?;
    path.parent().map_or(Ok(()), sync_dir)
}
