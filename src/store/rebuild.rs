//! Sled from the journal. A state that does not open, fails its check, is of
//! another journal or was found wanting while running is set aside and made anew, without a person.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::commit::{Body, Commit};
use super::directory::journal_dir;
use super::journal::{self, End, Piece};
use super::state::{self, Draft, State};
use super::{Error, keys, projection, shape};
use crate::case::Case;
use crate::model::CaseId;

const BATCH: usize = 512;

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
        tracing::error!(%error, "marking the state as doubtful failed");
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
    let journal = journal_dir(dir);
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
        return Ok(Err("it is missing or incomplete".to_owned()));
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
