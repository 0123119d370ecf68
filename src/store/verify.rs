//! Compares the journal with the state: builds a second state from the journal and compares each key.

use std::path::Path;
use std::sync::atomic::AtomicU64;

use super::commit::{AcceptedLoss, Loss};
use super::directory::{clear, journal_dir, lock};
use super::forget::{self, Done, Tampered};
use super::rebuild::{Witness, replay};
use super::state::{self, State};
use super::{Error, keys, loss};

/// Maximum of differences that a report lists; the rest is only counted.
const NAMED: usize = 100;

/// The result of comparing journal and state.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Records in the journal.
    pub records: u64,
    pub segments: u64,
    /// Bytes of a torn end, which the next start cuts.
    pub torn_bytes: u64,
    /// The hash of the last frame; it proves that everything before is unchanged.
    pub head: String,
    /// The last applied record. It is behind after a crash; the next start catches up.
    pub applied: u64,
    /// Keys of the state.
    pub keys: u64,
    /// Number of keys that differ from the journal.
    pub different: u64,
    /// The first differences.
    pub differences: Vec<String>,
    /// The loss that keeps the store from opening.
    pub lost: Option<Loss>,
    /// Orders to remove data, with the number of records that each concerned.
    pub redactions: Vec<Done>,
    /// Accepted losses: a store with one is never reported as complete again.
    pub accepted_losses: Vec<AcceptedLoss>,
}

impl Report {
    fn differs(&mut self, what: String) {
        self.different += 1;
        if self.differences.len() < NAMED {
            self.differences.push(what);
        }
    }
}

/// Reads the whole journal, builds the implied state and compares it with the existing one, key by key. The store must
/// be closed. Nothing is repaired; a value that fails its check makes the next start rebuild the state.
pub fn verify(dir: &Path) -> Result<Report, Error> {
    verify_with(dir, &mut |_, _, _| {})
}

/// Compares journal and state, and passes each commit to a witness.
pub fn verify_with(dir: &Path, witness: &mut Witness<'_>) -> Result<Report, Error> {
    let _lock = lock(dir)?;
    let scratch = dir.join("verify.scratch");
    clear(&scratch)?;
    let report = compare(dir, &scratch, witness);
    clear(&scratch)?;
    report
}

fn compare(dir: &Path, scratch: &Path, witness: &mut Witness<'_>) -> Result<Report, Error> {
    let survey = loss::survey(dir)?;
    let lost = survey.loss(dir);
    let state = survey.state;
    let applied = state.as_ref().map_or(u64::MAX, |state| state.meta().applied);
    let implied = State::open(scratch)?;
    let end = replay(&journal_dir(dir), &implied, applied, Some(witness), &AtomicU64::new(0))??;
    let mut report = Report {
        records: end.next - 1,
        segments: end.segments,
        torn_bytes: end.torn,
        head: end.head().hash(),
        lost,
        accepted_losses: implied.losses()?,
        redactions: forget::done(&implied)?,
        ..Report::default()
    };
    for tampered in forget::certificates(&journal_dir(dir), &implied, &end)? {
        report.differs(match tampered {
            Tampered::Hash(segment) => {
                format!("segment {segment} has redacted records, and its hash is not the recorded one")
            }
            Tampered::Uncertified(segment) => {
                format!("segment {segment} has redacted records that no record of the journal names")
            }
        });
    }
    let state = match state {
        Ok(state) => state,
        Err(reason) => {
            report.differs(format!("the state is unusable: {reason}"));
            return Ok(report);
        }
    };
    report.applied = applied;
    report.keys = state.meta().keys;
    if applied >= end.next {
        report.differs(format!("the state has record {applied}, the journal ends at {}", end.next - 1));
    }
    side_by_side(&implied, &state, &mut |key, want, have| {
        let key = keys::hex(key);
        report.differs(match (want, have) {
            (_, None) => format!("key {key} is missing"),
            (None, Some(_)) => format!("key {key} is not from the journal"),
            (Some(_), Some(_)) => format!("key {key} has another value"),
        });
    })?;
    Ok(report)
}

/// Receives a key, the value implied by the journal, and the one in the state.
pub(super) type Differs<'a> = dyn FnMut(&[u8], Option<&[u8]>, Option<&[u8]>) + 'a;

/// Calls `differs` for each key whose values differ, with the implied and the existing value.
pub(super) fn side_by_side(implied: &State, state: &State, differs: &mut Differs<'_>) -> Result<(), Error> {
    implied.sync()?;
    state.sync()?;
    let mut differs = |place: &[u8], want: Option<&[u8]>, have: Option<&[u8]>| {
        differs(&state::key(place), want, have);
    };
    let (mut left, mut right) = (implied.pairs(), state.pairs());
    let (mut want, mut have) = (left.next().transpose()?, right.next().transpose()?);
    loop {
        let order = match (&want, &have) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((want, _)), Some((have, _))) => want.cmp(have),
        };
        match (order, &want, &have) {
            (std::cmp::Ordering::Less, Some((key, want)), _) => differs(key, Some(want), None),
            (std::cmp::Ordering::Greater, _, Some((key, have))) => differs(key, None, Some(have)),
            (_, Some((key, want)), Some((_, have))) if want != have => {
                differs(key, Some(want), Some(have));
            }
            (_, _, _) => {}
        }
        if order.is_le() {
            want = left.next().transpose()?;
        }
        if order.is_ge() {
            have = right.next().transpose()?;
        }
    }
}
