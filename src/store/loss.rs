//! Losses: records that the high-water mark or the state knows and the journal lacks. A store with a loss does not
//! open. An administrator may accept the loss; the journal records that permanently.

use std::path::Path;

use serde::Serialize;

use super::commit::{AcceptedLoss, Body, Loss};
use super::directory::{journal_dir, lock, make_dir, make_secret};
use super::journal::{self, Chain, End, Head, Journal, Piece};
use super::mark::{self, Found, Mark, Marker};
use super::state::State;
use super::{Error, Options, rebuild, shape};
use crate::model::Timestamp;

/// The condition of a store before it is opened.
pub(super) struct Survey {
    pub(super) end: End,
    pub(super) mark: Found,
    /// The inner error explains why the state cannot be used.
    pub(super) state: Result<State, String>,
    /// The chain of the journal at the mark's record, and at the state's.
    at_mark: Option<Chain>,
    at_state: Option<Chain>,
    pub(super) secret: bool,
    /// Files that exist only after a store was completely created.
    traces: Vec<String>,
}

/// Reads the mark, the whole journal and the state's progress. Changes nothing, except for what opening sled changes.
pub(super) fn survey(dir: &Path) -> Result<Survey, Error> {
    let mark = mark::read(dir)?;
    let state = rebuild::sound(dir)?;
    let known = match mark {
        Found::Read { mark, .. } => Some(mark.head),
        Found::Missing | Found::Unreadable => None,
    };
    let applied = state.as_ref().ok().map(|state| state.meta().head);
    let (mut at_mark, mut at_state) = (None, None);
    let mut pass = |head: Head| {
        let is = |other: Option<Head>| other.is_some_and(|other| other.sequence == head.sequence);
        if is(known) {
            at_mark = Some(head.chain);
        }
        if is(applied) {
            at_state = Some(head.chain);
        }
    };
    pass(Head::default());
    let end = journal::read(&journal_dir(dir), 1, &mut |piece| {
        if let Piece::Frame(head) = piece {
            pass(head);
        }
        Ok(())
    })
    .map_err(|error| dated(error, dir))?;
    let secret = dir.join("secret").exists();
    Ok(Survey { end, mark, state, at_mark, at_state, secret, traces: traces(dir)? })
}

/// Returns files in the store's directory that are created only after its secret.
fn traces(dir: &Path) -> Result<Vec<String>, Error> {
    let doing = || format!("listing {}", dir.display());
    let mut traces = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(doing()))? {
        let name = entry.map_err(Error::io(doing()))?.file_name().to_string_lossy().into_owned();
        let ours = ["state", "secret", "reserve"].iter().any(|start| name.starts_with(start));
        if ours && !name.ends_with(".tmp") {
            traces.push(name);
        }
    }
    traces.sort_unstable();
    Ok(traces)
}

/// Adds the time of the last record before the damage to an error.
fn dated(error: Error, dir: &Path) -> Error {
    match (error, last_time(dir)) {
        (Error::Damaged(what), Some(since)) => Error::Damaged(format!(
            "{what}; the last good record before it is of {}",
            since.format("%F %T UTC")
        )),
        (error, _) => error,
    }
}

/// Returns the newest time in the last readable records.
pub(super) fn last_time(dir: &Path) -> Option<Timestamp> {
    const LAST: usize = 256;
    let mut lines = std::collections::VecDeque::new();
    // An error ends the reading; the records before it are sufficient.
    let _ = journal::read(&journal_dir(dir), 1, &mut |piece| {
        if let Piece::Record(sequence, line) = piece {
            lines.truncate(LAST - 1);
            lines.push_front((sequence, line.to_vec()));
        }
        Ok(())
    });
    lines.iter().filter_map(|(sequence, line)| shape::decode(*sequence, line).ok()?.at()).max()
}

impl Survey {
    fn records(&self) -> u64 {
        self.end.head().sequence
    }

