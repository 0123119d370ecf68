//! Repairs a journal with damaged or missing frames. A frame with one flipped bit is mended: its checksum identifies
//! the bit, and the hash in the next frame proves the result. Other damage is replaced by a gap frame. It holds the
//! record numbers and the chain before and after them, which keeps later frames proven. Operates on bytes only.

use std::path::Path;

use super::frame::{self, Chain, Gap, Head};
use super::pack::{Unpacker, begins_a_stream};
use super::segment::{self, SEGMENT_HEAD};
use crate::store::Error;

/// The result of repairing a damaged journal.
#[derive(Debug, Default)]
pub(in crate::store) struct Repair {
    pub(in crate::store) gaps: Vec<Gap>,
    /// First and last record of each mended frame that a hash proves.
    pub(in crate::store) mended: Vec<(u64, u64)>,
    /// The same for the last frame, if no hash proves it.
    pub(in crate::store) doubtful: Option<(u64, u64)>,
    /// Segments with a damaged head; earlier segments supply its content.
    pub(in crate::store) heads: Vec<u64>,
    /// The changed segments, by number; the others stay.
    pub(in crate::store) segments: Vec<(u64, Vec<u8>)>,
    /// The number of the last segment.
    pub(in crate::store) last: u64,
}

impl Repair {
    /// Returns whether nothing is damaged.
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.gaps.is_empty() && self.mended.is_empty() && self.doubtful.is_none() && self.heads.is_empty()
    }
}

/// Finds the readable content. `end` is an acknowledged frame, and the last one if `marked`.
pub(in crate::store) fn repair(dir: &Path, end: Option<Head>, marked: bool) -> Result<Repair, Error> {
    let numbers = segment::numbers(dir)?;
    let last = numbers.last().copied().unwrap_or(1);
    let mut scan = Scan { end: end.map(|end| end.chain), ..Scan::default() };
    for number in 1..=last {
        let path = segment::path(dir, number);
        let bytes = if numbers.contains(&number) {
            std::fs::read(&path).map_err(Error::io(format!("reading {}", path.display())))?
        } else {
            Vec::new()
        };
        scan.after = segment::begins(&segment::path(dir, number + 1)).map(|(_, chain)| chain);
        scan.open_end = number == last && !marked;
        scan.segment(number, &bytes);
    }
    scan.end(end);
    let segments = scan.segments.into_iter().filter(|segment| segment.changed);
    let segments = segments.map(|segment| (segment.number, segment.bytes)).collect();
    let Scan { gaps, mended, doubtful, heads, .. } = scan;
    Ok(Repair { gaps, mended, doubtful, heads, segments, last })
}

/// Returns whether a segment with a damaged head is packed: JSON lines are not.
fn packed(bytes: &[u8]) -> bool {
    let first = bytes.get(SEGMENT_HEAD..).and_then(frame::parse);
    first.is_none_or(|frame| !frame.payload.starts_with(b"{"))
}

struct Segment {
    number: u64,
    bytes: Vec<u8>,
    changed: bool,
}

/// The progress of a scan: the next expected record, and whether records before it are missing.
#[derive(Default)]
struct Scan {
    next: Next,
    missing: bool,
    /// `None`: the segment is not packed.
    unpacker: Option<Unpacker>,
    segments: Vec<Segment>,
    gaps: Vec<Gap>,
    mended: Vec<(u64, u64)>,
    doubtful: Option<(u64, u64)>,
    heads: Vec<u64>,
    /// The chain at the start of the next segment: it proves the last frame of this one.
    after: Option<Chain>,
    /// The chain of an acknowledged frame.
    end: Option<Chain>,
    /// No hash can prove the last frame of the segment.
    open_end: bool,
}

/// The next expected record, and the chain before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Next {
    sequence: u64,
    chain: Chain,
}

impl Default for Next {
    fn default() -> Self {
        Self { sequence: 1, chain: Chain::default() }
    }
}

