//! Sizes of a store, and the hooks that tests replace: the reaction to a disk failure, and simulated disk errors.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A disk operation that the store is about to perform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Writes bytes of a segment of the journal.
    Write { segment: u64, at: u64, bytes: u64 },
    /// Syncs a segment.
    Sync { segment: u64 },
    /// Writes and syncs the high-water mark.
    Mark,
    /// Replaces a damaged journal by the repaired one.
    Exchange,
    /// Replaces a segment by one with redacted records.
    Rewrite { segment: u64 },
}

/// Sizes and hooks of a store.
#[derive(Clone)]
pub struct Options {
    /// Bytes at which a segment of the journal is full.
    pub segment_bytes: u64,
    /// Bytes reserved for a full disk.
    pub reserve_bytes: u64,
    /// Maximum of commits in one group.
    pub group_commits: usize,
    /// Maximum of bytes in one group; a single commit may be larger.
    pub group_bytes: usize,
    /// Called when writing or syncing failed. Does not return in the daemon, which exits with 70.
    pub failure: Arc<dyn Fn(&str) + Send + Sync>,
    /// Counts journal records while opening builds the state from them.
    pub progress: Arc<AtomicU64>,
    /// Called before each write and sync of the journal and its mark; an error simulates a disk error.
    pub fault: Option<Arc<dyn Fn(Act) -> io::Result<()> + Send + Sync>>,
}

impl Options {
    pub(super) fn before(&self, act: Act) -> io::Result<()> {
        self.fault.as_ref().map_or(Ok(()), |fault| fault(act))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            reserve_bytes: 16 << 20,
            group_commits: 512,
            group_bytes: 4 << 20,
            failure: Arc::new(exit),
            progress: Arc::default(),
            fault: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("reserve_bytes", &self.reserve_bytes)
            .field("group_commits", &self.group_commits)
            .field("group_bytes", &self.group_bytes)
            .finish_non_exhaustive()
    }
}

/// Ends the process. After a failed sync the disk's content is unknown until it is read again, which the next start
/// does. 70 is `EX_SOFTWARE`; a service manager restarts on it.
fn exit(reason: &str) {
    tracing::error!(reason, "the store failed; the process ends and reads the disk again at its next start");
    std::process::exit(70);
}
