//! The directory of a store: its lock, its secret, and the paths of its parts.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use super::error::Error;
use super::journal;
use crate::model::Secret;

pub(super) fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

/// Removes the files of a command, if they exist.
pub(super) fn clear(scratch: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("removing {}", scratch.display()))(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) fn make_dir(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir).map_err(Error::io(format!("making the directory {}", dir.display())))?;
    dir.parent().filter(|parent| parent.is_dir()).map_or(Ok(()), journal::sync_dir)
}

/// Returns whether another process has the store open.
pub fn in_use(dir: &Path) -> bool {
    let lock = File::options().write(true).open(dir.join("lock"));
    // The lock is free again when the file is closed.
    lock.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Number of tries for the lock, 20 ms apart. A process that another thread starts holds a copy of the lock from its
/// fork to its exec. A stopping daemon releases its lock last.
const LOCK_TRIES: u32 = 50;

/// Locks the store. The system releases the lock when the process ends, in any way.
pub(super) fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let doing = || format!("locking {}", path.display());
    let file =
        File::options().write(true).create(true).truncate(false).open(&path).map_err(Error::io(doing()))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(20)),
            Err(TryLockError::Error(cause)) => return Err(Error::io(doing())(cause)),
        }
    }
    Err(Error::Locked(dir.display().to_string()))
}

/// Reads the secret of an existing store.
pub fn secret(dir: &Path) -> Result<Secret, Error> {
    let path = dir.join("secret");
    let text = std::fs::read_to_string(&path).map_err(Error::io(format!("reading {}", path.display())))?;
    if text.len() == 64 {
        return Ok(Secret::new(text));
    }
    Err(Error::Damaged(format!(
        "{} is not 64 characters long; every link that was sent depends on it; restore it from a backup",
        path.display()
    )))
}

pub(super) fn make_secret(dir: &Path) -> Result<(), Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::io("asking the system for random bytes")(std::io::Error::other(error)))?;
    journal::write_whole(&dir.join("secret"), HEXLOWER.encode(&bytes).as_bytes())
}
