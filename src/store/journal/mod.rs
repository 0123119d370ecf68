//! The journal: segments `000001.log`, `000002.log`, ... of append-only frames. The source of truth for everything
//! acknowledged. Independent of the records' meaning.

mod frame;
mod pack;
mod redact;
mod repair;
mod segment;
mod tail;

pub(super) use super::disk::{sync_dir, write_whole};
pub use frame::Chain;
pub use frame::Head;
pub(super) use redact::{rewrite, seal_of, sealed};
pub(super) use repair::{Repair, repair};
pub(super) use segment::{End, Piece, numbers, path as segment_path, read, read_bytes};
pub(super) use tail::settle;

use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::error::no_room;
use super::{Act, Error, Options};
use pack::Packer;

/// The open end of the journal.
#[derive(Debug)]
pub(super) struct Journal {
    dir: PathBuf,
    options: Options,
    file: Disk,
    segment: u64,
    packer: Packer,
    length: u64,
    /// The sequence of the next record.
    next: u64,
    chain: Chain,
}

/// Why a group was not appended.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The disk is full; the file contains nothing of the group.
    NoRoom,
    /// The content on disk is unknown.
    Broken(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoRoom => f.write_str("the disk is full"),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl Journal {
    /// Continues at the end that reading found.
    pub(super) fn resume(dir: &Path, options: Options, end: &End) -> Result<Self, Error> {
        let (segment, length) = match end.last {
            Some(last) if end.packed => last,
            // A segment of a version without packing stays unchanged, and a new one follows.
            Some((before, _)) => (before + 1, segment::create(dir, before + 1, end.next, end.chain)?),
            None => (1, segment::create(dir, 1, end.next, end.chain)?),
        };
        let file = open(dir, segment)?;
        Ok(Self {
            dir: dir.to_owned(),
            options,
            file,
            segment,
            packer: Packer::default(),
            length,
            next: end.next,
            chain: end.chain,
        })
    }

    /// Writes a group as one frame and syncs it; returns the sequence of its first record.
    pub(super) fn append(&mut self, records: &[&[u8]]) -> Result<u64, Refusal> {
        let first = self.next;
        let mut bytes = self.frame(records)?;
        if self.length > segment::HEAD && self.length + bytes.len() as u64 > self.options.segment_bytes {
            self.rotate()?;
            // A packed frame depends on earlier frames of its segment.
            bytes = self.frame(records)?;
        }
        let write = Act::Write { segment: self.segment, at: self.length, bytes: bytes.len() as u64 };
        if let Err(error) = self.options.before(write).and_then(|()| self.file.write(self.length, &bytes)) {
            return Err(self.take_back(&error));
        }
        self.options
            .before(Act::Sync { segment: self.segment })
            .and_then(|()| self.file.sync())
            .map_err(|error| Refusal::Broken(format!("syncing the journal: {error}")))?;
        self.length += bytes.len() as u64;
        self.next += records.len() as u64;
        self.chain = frame::chain(&bytes);
        Ok(first)
    }

    /// Continues after lost records, up to `last`: a gap stands for them.
    pub(super) fn skip(&mut self, last: u64) -> Result<(), Refusal> {
        self.packer = Packer::default();
        let after = frame::chain(&last.to_be_bytes());
        let gap = frame::build_gap(&frame::Gap { first: self.next, last, before: self.chain, after });
        self.file
            .write(self.length, &gap)
            .and_then(|()| self.file.sync())
            .map_err(|error| Refusal::Broken(format!("writing the journal: {error}")))?;
        self.length += gap.len() as u64;
        (self.next, self.chain) = (last + 1, after);
        Ok(())
    }

    /// Ends the segment: records appended from now on are in another one. A segment without records stays.
    pub(super) fn end_segment(&mut self) -> Result<(), Refusal> {
        if self.length > segment::HEAD { self.rotate() } else { Ok(()) }
    }

    /// Returns the synced end.
    pub(super) fn head(&self) -> Head {
        Head { sequence: self.next - 1, chain: self.chain }
    }

    /// Returns the last segment and its length in bytes.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.segment, self.length)
    }

    fn frame(&mut self, records: &[&[u8]]) -> Result<Vec<u8>, Refusal> {
        let payload = self
            .packer
            .pack(records)
            .map_err(|error| Refusal::Broken(format!("packing a group of commits: {error}")))?;
        frame::build(self.next, self.chain, &payload)
            .ok_or_else(|| Refusal::Broken("a group of commits has more than 4 GiB".to_owned()))
    }

    /// Undoes a write on a full disk: truncates the file to its earlier length, before anything was synced or
    /// acknowledged. Any other error leaves the disk in an unknown state.
    fn take_back(&mut self, error: &io::Error) -> Refusal {
        if !no_room(error) {
            return Refusal::Broken(format!("writing the journal: {error}"));
        }
        self.packer = Packer::default();
        match self.file.set_len(self.length) {
            Ok(()) => Refusal::NoRoom,
            Err(error) => Refusal::Broken(format!("taking back a write to the journal: {error}")),
        }
    }

    fn rotate(&mut self) -> Result<(), Refusal> {
        self.packer = Packer::default();
        let segment = self.segment + 1;
        let opened = segment::create(&self.dir, segment, self.next, self.chain)
            .and_then(|length| Ok((length, open(&self.dir, segment)?)));
        match opened {
            Ok((length, file)) => {
                self.file = file;
                self.length = length;
                self.segment = segment;
                Ok(())
            }
            Err(Error::Io { cause, .. }) if no_room(&cause) => Err(Refusal::NoRoom),
            Err(error) => Err(Refusal::Broken(error.to_string())),
        }
    }
}

fn open(dir: &Path, segment: u64) -> Result<Disk, Error> {
    let path = segment::path(dir, segment);
    Disk::open(&path).map_err(Error::io(format!("opening {}", path.display())))
}
