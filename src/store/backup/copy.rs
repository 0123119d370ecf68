//! Copies segments into a backup, and reads backups. What was copied is read back from the backup, and its chain is
//! checked from the segment before.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::super::directory::journal_dir;
use super::super::disk::Disk;
use super::super::journal::{self, End, Piece, segment_path};
use super::super::mark::Mark;
use super::super::outside::{Manifest, Part, Source};
use super::manifest::{hash, segments_of};
use super::{beginning, file_of, refused};
use crate::store::Error;

/// What a run copied.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) bytes: u64,
    pub(super) replaced: u64,
}

/// Copies the segments up to the mark that the backup lacks, and adds all of them to the manifest.
pub(super) fn segments(
    store: &Path,
    to: &Path,
    earlier: Option<&Manifest>,
    mark: &Mark,
    next: &mut Manifest,
) -> Result<Copied, Error> {
    let journals = journal_dir(store);
    let mut copied = Copied::default();
    let mut end = beginning();
    let mut numbers = journal::numbers(&journals)?;
    numbers.retain(|number| *number <= mark.segment);
    for number in numbers {
        let known = earlier.and_then(|earlier| earlier.part(number));
        let path = segment_path(&journals, number);
        let mut file = File::open(&path).map_err(Error::io(format!("opening {}", path.display())))?;
        let metadata = file.metadata().map_err(Error::io(format!("reading {}", path.display())))?;
        let source = Source::of(&metadata);
        let length = if number == mark.segment { mark.length } else { source.bytes };
        let same = |part: &&Part| part.source == source && part.bytes == length;
        let part = match known.filter(same).filter(|_| follows(earlier, number, &end)) {
            Some(part) => part.clone(),
            None => {
                let mut bytes = Vec::new();
                let read = file.by_ref().take(length).read_to_end(&mut bytes);
                read.map_err(Error::io(format!("reading {}", path.display())))?;
                if bytes.len() as u64 != length {
                    return Err(refused(format!(
                        "{} has {} bytes, the high-water mark covers {length}: the store has lost records, and \
                         the daemon reports which",
                        path.display(),
                        bytes.len()
                    )));
                }
                let part = place(to, number, &bytes, known, source, &mut copied)?;
                read_back(to, part, &end, &path)?
            }
        };
        (end.next, end.chain) = (part.end.sequence + 1, part.end.chain);
        next.segments.push(part);
    }
    if end.head() != mark.head {
        return Err(refused(format!(
            "the journal in {} ends at {}, the high-water mark at {}: the store has lost records, and the daemon \
             reports which",
            journals.display(),
            end.head(),
            mark.head
        )));
    }
    Ok(copied)
}

/// Returns whether the earlier backup had the same end before this segment: only then its end is known.
fn follows(earlier: Option<&Manifest>, number: u64, end: &End) -> bool {
    let before = earlier.and_then(|earlier| earlier.part(number.wrapping_sub(1)));
    before.map_or_else(|| end.head() == beginning().head(), |before| before.end == end.head())
}

/// Writes the bytes of a segment: behind those that the backup has, if they are the same, or to another file. The
/// earlier backup stays readable. Returns the part, without its end.
fn place(
    to: &Path,
    number: u64,
    bytes: &[u8],
    known: Option<&Part>,
    source: Source,
    copied: &mut Copied,
) -> Result<Part, Error> {
    let goes_on = |part: &&Part| {
        let before = usize::try_from(part.bytes).ok().and_then(|before| bytes.get(..before));
        before.is_some_and(|before| hash(before) == part.sha256)
    };
    let part = |file: String| Part {
        number,
        file,
        bytes: bytes.len() as u64,
        sha256: hash(bytes),
        end: super::Head::default(),
        source,
    };
    if let Some(known) = known.filter(goes_on) {
        let path = file_of(to, known);
        let rest = usize::try_from(known.bytes).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
        append(&path, known.bytes, rest).map_err(Error::io(format!("writing {}", path.display())))?;
        copied.bytes += rest.len() as u64;
        return Ok(part(known.file.clone()));
    }
    copied.replaced += u64::from(known.is_some());
    let name = |again: u32| match again {
        1 => format!("{number:06}.log"),
        again => format!("{number:06}-{again}.log"),
    };
    // A file of this name that no manifest has is a leftover.
    let file = (1..).map(name).find(|name| known.is_none_or(|known| known.file != *name)).unwrap_or_default();
    let path = segments_of(to).join(&file);
    let write = || {
        let disk = Disk::create(&path)?;
        disk.write(0, bytes)?;
        disk.sync()
    };
    write().map_err(Error::io(format!("writing {}", path.display())))?;
    copied.bytes += bytes.len() as u64;
    Ok(part(file))
}

