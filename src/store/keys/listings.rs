//! The keys of each listing.

use super::{Key, Kind, text_at};
use crate::case::Urgency;
use crate::model::{CaseId, CaseState, Lane, Pause, SubjectRef, Timestamp};
use crate::policy::Revision;
use crate::store::commit::VendorAccount;

pub(in crate::store) fn lane_byte(lane: Lane) -> u8 {
    match lane {
        Lane::Mail => 1,
        Lane::VerificationStart => 2,
        Lane::VerificationRead => 3,
        Lane::Identity => 4,
        Lane::Provisioning => 5,
        Lane::Request => 6,
        Lane::Emit => 7,
    }
}

/// Returns the key prefix of a lane's calls.
pub(in crate::store) fn lane(lane: Lane) -> Key {
    Key::new(Kind::Call).byte(lane_byte(lane))
}

/// Returns the key prefix of one queue of a lane.
pub(in crate::store) fn queue(lane: Lane, system: &str, urgency: Urgency) -> Key {
    self::lane(lane).text(system).byte(urgency.byte())
}

/// Returns the system and the urgency of a call's key, and the length of the prefix that names them.
pub(in crate::store) fn queue_of(key: &[u8]) -> Option<(String, Urgency, usize)> {
    let (system, end) = text_at(key, 2)?;
    Some((system, Urgency::from_byte(*key.get(end)?)?, end + 1))
}

pub(in crate::store) fn case(id: &CaseId) -> Vec<u8> {
    Key::new(Kind::Case).text(id.as_str()).end()
}

pub(in crate::store) fn is_case(key: &[u8]) -> bool {
    key.first() == Some(&(Kind::Case as u8))
}

/// Returns whether a key follows the progress of one case and names it: no other case has this key.
pub(in crate::store) fn is_fleeting(key: &[u8]) -> bool {
    const KINDS: [Kind; 10] = [
        Kind::Wake,
        Kind::Call,
        Kind::Begun,
        Kind::Open,
        Kind::Subject,
        Kind::Listing,
        Kind::ListingOfPolicy,
        Kind::ListingOfState,
        Kind::Hold,
        Kind::Echo,
    ];
    key.first().is_some_and(|first| KINDS.iter().any(|kind| *first == *kind as u8))
}

/// Returns whether the key is one of those that follow from a case.
pub(in crate::store) fn follows_from_a_case(key: &[u8]) -> bool {
    const KINDS: [Kind; 14] = [
        Kind::Wake,
        Kind::Call,
        Kind::Begun,
        Kind::Open,
        Kind::Subject,
        Kind::Execution,
        Kind::Listing,
        Kind::ListingOfPolicy,
        Kind::ListingOfState,
        Kind::Term,
        Kind::Hold,
        Kind::Echo,
        Kind::Count,
        Kind::Kept,
    ];
    // Keys of vendor accounts, which earlier versions had.
    const VENDOR: u8 = b'y';
    key.first().is_some_and(|first| *first == VENDOR || KINDS.iter().any(|kind| *kind as u8 == *first))
}

pub(in crate::store) fn entry(id: &CaseId, number: u64) -> Vec<u8> {
    Key::new(Kind::Entry).text(id.as_str()).number(number).end()
}

pub(in crate::store) fn inbox(key: &str) -> Vec<u8> {
    Key::new(Kind::Inbox).text(key).end()
}

pub(in crate::store) fn seen(mark: &str) -> Vec<u8> {
    Key::new(Kind::Seen).text(mark).end()
}

pub(in crate::store) fn seen_at(at: Timestamp, key: &str) -> Vec<u8> {
    Key::new(Kind::SeenAt).time(at).text(key).end()
}

pub(in crate::store) fn cursor(source: &str) -> Vec<u8> {
    Key::new(Kind::Cursor).text(source).end()
}

pub(in crate::store) fn revision(revision: &Revision) -> Vec<u8> {
    Key::new(Kind::Revision).text(&revision.0).end()
}

pub(in crate::store) fn active() -> Vec<u8> {
    Key::new(Kind::Active).end()
}

pub(in crate::store) fn keyed(key: &str) -> Vec<u8> {
    Key::new(Kind::Request).text(key).end()
}

pub(in crate::store) fn policy_order(policy: &str) -> Vec<u8> {
    Key::new(Kind::PolicyOrder).text(policy).end()
}

pub(in crate::store) fn enrolled(provider: &str, person: &str) -> Vec<u8> {
    Key::new(Kind::Enrolled).text(provider).text(person).end()
}

pub(in crate::store) fn document(fingerprint: &str) -> Key {
    Key::new(Kind::Document).text(fingerprint)
}

/// Returns the key prefix of holds. A registration and its account are one person.
pub(in crate::store) fn hold(account: &str) -> Key {
    Key::new(Kind::Hold).text(account)
}

pub(in crate::store) fn echo(account: &str) -> Key {
    Key::new(Kind::Echo).text(account)
}

pub(in crate::store) fn pause(pause: &Pause) -> Vec<u8> {
    Key::new(Kind::Pause).time(pause.from).text(&pause.who).end()
}

pub(in crate::store) fn count(policy: &str, word: &str) -> Vec<u8> {
    Key::new(Kind::Count).text(policy).text(word).end()
}

pub(in crate::store) fn execution(execution: &str) -> Vec<u8> {
    Key::new(Kind::Execution).text(execution).end()
}

pub(in crate::store) fn listing(open: bool) -> Key {
    Key::new(Kind::Listing).byte(u8::from(open))
}

pub(in crate::store) fn listing_of_policy(policy: &str, open: bool) -> Key {
    Key::new(Kind::ListingOfPolicy).text(policy).byte(u8::from(open))
}

/// Returns the listing of a state, except of the states that most cases are in.
pub(in crate::store) fn listing_of_state(state: CaseState) -> Option<Key> {
    match state {
        CaseState::InReview | CaseState::InGrace | CaseState::OverLimit | CaseState::Stuck => {
            Some(Key::new(Kind::ListingOfState).text(state.word()))
        }
        CaseState::Running | CaseState::Waiting | CaseState::Closed => None,
    }
}

pub(in crate::store) fn term(term: &str) -> Key {
    Key::new(Kind::Term).text(term)
}

pub(in crate::store) fn open(policy: &str, key: &str) -> Key {
    Key::new(Kind::Open).text(policy).text(key)
}

pub(in crate::store) fn subject(subject: &SubjectRef) -> Key {
    Key::new(Kind::Subject).text(&subject.source).text(subject.kind.word()).text(&subject.id)
}

pub(in crate::store) fn kept(closed_at: Timestamp) -> Key {
    Key::new(Kind::Kept).time(closed_at)
}

pub(in crate::store) fn redaction(entry: u64) -> Vec<u8> {
    Key::new(Kind::Redaction).number(entry).end()
}

pub(in crate::store) fn certificate(segment: u64) -> Vec<u8> {
    Key::new(Kind::Certificate).number(segment).end()
}

pub(in crate::store) fn deletion(account: &VendorAccount) -> Vec<u8> {
    Key::new(Kind::Deletion).text(&account.provider).text(&account.account).end()
}

pub(in crate::store) fn loss(sequence: u64) -> Vec<u8> {
    Key::new(Kind::Loss).number(sequence).end()
}

pub(in crate::store) fn meta() -> Vec<u8> {
    Key::new(Kind::Meta).end()
}
