//! Segments: names, heads, and reading in order. Every frame is checked and chained to the previous one. Unreadable
//! bytes are either the torn end of the last write or an error with its position. Nothing is skipped.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::frame::{self, Chain, Head};
use super::pack::Unpacker;
use crate::store::Error;

const MAGIC: [u8; 4] = *b"PfJ1";
/// Version of segments with unpacked frames; still read.
const PLAIN: u32 = 1;
/// Version of segments with packed frames. Older programs reject the head instead of treating the segment as torn.
const PACKED: u32 = 2;
/// What an operator does about damage before the end.
const RESTORE: &str =
    "restore the file from a backup, or repair the journal: `proofd store salvage --dry-run`";
/// Bytes of magic, checksum, version, first sequence, chain.
pub(super) const HEAD: u64 = SEGMENT_HEAD as u64;
pub(super) const SEGMENT_HEAD: usize = 4 + 4 + 4 + 8 + 16;

/// A unit that reading the journal reports.
#[derive(Debug)]
pub(in crate::store) enum Piece<'a> {
    /// A record: its sequence and its line.
    Record(u64, &'a [u8]),
    /// The end of a frame.
    Frame(Head),
}

type Visit<'a> = dyn FnMut(Piece<'_>) -> Result<(), Error> + 'a;

/// The end of the journal.
#[derive(Debug, Clone)]
pub(in crate::store) struct End {
    /// Number and length of the last segment; `None` without segments.
    pub(in crate::store) last: Option<(u64, u64)>,
    /// Whether the last segment accepts packed frames.
    pub(in crate::store) packed: bool,
    pub(in crate::store) segments: u64,
    /// The sequence of the next record.
    pub(in crate::store) next: u64,
    pub(in crate::store) chain: Chain,
    /// Bytes after the last good frame of the last segment.
    pub(in crate::store) torn: u64,
    /// Segments with redacted frames.
    pub(in crate::store) redacted: Vec<u64>,
    /// Segments with gaps: a salvage changed them.
    pub(in crate::store) gapped: Vec<u64>,
}

impl End {
    pub(in crate::store) fn head(&self) -> Head {
        Head { sequence: self.next - 1, chain: self.chain }
    }
}

impl Default for End {
    fn default() -> Self {
        Self {
            last: None,
            packed: false,
            segments: 0,
            next: 1,
            chain: Chain::default(),
            torn: 0,
            redacted: Vec::new(),
            gapped: Vec::new(),
        }
    }
}

pub(in crate::store) fn path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("{segment:06}.log"))
}

/// Creates an empty segment; returns its length.
pub(super) fn create(dir: &Path, segment: u64, first: u64, chain: Chain) -> Result<u64, Error> {
    super::write_whole(&path(dir, segment), &head(true, first, chain))?;
    Ok(HEAD)
}

/// Returns the head of a packed segment, or of the earlier version.
pub(super) fn head(packed: bool, first: u64, chain: Chain) -> Vec<u8> {
    let mut fields = if packed { PACKED } else { PLAIN }.to_be_bytes().to_vec();
    fields.extend(first.to_be_bytes());
    fields.extend(chain);
    let mut head = MAGIC.to_vec();
    head.extend(crc32fast::hash(&fields).to_be_bytes());
    head.append(&mut fields);
    head
}

/// Returns the first sequence and the chain at the start of a segment; `None` if its head is unreadable.
pub(super) fn begins(path: &Path) -> Option<(u64, Chain)> {
    use std::io::Read as _;
    let mut bytes = [0_u8; SEGMENT_HEAD];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
    parse_head(&bytes).map(|(_, first, chain)| (first, chain))
}

/// Parses a segment's head: whether its frames are packed, its first sequence and its chain.
pub(super) fn parse_head(bytes: &[u8]) -> Option<(bool, u64, Chain)> {
    let bytes = bytes.get(..SEGMENT_HEAD)?;
    let (first, chain) = bytes.get(12..)?.split_first_chunk::<8>()?;
    let (first, chain) = (u64::from_be_bytes(*first), Chain::try_from(chain).ok()?);
    let packed = [true, false].into_iter().find(|packed| head(*packed, first, chain) == bytes)?;
    Some((packed, first, chain))
}

