//! Writes the state anew. Sled never shrinks its file, and keeps bytes that were replaced or removed. All blocks are
//! copied into another database beside it, which then takes its place. Commits go on meanwhile: a layer that is written
//! during the copy goes to both, as far as the copy has come.
//!
//! A state is the directory `state`: databases `1`, `2`, ..., and the files `current`, which names the database in
//! use, `redo` and `written`. A start removes the other databases.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::disk::{self, Change, Disk};
use super::flusher::{Inner, before};
use super::order;
use crate::store::directory::clear;
use crate::store::{Error, journal, room};

/// Blocks that are copied at once.
const AT_ONCE: usize = 32;
/// A state is rewritten if its file is larger than this and than so many times its blocks.
const LARGE: u64 = 64 << 20;
const TIMES: u64 = 3;
/// How often a replaced database is checked for reads that still use it.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The database that is being written.
pub(super) struct Mirror {
    disk: Disk,
    /// All blocks before this place are copied.
    reached: Vec<u8>,
}

impl Mirror {
    /// Writes changes of blocks that were copied before.
    pub(super) fn apply(&self, changes: &[Change]) -> Result<(), Error> {
        let copied = before(changes, &self.reached);
        if copied.is_empty() { Ok(()) } else { self.disk.apply(copied, self.disk.tally()) }
    }
}

pub(super) fn generation(home: &Path, number: u64) -> PathBuf {
    home.join(number.to_string())
}

/// Returns the number of the database in use; `None` if none was completely created.
pub(super) fn current(home: &Path) -> Option<u64> {
    std::fs::read_to_string(home.join("current")).ok()?.trim().parse().ok()
}

pub(super) fn make_current(home: &Path, number: u64) -> Result<(), Error> {
    journal::write_whole(&home.join("current"), format!("{number}\n").as_bytes())
}

/// Removes databases that are not in use.
pub(super) fn tidy(home: &Path, number: u64) -> Result<(), Error> {
    let doing = || format!("listing {}", home.display());
    for entry in std::fs::read_dir(home).map_err(Error::io(doing()))? {
        let path = entry.map_err(Error::io(doing()))?.path();
        if path.is_dir() && path != generation(home, number) {
            disk::released(&path);
            clear(&path)?;
        }
    }
    Ok(())
}

impl Inner {
    /// Rewrites the state for those who asked until now.
    pub(super) fn rewrite_as_asked(&self) -> Result<(), Error> {
        let asked = self.wants().rewrites;
        // Nothing that was removed before the call is copied.
        for _ in 0..2 {
            self.flush(None)?;
            self.layers().freeze();
        }
        let refused = match self.rewrite() {
            Err(error) if error.is_no_room() => true,
            outcome => outcome.map(|()| false)?,
        };
        self.tell(|wants| {
            wants.rewritten = asked;
            if refused {
                wants.refused = asked;
            }
        });
        Ok(())
    }

    /// Rewrites a state whose file is much larger than its blocks. `grown`: the size after the last time.
    pub(super) fn shrink(&self, grown: &mut u64) -> Result<(), Error> {
        let disk = self.disk.load_full();
        let (size, bytes) = (disk.size(), disk.tally().bytes);
        if size < LARGE || size / TIMES < bytes || size / 2 < *grown {
            return Ok(());
        }
        drop(disk);
        tracing::info!(size, bytes, "the state is written anew to make it smaller");
        match self.rewrite() {
            Err(error) if error.is_no_room() => tracing::warn!(%error, "the state stays as large as it is"),
            outcome => outcome?,
        }
        *grown = self.disk.load().size();
        Ok(())
    }

    fn rewrite(&self) -> Result<(), Error> {
        let old = self.disk.load_full();
        let number = current(&self.home).unwrap_or_default() + 1;
        let needed = old.tally().bytes.saturating_mul(2) + (16 << 20);
        if room::free(&self.home).is_some_and(|free| free < needed) {
            return Err(Error::NoRoom { needed });
        }
        let dir = generation(&self.home, number);
        clear(&dir)?;
        let disk = Disk::create(&dir, &self.home, &self.damaged)?;
        let mut mirror = Mirror { disk, reached: order::LEAST.to_vec() };
        let copied = self.copy(&old, &mut mirror);
        if !matches!(copied, Ok(true)) {
            drop(mirror);
            disk::released(&dir);
            clear(&dir)?;
            return copied.map(|_| ());
        }
        mirror.disk.apply(Vec::new(), old.tally())?;
        mirror.disk.sync()?;
        journal::sync_dir(&self.home)?;
        self.step("copied");
        make_current(&self.home, number)?;
        self.step("current");
        self.disk.store(Arc::new(mirror.disk));
        self.drop_old(old)?;
        self.step("rewritten");
        Ok(())
    }

    /// Copies all blocks. Returns false if the state is left meanwhile.
    fn copy(&self, old: &Disk, mirror: &mut Mirror) -> Result<bool, Error> {
        loop {
            if self.leaves() {
                return Ok(false);
            }
            self.flush(Some(mirror))?;
            self.wait_for_room(true)?;
            let blocks = old.sealed(&mirror.reached, AT_ONCE)?;
            let Some((last, _)) = blocks.last() else { return Ok(true) };
            let mut reached = last.clone();
            reached.push(0);
            let changes = blocks.into_iter().map(|(place, value)| (place, Some(value))).collect();
            mirror.disk.apply(changes, mirror.disk.tally())?;
            mirror.reached = reached;
            self.step("part");
        }
    }

    /// Removes a database once no read uses it.
    fn drop_old(&self, old: Arc<Disk>) -> Result<(), Error> {
        let dir = old.dir.clone();
        let mut old = Some(old);
        while let Some(shared) = old.take() {
            match Arc::try_unwrap(shared) {
                Ok(disk) => drop(disk),
                Err(shared) => {
                    std::thread::sleep(LOOK_EVERY);
                    old = Some(shared);
                }
            }
        }
        disk::released(&dir);
        clear(&dir)
    }
}
