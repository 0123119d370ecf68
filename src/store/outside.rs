//! Plain data of files outside of a store: manifests of backups, and the lines of exports that are not records.

use super::journal::Head;
use crate::model::Timestamp;

/// The content of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The version of the program that wrote it, for people.
    pub(super) program: String,
    /// The newest version of the records' format.
    pub(super) shapes: u32,
    pub(super) taken: Timestamp,
    /// The newest time in a record.
    pub(super) newest: Option<Timestamp>,
    pub(super) head: Head,
    /// Losses that were accepted before.
    pub(super) losses: u64,
    /// SHA-256 of the secret.
    pub(super) secret: String,
    pub(super) segments: Vec<Part>,
}

/// A segment of the journal in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: u64,
    /// Its name in the backup's `segments/`; another one after a redaction.
    pub(super) file: String,
    /// Its length. An interrupted run may have left more bytes behind it.
    pub(super) bytes: u64,
    /// SHA-256 of these bytes.
    pub(super) sha256: String,
    /// The end of the journal after it.
    pub(super) end: Head,
    /// The file that it was copied from: a file with the same values is not read again.
    pub(super) source: Source,
}

/// What identifies an unchanged file of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) inode: u64,
    pub(super) bytes: u64,
    pub(super) modified_ns: u64,
    pub(super) changed_ns: u64,
}

/// The file: the version first, and a hash of the rest.
#[derive(Debug, Clone)]
pub(super) struct ManifestFile {
    pub(super) format: u32,
    pub(super) sha256: String,
    pub(super) backup: Manifest,
}

/// What every version of the file has.
#[derive(Debug, Clone)]
pub(super) struct ManifestVersion {
    pub(super) format: u32,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) format: u32,
    /// The newest version of the records' format.
    pub(super) shapes: u32,
    pub(super) program: String,
    pub(super) taken: Timestamp,
    /// The newest time in a record.
    pub(super) newest: Option<Timestamp>,
    pub(super) head: Head,
    pub(super) losses: u64,
    pub(super) secret: Option<String>,
}

/// What the first line has in every version.
#[derive(Debug, Clone)]
pub(super) struct ExportVersion {
    pub(super) format: u32,
    pub(super) shapes: u32,
}

/// Records that were lost before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    pub(super) first: u64,
    pub(super) last: u64,
}

#[derive(Debug, Clone)]
pub(super) struct LostLine {
    pub(super) lost: Lost,
}

/// The last line.
#[derive(Debug, Clone)]
pub(super) struct EndLine {
    pub(super) end: End,
}

#[derive(Debug, Clone)]
pub(super) struct End {
    /// The sequence of the last record.
    pub(super) records: u64,
    /// SHA-256 of all lines before this one.
    pub(super) sha256: String,
}
