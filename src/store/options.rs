//! Sizes of a store, and the hooks that tests replace: what happens when the disk fails, and a disk that
//! fails when it is told to.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What the store is about to do to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Writes bytes of a segment of the journal.
    Write { segment: u64, at: u64, bytes: u64 },
    /// Syncs a segment.
    Sync { segment: u64 },
    /// Writes and syncs the high-water mark.
    Mark,
    /// Puts a repaired journal in the place of the damaged one.
    Exchange,
}

/// How a store is kept.
#[derive(Clone)]
pub struct Options {
    /// A segment of the journal is full at this size.
    pub segment_bytes: u64,
    /// Room that is kept for the time when the disk is full.
    pub reserve_bytes: u64,
    /// Most commits in one group.
    pub group_commits: usize,
    /// Most bytes in one group; one commit may be larger.
    pub group_bytes: usize,
    /// Called when writing or syncing failed; does not return in the daemon, which exits with 70.
    pub failure: Arc<dyn Fn(&str) + Send + Sync>,
    /// Counts records of the journal while the opening makes the state from them.
    pub progress: Arc<AtomicU64>,
    /// Called before each write and sync of the journal and its mark; an error stands for the disk's.
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

/// What is on disk after a failed sync is not known until it is read again, so the process ends and the
/// next start reads it. 70 is `EX_SOFTWARE`; a service manager restarts on it.
fn exit(reason: &str) {
    tracing::error!(reason, "the store failed; the process ends and reads the disk again at its next start");
    std::process::exit(70);
}
