//! Segments: their names, their heads, and reading them in order. Every frame is checked and chained to
//! the one before; what cannot be read is either the torn end of the last write or an error with its
//! place. Nothing is ever skipped.

use std::path::{Path, PathBuf};

use super::frame::{self, Chain};
use super::tail;
use crate::store::Error;

const MAGIC: [u8; 4] = *b"PfJ1";
const VERSION: u32 = 1;
/// Magic, checksum, version, first sequence, chain.
pub(super) const HEAD: u64 = 4 + 4 + 4 + 8 + 16;

/// Takes each record with its sequence.
type Visit<'a> = dyn FnMut(u64, &[u8]) -> Result<(), Error> + 'a;

/// What happens to a torn end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Tail {
    /// Copied aside and cut.
    Cut,
    /// Only counted.
    Keep,
}

/// Where the journal ends.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct End {
    /// Number and length of the last segment; none: there is no segment yet.
    pub(in crate::store) last: Option<(u64, u64)>,
    pub(in crate::store) segments: u64,
    /// The sequence of the next record.
    pub(in crate::store) next: u64,
    pub(in crate::store) chain: Chain,
    /// Bytes of a torn end.
    pub(in crate::store) torn: u64,
}

pub(super) fn path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("{segment:06}.log"))
}

/// Makes an empty segment; gives its length.
pub(super) fn create(dir: &Path, segment: u64, first: u64, chain: Chain) -> Result<u64, Error> {
    super::write_whole(&path(dir, segment), &head(first, chain))?;
    Ok(HEAD)
}

fn head(first: u64, chain: Chain) -> Vec<u8> {
    let mut fields = VERSION.to_be_bytes().to_vec();
    fields.extend(first.to_be_bytes());
    fields.extend(chain);
    let mut head = MAGIC.to_vec();
    head.extend(crc32fast::hash(&fields).to_be_bytes());
    head.append(&mut fields);
    head
}

/// Reads all segments in order and hands each record with its sequence to `visit`.
pub(in crate::store) fn read(dir: &Path, tail: Tail, visit: &mut Visit<'_>) -> Result<End, Error> {
    let numbers = numbers(dir)?;
    let mut end = End { next: 1, ..End::default() };
    for (place, number) in numbers.iter().enumerate() {
        let expected = place as u64 + 1;
        if *number != expected {
            return Err(Error::Damaged(format!(
                "the journal's segment {} is missing; put it back from a backup",
                path(dir, expected).display()
            )));
        }
        let last = place + 1 == numbers.len();
        let torn = read_segment(dir, *number, last, &mut end, visit)?;
        if torn > 0 && tail == Tail::Cut {
            tail::cut(dir, &path(dir, *number), *number, end.last.map_or(0, |(_, length)| length))?;
        }
        end.torn = torn;
        end.segments += 1;
    }
    Ok(end)
}

fn read_segment(
    dir: &Path,
    number: u64,
    last: bool,
    end: &mut End,
    visit: &mut Visit<'_>,
) -> Result<u64, Error> {
    let path = path(dir, number);
    let bytes = std::fs::read(&path).map_err(Error::io(format!("reading {}", path.display())))?;
    let damaged = |offset: usize, what: &str| {
        Error::Damaged(format!(
            "{} is damaged at byte {offset}: {what}; restore this file from a backup, nothing was changed",
            path.display()
        ))
    };
    let expected = head(end.next, end.chain);
    if !bytes.starts_with(&expected) {
        return Err(damaged(0, "its head is not what follows the segment before, or is of another version"));
    }
    let mut offset = expected.len();
    while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
        let Some(frame) = frame::parse(rest) else {
            if !last || frame::follows(rest) {
                return Err(damaged(offset, "a frame fails its check and others follow"));
            }
            end.last = Some((number, offset as u64));
            return Ok(rest.len() as u64);
        };
        if frame.sequence != end.next {
            return Err(damaged(offset, "a frame has another sequence number than the one due"));
        }
        if frame.before != end.chain {
            return Err(damaged(offset, "a frame does not follow from the one before"));
        }
        for line in frame.payload.split_inclusive(|byte| *byte == b'\n') {
            visit(end.next, line)?;
            end.next += 1;
        }
        end.chain = frame::chain(frame.bytes);
        offset += frame.bytes.len();
    }
    end.last = Some((number, offset as u64));
    Ok(0)
}

/// The numbers of the segments that exist, in order.
fn numbers(dir: &Path) -> Result<Vec<u64>, Error> {
    let doing = || format!("listing {}", dir.display());
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(doing()))? {
        let name = entry.map_err(Error::io(doing()))?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".log"));
        numbers.extend(stem.and_then(|stem| stem.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
