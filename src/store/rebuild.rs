//! Builds sled from the journal. An unusable state is set aside and rebuilt automatically. A state is unusable if it
//! does not open, fails its check, belongs to another journal or was found damaged at runtime.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::commit::{Body, Commit};
use super::directory::journal_dir;
use super::journal::{self, End, Head, Piece};
use super::state::{self, Draft, State};
use super::{Error, keys, projection, shape};
use crate::case::Case;
use crate::model::CaseId;

/// Writes after which records become visible to a prune, which walks the state.
const BATCH: usize = 2048;

/// Bytes of records that are passed on at once, and how many such parts may wait.
const AT_ONCE: usize = 1 << 20;
const WAITING: usize = 4;

/// Receives every commit of the journal, with its record and its cases before it.
pub type Witness<'a> = dyn FnMut(u64, &Commit, &[Before]) + 'a;

/// A case before a commit.
#[derive(Debug)]
pub struct Before {
    /// `None`: no earlier record contains it.
    pub case: Option<Case>,
    /// Lost records may have changed it since.
    pub doubtful: bool,
}

/// The cases written since the last lost record; `None` if no record is lost.
#[derive(Debug, Default)]
struct Lost {
    written: Option<HashSet<CaseId>>,
    last: Option<u64>,
}

impl Lost {
    /// Records that a record was read. The first one must be known if reading begins there.
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

/// Marks the state for a rebuild at the next start.
pub(super) fn suspect(dir: &Path, reason: &str) {
    if let Err(error) = journal::write_whole(&doubt(dir), reason.as_bytes()) {
        tracing::error!(%error, "marking the state as doubtful failed");
    }
}

/// A state at the journal's end, and how it was reached.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) state: State,
    pub(super) replayed: u64,
    pub(super) rebuilt: Option<String>,
}

/// Updates the state to the journal's end, or rebuilds it. The journal was checked to contain everything in the state.
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
                // A rebuild would not free space.
                Err(error) if error.is_no_room() => return Err(error),
                Err(error) => error.to_string(),
            }
        }
        Err(reason) => reason,
    };
    set_aside(dir)?;
    let state = make(dir)?;
    state.hurry(true);
    replay(&journal, &state, u64::MAX, None, progress)??;
    state.sync()?;
    state.hurry(false);
    // A store without records is new, not rebuilt.
    Ok(Brought { state, replayed: records, rebuilt: (records > 0).then_some(reason) })
}

/// Returns the existing state if it is valid; the inner error explains why it is not. The outer error is independent of
/// the state: a rebuild would not help.
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
        // Sled writes by path: an earlier opening that is still closing would write into the new directory.
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

/// A piece of the journal, decoded.
#[expect(clippy::large_enum_variant, reason = "nearly all are records; a box would only cost each of them")]
enum Item {
    Record { sequence: u64, bytes: usize, body: Body },
    Frame(Head),
}

/// Applies the records that the state lacks, up to one of them. The outer error is the journal's, the inner one the
/// state's. One thread reads and decodes, another one applies.
pub(super) fn replay(
    journal: &Path,
    state: &State,
    up_to: u64,
    witness: Option<&mut Witness<'_>>,
    progress: &AtomicU64,
) -> Result<Result<End, Error>, Error> {
    let applied = state.meta().applied;
    let (to, items) = sync_channel(WAITING);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read(journal, applied, up_to, to, progress));
        let outcome = apply(state, &items, witness);
        // After a failure of the state, the reader goes on to detect damage in the journal.
        drop(items);
        let end = reader
            .join()
            .unwrap_or_else(|_| Err(Error::Damaged("a panic while reading the journal".to_owned())))?;
        Ok(outcome.map(|()| end))
    })
}

fn read(
    journal: &Path,
    applied: u64,
    up_to: u64,
    to: SyncSender<Vec<Item>>,
    progress: &AtomicU64,
) -> Result<End, Error> {
    let (mut items, mut bytes, mut wanted) = (Vec::new(), 0, true);
    let end = journal::read(journal, applied + 1, &mut |piece| {
        match piece {
            Piece::Record(sequence, line) => {
                progress.fetch_add(1, Ordering::Relaxed);
                if wanted && sequence > applied && sequence <= up_to {
                    let body = shape::decode(sequence, line)?;
                    items.push(Item::Record { sequence, bytes: line.len(), body });
                    bytes += line.len();
                }
            }
            Piece::Frame(head) if head.sequence <= up_to => items.push(Item::Frame(head)),
            Piece::Frame(_) => {}
        }
        if bytes >= AT_ONCE || items.len() >= BATCH {
            wanted = wanted && to.send(std::mem::take(&mut items)).is_ok();
            items.clear();
            bytes = 0;
        }
        Ok(())
    })?;
    // A closed channel means that the state failed, and why is known.
    let _ = to.send(items);
    Ok(end)
}

fn apply(
    state: &State,
    items: &Receiver<Vec<Item>>,
    mut witness: Option<&mut Witness<'_>>,
) -> Result<(), Error> {
    let applied = state.meta().applied;
    let mut draft = Draft::new(state);
    let mut last = applied;
    let mut lost = Lost { last: (applied == 0).then_some(0), ..Lost::default() };
    for item in items.iter().flatten() {
        match item {
            Item::Frame(head) => draft.head = head,
            Item::Record { sequence, bytes, body } => {
                lost.read(sequence);
                show(&mut witness, &mut lost, &draft, sequence, &body)?;
                projection::apply(&mut draft, sequence, body)?;
                draft.count(bytes);
                if draft.len() >= BATCH {
                    draft.write(sequence)?;
                }
                last = sequence;
            }
        }
    }
    if last > applied { draft.write(last) } else { Ok(()) }
}

/// Passes a commit to the witness. A case occurs once in a commit: its state before the commit is its state before the
/// change.
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
