//! The high-water mark: the end of the journal, stored outside of it. It is written and synced after the journal and
//! before a commit is acknowledged. Every acknowledged record is thus at or before the mark. Bytes after it may be a
//! torn write; missing bytes before it are a loss.
//!
//! Two slots in separate blocks are written alternately, in place. A torn write damages only one of them, and the file
//! needs no extra space on a full disk. A group of commits costs one more `fdatasync`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::journal::{self, Head};
use super::{Act, Error, Options};
use crate::model::Timestamp;

const MAGIC: [u8; 4] = *b"PfM1";
/// The block size of common file systems: slots share no block.
const SLOT: u64 = 4096;
/// Bytes of magic, checksum, sequence, chain, segment, length, time, accepted losses.
const BYTES: usize = 4 + 4 + 8 + 16 + 8 + 8 + 8 + 8;

/// The content of a slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) head: Head,
    /// The segment in which the journal's last frame ends, and the byte offset.
    pub(super) segment: u64,
    pub(super) length: u64,
    /// The newest time in a record.
    pub(super) at: Option<Timestamp>,
    /// Number of accepted losses.
    pub(super) losses: u64,
}

/// The result of reading the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    /// Both slots fail their check.
    Unreadable,
    /// `whole`: the other slot passes its check too.
    Read {
        mark: Mark,
        whole: bool,
    },
}

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("mark")
}

/// Reads the mark of a store, open or not.
pub(super) fn read(dir: &Path) -> Result<Found, Error> {
    let path = path(dir);
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|file| file.take(SLOT * 2).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        Err(cause) => return Err(Error::io(format!("reading {}", path.display()))(cause)),
    }
    Ok(match slots(&bytes) {
        (Some(one), Some(two)) => Found::Read { mark: newer(one, two), whole: true },
        (Some(mark), None) | (None, Some(mark)) => Found::Read { mark, whole: false },
        (None, None) => Found::Unreadable,
    })
}

fn slots(bytes: &[u8]) -> (Option<Mark>, Option<Mark>) {
    let second = usize::try_from(SLOT).ok().and_then(|slot| bytes.get(slot..));
    (parse(bytes), second.and_then(parse))
}

fn newer(one: Mark, two: Mark) -> Mark {
    if two.head.sequence > one.head.sequence { two } else { one }
}

fn build(mark: &Mark) -> Vec<u8> {
    let mut fields = mark.head.sequence.to_be_bytes().to_vec();
    fields.extend(mark.head.chain);
    fields.extend(mark.segment.to_be_bytes());
    fields.extend(mark.length.to_be_bytes());
    fields.extend(mark.at.map_or(i64::MIN, |at| at.timestamp_millis()).to_be_bytes());
    fields.extend(mark.losses.to_be_bytes());
    let mut bytes = MAGIC.to_vec();
    bytes.extend(crc32fast::hash(&fields).to_be_bytes());
    bytes.append(&mut fields);
    bytes
}

fn parse(bytes: &[u8]) -> Option<Mark> {
    let rest = bytes.get(..BYTES)?.strip_prefix(&MAGIC)?;
    let (sum, fields) = rest.split_first_chunk::<4>()?;
    (crc32fast::hash(fields) == u32::from_be_bytes(*sum)).then_some(())?;
    let (sequence, fields) = fields.split_first_chunk::<8>()?;
    let (chain, fields) = fields.split_first_chunk::<16>()?;
    let (segment, fields) = fields.split_first_chunk::<8>()?;
    let (length, fields) = fields.split_first_chunk::<8>()?;
    let (at, fields) = fields.split_first_chunk::<8>()?;
    Some(Mark {
        head: Head { sequence: u64::from_be_bytes(*sequence), chain: *chain },
        segment: u64::from_be_bytes(*segment),
        length: u64::from_be_bytes(*length),
        at: Timestamp::from_timestamp_millis(i64::from_be_bytes(*at)),
        losses: u64::from_be_bytes(fields.try_into().ok()?),
    })
}