    fn known(&self) -> Option<Mark> {
        match self.mark {
            Found::Read { mark, .. } => Some(mark),
            Found::Missing | Found::Unreadable => None,
        }
    }

    /// Returns whether nothing was ever committed: a new store, or an interrupted creation. Creation writes the journal
    /// and the mark, then the secret, then the state.
    pub(super) fn is_new(&self) -> bool {
        let marked = match self.mark {
            Found::Missing => 0,
            Found::Unreadable => return false,
            Found::Read { mark, .. } => mark.head.sequence,
        };
        self.records() == 0 && self.end.torn == 0 && marked == 0 && self.traces.is_empty()
    }

    /// Returns the last record in the state, if the state was built from this journal or from a lost one.
    fn applied(&self) -> Option<u64> {
        let meta = self.state.as_ref().ok()?.meta();
        let foreign = meta.head.sequence <= self.records() && self.at_state != Some(meta.head.chain);
        (!foreign).then_some(meta.applied)
    }

    /// Returns whether the state was built from another journal, given a proven journal.
    pub(super) fn state_is_foreign(&self) -> bool {
        self.state.is_ok() && self.applied().is_none()
    }

    /// Returns the loss, if there is one.
    pub(super) fn loss(&self, dir: &Path) -> Option<Loss> {
        if self.is_new() {
            return None;
        }
        let found = self.journal_loss(dir).or_else(|| self.secret_loss(dir))?;
        Some(Loss { since: last_time(dir), head: self.known().map(|mark| mark.head.to_string()), ..found })
    }

    fn journal_loss(&self, dir: &Path) -> Option<Loss> {
        let records = self.records();
        let journal = journal_dir(dir);
        let lost = |what: String, from: Option<u64>, to: Option<u64>| {
            Some(Loss { what, from, to, since: None, head: None })
        };
        let ends = match (self.end.last, records) {
            (None, _) => format!("the journal {} is missing or empty", journal.display()),
            (Some(_), 0) => format!("the journal {} has no records", journal.display()),
            (Some(_), _) => format!("the journal {} ends at record {records}", journal.display()),
        };
        let next = Some(records + 1);
        let torn = self.end.last.filter(|_| self.end.torn > 0).map(|(segment, length)| {
            let path = journal.join(format!("{segment:06}.log"));
            format!("{} is damaged at byte {length}, with record {}", path.display(), records + 1)
        });
        let applied = self.applied().filter(|applied| *applied > records);
        match self.mark {
            Found::Read { mark, .. } if mark.head.sequence > records => {
                let to = mark.head.sequence.max(applied.unwrap_or_default());
                let of = mark.at.map(|at| format!(" of {}", at.format("%F %T UTC"))).unwrap_or_default();
                let knows = format!("the high-water mark{of} holds record {}", mark.head.sequence);
                let what = torn.map_or(ends, |torn| format!("{torn}, which was acknowledged"));
                lost(format!("{what}, and {knows}"), next, Some(to))
            }
            Found::Read { mark, .. } if self.at_mark != Some(mark.head.chain) => lost(
                format!(
                    "the journal {} was not written by this store: the hash of record {} differs from the \
                        high-water mark",
                    journal.display(),
                    mark.head.sequence
                ),
                None,
                None,
            ),
            Found::Read { .. } | Found::Missing | Found::Unreadable if applied.is_some() => {
                lost(format!("{ends}, and the state has record {}", applied?), next, applied)
            }
            Found::Read { mark, whole } => {
                // A slot is written after its frame was synced. A torn slot and a torn frame thus have different
                // causes, and the slot may have covered the frame.
                let torn = torn.filter(|_| !whole && mark.head.sequence == records)?;
                lost(format!("{torn}, and a slot of the high-water mark is damaged too"), next, None)
            }
            Found::Missing | Found::Unreadable => self.unmarked(ends, torn),
        }
    }