/// Reads the segments in order, from the one with the record `from`, and passes each piece to `visit`. Only `from: 1`
/// detects damage in earlier segments.
pub(in crate::store) fn read(dir: &Path, from: u64, visit: &mut Visit<'_>) -> Result<End, Error> {
    let numbers = numbers(dir)?;
    let mut end = End::default();
    let known = numbers.iter().enumerate().rev().find_map(|(place, number)| {
        let (first, chain) = begins(&path(dir, *number))?;
        (from > 1 && first <= from).then_some((place, first, chain))
    });
    if let Some((place, first, chain)) = known {
        (end.segments, end.next, end.chain) = (place as u64, first, chain);
    }
    let skipped = known.map_or(0, |(place, _, _)| place);
    for (place, number) in numbers.iter().enumerate().skip(skipped) {
        if *number != place as u64 + 1 {
            return Err(gap(dir, place as u64 + 1, *number, end.next));
        }
        let last = place + 1 == numbers.len();
        end.torn = read_segment(dir, *number, last, &mut end, visit)?;
        end.segments += 1;
    }
    Ok(end)
}

/// Returns the error for segments missing before an existing one.
fn gap(dir: &Path, missing: u64, there: u64, next: u64) -> Error {
    let name = |number| path(dir, number).display().to_string();
    let which = if there - missing > 1 {
        format!("the segments {} to {} of the journal are missing", name(missing), name(there - 1))
    } else {
        format!("the segment {} of the journal is missing", name(missing))
    };
    let records = begins(&path(dir, there))
        .map(|(first, _)| format!(", with the records {next} to {}", first.saturating_sub(1)))
        .unwrap_or_default();
    Error::Damaged(format!("{which}{records}; {RESTORE}"))
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
    read_bytes(&path, number, &bytes, last, end, visit)
}

/// Reads the bytes of a segment that follows `end`; returns the bytes of a torn end, which only the last segment may
/// have. `path` is for errors.
pub(in crate::store) fn read_bytes(
    path: &Path,
    number: u64,
    bytes: &[u8],
    last: bool,
    end: &mut End,
    visit: &mut Visit<'_>,
) -> Result<u64, Error> {
    let damaged = |next: u64, offset: usize, what: &str| {
        Error::Damaged(format!(
            "{} is damaged at byte {offset}: record {next}, {what}; {RESTORE}",
            path.display()
        ))
    };
    let is = |packed| bytes.starts_with(&head(packed, end.next, end.chain));
    end.packed = is(true);
    if !end.packed && !is(false) {
        return Err(damaged(
            end.next,
            0,
            "the head of the segment does not follow the segment before, or has another version",
        ));
    }
    let mut unpacker = end.packed.then(Unpacker::default);
    let mut offset = HEAD as usize;
    while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
        if let Some((gap, length)) = frame::parse_gap(rest) {
            if gap.first != end.next || gap.before != end.chain {
                return Err(damaged(end.next, offset, "a gap does not follow from the frame before"));
            }
            (end.next, end.chain) = (gap.last + 1, gap.after);
            end.gapped.push(number);
            visit(Piece::Frame(end.head()))?;
            unpacker = end.packed.then(Unpacker::default);
            offset += length;
            continue;
        }
        let Some(frame) = frame::parse(rest) else {
            if !last || frame::follows(rest) {
                return Err(damaged(end.next, offset, "a frame has a wrong checksum, and others follow"));
            }
            end.last = Some((number, offset as u64));
            return Ok(rest.len() as u64);
        };
        if frame.sequence != end.next {
            return Err(damaged(end.next, offset, "a frame has an unexpected sequence number"));
        }
        if frame.before != end.chain {
            return Err(damaged(end.next, offset, "a frame does not follow from the one before"));
        }
        let lines = match &mut unpacker {
            Some(unpacker) => unpacker
                .unpack(frame.payload)
                .map(Cow::Owned)
                .ok_or_else(|| damaged(end.next, offset, "a frame cannot be unpacked"))?,
            None => Cow::Borrowed(frame.payload),
        };
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            visit(Piece::Record(end.next, line))?;
            end.next += 1;
        }
        end.chain = frame.chain();
        if frame.is_redacted() && end.redacted.last() != Some(&number) {
            end.redacted.push(number);
        }
        visit(Piece::Frame(end.head()))?;
        offset += frame.bytes.len();
    }
    end.last = Some((number, offset as u64));
    Ok(0)
}