/// Writes the mark.
#[derive(Debug)]
pub(super) struct Marker {
    file: Disk,
    mark: Mark,
    second: bool,
    options: Options,
}

impl Marker {
    /// Opens the mark and writes `mark` to both slots. A file of the right size is written in place, the older slot
    /// first, which needs no disk space.
    pub(super) fn open(dir: &Path, mark: Mark, options: Options) -> Result<Self, Error> {
        let path = path(dir);
        let doing = || format!("writing the high-water mark {}", path.display());
        let there = std::fs::read(&path).ok().filter(|bytes| bytes.len() as u64 == SLOT * 2);
        let newest_is_second = match there.as_deref().map(slots) {
            Some((Some(one), Some(two))) => two.head.sequence > one.head.sequence,
            Some((None, Some(_))) => true,
            Some((Some(_), None)) => false,
            Some((None, None)) | None => {
                let mut bytes = vec![0; SLOT as usize * 2];
                bytes.splice(..BYTES, build(&mark));
                bytes.splice(SLOT as usize..SLOT as usize + BYTES, build(&mark));
                journal::write_whole(&path, &bytes)?;
                false
            }
        };
        let file = Disk::open(&path).map_err(Error::io(doing()))?;
        let mut marker = Self { file, mark, second: !newest_is_second, options };
        for _ in 0..2 {
            marker.write().map_err(Error::io(doing()))?;
        }
        Ok(marker)
    }

    /// Records that the journal is synced up to this end.
    pub(super) fn advance(&mut self, head: Head, place: (u64, u64), at: Option<Timestamp>) -> io::Result<()> {
        let at = self.mark.at.max(at);
        let (segment, length) = place;
        self.mark = Mark { head, segment, length, at, ..self.mark };
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        self.options.before(Act::Mark)?;
        self.file.write(if self.second { SLOT } else { 0 }, &build(&self.mark))?;
        self.file.sync()?;
        self.second = !self.second;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Mark, Marker, SLOT, build, parse, path, read};
    use crate::model::Timestamp;
    use crate::store::Options;
    use crate::store::journal::Head;

    fn mark(sequence: u64) -> Mark {
        let head = Head { sequence, chain: [7; 16] };
        Mark { head, segment: 2, length: 900, at: Timestamp::from_timestamp_millis(5), losses: 1 }
    }

    #[test]
    fn a_slot_reads_back_and_no_flipped_bit_passes() {
        let bytes = build(&mark(9));
        assert_eq!(parse(&bytes), Some(mark(9)));
        for bit in 0..bytes.len() * 8 {
            let mut harmed = bytes.clone();
            harmed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&harmed), None, "bit {bit}");
        }
        assert_eq!(parse(&[0; SLOT as usize]), None);
    }

    #[test]
    fn the_newer_slot_is_used_and_a_torn_one_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), Found::Missing);
        let mut marker = Marker::open(dir.path(), mark(1), Options::default()).unwrap();
        for sequence in 2..9 {
            marker.advance(mark(sequence).head, (2, 900), None).unwrap();
            assert_eq!(read(dir.path()).unwrap(), Found::Read { mark: mark(sequence), whole: true });
        }
        let whole = std::fs::read(path(dir.path())).unwrap();
        for (place, left) in [(0, 8), (SLOT as usize, 7)] {
            let mut torn = whole.clone();
            torn[place + 20] ^= 1;
            std::fs::write(path(dir.path()), &torn).unwrap();
            let Found::Read { mark, whole: false } = read(dir.path()).unwrap() else { panic!("{place}") };
            // Eight was written to the second slot.
            assert_eq!(mark.head.sequence, left);
        }
        std::fs::write(path(dir.path()), b"").unwrap();
        assert_eq!(read(dir.path()).unwrap(), Found::Unreadable);
        Marker::open(dir.path(), mark(3), Options::default()).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Found::Read { mark: mark(3), whole: true });
    }
}