    /// Returns the loss without a usable mark: only a state built from this journal proves its end.
    fn unmarked(&self, ends: String, torn: Option<String>) -> Option<Loss> {
        let mark = match self.mark {
            Found::Missing => "missing",
            Found::Unreadable | Found::Read { .. } => "damaged",
        };
        let proved = self.end.last.is_some() && self.applied().is_some();
        if proved && torn.is_none() {
            return None;
        }
        let what = match torn {
            Some(torn) => format!("{torn}, and the high-water mark is {mark}"),
            None => format!("{ends}, the high-water mark is {mark}, and no state proves its end"),
        };
        Some(Loss { what, from: Some(self.records() + 1), to: None, since: None, head: None })
    }

    fn secret_loss(&self, dir: &Path) -> Option<Loss> {
        let what =
            format!("{} is missing; every link that was sent depends on it", dir.join("secret").display());
        (!self.secret).then_some(Loss { what, from: None, to: None, since: None, head: None })
    }

    /// Returns the segment and length up to which the journal is known to be on disk.
    pub(super) fn synced(&self) -> Option<(u64, u64)> {
        self.known().filter(|mark| mark.segment > 0).map(|mark| (mark.segment, mark.length))
    }

    /// Returns the mark for the journal's current end.
    pub(super) fn next_mark(&self, journal: &Journal, losses: u64) -> Mark {
        let (segment, length) = journal.place();
        let at = self.known().and_then(|mark| mark.at);
        Mark { head: journal.head(), segment, length, at, losses }
    }
}

/// Accepts a loss: a journal record stores what was lost, when and why, and the next start rebuilds the state. The
/// store must be closed, and something must be lost.
pub fn accept_loss(dir: &Path, now: Timestamp, reason: &str) -> Result<AcceptedLoss, Error> {
    let _lock = lock(dir)?;
    let survey = survey(dir)?;
    let Some(loss) = survey.loss(dir) else { return Err(Error::NothingLost) };
    let accepted = AcceptedLoss { at: now, reason: reason.to_owned(), loss, cases: Vec::new() };
    let journals = journal_dir(dir);
    make_dir(&journals)?;
    let options = Options::default();
    journal::settle(&journals, &options, &survey.end, None)?;
    let mut journal = Journal::resume(&journals, options.clone(), &survey.end)?;
    // Before the journal changes: a state ahead of the journal would count as another loss.
    rebuild::suspect(dir, "a loss was accepted");
    if !survey.secret {
        make_secret(dir)?;
    }
    let record = shape::encode(&Body::Loss(Box::new(accepted.clone())))?;
    journal.append(&[&record]).map_err(|refusal| Error::Damaged(refusal.to_string()))?;
    let losses = survey.known().map_or(0, |mark| mark.losses) + 1;
    let mark = Mark { at: Some(now), ..survey.next_mark(&journal, losses) };
    Marker::open(dir, mark, options)?;
    Ok(accepted)
}

/// The end of the journal according to the mark, for storage elsewhere. The store may be open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Marked {
    pub sequence: u64,
    pub hash: String,
    /// The newest time in a record.
    pub at: Option<Timestamp>,
    pub accepted_losses: u64,
}

/// Reads the high-water mark.
pub fn head(dir: &Path) -> Result<Marked, Error> {
    let wrong =
        |what: &str| Error::Damaged(format!("the high-water mark {} is {what}", mark::path(dir).display()));
    match mark::read(dir)? {
        Found::Missing => Err(wrong("missing")),
        Found::Unreadable => Err(wrong("damaged")),
        Found::Read { mark: Mark { head, at, losses, .. }, .. } => {
            Ok(Marked { sequence: head.sequence, hash: head.hash(), at, accepted_losses: losses })
        }
    }
}

/// Returns whether a frame of the journal ends with this record and has this hash.
pub fn holds(dir: &Path, head: Head) -> Result<bool, Error> {
    let mut found = head == Head::default();
    journal::read(&journal_dir(dir), 1, &mut |piece| {
        found |= matches!(piece, Piece::Frame(passed) if passed == head);
        Ok(())
    })?;
    Ok(found)
}
