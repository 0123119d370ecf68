//! Free space on the store's disk, and the reaction when it runs low. Two thresholds and a reserve:
//!
//! | free space | new events and new cases | everything else |
//! |---|---|---|
//! | above the low mark | accepted | continues |
//! | below the low mark | refused | continues |
//! | below the least mark | refused | the reserve is released, and work continues in it |
//! | below the least mark without a reserve | refused | waits for space |
//!
//! Sled fails permanently at its first write without space. Nothing is therefore written below the least mark. The
//! thresholds use the system's free-space report, which quotas and thin volumes can inflate. A write that fails for
//! lack of space thus also closes the intake and releases the reserve. The intake reopens automatically.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Error;
use super::reserve::Reserve;

/// The low mark as a fraction of the disk, within bounds: 5 %, as file systems reserve for root.
const LOW_PART: u64 = 20;
const LOW_AT_MOST: u64 = 512 << 20;
const LOW_AT_LEAST: u64 = 16 << 20;
/// Bytes for the largest group of commits in the journal and in sled, whose file grows by 2 MiB at a time.
const LEAST: u64 = 8 << 20;

/// The level of free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Plenty,
    /// Below the low mark.
    Low,
    /// Below the least mark: sled could fail.
    Least,
}

#[derive(Debug)]
pub(super) struct Room {
    dir: PathBuf,
    reserve: Mutex<Reserve>,
    low: u64,
    full: AtomicBool,
}

impl Room {
    /// Checks the disk of an existing directory.
    pub(super) fn new(dir: &Path, reserve_bytes: u64) -> Self {
        let total = space(dir).map_or(0, |space| space.total);
        let low = (total / LOW_PART).clamp(LOW_AT_LEAST, LOW_AT_MOST);
        let reserve = Mutex::new(Reserve::new(dir, reserve_bytes));
        Self { dir: dir.to_owned(), reserve, low, full: AtomicBool::new(false) }
    }

    /// Frees space to open a store: releases the reserve on a full disk. Returns an error if sled has no space to open.
    pub(super) fn to_open(&self) -> Result<(), Error> {
        if self.level() == Level::Least {
            self.full.store(true, Ordering::Relaxed);
            self.reserve().release();
            if self.level() == Level::Least {
                return Err(Error::NoRoom { needed: LEAST });
            }
        }
        Ok(())
    }

    /// Returns whether new events are refused, as of the last check.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Checks whether a group of commits may be written now. Closes and reopens the intake.
    pub(super) fn look(&self) -> Level {
        let level = self.level();
        if level == Level::Plenty {
            return if self.is_full() && !self.opens_again() { Level::Low } else { self.open() };
        }
        self.close();
        if level == Level::Least {
            self.reserve().release();
            return self.level();
        }
        level
    }

    /// Handles a write that failed for lack of space.
    pub(super) fn no_room(&self) {
        self.close();
        self.reserve().release();
    }

    fn reserve(&self) -> MutexGuard<'_, Reserve> {
        self.reserve.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        if !self.full.swap(true, Ordering::Relaxed) {
            let low_mark_bytes = self.low;
            tracing::error!(low_mark_bytes, "the disk is nearly full; new events and new cases are refused");
        }
    }

    fn open(&self) -> Level {
        if self.full.swap(false, Ordering::Relaxed) {
            tracing::info!("the disk has free space again; new events are accepted");
        }
        Level::Plenty
    }

    /// Returns whether the intake may reopen: a quarter above the low mark, with the reserve in place. This prevents a
    /// nearly full disk from toggling the intake.
    fn opens_again(&self) -> bool {
        let enough = || space(&self.dir).is_none_or(|space| space.free >= self.low + self.low / 4);
        enough() && self.reserve().fill() && enough()
    }

    pub(super) fn level(&self) -> Level {
        // Without a free-space report, only failed writes indicate a full disk.
        match space(&self.dir) {
            Some(space) if space.free < LEAST => Level::Least,
            Some(space) if space.free < self.low => Level::Low,
            Some(_) | None => Level::Plenty,
        }
    }

    /// Creates the reserve at the start, once the store is open.
    pub(super) fn settle(&self) {
        if self.level() != Level::Plenty || !self.reserve().fill() {
            self.close();
        }
    }
}

/// Sizes in bytes, for a process that is not root.
struct Space {
    total: u64,
    free: u64,
}

/// Returns the free bytes of a directory's disk; `None` if the system does not say.
pub(super) fn free(dir: &Path) -> Option<u64> {
    space(dir).map(|space| space.free)
}

fn space(dir: &Path) -> Option<Space> {
    let found = rustix::fs::statvfs(dir).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some(Space { total: bytes(found.f_blocks), free: bytes(found.f_bavail) })
}
