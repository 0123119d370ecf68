//! A directory becomes a store: locked, the journal read to its end and compared with the mark and the state,
//! its end made durable, the state brought up to it, the threads started.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};

use super::committer::{Applier, Committer, thread};
use super::journal::{self, Journal};
use super::mark::{Found, Marker};
use super::rebuild::Brought;
use super::room::Room;
use super::{Error, Options, Shared, Store, loss, pruning, rebuild};
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
    /// The directory held no store, and one was made.
    pub new: bool,
    /// The high-water mark was missing or damaged and was written anew.
    pub marked_anew: bool,
    /// Losses that were accepted, ever.
    pub accepted_losses: u64,
}

pub(super) fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

pub(super) fn open(dir: &Path, now: Timestamp, options: Options) -> Result<(Store, Opened), Error> {
    make_dir(dir)?;
    let lock = lock(dir)?;
    let journals = journal_dir(dir);
    let room = Arc::new(Room::new(dir, options.reserve_bytes));
    room.to_open()?;
    let survey = loss::survey(dir)?;
    if let Some(loss) = survey.loss(dir) {
        return Err(Error::Lost(Box::new(loss)));
    }
    let new = survey.is_new();
    make_dir(&journals)?;
    journal::settle(&journals, &options, &survey.end, survey.synced())?;
    let journal = Journal::resume(&journals, options.clone(), &survey.end)?;
    // A loss would have been found by now: the mark only has to follow what proved the journal's end.
    let mut mark = survey.next_mark(&journal, 0);
    let marked_anew = !new && !matches!(survey.mark, Found::Read { whole: true, .. });
    if new {
        // The secret means that the store was made, and that a journal or a mark that is not there is lost.
        Marker::open(dir, mark, options.clone())?;
        make_secret(dir)?;
    }
    let (cut_bytes, foreign) = (survey.end.torn, survey.state_is_foreign());
    let found = if foreign { Err("it was made from another journal".to_owned()) } else { survey.state };
    let Brought { state, replayed, rebuilt } = rebuild::bring_up(dir, found, &survey.end, &options.progress)?;
    mark.losses = state.losses()?.len() as u64;
    let accepted_losses = mark.losses;
    let marker = Marker::open(dir, mark, options.clone())?;
    let secret = secret(dir)?;
    let records = survey.end.head().sequence;
    let opened = Opened { records, replayed, cut_bytes, rebuilt, new, marked_anew, accepted_losses };
    if opened.cut_bytes > 0 || opened.rebuilt.is_some() || marked_anew {
        tracing::warn!(
            at = %now, cut_bytes, rebuilt = opened.rebuilt, marked_anew, "the store was repaired"
        );
    }
    room.settle();
    pruning::prune(dir, now);
    let state = Arc::new(state);
    let (queue, requests) = mpsc::channel(QUEUE);
    let (applier, groups) = std::sync::mpsc::sync_channel(GROUPS);
    let (applied, watch) = watch::channel(state.meta().applied);
    let (cases, cases_watch) = watch::channel(state.meta().applied);
    let committer = Committer {
        journal,
        marker,
        options: options.clone(),
        room: Arc::clone(&room),
        queue: requests,
        applier,
    };
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

/// How often an open store is tried again, 20 ms apart. A process that another thread starts holds a copy of
/// the lock from its fork to its exec, and a daemon that ends lets go of its lock last.
const LOCK_TRIES: u32 = 50;

/// Held while the store is open; the system releases it when the process ends, however it ends.
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

/// The secret of a store that was made.
pub fn secret(dir: &Path) -> Result<Secret, Error> {
    let path = dir.join("secret");
    let text = std::fs::read_to_string(&path).map_err(Error::io(format!("reading {}", path.display())))?;
    if text.len() == 64 {
        return Ok(Secret::new(text));
    }
    Err(Error::Damaged(format!(
        "{} is not 64 characters long, and every link that was sent depends on it; restore it from a backup",
        path.display()
    )))
}

pub(super) fn make_secret(dir: &Path) -> Result<(), Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::io("asking the system for random bytes")(std::io::Error::other(error)))?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    journal::write_whole(&dir.join("secret"), text.as_bytes())
}
