//! The manifest of a backup: which files belong to it, with their lengths and hashes. It is written last and replaced
//! in one step: without it nothing is a backup, and files that it does not name are leftovers.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::super::journal::Head;
use super::super::outside::{Manifest, ManifestFile, ManifestVersion, Part, Source};
use super::super::{Error, disk, shape};
use super::refused;
use crate::model::Timestamp;

/// The version of the format of backups.
const FORMAT: u32 = 1;
pub(super) const NAME: &str = "backup.json";

impl Source {
    pub(in crate::store) fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let at = |seconds: i64, nanos: i64| {
            let nanos = seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
            u64::try_from(nanos).unwrap_or_default()
        };
        Self {
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified_ns: at(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: at(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Manifest {
    /// Returns a manifest of this version of the program, still without segments.
    pub(in crate::store) fn new(
        taken: Timestamp,
        newest: Option<Timestamp>,
        head: Head,
        losses: u64,
    ) -> Self {
        Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            shapes: shape::VERSION,
            // Not before its records, whatever the clock says.
            taken: newest.map_or(taken, |newest| newest.max(taken)),
            newest,
            head,
            losses,
            secret: String::new(),
            segments: Vec::new(),
        }
    }

    /// Returns the part with the segment of this number.
    pub(in crate::store) fn part(&self, number: u64) -> Option<&Part> {
        self.segments.iter().find(|part| part.number == number)
    }

    /// Reads the manifest of a backup. `None`: the directory has none.
    pub(in crate::store) fn read(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(NAME);
        let text = match std::fs::read(&path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::io(format!("reading {}", path.display())))?,
        };
        let damaged = || refused(format!("{} is damaged; use another backup", path.display()));
        let version: ManifestVersion = shape::from_json(&text).ok_or_else(damaged)?;
        let newer = |what: &str, has: u32, reads: u32| {
            refused(format!(
                "the backup {} has {what} {has}, this program reads up to {reads}; use the version of the \
                 program that wrote it",
                dir.display()
            ))
        };
        if version.format > FORMAT {
            return Err(newer("format", version.format, FORMAT));
        }
        let ManifestFile { sha256, backup, .. } = shape::from_json(&text).ok_or_else(damaged)?;
        if sha256 != hash(&shape::json(&backup)?) {
            return Err(damaged());
        }
        if backup.shapes > shape::VERSION {
            return Err(newer("records of version", backup.shapes, shape::VERSION));
        }
        Ok(Some(backup))
    }

    /// Makes this the content of the backup.
    pub(in crate::store) fn write(&self, dir: &Path) -> Result<(), Error> {
        let sha256 = hash(&shape::json(self)?);
        let mut text = shape::json(&ManifestFile { format: FORMAT, sha256, backup: self.clone() })?;
        text.push(b'\n');
        disk::write_whole(&dir.join(NAME), &text)
    }
}

/// Returns SHA-256 in hexadecimal digits.
pub(in crate::store) fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The directory of a backup's segments. Not named as in a store: the one must not be taken for the other.
pub(super) fn segments_of(dir: &Path) -> PathBuf {
    dir.join("segments")
}
