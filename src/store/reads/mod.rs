//! Queries for other rooms, each a walk over one listing of the state.

mod asked;
mod calls;
mod cases;
mod kept;
mod requests;
mod sweeps;

pub use calls::Queue;
pub use cases::{CaseFilter, is_cursor};
pub use kept::KeptCase;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use asked::LastAsked;

use super::commit::{Holding, PolicyOrder, StoredRevision, Waiting};
use super::handle::Store;
use super::keys::{self, Key, Kind, time_at};
use super::shape::{Stored, state_of};
use super::state::State;
use super::{AcceptedLoss, Error};
use crate::case::{Case, Echo, Entry};
use crate::model::{CaseId, DocumentUse, EffectKind, Enrolment, Event, Pause, SubjectRef, Timestamp};
use crate::policy::{Files, Revision};

/// Maximum of reported people for one document; more add no information.
const MOST_PEOPLE: usize = 20;

/// The due items, and the time of the next one.
type Due<T> = (Vec<T>, Option<Timestamp>);

impl Store {
    pub(super) fn state(&self) -> &State {
        &self.shared.state
    }

    /// Returns the accepted losses, oldest first.
    pub fn losses(&self) -> Result<Vec<AcceptedLoss>, Error> {
        self.state().losses()
    }

    /// Returns a case as of its last commit.
    pub fn case(&self, id: &CaseId) -> Result<Option<Case>, Error> {
        Ok(self.state().case(&keys::case(id))?.map(Arc::unwrap_or_clone))
    }

    /// Returns a case as of its last commit, without a copy if it was written lately.
    pub fn shared_case(&self, id: &CaseId) -> Result<Option<Arc<Case>>, Error> {
        self.state().case(&keys::case(id))
    }

    /// Returns entries of a case, starting at a number.
    pub fn entries(&self, id: &CaseId, from: u64, limit: usize) -> Result<Vec<Entry>, Error> {
        let prefix = Key::new(Kind::Entry).text(id.as_str()).end();
        self.some(&prefix, &keys::entry(id, from), limit)
    }

    /// Returns the open case of a policy with this key; the newest if there are several.
    pub fn open_case(&self, policy: &str, key: &str) -> Result<Option<CaseId>, Error> {
        let prefix = keys::open(policy, key).end();
        Ok(self.some(&prefix, &prefix, 1)?.pop())
    }

    /// Returns the open cases of a person, over all policies.
    pub fn open_cases_of(&self, subject: &SubjectRef) -> Result<Vec<CaseId>, Error> {
        let prefix = keys::subject(subject).end();
        self.some(&prefix, &prefix, usize::MAX)
    }

    /// Returns the open or closed case of a vendor session.
    pub fn case_by_execution(&self, execution: &str) -> Result<Option<CaseId>, Error> {
        self.state().value(&keys::execution(execution))
    }

    /// Returns cases whose `wake_at` is due, earliest first, and the time of the next one.
    pub fn due_cases(&self, now: Timestamp, limit: usize) -> Result<Due<CaseId>, Error> {
        self.due(&Key::new(Kind::Wake).end(), now, limit)
    }

    /// Returns inbox events that are planned for later than `from`, earliest first.
    pub fn inbox_after(&self, from: Timestamp, limit: usize) -> Result<Vec<Waiting>, Error> {
        let prefix = Key::new(Kind::InboxDue);
        let keys: Vec<String> = self.some(&prefix.clone().end(), &prefix.time(from).end(), limit)?;
        let mut waiting = Vec::with_capacity(keys.len());
        for key in keys {
            waiting.extend(self.state().value::<Waiting>(&keys::inbox(&key))?);
        }
        Ok(waiting)
    }

    /// Returns calls with a begun attempt; after a start, their end is unknown.
    pub fn begun_calls(&self) -> Result<Vec<(CaseId, u32, u32)>, Error> {
        let prefix = Key::new(Kind::Begun).end();
        self.some(&prefix, &prefix, usize::MAX)
    }

    /// Returns inbox events that are due, and the time of the next one.
    pub fn inbox(&self, now: Timestamp, limit: usize) -> Result<Due<Waiting>, Error> {
        let (due, next) = self.due::<String>(&Key::new(Kind::InboxDue).end(), now, limit)?;
        let mut waiting = Vec::with_capacity(due.len());
        for key in due {
            waiting.extend(self.state().value::<Waiting>(&keys::inbox(&key))?);
        }
        Ok((waiting, next))
    }

