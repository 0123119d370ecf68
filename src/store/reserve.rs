//! Reserved disk space: a file of real bytes, removed when a write finds no space. Cases in progress use that space,
//! while new events are refused until the file can be rewritten. It does not depend on the system's free-space report,
//! which quotas and thin volumes distort.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The reserve file.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(super) fn new(dir: &Path, bytes: u64) -> Self {
        Self { path: dir.join("reserve"), bytes }
    }

    /// Creates the reserve if needed; returns whether it exists. Creation needs twice its size in free space, which
    /// prevents a nearly full disk from toggling the intake.
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
        // Not zeros: some file systems store zeros without space.
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