/// Returns the numbers of the existing segments, in order.
pub(in crate::store) fn numbers(dir: &Path) -> Result<Vec<u64>, Error> {
    let doing = || format!("listing {}", dir.display());
    let mut numbers = Vec::new();
    let entries = match std::fs::read_dir(dir) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(numbers),
        entries => entries.map_err(Error::io(doing()))?,
    };
    for entry in entries {
        let name = entry.map_err(Error::io(doing()))?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".log"));
        numbers.extend(stem.and_then(|stem| stem.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use super::{Piece, create, head, path, read};
    use crate::store::Options;
    use crate::store::journal::{Chain, Journal, Refusal, frame, settle};

    fn lines(dir: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        let end = read(dir, 1, &mut |piece| {
            if let Piece::Record(sequence, line) = piece {
                lines.push(format!("{sequence} {}", String::from_utf8_lossy(line).trim_end()));
            }
            Ok(())
        });
        assert_eq!(end.unwrap().torn, 0);
        lines
    }

    fn resume(dir: &Path, options: Options) -> Journal {
        let end = read(dir, 1, &mut |_| Ok(())).unwrap();
        settle(dir, &Options::default(), &end, None).unwrap();
        Journal::resume(dir, options, &end).unwrap()
    }

    #[test]
    fn an_unpacked_journal_is_read_and_continued_in_a_new_segment() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        create(dir, 1, 1, Chain::default()).unwrap();
        let mut bytes = head(false, 1, Chain::default());
        let first = frame::build(1, Chain::default(), b"one\ntwo\n").unwrap();
        let second = frame::build(3, frame::chain(&first), b"three\n").unwrap();
        bytes.extend(first);
        bytes.extend(second);
        std::fs::write(path(dir, 1), &bytes).unwrap();
        assert_eq!(lines(dir), ["1 one", "2 two", "3 three"]);
        assert_eq!(resume(dir, Options::default()).append(&[b"four\n"]).unwrap(), 4);
        assert_eq!(resume(dir, Options::default()).append(&[b"five\n", b"six\n"]).unwrap(), 5);
        assert_eq!(std::fs::read(path(dir, 1)).unwrap(), bytes, "what is there stays as it is");
        assert!(path(dir, 2).exists() && !path(dir, 3).exists());
        assert_eq!(lines(dir), ["1 one", "2 two", "3 three", "4 four", "5 five", "6 six"]);
    }

    #[test]
    fn packed_frames_are_read_back_after_restarts_rotations_and_undone_writes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let full = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let fails = std::sync::Arc::clone(&full);
        let fault = move |_| match fails.load(std::sync::atomic::Ordering::Relaxed) {
            true => Err(std::io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        };
        let fault: Option<std::sync::Arc<dyn Fn(_) -> _ + Send + Sync>> = Some(std::sync::Arc::new(fault));
        let options = Options { segment_bytes: 4_000, fault, ..Options::default() };
        let mut written = Vec::new();
        for start in 0..4 {
            let mut journal = resume(dir, options.clone());
            for number in 0..60 {
                let line = format!("{}\n", format!("{start} {number} and so on; ").repeat(20));
                full.store(number % 9 == 4, std::sync::atomic::Ordering::Relaxed);
                match journal.append(&[line.as_bytes()]) {
                    Ok(sequence) => written.push(format!("{sequence} {}", line.trim_end())),
                    Err(refused) => assert!(matches!(refused, Refusal::NoRoom) && number % 9 == 4),
                }
            }
            // A write torn by a crash.
            full.store(false, std::sync::atomic::Ordering::Relaxed);
            let last = (1..).take_while(|segment| path(dir, *segment).exists()).last().unwrap();
            let mut file = std::fs::File::options().append(true).open(path(dir, last)).unwrap();
            file.write_all(b"PfF1torn").unwrap();
        }
        resume(dir, options);
        assert_eq!(lines(dir), written);
        assert!(path(dir, 4).exists());
    }
}