impl Scan {
    fn segment(&mut self, number: u64, bytes: &[u8]) {
        let head = segment::parse_head(bytes);
        let packed = head.map_or_else(|| packed(bytes), |(packed, ..)| packed);
        let head = head.map(|(_, sequence, chain)| Next { sequence, chain });
        let goes_on =
            |head: &Next| head.sequence > self.next.sequence || (self.missing && *head == self.next);
        if let Some(head) = head.filter(goes_on) {
            self.close(head);
        }
        // An earlier segment keeps its bytes only if it is rewritten.
        if let Some(before) = self.segments.last_mut().filter(|before| !before.changed) {
            before.bytes = Vec::new();
        }
        let whole = segment::head(packed, self.next.sequence, self.next.chain);
        let changed = !bytes.starts_with(&whole);
        self.missing |= bytes.is_empty();
        if changed && !bytes.is_empty() {
            self.heads.push(number);
        }
        self.unpacker = packed.then(Unpacker::default);
        self.segments.push(Segment { number, bytes: whole, changed });
        let mut rest = bytes.get(SEGMENT_HEAD..).unwrap_or_default();
        while !rest.is_empty() {
            let taken = self.frame(rest);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Processes the start of the bytes; returns how many bytes it consumed.
    fn frame(&mut self, rest: &[u8]) -> usize {
        if let Some((gap, length)) = frame::parse_gap(rest)
            && (Next { sequence: gap.first, chain: gap.before }) == self.next
            && !self.missing
        {
            self.keep(rest.get(..length).unwrap_or_default());
            self.next = Next { sequence: gap.last + 1, chain: gap.after };
            self.begin_stream();
            return length;
        }
        let Some(found) = frame::parse(rest) else {
            if let Some((mended, proved)) = self.mend(rest)
                && let Some(found) = frame::parse(&mended)
                && self.take(&found)
            {
                let range = (found.sequence, self.next.sequence - 1);
                if proved {
                    self.mended.push(range);
                } else {
                    self.doubtful = Some(range);
                }
                if let Some(segment) = self.segments.last_mut() {
                    segment.changed = true;
                }
                return mended.len();
            }
            self.lose();
            // Skips to the next possible start of a frame.
            return 1 + rest.get(1..).map_or(0, |rest| frame::first_magic(rest).unwrap_or(rest.len()));
        };
        let own = Next { sequence: found.sequence, chain: found.before };
        if (self.missing || own != self.next)
            && own.sequence >= self.next.sequence
            && (self.unpacker.is_none() || begins_a_stream(found.payload))
        {
            self.close(own);
        }
        if self.missing || own != self.next || !self.take(&found) {
            self.lose();
        }
        found.bytes.len()
    }

    /// Keeps an expected frame if it can be unpacked.
    fn take(&mut self, found: &frame::Frame<'_>) -> bool {
        let lines = match &mut self.unpacker {
            Some(unpacker) => unpacker.unpack(found.payload),
            None => Some(found.payload.to_vec()),
        };
        let Some(lines) = lines else { return false };
        self.keep(found.bytes);
        let records = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.next = Next { sequence: self.next.sequence + records, chain: found.chain() };
        true
    }

    /// Returns the expected frame with one bit flipped back, and whether a hash proves it. An unproven one counts only
    /// where no hash could prove it.
    fn mend(&self, rest: &[u8]) -> Option<(Vec<u8>, bool)> {
        let due = !self.missing;
        let mended = due.then(|| frame::mend(rest, self.next.sequence, self.next.chain)).flatten()?;
        let next = rest.get(mended.len()..).unwrap_or_default();
        let before = frame::parse(next).map(|next| next.before);
        let before = before.or_else(|| frame::parse_gap(next).map(|(gap, _)| gap.before));
        let after = self.after.filter(|_| next.is_empty());
        let proved = [before, after, self.end].contains(&Some(frame::chain(&mended)));
        (proved || (self.open_end && next.is_empty())).then_some((mended, proved))
    }

    /// Resets the unpacker: the following frames are packed independently.
    fn begin_stream(&mut self) {
        self.unpacker = self.unpacker.take().map(|_| Unpacker::default());
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(segment) = self.segments.last_mut() {
            segment.bytes.extend_from_slice(bytes);
        }
    }

    fn lose(&mut self) {
        self.missing = true;
        if let Some(segment) = self.segments.last_mut() {
            segment.changed = true;
        }
    }

    /// Closes a gap of missing records; reading continues with `to`.
    fn close(&mut self, to: Next) {
        let gap = Gap {
            first: self.next.sequence,
            last: to.sequence - 1,
            before: self.next.chain,
            after: to.chain,
        };
        self.missing = false;
        self.begin_stream();
        // Bytes without a record between two frames leave no gap.
        if gap.first <= gap.last {
            self.lose_nothing_more(gap);
        } else if gap.before != gap.after {
            self.missing = true;
            return;
        }
        self.next = to;
    }

    fn lose_nothing_more(&mut self, gap: Gap) {
        if self.segments.is_empty() {
            let bytes = segment::head(true, 1, Chain::default());
            self.segments.push(Segment { number: 1, bytes, changed: true });
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.bytes.extend(frame::build_gap(&gap));
            segment.changed = true;
        }
        self.gaps.push(gap);
    }

    fn end(&mut self, end: Option<Head>) {
        if let Some(end) = end.filter(|end| end.sequence >= self.next.sequence) {
            self.close(Next { sequence: end.sequence + 1, chain: end.chain });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Chain, frame, repair, segment};
    use crate::store::journal::{Head, Piece, read, segment_path};

    /// Writes a segment of three unpacked frames; returns its bytes and where each begins.
    fn plain(dir: &Path) -> (Vec<u8>, Vec<usize>, Head) {
        let (mut bytes, mut chain) = (segment::head(false, 1, Chain::default()), Chain::default());
        let mut places = Vec::new();
        for (sequence, lines) in [(1, &b"{1}\n{2}\n"[..]), (3, b"{3}\n"), (4, b"{4}\n")] {
            let frame = frame::build(sequence, chain, lines).unwrap();
            chain = frame::chain(&frame);
            places.push(bytes.len());
            bytes.extend(frame);
        }
        std::fs::write(segment_path(dir, 1), &bytes).unwrap();
        (bytes, places, Head { sequence: 4, chain })
    }

    fn records(dir: &Path) -> Vec<u64> {
        let mut records = Vec::new();
        read(dir, 1, &mut |piece| {
            records.extend(if let Piece::Record(sequence, _) = piece { Some(sequence) } else { None });
            Ok(())
        })
        .unwrap();
        records
    }

    #[test]
    fn segments_that_are_not_packed_are_repaired_in_their_own_version() {
        let dir = tempfile::tempdir().unwrap();
        let (whole, places, end) = plain(dir.path());
        assert!(repair(dir.path(), Some(end), true).unwrap().is_empty());
        // A flipped bit in the segment's head, in each frame, and ten bytes of the second frame.
        for (place, length) in [(9, 1), (places[0] + 38, 1), (places[2] + 20, 1), (places[1] + 20, 10)] {
            let mut harmed = whole.clone();
            harmed.iter_mut().skip(place).take(length).for_each(|byte| *byte ^= 4);
            std::fs::write(segment_path(dir.path(), 1), &harmed).unwrap();
            let repair = repair(dir.path(), Some(end), true).unwrap();
            let lost: Vec<_> = repair.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
            let [(1, bytes)] = repair.segments.as_slice() else { panic!("{place}") };
            std::fs::write(segment_path(dir.path(), 1), bytes).unwrap();
            if length == 1 {
                assert_eq!((bytes, lost), (&whole, vec![]), "{place}");
            } else {
                assert_eq!((records(dir.path()), lost), (vec![1, 2, 4], vec![(3, 3)]), "{place}");
            }
        }
    }

    #[test]
    fn a_repaired_last_frame_is_accepted_only_if_the_mark_proves_it() {
        let dir = tempfile::tempdir().unwrap();
        let (whole, places, end) = plain(dir.path());
        let mut harmed = whole.clone();
        harmed[places[2] + 37] ^= 1;
        let torn = [harmed.as_slice(), b"PfF1 torn"].concat();
        let other = Head { sequence: 3, chain: [9; 16] };
        for (bytes, end, marked, mended, doubtful) in [
            (&harmed, Some(end), true, vec![(4, 4)], None),
            (&harmed, Some(end), false, vec![(4, 4)], None),
            // The following bytes were never acknowledged.
            (&torn, Some(end), true, vec![(4, 4)], None),
            (&harmed, None, false, vec![], Some((4, 4))),
            (&harmed, Some(other), false, vec![], Some((4, 4))),
            // The mark is before the frame, which was thus never acknowledged.
            (&harmed, Some(other), true, vec![], None),
        ] {
            std::fs::write(segment_path(dir.path(), 1), bytes).unwrap();
            let repair = repair(dir.path(), end, marked).unwrap();
            assert_eq!((&repair.mended, repair.doubtful), (&mended, doubtful), "{end:?} {marked}");
            let changed = mended.len() + usize::from(doubtful.is_some()) > 0;
            assert_eq!(repair.segments.iter().any(|(_, bytes)| *bytes == whole), changed);
        }
    }
}