fn append(path: &Path, at: u64, rest: &[u8]) -> std::io::Result<()> {
    let disk = Disk::open(path)?;
    // An interrupted run may have left bytes there.
    disk.set_len(at)?;
    disk.write(at, rest)?;
    disk.sync()
}

/// Reads what was written, and returns the part with the end of its chain. A chain that is broken in the store itself must
/// not replace a whole one.
fn read_back(to: &Path, part: Part, before: &End, source: &Path) -> Result<Part, Error> {
    let bytes = content(to, &part)?;
    let mut end = before.clone();
    check_chain(source, &part, &bytes, &mut end, &mut |_| Ok(()))?;
    Ok(Part { end: end.head(), ..part })
}

/// Returns the checked bytes of a part.
fn content(dir: &Path, part: &Part) -> Result<Vec<u8>, Error> {
    let path = file_of(dir, part);
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|file| file.take(part.bytes).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Err(refused(format!("{} is missing; use another backup", path.display())));
        }
        Err(cause) => return Err(Error::io(format!("reading {}", path.display()))(cause)),
    }
    if (bytes.len() as u64) < part.bytes {
        let (has, wants) = (bytes.len(), part.bytes);
        return Err(refused(format!(
            "{} is truncated: {has} of {wants} bytes; use another backup",
            path.display()
        )));
    }
    if hash(&bytes) != part.sha256 {
        return Err(refused(format!("{} was changed: its hash differs; use another backup", path.display())));
    }
    Ok(bytes)
}

fn check_chain(
    path: &Path,
    part: &Part,
    bytes: &[u8],
    end: &mut End,
    visit: &mut dyn FnMut(Piece<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    journal::read_bytes(path, part.number, bytes, false, end, visit).map(drop)
}

/// Receives each segment's number and bytes.
pub(super) type Segments<'a> = dyn FnMut(u64, &[u8]) -> Result<(), Error> + 'a;

/// Reads a whole backup: every hash, and the chain up to its head. Passes on each segment that was checked.
pub(super) fn check(dir: &Path, manifest: &Manifest, visit: &mut Segments<'_>) -> Result<(), Error> {
    let mut end = beginning();
    for part in &manifest.segments {
        let bytes = content(dir, part)?;
        check_chain(&file_of(dir, part), part, &bytes, &mut end, &mut |_| Ok(()))?;
        if end.head() != part.end {
            return Err(refused(format!(
                "{} ends at {}, the manifest says {}; use another backup",
                file_of(dir, part).display(),
                end.head(),
                part.end
            )));
        }
        visit(part.number, &bytes)?;
    }
    if end.head() != manifest.head {
        return Err(refused(format!(
            "the backup {} ends at {}, the manifest says {}; use another backup",
            dir.display(),
            end.head(),
            manifest.head
        )));
    }
    let secret = std::fs::read(dir.join("secret")).unwrap_or_default();
    if hash(&secret) != manifest.secret {
        return Err(refused(format!(
            "{} is missing or was changed; use another backup",
            dir.join("secret").display()
        )));
    }
    Ok(())
}

/// Returns whether a sealed segment of the store was replaced since it was copied.
pub(super) fn changed_since(store: &Path, next: &Manifest) -> Result<bool, Error> {
    let journals = journal_dir(store);
    let sealed = next.segments.iter().rev().skip(1);
    for part in sealed {
        let path = segment_path(&journals, part.number);
        let metadata = std::fs::metadata(&path).map_err(Error::io(format!("reading {}", path.display())))?;
        if Source::of(&metadata) != part.source {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the files of segments that the manifest does not name.
pub(super) fn leftovers(to: &Path, manifest: &Manifest) -> Result<Vec<PathBuf>, Error> {
    let dir = segments_of(to);
    let named: BTreeSet<&str> = manifest.segments.iter().map(|part| part.file.as_str()).collect();
    let doing = || format!("listing {}", dir.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(Error::io(doing()))? {
        let entry = entry.map_err(Error::io(doing()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".log") && !named.contains(name.as_str()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
