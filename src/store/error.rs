//! Errors of a store.

use std::io;

use super::commit::Loss;

/// A failed read, or a store that can no longer serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("while {doing}: {cause}")]
    Io { doing: String, cause: io::Error },
    #[error("{0}")]
    Damaged(String),
    #[error(
        "the store has lost records: {0}; restore it from a backup, check what can be repaired (`proofd \
            store salvage --dry-run`), or continue without the lost records (`proofd store accept-loss \
            --reason TEXT`)"
    )]
    Lost(Box<Loss>),
    #[error("nothing is lost; there is nothing to accept")]
    NothingLost,
    #[error("the journal has no damaged records; there is nothing to salvage")]
    NothingDamaged,
    /// A backup, an export or their place cannot be used.
    #[error("{0}")]
    Backup(String),
    #[error("the store is closed")]
    Closed,
    #[error("another process has this store open: {0}")]
    Locked(String),
    #[error("the disk is nearly full; new events and new cases are refused until there is free space")]
    Full,
    #[error("the disk is full: the store needs {} MiB of free space to open", needed >> 20)]
    NoRoom { needed: u64 },
}

impl Error {
    /// Returns whether the disk is full: a later retry may succeed.
    pub fn is_no_room(&self) -> bool {
        match self {
            Self::Full | Self::NoRoom { .. } => true,
            Self::Io { cause, .. } => no_room(cause),
            _ => false,
        }
    }

    pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |cause| Self::Io { doing, cause }
    }
}

/// Returns whether an I/O error means that the disk is full.
pub(super) fn no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
