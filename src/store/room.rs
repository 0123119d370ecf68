//! Free space on the store's disk, and what the store does when it runs low. Two marks and a reserve:
//!
//! | free space | new events and new cases | everything else |
//! |---|---|---|
//! | above the low mark | taken | goes on |
//! | below the low mark | refused | goes on |
//! | below the least mark | refused | the reserve is released, and goes on in it |
//! | below the least mark without a reserve | refused | waits for space |
//!
//! Sled fails for good at its first write without space, so nothing is written below the least mark: the
//! state never meets a full disk. The marks ask the system for free space; quotas and thin volumes can make
//! that number too large, so a write that fails for lack of space closes the intake and releases the reserve
//! too. It opens again by itself.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Error;
use super::reserve::Reserve;

/// The low mark is this part of the disk, within bounds: 5 %, as file systems keep for root.
const LOW_PART: u64 = 20;
const LOW_AT_MOST: u64 = 512 << 20;
const LOW_AT_LEAST: u64 = 16 << 20;
/// Enough for the largest group of commits in the journal and in sled, whose file grows by 2 MiB at a time.
const LEAST: u64 = 8 << 20;

/// What the disk has room for.
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
    /// Looks at the disk of a directory that exists.
    pub(super) fn new(dir: &Path, reserve_bytes: u64) -> Self {
        let total = space(dir).map_or(0, |space| space.total);
        let low = (total / LOW_PART).clamp(LOW_AT_LEAST, LOW_AT_MOST);
        let reserve = Mutex::new(Reserve::new(dir, reserve_bytes));
        Self { dir: dir.to_owned(), reserve, low, full: AtomicBool::new(false) }
    }

    /// Makes room for the opening of a store: a full disk gives up the reserve. An error: there is no room
    /// for sled to open in.
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

    /// Whether new events are refused, as of the last look.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Whether a group of commits may be written now. Closes and opens the intake.
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

    /// A write failed for lack of space.
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

    /// A quarter more than the low mark, and the reserve there or made: a disk at its edge does not open and
    /// close the intake in turn.
    fn opens_again(&self) -> bool {
        let enough = || space(&self.dir).is_none_or(|space| space.free >= self.low + self.low / 4);
        enough() && self.reserve().fill() && enough()
    }

    pub(super) fn level(&self) -> Level {
        // Where the system does not tell, only failed writes do.
        match space(&self.dir) {
            Some(space) if space.free < LEAST => Level::Least,
            Some(space) if space.free < self.low => Level::Low,
            Some(_) | None => Level::Plenty,
        }
    }

    /// At the start, once the store is open.
    pub(super) fn settle(&self) {
        if self.level() != Level::Plenty || !self.reserve().fill() {
            self.close();
        }
    }
}

/// In bytes, for a process that is not root.
struct Space {
    total: u64,
    free: u64,
}

fn space(dir: &Path) -> Option<Space> {
    let found = rustix::fs::statvfs(dir).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some(Space { total: bytes(found.f_blocks), free: bytes(found.f_bavail) })
}
