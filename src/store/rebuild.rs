//! Sled from the journal, and the comparison of the two. A state that does not open, fails its check, is of
//! another journal or was found wanting while running is set aside and made anew, without a person.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::codec::Body;
use super::journal::{self, End, Piece};
use super::state::{self, Draft, State};
use super::{AcceptedLoss, Commit, Error, Loss, keys, loss, opening, projection, shape};
use crate::case::Case;
use crate::model::CaseId;

const BATCH: usize = 512;
/// Differences that a report names; the rest is counted.
const NAMED: usize = 100;

/// Is shown every commit of the journal, by its record, with its cases as they were before it.
pub type Witness<'a> = dyn FnMut(u64, &Commit, &[Before]) + 'a;

/// A case before a commit.
#[derive(Debug)]
pub struct Before {
    /// None: no record before has it.
    pub case: Option<Case>,
    /// Records since are lost, which may have changed it.
    pub doubtful: bool,
}

/// Which cases were written since the last lost record; none: no record is lost.
#[derive(Debug, Default)]
struct Lost {
    written: Option<HashSet<CaseId>>,
    last: Option<u64>,
}

impl Lost {
    /// A record is read. The first one is known only if the reading begins there.
    fn read(&mut self, sequence: u64) {
        if sequence != self.last.map_or(sequence, |last| last + 1) {
            self.written = Some(HashSet::new());
        }
        self.last = Some(sequence);
    }

    fn before(&mut self, id: &CaseId, case: Option<Case>) -> Before {
        let doubtful = self.written.as_mut().is_some_and(|written| written.insert(id.clone()));
        Before { case, doubtful }
    }
}

/// What the comparison of journal and state found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Records in the journal.
    pub records: u64,
    pub segments: u64,
    /// Bytes of a torn end, which the next start cuts.
    pub torn_bytes: u64,
    /// The hash of the last frame: with it, everything before is proved unchanged.
    pub head: String,
    /// The record up to which the state is; behind after a crash, the next start catches up.
    pub applied: u64,
    /// Keys of the state.
    pub keys: u64,
    /// How many keys differ from what the journal says.
    pub different: u64,
    /// The first of them.
    pub differences: Vec<String>,
    /// What is lost, so that the store does not open.
    pub lost: Option<Loss>,
    /// Losses that were accepted: a store that has one is never called whole again.
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

pub(super) fn state_dir(dir: &Path) -> PathBuf {
    dir.join("state")
}

fn marker(dir: &Path) -> PathBuf {
    dir.join("state.ok")
}

fn doubt(dir: &Path) -> PathBuf {
    state::doubt(&state_dir(dir))
}

/// Has the next start make the state anew.
pub(super) fn suspect(dir: &Path, reason: &str) {
    if let Err(error) = journal::write_whole(&doubt(dir), reason.as_bytes()) {
        tracing::error!(%error, "the doubt about the state could not be noted");
    }
}

/// A state that is as far as the journal, and how it came to be.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) state: State,
    pub(super) replayed: u64,
    pub(super) rebuilt: Option<String>,
}

/// Brings the state that is there up to the journal's end, or makes it anew. The journal was found to hold
/// everything that the state holds.
pub(super) fn bring_up(
    dir: &Path,
    found: Result<State, String>,
    end: &End,
    progress: &AtomicU64,
) -> Result<Brought, Error> {
    let journal = opening::journal_dir(dir);
    let records = end.head().sequence;
    let reason = match found {
        Ok(state) => {
            let before = state.meta().applied;
            match replay(&journal, &state, u64::MAX, None, progress)? {
                Ok(_) => return Ok(Brought { state, replayed: records - before, rebuilt: None }),
                // Making it anew would not make space.
                Err(error) if error.is_no_room() => return Err(error),
                Err(error) => error.to_string(),
            }
        }
        Err(reason) => reason,
    };
    set_aside(dir)?;
    let state = make(dir)?;
    replay(&journal, &state, u64::MAX, None, progress)??;
    state.sync()?;
    // A store without a record is new: nothing was made anew.
    Ok(Brought { state, replayed: records, rebuilt: (records > 0).then_some(reason) })
}

/// The state that is there, if it can be trusted; the inner error says why not. The outer one is no fault
/// of the state: making it anew would not help.
pub(super) fn sound(dir: &Path) -> Result<Result<State, String>, Error> {
    if let Ok(reason) = std::fs::read_to_string(doubt(dir)) {
        return Ok(Err(reason));
    }
    if !marker(dir).exists() || !state_dir(dir).exists() {
        return Ok(Err("it is not there or was not finished".to_owned()));
    }
    match State::open(&state_dir(dir)).and_then(|state| state.check().map(|()| state)) {
        Ok(state) => Ok(Ok(state)),
        Err(error) if error.is_no_room() => Err(error),
        Err(Error::Locked(by)) => Err(Error::Locked(by)),
        Err(error) => Ok(Err(error.to_string())),
    }
}

