//! Rewrites a sealed segment without the content of redacted records. Every frame keeps its place: its sequence, and
//! the hash that it was written with, which the next frame follows. Operates on bytes and lines only.
//!
//! The frames of one compressed stream depend on each other. If a record of a stream changes, all frames of that stream
//! are packed again. They no longer prove their own content; the hash of the rewritten segment, in a later record, does.

use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::frame::{self, Chain, Frame};
use super::pack::{Packer, Unpacker, is_start_of_stream};
use super::segment::{self, SEGMENT_HEAD};
use crate::store::{Act, Error, Options, disk};

/// Receives a record; returns its new line, or `None` if it stays.
type Redactor<'a> = dyn FnMut(u64, &[u8]) -> Result<Option<Vec<u8>>, Error> + 'a;

/// A segment after redaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Rewritten {
    /// Some record changed, and the file was replaced.
    pub(in crate::store) changed: bool,
    /// It has redacted frames, from now or before.
    pub(in crate::store) redacted: bool,
    /// The hash of the whole file.
    pub(in crate::store) hash: String,
}

/// Returns the segments before the last one, with their first records, and the first record of the last one.
pub(in crate::store) fn sealed(dir: &Path) -> Result<(Vec<(u64, u64)>, u64), Error> {
    let first = |number| {
        let path = segment::path(dir, number);
        let begins = segment::begins(&path).map(|(first, _)| (number, first));
        begins.ok_or_else(|| Error::Damaged(format!("the head of {} is damaged", path.display())))
    };
    let mut segments = segment::numbers(dir)?.into_iter().map(first).collect::<Result<Vec<_>, _>>()?;
    let open = segments.pop().map_or(1, |(_, first)| first);
    Ok((segments, open))
}

/// Returns the hash of a segment's file.
pub(in crate::store) fn seal_of(dir: &Path, number: u64) -> Result<String, Error> {
    let path = segment::path(dir, number);
    let bytes = std::fs::read(&path).map_err(Error::io(format!("reading {}", path.display())))?;
    Ok(HEXLOWER.encode(&Sha256::digest(&bytes)))
}

/// Redacts the records of a sealed segment, and replaces its file if one changes. After an error the file is as before.
pub(in crate::store) fn rewrite(
    dir: &Path,
    number: u64,
    options: &Options,
    redact: &mut Redactor<'_>,
) -> Result<Rewritten, Error> {
    let path = segment::path(dir, number);
    let bytes = std::fs::read(&path).map_err(Error::io(format!("reading {}", path.display())))?;
    let damaged = |offset: usize| Error::Damaged(format!("{} is damaged at byte {offset}", path.display()));
    let (packed, first, _) = segment::parse_head(&bytes).ok_or_else(|| damaged(0))?;
    let mut rewriting = Rewriting {
        out: bytes.get(..SEGMENT_HEAD).unwrap_or_default().to_vec(),
        stream: Vec::new(),
        unpacker: packed.then(Unpacker::default),
        next: first,
        changed: false,
        redacted: false,
        redact,
    };
    let mut offset = SEGMENT_HEAD;
    while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
        if let Some((gap, length)) = frame::parse_gap(rest) {
            rewriting.end_stream()?;
            rewriting.out.extend_from_slice(rest.get(..length).unwrap_or_default());
            rewriting.unpacker = packed.then(Unpacker::default);
            rewriting.next = gap.last + 1;
            offset += length;
            continue;
        }
        let frame = frame::parse(rest).ok_or_else(|| damaged(offset))?;
        let known = rewriting.frame(&frame)?;
        known.then_some(()).ok_or_else(|| damaged(offset))?;
        offset += frame.bytes.len();
    }
    rewriting.end_stream()?;
    let Rewriting { out, changed, redacted, .. } = rewriting;
    let hash = HEXLOWER.encode(&Sha256::digest(if changed { &out } else { &bytes }));
    if changed {
        let replaced = options
            .before(Act::Rewrite { segment: number })
            .map_err(Error::io(format!("writing {}", path.display())))
            .and_then(|()| disk::write_whole(&path, &out));
        if let Err(error) = replaced {
            // What was written of the new file; the segment itself is complete.
            let _ = disk::remove(&path.with_extension("tmp"));
            return Err(error);
        }
    }
    Ok(Rewritten { changed, redacted, hash })
}

/// A frame of the current stream, with its redacted lines.
struct Kept {
    sequence: u64,
    before: Chain,
    chain: Chain,
    bytes: Vec<u8>,
    lines: Vec<u8>,
    changed: bool,
    redacted: bool,
}

struct Rewriting<'a, 'b> {
    out: Vec<u8>,
    stream: Vec<Kept>,
    /// `None`: the segment is not packed.
    unpacker: Option<Unpacker>,
    next: u64,
    changed: bool,
    redacted: bool,
    redact: &'a mut Redactor<'b>,
}

