//! The last record of a restored store: later records are unknown. Calls that may have been performed since count as
//! begun, which the next start resolves as after a stop of the daemon.

use std::path::Path;

use super::super::commit::{AcceptedLoss, Body, Changed, Loss, Salvage};
use super::super::directory::journal_dir;
use super::super::journal::{self, Head, Journal};
use super::super::mark::{Mark, Marker};
use super::super::rebuild;
use super::super::state::State;
use super::super::{Error, Options, keys, shape};
use crate::case::{Case, possibly_performed};
use crate::model::{CaseId, Timestamp};

/// What a new store was made of.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Origin<'a> {
    /// Such as "restored from a backup".
    pub(in crate::store) how: &'a str,
    pub(in crate::store) taken: Timestamp,
    /// The newest time in a record.
    pub(in crate::store) newest: Option<Timestamp>,
    pub(in crate::store) head: Head,
    /// Losses that were accepted before.
    pub(in crate::store) losses: u64,
    /// The end of the original store, if an administrator confirmed it.
    pub(in crate::store) ended: Option<Head>,
    pub(in crate::store) reason: &'a str,
}

/// The calls that count as possibly performed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct Doubtful {
    pub(in crate::store) cases: Vec<CaseId>,
    pub(in crate::store) calls: usize,
    /// The end of the new store's journal.
    pub(in crate::store) head: Head,
}

impl Origin<'_> {
    /// Returns whether the origin has everything that the original store had. Refuses another end.
    pub(in crate::store) fn is_complete(&self) -> Result<bool, Error> {
        match self.ended {
            None => Ok(false),
            Some(ended) if ended == self.head => Ok(true),
            Some(ended) => Err(super::refused(format!(
                "the store was {} with the head {}, and --head is {ended}: later records are missing; take a newer \
                 one, or leave out --head and write a --reason",
                self.how, self.head
            ))),
        }
    }

    /// Ends the journal of a new store and writes its mark.
    pub(in crate::store) fn settle(&self, dir: &Path, now: Timestamp) -> Result<Doubtful, Error> {
        // A clock that is behind the records must not make due calls look planned.
        let now = self.newest.map_or(now, |newest| newest.max(now));
        let options = Options::default();
        let journals = journal_dir(dir);
        let end = journal::read(&journals, 1, &mut |_| Ok(()))?;
        let mut journal = Journal::resume(&journals, options.clone(), &end)?;
        let mut doubtful = Doubtful::default();
        let mut mark = Mark { at: self.newest, losses: self.losses, ..Mark::default() };
        if !self.is_complete()? {
            // The start goes on with this state.
            let brought = rebuild::bring_up(dir, Err(self.how.to_owned()), &end, &options.progress)?;
            let (cases, found) = doubted(&brought.state, self.taken, now)?;
            mark.losses = brought.state.losses()?.len() as u64 + 1;
            doubtful = found;
            let salvage =
                Salvage { loss: self.loss(now), restored: std::collections::BTreeMap::new(), cases };
            let record = shape::encode(&Body::Salvage(Box::new(salvage)))?;
            journal.append(&[&record]).map_err(|refusal| Error::Damaged(refusal.to_string()))?;
            mark.at = mark.at.max(Some(now));
            drop(brought);
            super::super::state::released(&rebuild::state_dir(dir));
        }
        (mark.segment, mark.length) = journal.place();
        mark.head = journal.head();
        doubtful.head = mark.head;
        Marker::open(dir, mark, options)?;
        Ok(doubtful)
    }

    fn loss(&self, now: Timestamp) -> AcceptedLoss {
        let taken = self.taken.format("%F %T UTC");
        let loss = Loss {
            what: format!("the store was {} of {taken}", self.how),
            from: Some(self.head.sequence + 1),
            to: None,
            since: self.newest,
            head: Some(self.head.to_string()),
        };
        AcceptedLoss { at: now, reason: self.reason.to_owned(), loss, cases: Vec::new() }
    }
}

fn doubted(state: &State, taken: Timestamp, now: Timestamp) -> Result<(Vec<Changed>, Doubtful), Error> {
    let prefix = keys::Key::new(keys::Kind::Case).end();
    let (mut cases, mut doubtful) = (Vec::new(), Doubtful::default());
    state.walk(&prefix, &prefix, &mut |_, case: Case| {
        if let Some((case, calls)) = possibly_performed(case, taken, now) {
            doubtful.cases.push(case.id.clone());
            doubtful.calls += calls;
            let changed = Changed { case, entries: Vec::new(), effects: Vec::new(), at: now, recorded: None };
            cases.push(changed);
        }
        true
    })?;
    Ok((cases, doubtful))
}