fn set_aside(dir: &Path) -> Result<(), Error> {
    let remove = |path: PathBuf| match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("removing {}", path.display()))(error))
        }
        Ok(()) | Err(_) => Ok(()),
    };
    let from = state_dir(dir);
    remove(marker(dir))?;
    if from.exists() {
        // Sled writes by path: an earlier opening that is still ending would write into the new directory.
        state::released(&from);
        let name = |number: u32| dir.join(format!("state.damaged-{number}"));
        let to = (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(u32::MAX));
        std::fs::rename(&from, &to).map_err(Error::io(format!("setting {} aside", from.display())))?;
    }
    remove(doubt(dir))?;
    journal::sync_dir(dir)
}

fn make(dir: &Path) -> Result<State, Error> {
    let state = State::open(&state_dir(dir))?;
    state.sync()?;
    journal::sync_dir(dir)?;
    journal::write_whole(&marker(dir), b"")?;
    Ok(state)
}

/// Applies the records that the state does not have, up to one of them. The outer error is the journal's,
/// the inner one the state's.
pub(super) fn replay(
    journal: &Path,
    state: &State,
    up_to: u64,
    mut witness: Option<&mut Witness<'_>>,
    progress: &AtomicU64,
) -> Result<Result<End, Error>, Error> {
    let applied = state.meta().applied;
    let mut draft = Draft::new(state);
    let mut last = applied;
    let mut failed = None;
    let mut lost = Lost { last: (applied == 0).then_some(0), ..Lost::default() };
    let end = journal::read(journal, applied + 1, &mut |piece| {
        let (sequence, line) = match piece {
            Piece::Record(sequence, line) => {
                progress.fetch_add(1, Ordering::Relaxed);
                lost.read(sequence);
                (sequence, line)
            }
            Piece::Frame(head) => {
                if failed.is_none() && head.sequence <= up_to {
                    draft.head = head;
                }
                return Ok(());
            }
        };
        // Goes on after a failure of the state: the journal's own damage is to be found all the same.
        if sequence <= applied || sequence > up_to || failed.is_some() {
            return Ok(());
        }
        let body = shape::decode(sequence, line)?;
        let outcome = show(&mut witness, &mut lost, &draft, sequence, &body)
            .and_then(|()| projection::apply(&mut draft, sequence, &body))
            .and_then(|()| if draft.len() >= BATCH { draft.write(sequence) } else { Ok(()) });
        match outcome {
            Ok(()) => last = sequence,
            Err(error) => failed = Some(error),
        }
        Ok(())
    })?;
    if failed.is_none() && last > applied {
        failed = draft.write(last).err();
    }
    Ok(failed.map_or(Ok(end), Err))
}

/// A case stands in a commit once, so what it was before the commit is what it was before its change.
fn show(
    witness: &mut Option<&mut Witness<'_>>,
    lost: &mut Lost,
    draft: &Draft<'_>,
    sequence: u64,
    body: &Body,
) -> Result<(), Error> {
    if let (Some(witness), Body::Commit(commit)) = (witness, body) {
        let mut before = Vec::new();
        for id in commit.cases.iter().map(|changed| &changed.case.id) {
            before.push(lost.before(id, draft.get(&keys::case(id))?));
        }
        witness(sequence, commit, &before);
    }
    Ok(())
}

/// Reads the whole journal, makes the state that it implies beside the one that is there, and compares
/// them key by key. The store must be closed; nothing is repaired, but a value that fails its check has the
/// next start make the state anew.
pub fn verify(dir: &Path) -> Result<Report, Error> {
    verify_with(dir, &mut |_, _, _| {})
}

/// The same, with somebody who looks on.
pub fn verify_with(dir: &Path, witness: &mut Witness<'_>) -> Result<Report, Error> {
    let _lock = opening::lock(dir)?;
    let scratch = dir.join("verify.scratch");
    clear(&scratch)?;
    let report = compare(dir, &scratch, witness);
    clear(&scratch)?;
    report
}

pub(super) fn clear(scratch: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("removing {}", scratch.display()))(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn compare(dir: &Path, scratch: &Path, witness: &mut Witness<'_>) -> Result<Report, Error> {
    let survey = loss::survey(dir)?;
    let lost = survey.loss(dir);
    let state = survey.state;
    let applied = state.as_ref().map_or(u64::MAX, |state| state.meta().applied);
    let implied = State::open(scratch)?;
    let end = replay(&opening::journal_dir(dir), &implied, applied, Some(witness), &AtomicU64::new(0))??;
    let mut report = Report {
        records: end.next - 1,
        segments: end.segments,
        torn_bytes: end.torn,
        head: end.head().hash(),
        lost,
        accepted_losses: implied.losses()?,
        ..Report::default()
    };
    let state = match state {
        Ok(state) => state,
        Err(reason) => {
            report.differs(format!("the state cannot be used: {reason}"));
            return Ok(report);
        }
    };
    report.applied = applied;
    report.keys = state.meta().keys;
    if applied >= end.next {
        report.differs(format!("the state holds record {applied}, the journal ends at {}", end.next - 1));
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

/// Receives a key, the sealed value that the journal implies, and the one in the state.
pub(super) type Differs<'a> = dyn FnMut(&[u8], Option<&[u8]>, Option<&[u8]>) + 'a;

/// Calls `differs` with each key whose sealed values differ: what is implied, and what is there.
pub(super) fn side_by_side(implied: &State, state: &State, differs: &mut Differs<'_>) -> Result<(), Error> {
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
