//! Changes requested with a caller's idempotency key: a repeated request makes no second change.

use chrono::TimeDelta;

use super::Error;
use super::commit::Keyed;
use super::keys::{self, Key, Kind};
use super::state::Draft;
use crate::model::Timestamp;

/// Minimum time that a request is remembered.
const KEPT: TimeDelta = TimeDelta::hours(24);

pub(super) fn apply(draft: &mut Draft<'_>, request: &Keyed) -> Result<(), Error> {
    draft.put(keys::keyed(&request.key), request)
}

/// Removes expired requests.
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
