//! Encoding of the state's keys. All keys are in one tree: the first byte names the kind, numbers are big-endian and
//! texts are escaped. The order of keys is thus the order of listings.

mod listings;

use crate::model::{CaseId, Timestamp};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

pub(super) use listings::*;

/// The kinds of key; each is one listing of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// The progress of the state.
    Meta = 0,
    Case = b'c',
    Entry = b'e',
    /// Time, case.
    Wake = b'w',
    /// Lane, system, urgency, due, case, number; only calls that are not in progress. Earlier versions used `q` for
    /// another order; a salvage may have kept such keys, which are not read.
    Call = b'Q',
    /// Case, number of calls in progress.
    Begun = b'b',
    /// Policy, key, newest first, case.
    Open = b'o',
    /// Subject, open case.
    Subject = b's',
    /// Vendor execution to case.
    Execution = b'x',
    /// Closed or open, newest first, case.
    Listing = b'l',
    /// Policy, closed or open, newest first, case.
    ListingOfPolicy = b'C',
    /// State that needs attention, newest first, case.
    ListingOfState = b'S',
    /// Search term, newest first, case.
    Term = b'T',
    /// Event key to the inbox event.
    Inbox = b'k',
    /// Due, time, event key.
    InboxDue = b'i',
    /// Dedupe mark of an event to the time when it was consumed.
    Seen = b'm',
    /// Time, key of an event that was consumed then, to its other dedupe marks.
    SeenAt = b'M',
    /// Class of verdicts, time, event, kind and person to the entry of the decision log.
    Logged = b'G',
    /// Newest day first, person, newest first, class, kind, event: what finds the entry.
    Listed = b'J',
    /// Hash to a list of revisions that entries refer to.
    Deciders = b'K',
    /// The same to the last day on which an entry began to refer to it.
    DecidersUsed = b'N',
    /// Policy, class to the last entry, for the classes whose last entry is kept forever.
    LastLogged = b'A',
    Cursor = b'u',
    Revision = b'r',
    /// Policy, time, revision.
    RevisionOf = b'p',
    Active = b'a',
    /// Policy to the last order about its revisions.
    PolicyOrder = b'O',
    /// Provider, person to the enrolment there.
    Enrolled = b'n',
    /// Fingerprint of a document, person to the last use.
    Document = b'D',
    /// Account, case to the case's holds.
    Hold = b'h',
    /// Account, case to the expected events of the case's own effects.
    Echo = b'E',
    /// Start, target.
    Pause = b'P',
    /// Time, policy, action, case, number.
    Effect = b'f',
    /// Policy, state word to the number of open cases.
    Count = b't',
    /// Schedule to the sweep's progress.
    Sweep = b'z',
    /// Schedule, newest first, to an ended run.
    SweepPast = b'j',
    /// Schedule, number to a part of the people that its run selected.
    SweepPart = b'g',
    /// Hash of a caller and their key to the requested change.
    Request = b'R',
    /// Policy, shadow, person to the time when a sweep first saw them.
    FirstSeen = b'd',
    /// Record to the loss accepted with it.
    Loss = b'L',
    /// Close of a case, case: cases whose data is still kept.
    Kept = b'U',
    /// Record to the order to remove data, with its progress.
    Redaction = b'F',
    /// Segment to the hash of its redacted file.
    Certificate = b'H',
    /// Provider, account to its deletion there.
    Deletion = b'B',
}

/// Kinds of key that earlier versions wrote; the records of a salvage may have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Retired {
    Verdict = b'v',
    Heard = b'V',
    /// Person, policy, newest first, event to the policy's verdict.
    Asked = b'W',
    AskedOf = b'X',
}

impl Retired {
    pub(super) fn of(kind: u8) -> Option<Self> {
        [Self::Verdict, Self::Heard, Self::Asked, Self::AskedOf].into_iter().find(|one| *one as u8 == kind)
    }
}

/// A key under construction.
#[derive(Debug, Clone)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn new(kind: Kind) -> Self {
        let mut key = Vec::with_capacity(64);
        key.push(kind as u8);
        Self(key)
    }

    /// Appends a terminated text: zero bytes are escaped and a zero byte ends it. This preserves order and separates
    /// texts.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.reserve(text.len() + 1);
        for (number, part) in text.as_bytes().split(|byte| *byte == 0).enumerate() {
            if number > 0 {
                self.0.extend([0, 0xFF]);
            }
            self.0.extend_from_slice(part);
        }
        self.0.push(0);
        self
    }

    /// Appends the beginning of a text, for a walk over all texts that begin with it.
    pub(super) fn begin(self, text: &str) -> Self {
        let mut key = self.text(text);
        key.0.pop();
        key
    }

    /// Returns a text as part of a key.
    pub(super) fn bare(text: &str) -> Vec<u8> {
        Self(Vec::new()).text(text).end()
    }

    pub(super) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Appends a time; earlier is smaller.
    pub(super) fn time(self, time: Timestamp) -> Self {
        self.number(ordinal(time))
    }

    /// Appends a time; later is smaller.
    pub(super) fn time_descending(self, time: Timestamp) -> Self {
        self.number(!ordinal(time))
    }

    /// Appends a day; later is smaller.
    pub(super) fn day_descending(mut self, time: Timestamp) -> Self {
        self.0.extend((!day(time)).to_be_bytes());
        self
    }

    /// Appends a part of another key.
    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(super) fn end(self) -> Vec<u8> {
        self.0
    }
}

/// Returns nanoseconds with the sign bit flipped, which makes byte order equal time order. Times outside the years 1677
/// to 2262 are clamped.
fn ordinal(time: Timestamp) -> u64 {
    let nanos = time.timestamp_nanos_opt().unwrap_or(if time.timestamp() < 0 { i64::MIN } else { i64::MAX });
    nanos.cast_unsigned() ^ (1 << 63)
}