impl Rewriting<'_, '_> {
    /// Takes a frame; returns false if it cannot be unpacked.
    fn frame(&mut self, frame: &Frame<'_>) -> Result<bool, Error> {
        if self.unpacker.is_none() || is_start_of_stream(frame.payload) {
            self.end_stream()?;
        }
        let lines = match &mut self.unpacker {
            Some(unpacker) => unpacker.unpack(frame.payload),
            None => Some(frame.payload.to_vec()),
        };
        let Some(lines) = lines else { return Ok(false) };
        let (mut redacted, mut changed) = (Vec::with_capacity(lines.len()), false);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            match (self.redact)(self.next, line)? {
                Some(new) => {
                    changed = true;
                    redacted.extend(new);
                }
                None => redacted.extend_from_slice(line),
            }
            self.next += 1;
        }
        self.stream.push(Kept {
            sequence: frame.sequence,
            before: frame.before,
            chain: frame.chain(),
            bytes: frame.bytes.to_vec(),
            lines: redacted,
            changed,
            redacted: frame.is_redacted(),
        });
        Ok(true)
    }

    /// Writes the frames of the stream: as they are, or all packed again.
    fn end_stream(&mut self) -> Result<(), Error> {
        let stream = std::mem::take(&mut self.stream);
        let changed = stream.iter().any(|frame| frame.changed);
        self.changed |= changed;
        self.redacted |= changed || stream.iter().any(|frame| frame.redacted);
        let mut packer = self.unpacker.is_some().then(Packer::default);
        for frame in stream {
            if !changed {
                self.out.extend(frame.bytes);
                continue;
            }
            let payload = match &mut packer {
                Some(packer) => {
                    packer.pack(&[&frame.lines]).map_err(Error::io("packing redacted records"))?
                }
                None => frame.lines,
            };
            let built = frame::build_redacted(frame.sequence, frame.before, frame.chain, &payload);
            let too_long = || Error::Damaged(format!("record {} has more than 4 GiB", frame.sequence));
            self.out.extend(built.ok_or_else(too_long)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{rewrite, seal_of, sealed};
    use crate::store::Options;
    use crate::store::journal::{Head, Journal, Piece, read, segment_path};

    /// Returns the lines with their sequences, and the end.
    fn lines(dir: &std::path::Path) -> (Vec<String>, Vec<Head>) {
        let (mut lines, mut heads) = (Vec::new(), Vec::new());
        read(dir, 1, &mut |piece| {
            match piece {
                Piece::Record(number, line) => {
                    lines.push(format!("{number} {}", String::from_utf8_lossy(line).trim_end()));
                }
                Piece::Frame(head) => heads.push(head),
            }
            Ok(())
        })
        .unwrap();
        (lines, heads)
    }

    #[test]
    fn a_rewritten_segment_keeps_its_numbers_and_hashes_and_loses_the_text() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let options = Options { segment_bytes: 4_000, ..Options::default() };
        // Three starts: several streams in a segment.
        for start in 0..3 {
            let end = read(dir, 1, &mut |_| Ok(())).unwrap();
            let mut journal = Journal::resume(dir, options.clone(), &end).unwrap();
            for number in 0..40 {
                let who = if number % 10 == 3 { "Erika Mustermann" } else { "another" };
                let lines = [format!("{start} {number} {who}\n"), format!("{start} {number} more\n")];
                journal.append(&[lines[0].as_bytes(), lines[1].as_bytes()]).unwrap();
            }
            if start == 2 {
                journal.end_segment().unwrap();
                journal.append(&[b"last\n"]).unwrap();
            }
        }
        let (before, heads) = lines(dir);
        let mut redact = |_: u64, line: &[u8]| {
            let text = String::from_utf8_lossy(line);
            Ok(text.contains("Erika").then(|| text.replace("Erika Mustermann", "-").into_bytes()))
        };
        let (segments, _) = sealed(dir).unwrap();
        assert!(segments.len() > 1, "{segments:?}");
        for (segment, _) in &segments {
            let done = rewrite(dir, *segment, &options, &mut redact).unwrap();
            assert_eq!(done.hash, seal_of(dir, *segment).unwrap());
            let again = rewrite(dir, *segment, &options, &mut redact).unwrap();
            assert!(!again.changed && again.redacted == done.changed && again.hash == done.hash);
        }
        let (after, kept) = lines(dir);
        let wanted: Vec<_> = before.iter().map(|line| line.replace("Erika Mustermann", "-")).collect();
        assert_eq!(after, wanted);
        assert_eq!(kept, heads);
        for (segment, _) in &segments {
            let bytes = std::fs::read(segment_path(dir, *segment)).unwrap();
            assert!(!bytes.windows(5).any(|window| window == b"Erika"));
        }
        // The journal goes on where it ended.
        let end = read(dir, 1, &mut |_| Ok(())).unwrap();
        Journal::resume(dir, options, &end).unwrap().append(&[b"more\n"]).unwrap();
    }

    #[test]
    fn a_full_disk_leaves_the_segment_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let end = read(dir, 1, &mut |_| Ok(())).unwrap();
        let mut journal = Journal::resume(dir, Options::default(), &end).unwrap();
        journal.append(&[b"Erika\n"]).unwrap();
        journal.end_segment().unwrap();
        let before = seal_of(dir, 1).unwrap();
        let full = |_| Err(std::io::ErrorKind::StorageFull.into());
        let options = Options { fault: Some(std::sync::Arc::new(full)), ..Options::default() };
        let failed = rewrite(dir, 1, &options, &mut |_, _| Ok(Some(b"-\n".to_vec())));
        assert!(failed.unwrap_err().is_no_room());
        assert_eq!(seal_of(dir, 1).unwrap(), before);
        assert!(!dir.join("000001.tmp").exists());
    }
}
