//! Segments: their names, their heads, and reading them in order. Every frame is checked and chained to
//! the one before; what cannot be read is either the torn end of the last write or an error with its
//! place. Nothing is ever skipped.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::frame::{self, Chain};
use super::pack::Unpacker;
use super::tail;
use crate::store::Error;

const MAGIC: [u8; 4] = *b"PfJ1";
/// Segments in which frames hold their lines as they are; still read.
const PLAIN: u32 = 1;
/// Segments of packed frames. A program that does not know them refuses the segment by its head, instead
/// of taking it for torn.
const PACKED: u32 = 2;
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
    /// Whether the last segment takes packed frames.
    pub(in crate::store) packed: bool,
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
    super::write_whole(&path(dir, segment), &head(PACKED, first, chain))?;
    Ok(HEAD)
}

fn head(version: u32, first: u64, chain: Chain) -> Vec<u8> {
    let mut fields = version.to_be_bytes().to_vec();
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
    let is = |version| bytes.starts_with(&head(version, end.next, end.chain));
    end.packed = is(PACKED);
    if !end.packed && !is(PLAIN) {
        return Err(damaged(0, "its head is not what follows the segment before, or is of another version"));
    }
    let mut unpacker = end.packed.then(Unpacker::default);
    let mut offset = HEAD as usize;
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
        let lines = match &mut unpacker {
            Some(unpacker) => unpacker
                .unpack(frame.payload)
                .map(Cow::Owned)
                .ok_or_else(|| damaged(offset, "a frame cannot be unpacked"))?,
            None => Cow::Borrowed(frame.payload),
        };
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use super::{PLAIN, Tail, create, head, path, read};
    use crate::store::Options;
    use crate::store::journal::{Chain, Journal, Refusal, frame};

    fn lines(dir: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        let end = read(dir, Tail::Keep, &mut |sequence, line| {
            lines.push(format!("{sequence} {}", String::from_utf8_lossy(line).trim_end()));
            Ok(())
        });
        assert_eq!(end.unwrap().torn, 0);
        lines
    }

    fn resume(dir: &Path, options: Options) -> Journal {
        let end = read(dir, Tail::Cut, &mut |_, _| Ok(())).unwrap();
        Journal::resume(dir, options, &end).unwrap()
    }

    #[test]
    fn a_journal_of_a_version_that_did_not_pack_is_read_and_gone_on_with_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        create(dir, 1, 1, Chain::default()).unwrap();
        let mut bytes = head(PLAIN, 1, Chain::default());
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
    fn what_is_packed_is_read_back_over_starts_segments_and_writes_that_were_taken_back() {
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
            // A write that a crash tore.
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
