//! Shapes of files outside of a store: manifests of backups, and the lines of exports that are not records. Each file
//! names the version of its own format.

use super::table::record;
use crate::model::Timestamp;
use crate::store::journal::Head;
use crate::store::outside::{
    End, EndLine, ExportVersion, Header, Lost, LostLine, Manifest, ManifestFile, ManifestVersion, Part,
    Source,
};

record! { "manifest_version": ManifestVersion {
    "proofd_backup" => format: u32,
} }

record! { "manifest_file": ManifestFile {
    "proofd_backup" => format: u32,
    "sha256" => sha256: String,
    "backup" => backup: Manifest,
} }

record! { "manifest": Manifest {
    "program" => program: String,
    "shapes" => shapes: u32,
    "taken" => taken: Timestamp,
    "newest" => newest: Option<Timestamp>,
    "head" => head: Head,
    "losses" => losses: u64,
    "secret" => secret: String,
    "segments" => segments: Vec<Part>,
} }

record! { "backup_part": Part {
    "number" => number: u64,
    "file" => file: String,
    "bytes" => bytes: u64,
    "sha256" => sha256: String,
    "end" => end: Head,
    "source" => source: Source,
} }

record! { "backup_source": Source {
    "inode" => inode: u64,
    "bytes" => bytes: u64,
    "modified_ns" => modified_ns: u64,
    "changed_ns" => changed_ns: u64,
} }

record! { "export_version": ExportVersion {
    "proofd_export" => format: u32,
    "shapes" => shapes: u32,
} }

record! { "export_header": Header {
    "proofd_export" => format: u32,
    "shapes" => shapes: u32,
    "program" => program: String,
    "taken" => taken: Timestamp,
    "newest" => newest: Option<Timestamp>,
    "head" => head: Head,
    "losses" => losses: u64,
    "secret" => secret: Option<String>,
} }

record! { "lost_line": LostLine {
    "lost" => lost: Lost,
} }

record! { "lost": Lost {
    "first" => first: u64,
    "last" => last: u64,
} }

record! { "end_line": EndLine {
    "end" => end: End,
} }

record! { "export_end": End {
    "records" => records: u64,
    "sha256" => sha256: String,
} }
