//! A directory becomes a store: locked, its secret made once, the journal read to its end, the state
//! brought up to it, the threads started.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};

use super::committer::{Applier, Committer, thread};
use super::journal::{self, Journal};
use super::rebuild::Brought;
use super::room::Room;
use super::{Error, Options, Shared, Store, rebuild};
use crate::model::{Secret, Timestamp};

/// Commits that wait for the committer; more of them wait in their own tasks.
const QUEUE: usize = 1024;
/// Groups that wait for the applier.
const GROUPS: usize = 4;

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    pub records: u64,
    /// Records that sled did not have yet and was given now.
    pub replayed: u64,
    /// Bytes of a torn tail that were cut.
    pub cut_bytes: u64,
    /// Sled was made anew from the journal, and why.
    pub rebuilt: Option<String>,
}

pub(super) fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

pub(super) fn open(dir: &Path, now: Timestamp, options: Options) -> Result<(Store, Opened), Error> {
    make_dir(dir)?;
    let lock = lock(dir)?;
    let journals = journal_dir(dir);
    let secret = own_secret(dir, &journals)?;
    make_dir(&journals)?;
    journal::sync_dir(dir)?;
    let room = Arc::new(Room::new(dir, options.reserve_bytes));
    room.to_open()?;
    let Brought { state, end, replayed, rebuilt } = rebuild::bring_up(dir)?;
    let opened = Opened { records: end.next - 1, replayed, cut_bytes: end.torn, rebuilt };
    if opened.cut_bytes > 0 || opened.rebuilt.is_some() {
        tracing::warn!(at = %now, cut_bytes = opened.cut_bytes, rebuilt = opened.rebuilt, "the store was repaired");
    }
    let journal = Journal::resume(&journals, options.clone(), &end)?;
    room.settle();
    let state = Arc::new(state);
    let (queue, requests) = mpsc::channel(QUEUE);
    let (applier, groups) = std::sync::mpsc::sync_channel(GROUPS);
    let (applied, watch) = watch::channel(state.meta().applied);
    let (cases, cases_watch) = watch::channel(state.meta().applied);
    let committer =
        Committer { journal, options: options.clone(), room: Arc::clone(&room), queue: requests, applier };
    let applier = Applier { dir: dir.to_owned(), state: Arc::clone(&state), options, groups, applied, cases };
    let threads =
        vec![thread("store-commit", move || committer.run())?, thread("store-apply", move || applier.run())?];
    let shared = Shared {
        state,
        secret,
        applied: watch,
        cases: cases_watch,
        room,
        dir: dir.to_owned(),
        queue: Mutex::new(Some(queue)),
        threads: Mutex::new(threads),
        _lock: lock,
    };
    Ok((Store { shared: Arc::new(shared) }, opened))
}

fn make_dir(dir: &Path) -> Result<(), Error> {
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

/// Held while the store is open; the system lets go of it when the process ends, however it ends.
pub(super) fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let doing = || format!("locking {}", path.display());
    let file =
        File::options().write(true).create(true).truncate(false).open(&path).map_err(Error::io(doing()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked(dir.display().to_string())),
        Err(TryLockError::Error(cause)) => Err(Error::io(doing())(cause)),
    }
}

/// The secret of a store that is not open.
pub fn secret(dir: &Path) -> Result<Secret, Error> {
    let path = dir.join("secret");
    std::fs::read_to_string(&path).map(Secret::new).map_err(Error::io(format!("reading {}", path.display())))
}

/// The secret lies before the first segment does, so a journal without one has lost it.
fn own_secret(dir: &Path, journals: &Path) -> Result<Secret, Error> {
    let path = dir.join("secret");
    match std::fs::read_to_string(&path) {
        Ok(text) if text.len() == 64 => Ok(Secret::new(text)),
        Ok(_) => Err(Error::Damaged(format!("{} is not 64 characters long; restore it", path.display()))),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            if journals.exists() {
                return Err(Error::Damaged(format!(
                    "{} is missing and every link that was sent depends on it; restore it from a backup",
                    path.display()
                )));
            }
            let mut bytes = [0_u8; 32];
            getrandom::fill(&mut bytes).map_err(|error| {
                Error::io("asking the system for random bytes")(std::io::Error::other(error))
            })?;
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            journal::write_whole(&path, text.as_bytes())?;
            Ok(Secret::new(text))
        }
        Err(cause) => Err(Error::io(format!("reading {}", path.display()))(cause)),
    }
}
