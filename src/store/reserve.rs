//! Room that is kept for the time when the disk is full. A file of real bytes, removed when a write finds
//! no room: cases that are under way go on in it, while new events are refused until it can be filled
//! again. It needs no word from the system about free space, which quotas and thin volumes falsify.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The file.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(super) fn new(dir: &Path, bytes: u64) -> Self {
        Self { path: dir.join("reserve"), bytes }
    }

    /// Whether the reserve is there, made if need be. It is made only where twice the room is free, so
    /// that a disk at its edge does not open and close the intake in turn.
    pub(super) fn fill(&self) -> bool {
        if self.path.metadata().is_ok_and(|found| found.len() == self.bytes) {
            return true;
        }
        match self.write() {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "creating the reserve on the disk failed");
                self.release();
                false
            }
        }
    }

    fn write(&self) -> io::Result<()> {
        // Not zeros: a file system may keep those without room.
        let block = [0xA5_u8; 64 << 10];
        let mut file = File::create(&self.path)?;
        let mut left = self.bytes * 2;
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(block.len()).min(block.len());
            file.write_all(block.get(..part).unwrap_or(&block))?;
            left -= part as u64;
        }
        file.sync_all()?;
        file.set_len(self.bytes)?;
        file.sync_all()
    }

    pub(super) fn release(&self) {
        match std::fs::remove_file(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::error!(%error, "releasing the reserve on the disk failed"),
        }
    }
}