/// Returns the day of a time, counted from the first time that a key can hold.
pub(super) fn day(time: Timestamp) -> u32 {
    const NANOS: u64 = 86_400 * 1_000_000_000;
    // Whole days lie between the first time and 1970 only up to a rest: days begin at midnight in UTC.
    let rest = (1_u64 << 63) % NANOS;
    u32::try_from((ordinal(time).saturating_add(NANOS - rest)) / NANOS).unwrap_or(u32::MAX)
}

/// Returns the text at an offset of a key, and the offset after it.
pub(super) fn text_at(key: &[u8], place: usize) -> Option<(String, usize)> {
    let mut text = Vec::new();
    let mut bytes = key.iter().copied().enumerate().skip(place).peekable();
    while let Some((at, byte)) = bytes.next() {
        if byte == 0 && bytes.next_if(|(_, next)| *next == 0xFF).is_none() {
            return Some((String::from_utf8(text).ok()?, at + 1));
        }
        text.push(byte);
    }
    None
}

/// Returns the time that is written later first at an offset of a key.
pub(super) fn time_descending_at(key: &[u8], place: usize) -> Option<Timestamp> {
    let bytes: [u8; 8] = key.get(place..place + 8)?.try_into().ok()?;
    time_at(&bytes.map(|byte| !byte), 0)
}

/// Returns the time at an offset of a key.
pub(super) fn time_at(key: &[u8], place: usize) -> Option<Timestamp> {
    let bytes = key.get(place..place + 8)?.try_into().ok()?;
    let nanos = (u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed();
    Some(Timestamp::from_timestamp_nanos(nanos))
}

/// Returns the first key after all keys with this prefix; every kind is less than 0xFF.
pub(super) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xFF {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// Returns a key in hexadecimal digits, for messages and records.
pub(super) fn hex(key: &[u8]) -> String {
    HEXLOWER.encode(key)
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

/// Returns the case whose own value or entry is stored under a key.
pub(super) fn case_of(key: &[u8]) -> Option<CaseId> {
    let kind = *key.first()?;
    (kind == Kind::Case as u8 || kind == Kind::Entry as u8).then_some(())?;
    text_at(key, 1).map(|(id, _)| CaseId(id))
}

/// Returns where a text of a key ends, with its terminator.
fn end_of_text(key: &[u8], from: usize) -> Option<usize> {
    let rest = key.get(from..)?;
    let ends = |(place, byte): (usize, &u8)| *byte == 0 && rest.get(place + 1) != Some(&0xFF);
    rest.iter().enumerate().position(ends).map(|place| from + place + 1)
}

/// Returns a key up to the end of the text after `from`.
pub(super) fn start(key: &[u8], from: usize) -> Option<Vec<u8>> {
    key.get(..end_of_text(key, from)?).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{Key, Kind, after, day, text_at, time_at, time_descending_at};
    use crate::model::Timestamp;

    #[test]
    fn keys_sort_like_their_parts() {
        let texts = |a: &str, b: &str| Key::new(Kind::Open).text(a).text(b).end();
        let ordered =
            [texts("", "z"), texts("a", "z"), texts("a\0", "a"), texts("a\0b", ""), texts("aa", "")];
        assert!(ordered.is_sorted());
        assert_ne!(texts("a", "b"), texts("a\0b", ""));
        let times: Vec<_> = [-5_000_000_000_000, -1, 0, 1, 5_000_000_000]
            .map(|seconds| Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds))
            .to_vec();
        let up: Vec<_> = times.iter().map(|time| Key::new(Kind::Wake).time(*time).end()).collect();
        let down: Vec<_> =
            times.iter().rev().map(|time| Key::new(Kind::Wake).time_descending(*time).end()).collect();
        assert!(up.is_sorted() && down.is_sorted());
        assert_eq!(up.get(3).and_then(|key| time_at(key, 1)), times.get(3).copied());
    }

    #[test]
    fn parts_of_a_key_are_read_back() {
        let time = Timestamp::UNIX_EPOCH + TimeDelta::seconds(1_800_000_000);
        let key =
            Key::new(Kind::Listed).day_descending(time).text("a\0b").time_descending(time).text("").end();
        assert_eq!(text_at(&key, 5), Some(("a\0b".to_owned(), 10)));
        assert_eq!(time_descending_at(&key, 10), Some(time));
        assert_eq!(text_at(&key, 18), Some((String::new(), 19)));
        assert_eq!((text_at(&key, 19), time_descending_at(&key, 12)), (None, None));
        // A day begins at midnight, before 1970 too.
        let midnight = Timestamp::UNIX_EPOCH + TimeDelta::days(-3);
        assert_eq!(day(midnight), day(midnight + TimeDelta::hours(23)));
        assert_eq!(day(midnight) + 1, day(midnight + TimeDelta::hours(24)));
        assert_eq!(day(midnight) - 1, day(midnight - TimeDelta::nanoseconds(1)));
    }

    #[test]
    fn texts_of_a_key_are_found_again() {
        let key = Key::new(Kind::Open).text("a\0b").text("c").number(7).end();
        assert_eq!(super::start(&key, 1), Some(key[..6].to_vec()));
        assert_eq!(super::start(&key, 6), Some(key[..8].to_vec()));
        assert_eq!(super::start(b"ab", 0), None);
    }

    #[test]
    fn a_prefix_ends_where_the_next_one_begins() {
        for (prefix, end) in [(&b"a"[..], &b"b"[..]), (b"a\xFF", b"b"), (b"a\0", b"a\x01")] {
            assert_eq!(after(prefix), end);
        }
    }
}
