//! Backups of a store, open or not: its journal up to the mark, and its secret. The journal is everything: the state is
//! built from it.
//!
//! Segments never change, except that a redaction replaces one by renaming, and that the last one grows. A copy up to
//! the mark is therefore consistent without asking the daemon. A run copies what the backup lacks, reads it back,
//! checks its chain, and then replaces the manifest in one step.
//!
//! | file | what |
//! |---|---|
//! | `manifest` | which files belong to a backup |
//! | `copy` | copies segments and reads them back |
//! | `restore` | makes a store of a backup |
//! | `doubt` | what a restored store does not know: calls count as possibly performed |

mod copy;
mod doubt;
mod manifest;
mod restore;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::directory::{lock, make_dir, secret};
use super::journal::{self, End, Head, Piece};
use super::mark::{self, Found, Mark};
use super::outside::{Manifest, Part};
use super::{Error, disk};
use crate::model::Timestamp;
use copy::Copied;
use manifest::{hash, segments_of};

pub(super) use doubt::Origin;
pub(super) use restore::Target;
pub use restore::{Restored, restore};

/// Runs of one backup in which a redaction replaced segments meanwhile.
const TRIES: u32 = 5;

/// The result of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// The end of the journal in the backup, as `SEQUENCE:HASH`.
    #[serde(serialize_with = "as_text")]
    pub head: Head,
    pub taken: Timestamp,
    /// The newest time in a record.
    pub newest: Option<Timestamp>,
    pub segments: u64,
    /// Size of the backup.
    pub bytes: u64,
    /// Bytes that this run copied.
    pub copied_bytes: u64,
    /// Segments that were backed up before and have changed since, by a redaction or a repair.
    pub replaced: u64,
}

/// Writes a head as `SEQUENCE:HASH`.
pub(super) fn as_text<S: serde::Serializer>(head: &Head, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(head)
}

pub(super) fn refused(why: String) -> Error {
    Error::Backup(why)
}

/// Writes a backup, or updates the one that is there. The store may be open. If this fails, the earlier backup stays
/// valid.
pub fn backup(store: &Path, to: &Path, now: Timestamp) -> Result<BackedUp, Error> {
    let inside = |one: &Path, other: &Path| {
        let whole = (one.canonicalize(), other.canonicalize());
        matches!(whole, (Ok(one), Ok(other)) if one.starts_with(&other))
    };
    if inside(to, store) || to.parent().is_some_and(|parent| inside(parent, store)) {
        return Err(refused(format!("{} is inside of the store; choose another directory", to.display())));
    }
    // Before anything is created: a missing store must leave no directory.
    let _ = marked(store)?;
    make_dir(to)?;
    let _lock = locked(to)?;
    let earlier = Manifest::read(to)?;
    match &earlier {
        Some(earlier) => same_store(store, to, earlier)?,
        None => only_leftovers(to)?,
    }
    make_dir(&segments_of(to))?;
    let secret = secret(store)?;
    let secret_hash = hash(secret.expose().as_bytes());
    if std::fs::read(to.join("secret")).ok().as_deref() != Some(secret.expose().as_bytes()) {
        disk::write_whole(&to.join("secret"), secret.expose().as_bytes())?;
    }
    for _ in 0..TRIES {
        let mark = marked(store)?;
        let mut next = Manifest::new(now, mark.at, mark.head, mark.losses);
        next.secret.clone_from(&secret_hash);
        let copied = copy::segments(store, to, earlier.as_ref(), &mark, &mut next)?;
        if !copy::changed_since(store, &next)? {
            return finish(to, &next, &copied);
        }
    }
    Err(refused("segments of the store kept changing; try again later".to_owned()))
}

/// Replaces the manifest, then removes files that no manifest names any more.
fn finish(to: &Path, next: &Manifest, copied: &Copied) -> Result<BackedUp, Error> {
    disk::sync_dir(&segments_of(to))?;
    next.write(to)?;
    for path in copy::leftovers(to, next)? {
        disk::remove(&path)?;
    }
    disk::sync_dir(&segments_of(to))?;
    Ok(BackedUp { copied_bytes: copied.bytes, replaced: copied.replaced, ..report(next) })
}

fn report(manifest: &Manifest) -> BackedUp {
    BackedUp {
        head: manifest.head,
        taken: manifest.taken,
        newest: manifest.newest,
        segments: manifest.segments.len() as u64,
        bytes: manifest.segments.iter().map(|part| part.bytes).sum(),
        copied_bytes: 0,
        replaced: 0,
    }
}

/// Reads a whole backup: every hash, and the chain up to its head.
pub fn verify_backup(dir: &Path) -> Result<BackedUp, Error> {
    let manifest = existing(dir)?;
    copy::check(dir, &manifest, &mut |_, _| Ok(()))?;
    Ok(report(&manifest))
}

fn existing(dir: &Path) -> Result<Manifest, Error> {
    Manifest::read(dir)?.ok_or_else(|| refused(format!("{} holds no backup", dir.display())))
}

fn locked(to: &Path) -> Result<std::fs::File, Error> {
    lock(to).map_err(|error| match error {
        Error::Locked(_) => refused(format!("another backup to {} is running", to.display())),
        other => other,
    })
}

fn marked(store: &Path) -> Result<Mark, Error> {
    let wrong = |what: &str| {
        refused(format!(
            "the high-water mark {} is {what}; the store has lost it, or this is no store; start the daemon, \
             which reports it",
            store.join("mark").display()
        ))
    };
    match mark::read(store)? {
        Found::Read { mark, .. } if mark.segment > 0 => Ok(mark),
        Found::Read { .. } => Err(wrong("of an older version")),
        Found::Missing => Err(wrong("missing")),
        Found::Unreadable => Err(wrong("damaged")),
    }
}

/// Refuses a backup of another store, or of records that this store does not have.
fn same_store(store: &Path, to: &Path, earlier: &Manifest) -> Result<(), Error> {
    let foreign = |why: String| {
        refused(format!(
            "{} is a backup of another store, or this store lost records: {why}; nothing was changed; back up to \
             another directory",
            to.display()
        ))
    };
    if hash(secret(store)?.expose().as_bytes()) != earlier.secret {
        return Err(foreign("the secrets differ".to_owned()));
    }
    let mut found = earlier.head == Head::default();
    if !found {
        journal::read(&super::directory::journal_dir(store), earlier.head.sequence, &mut |piece| {
            found |= matches!(piece, Piece::Frame(head) if head == earlier.head);
            Ok(())
        })?;
    }
    if found {
        return Ok(());
    }
    Err(foreign(format!("the journal does not contain the backup's head {}", earlier.head)))
}

/// Refuses a directory that holds anything else than leftovers of an interrupted first run.
fn only_leftovers(to: &Path) -> Result<(), Error> {
    let doing = || format!("listing {}", to.display());
    for entry in std::fs::read_dir(to).map_err(Error::io(doing()))? {
        let name = entry.map_err(Error::io(doing()))?.file_name();
        if !["lock", "secret", "secret.tmp", "segments", "backup.tmp"].iter().any(|ours| name == *ours) {
            return Err(refused(format!(
                "{} holds `{}` and is no backup; choose an empty directory",
                to.display(),
                name.to_string_lossy()
            )));
        }
    }
    Ok(())
}

/// The end after which the first segment begins.
fn beginning() -> End {
    End::default()
}

/// Names a file of a backup in errors.
fn file_of(dir: &Path, part: &Part) -> PathBuf {
    segments_of(dir).join(&part.file)
}
