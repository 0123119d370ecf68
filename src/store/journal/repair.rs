//! A journal with damaged or missing frames becomes one that reads. A frame with one turned bit is mended: its
//! checksum says which bit, and the hash that the next frame carries proves it. For other damage a gap frame
//! stands in the place of the records; it carries their numbers and the chain before and after them, so the
//! frames that follow stay proved. It knows bytes only.

use std::path::Path;

use super::frame::{self, Chain, Gap, Head};
use super::pack::{Unpacker, begins_a_stream};
use super::segment::{self, SEGMENT_HEAD};
use crate::store::Error;

/// What a damaged journal becomes.
#[derive(Debug, Default)]
pub(in crate::store) struct Repair {
    pub(in crate::store) gaps: Vec<Gap>,
    /// First and last record of each frame that was mended.
    pub(in crate::store) mended: Vec<(u64, u64)>,
    /// Segments whose head was damaged; it is known from what is before it.
    pub(in crate::store) heads: Vec<u64>,
    /// The segments that change, by number; the others stay.
    pub(in crate::store) segments: Vec<(u64, Vec<u8>)>,
    /// The number of the last segment.
    pub(in crate::store) last: u64,
}

/// Finds what can be read. `end` is the end of the journal as the mark has it.
pub(in crate::store) fn repair(dir: &Path, end: Option<Head>) -> Result<Repair, Error> {
    let numbers = segment::numbers(dir)?;
    let last = numbers.last().copied().unwrap_or(1);
    let mut scan = Scan::default();
    for number in 1..=last {
        let path = segment::path(dir, number);
        let bytes = if numbers.contains(&number) {
            std::fs::read(&path).map_err(Error::io(format!("reading {}", path.display())))?
        } else {
            Vec::new()
        };
        scan.after = segment::begins(&segment::path(dir, number + 1))
            .map(|(_, chain)| chain)
            .or_else(|| end.filter(|_| number == last).map(|end| end.chain));
        scan.segment(number, &bytes);
    }
    scan.end(end);
    let segments = scan.segments.into_iter().filter(|segment| segment.changed);
    let segments = segments.map(|segment| (segment.number, segment.bytes)).collect();
    Ok(Repair { gaps: scan.gaps, mended: scan.mended, heads: scan.heads, segments, last })
}

struct Segment {
    number: u64,
    bytes: Vec<u8>,
    changed: bool,
}

/// How far the scan is: what is due, and whether records before what comes next are missing.
#[derive(Default)]
struct Scan {
    next: Next,
    missing: bool,
    unpacker: Unpacker,
    segments: Vec<Segment>,
    gaps: Vec<Gap>,
    mended: Vec<(u64, u64)>,
    heads: Vec<u64>,
    /// What proves the last frame of the segment.
    after: Option<Chain>,
}

/// The record that is due, and the chain before it.
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
        let head = segment::parse_head(bytes).map(|(sequence, chain)| Next { sequence, chain });
        let goes_on =
            |head: &Next| head.sequence > self.next.sequence || (self.missing && *head == self.next);
        if let Some(head) = head.filter(goes_on) {
            self.close(head);
        }
        // A segment before this one keeps its bytes only if it is written anew.
        if let Some(before) = self.segments.last_mut().filter(|before| !before.changed) {
            before.bytes = Vec::new();
        }
        let whole = segment::head(self.next.sequence, self.next.chain);
        let changed = !bytes.starts_with(&whole);
        self.missing |= bytes.is_empty();
        if changed && !bytes.is_empty() {
            self.heads.push(number);
        }
        self.unpacker = Unpacker::default();
        self.segments.push(Segment { number, bytes: whole, changed });
        let mut rest = bytes.get(SEGMENT_HEAD..).unwrap_or_default();
        while !rest.is_empty() {
            let taken = self.frame(rest);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Looks at what the bytes begin with; gives how many of them are done with.
    fn frame(&mut self, rest: &[u8]) -> usize {
        if let Some((gap, length)) = frame::parse_gap(rest)
            && (Next { sequence: gap.first, chain: gap.before }) == self.next
            && !self.missing
        {
            self.keep(rest.get(..length).unwrap_or_default());
            self.next = Next { sequence: gap.last + 1, chain: gap.after };
            self.unpacker = Unpacker::default();
            return length;
        }
        let Some(found) = frame::parse(rest) else {
            if let Some(mended) = self.mend(rest)
                && let Some(found) = frame::parse(&mended)
            {
                let first = self.next.sequence;
                self.take(&found);
                self.mended.push((first, self.next.sequence - 1));
                if let Some(segment) = self.segments.last_mut() {
                    segment.changed = true;
                }
                return mended.len();
            }
            self.lose();
            // To the next place where a frame could begin.
            return 1 + rest.get(1..).map_or(0, |rest| frame::first_magic(rest).unwrap_or(rest.len()));
        };
        let own = Next { sequence: found.sequence, chain: found.before };
        if (self.missing || own != self.next)
            && own.sequence >= self.next.sequence
            && begins_a_stream(found.payload)
        {
            self.close(own);
        }
        if self.missing || own != self.next {
            self.lose();
            return found.bytes.len();
        }
        self.take(&found);
        found.bytes.len()
    }

    /// A frame that is due.
    fn take(&mut self, found: &frame::Frame<'_>) {
        match self.unpacker.unpack(found.payload) {
            Some(lines) => {
                self.keep(found.bytes);
                let records = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
                self.next = Next { sequence: self.next.sequence + records, chain: frame::chain(found.bytes) };
            }
            None => self.lose(),
        }
    }

    /// The frame that is due, with one bit turned back, if what follows proves it.
    fn mend(&self, rest: &[u8]) -> Option<Vec<u8>> {
        let due = !self.missing;
        let mended = due.then(|| frame::mend(rest, self.next.sequence, self.next.chain)).flatten()?;
        let proof = match rest.get(mended.len()..).filter(|rest| !rest.is_empty()) {
            Some(rest) => frame::parse(rest).map(|next| next.before),
            None => self.after,
        };
        (proof == Some(frame::chain(&mended))).then_some(mended)
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

    /// Records up to here are missing; reading goes on with this one.
    fn close(&mut self, to: Next) {
        let gap = Gap {
            first: self.next.sequence,
            last: to.sequence - 1,
            before: self.next.chain,
            after: to.chain,
        };
        self.missing = false;
        self.unpacker = Unpacker::default();
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
            let bytes = segment::head(1, Chain::default());
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