    /// Returns whether an event with this key or a dedupe alias was consumed before. An event in the inbox does not
    /// count, which allows checking it against itself.
    pub fn seen(&self, event: &Event) -> Result<bool, Error> {
        for mark in std::iter::once(&event.key).chain(&event.near) {
            if let Some(Some(_)) = self.state().value::<Option<Timestamp>>(&keys::seen(mark))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the cursor of a source.
    pub fn cursor(&self, source: &str) -> Result<Option<String>, Error> {
        self.state().value(&keys::cursor(source))
    }

    /// Returns the files of a revision.
    pub fn revision(&self, revision: &Revision) -> Result<Option<Files>, Error> {
        let stored: Option<StoredRevision> = self.state().value(&keys::revision(revision))?;
        Ok(stored.map(|stored| {
            Files(stored.files.into_iter().map(|(path, text)| (path, Arc::from(text.as_bytes()))).collect())
        }))
    }

    /// Returns all stored revisions of a policy, oldest first.
    pub fn revisions(&self, policy: &str) -> Result<Vec<StoredRevision>, Error> {
        let prefix = Key::new(Kind::RevisionOf).text(policy).end();
        let names: Vec<Revision> = self.some(&prefix, &prefix, usize::MAX)?;
        let mut revisions = Vec::with_capacity(names.len());
        for name in names {
            revisions.extend(self.state().value::<StoredRevision>(&keys::revision(&name))?);
        }
        Ok(revisions)
    }

    /// Returns the active revisions, by policy.
    pub fn active(&self) -> Result<BTreeMap<String, Revision>, Error> {
        Ok(self.state().value(&keys::active())?.unwrap_or_default())
    }

    /// Returns the last order about the revisions of a policy.
    pub fn policy_order(&self, policy: &str) -> Result<Option<PolicyOrder>, Error> {
        self.state().value(&keys::policy_order(policy))
    }

    /// Returns a person's enrolment at a verification provider.
    pub fn enrolment(&self, provider: &str, person: &str) -> Result<Option<Enrolment>, Error> {
        self.state().value(&keys::enrolled(provider, person))
    }

    /// Returns the uses of a document, by its fingerprint.
    pub fn shown(&self, document: &str) -> Result<Vec<DocumentUse>, Error> {
        let prefix = keys::document(document).end();
        self.some(&prefix, &prefix, MOST_PEOPLE)
    }

    /// Returns the holds of open and closed cases on an account.
    pub fn holds_of(&self, account: &str) -> Result<Vec<Holding>, Error> {
        let prefix = keys::hold(account).end();
        self.some(&prefix, &prefix, usize::MAX)
    }

    /// Returns all holds.
    pub fn holds(&self, limit: usize) -> Result<Vec<Holding>, Error> {
        let prefix = Key::new(Kind::Hold).end();
        self.some(&prefix, &prefix, limit)
    }

    /// Returns the expected events of own effects on an account, by case.
    pub fn echoes_of(&self, account: &str) -> Result<Vec<(CaseId, Vec<Echo>)>, Error> {
        let prefix = keys::echo(account).end();
        self.some(&prefix, &prefix, usize::MAX)
    }

    /// Returns outages that began at or after this time, oldest first.
    pub fn pauses_since(&self, since: Timestamp) -> Result<Vec<Pause>, Error> {
        let from = Key::new(Kind::Pause).time(since).end();
        self.some(&Key::new(Kind::Pause).end(), &from, usize::MAX)
    }

    /// Returns limited effects since a time: (policy, action, when), for the counters at start.
    pub fn effects_since(&self, since: Timestamp) -> Result<Vec<(String, EffectKind, Timestamp)>, Error> {
        let from = Key::new(Kind::Effect).time(since).end();
        self.some(&Key::new(Kind::Effect).end(), &from, usize::MAX)
    }

    /// Returns counts of open cases by policy and state word, from stored counters instead of a scan.
    pub fn counts(&self) -> Result<BTreeMap<(String, String), u64>, Error> {
        let prefix = Key::new(Kind::Count).end();
        let counts: Vec<(String, String, u64)> = self.some(&prefix, &prefix, usize::MAX)?;
        Ok(counts.into_iter().map(|(policy, word, count)| ((policy, state_of(word)), count)).collect())
    }

    /// Returns counts of open cases by policy and state.
    pub fn open_counts(&self) -> Result<BTreeMap<(String, String), u64>, Error> {
        let mut counts = self.counts()?;
        counts.retain(|(_, state), _| state != "closed");
        Ok(counts)
    }

    pub(super) fn some<T: Stored>(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        if limit > 0 {
            self.state().walk(prefix, from, &mut |_, value| {
                found.push(value);
                found.len() < limit
            })?;
        }
        Ok(found)
    }

    /// Returns the due items of a listing whose keys are a prefix and a time.
    fn due<T: Stored>(&self, prefix: &[u8], now: Timestamp, limit: usize) -> Result<Due<T>, Error> {
        let (mut due, mut next) = (Vec::new(), None);
        self.state().walk(prefix, prefix, &mut |key, value| {
            let at = time_at(key, prefix.len());
            if at.is_some_and(|at| at > now) || due.len() >= limit {
                next = at;
                return false;
            }
            due.push(value);
            true
        })?;
        Ok((due, next))
    }
}
