//! Makes a store of a backup, in a directory that is empty or missing. The store is built under a temporary name: an
//! interrupted restore leaves no store.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::directory::{clear, journal_dir, make_dir};
use super::super::disk;
use super::super::journal::segment_path;
use super::doubt::Origin;
use super::{Error, Head, as_text, copy, existing, refused};
use crate::model::{CaseId, Timestamp};

const SCRATCH: &str = "restore.scratch";

/// The result of restoring or importing a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The end of the backup or export.
    #[serde(serialize_with = "as_text")]
    pub from: Head,
    pub taken: Timestamp,
    /// The newest time in a record.
    pub newest: Option<Timestamp>,
    /// The end of the new store.
    #[serde(serialize_with = "as_text")]
    pub head: Head,
    /// Nothing of the original store is missing, as its administrator confirmed.
    pub complete: bool,
    /// Cases with calls that count as possibly performed, and the number of these calls.
    pub in_doubt: Vec<CaseId>,
    pub calls: usize,
    /// A new secret was created: links that were sent before no longer work.
    pub new_secret: bool,
}

/// Makes a store of a backup. `ended`: the last head of the original store, if an administrator knows it and nothing is
/// lost.
pub fn restore(
    backup: &Path,
    dir: &Path,
    now: Timestamp,
    reason: &str,
    ended: Option<Head>,
) -> Result<Restored, Error> {
    let manifest = existing(backup)?;
    let origin = Origin {
        how: "restored from a backup",
        taken: manifest.taken,
        newest: manifest.newest,
        head: manifest.head,
        losses: manifest.losses,
        ended,
        reason,
    };
    let complete = origin.is_complete()?;
    let doubtful = Target::build(dir, &mut |target| {
        let journals = journal_dir(target);
        make_dir(&journals)?;
        copy::check(backup, &manifest, &mut |number, bytes| {
            disk::write_whole(&segment_path(&journals, number), bytes)
        })?;
        let secret = backup.join("secret");
        let secret = std::fs::read(&secret).map_err(Error::io(format!("reading {}", secret.display())))?;
        disk::write_whole(&target.join("secret"), &secret)?;
        origin.settle(target, now)
    })?;
    Ok(Restored {
        from: manifest.head,
        taken: manifest.taken,
        newest: manifest.newest,
        head: doubtful.head,
        complete,
        in_doubt: doubtful.cases,
        calls: doubtful.calls,
        new_secret: false,
    })
}

/// The place of a new store.
#[derive(Debug)]
pub(in crate::store) struct Target {
    dir: PathBuf,
    scratch: PathBuf,
    /// The directory exists and may be a mount point: the parts of the store are moved into it one by one.
    inside: bool,
}

impl Target {
    /// Builds a store in a temporary directory and moves it to its place. After an error nothing is left.
    pub(in crate::store) fn build<T>(
        dir: &Path,
        work: &mut dyn FnMut(&Path) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let target = Self::new(dir)?;
        clear(&target.scratch)?;
        make_dir(&target.scratch)?;
        let outcome = work(&target.scratch).and_then(|done| target.place().map(|()| done));
        if outcome.is_err() {
            // The first error counts.
            let _ = clear(&target.scratch);
        }
        outcome
    }

    fn new(dir: &Path) -> Result<Self, Error> {
        let doing = || format!("listing {}", dir.display());
        let entries = match std::fs::read_dir(dir) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                let name = dir.file_name().map(|name| name.to_string_lossy().into_owned());
                let name = name.ok_or_else(|| refused(format!("{} is not a directory", dir.display())))?;
                let scratch = dir.with_file_name(format!(".{name}.restoring"));
                return Ok(Self { dir: dir.to_owned(), scratch, inside: false });
            }
            entries => entries.map_err(Error::io(doing()))?,
        };
        for entry in entries {
            let name = entry.map_err(Error::io(doing()))?.file_name();
            if ![SCRATCH, "lost+found"].iter().any(|allowed| name == *allowed) {
                return Err(refused(format!(
                    "{} is not empty, it holds `{}`; nothing was changed; move its content away first",
                    dir.display(),
                    name.to_string_lossy()
                )));
            }
        }
        Ok(Self { dir: dir.to_owned(), scratch: dir.join(SCRATCH), inside: true })
    }

    /// Moves the store to its place. In an existing directory the secret goes first: a daemon that starts on a part of a
    /// store refuses it.
    fn place(&self) -> Result<(), Error> {
        let doing = || format!("moving the store to {}", self.dir.display());
        disk::sync_dir(&self.scratch)?;
        if !self.inside {
            disk::rename(&self.scratch, &self.dir).map_err(Error::io(doing()))?;
            return self.dir.parent().filter(|parent| parent.is_dir()).map_or(Ok(()), disk::sync_dir);
        }
        for name in ["secret", "journal", "mark", "state", "state.ok"] {
            let from = self.scratch.join(name);
            if from.exists() {
                disk::rename(&from, &self.dir.join(name)).map_err(Error::io(doing()))?;
                disk::sync_dir(&self.dir)?;
            }
        }
        clear(&self.scratch)
    }
}
