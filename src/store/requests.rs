//! Changes that were asked for under a key of the caller's: the same request sent again is not a second change.

use chrono::TimeDelta;

use super::keys::{self, Key, Kind};
use super::state::Draft;
use super::{Error, Store};
use crate::model::{CaseId, Timestamp};

/// How long a request is remembered at least.
const KEPT: TimeDelta = TimeDelta::hours(24);

/// A change that was asked for under a key. It is written with the change, and once more with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// A hash of the caller and their key.
    pub key: String,
    /// A hash of the whole request.
    pub request: String,
    pub at: Timestamp,
    /// None: it was answered, and changed nothing by itself.
    pub about: Option<About>,
    /// None: the process ended between the change and its answer.
    pub answer: Option<Answer>,
}

/// What a request changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    Case(CaseId),
    Policy(String),
    /// So many events were taken in.
    Events(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

pub(super) fn apply(draft: &mut Draft<'_>, request: &Keyed) -> Result<(), Error> {
    draft.put(keys::keyed(&request.key), request)
}

/// Forgets those that are old enough.
pub(super) fn prune(draft: &mut Draft<'_>, sequence: u64, now: Timestamp) -> Result<(), Error> {
    draft.write(sequence - 1)?;
    let prefix = Key::new(Kind::Request).end();
    let mut old = Vec::new();
    draft.state.walk(&prefix, &prefix, &mut |key, request: Keyed| {
        if request.at < now - KEPT {
            old.push(key.to_vec());
        }
        true
    })?;
    old.into_iter().for_each(|key| draft.remove(key));
    draft.write(sequence - 1)
}

impl Store {
    /// The request of a key.
    pub fn keyed(&self, key: &str) -> Result<Option<Keyed>, Error> {
        self.state().value(&keys::keyed(key))
    }

    /// How many requests are remembered, up to a bound.
    pub fn keyed_count(&self, most: usize) -> Result<usize, Error> {
        let prefix = Key::new(Kind::Request).end();
        let mut count = 0;
        self.state().walk(&prefix, &prefix, &mut |_, _: Keyed| {
            count += 1;
            count < most
        })?;
        Ok(count)
    }
}
