//! Quarantines a case whose stored history is damaged: it becomes stuck, and its owner retries or cancels it.

use super::entry::{Entry, Note};
use super::state::{Case, Purpose, State, Stuck};
use crate::model::Timestamp;
use crate::policy::tree::StepIndex;

/// Returns the stuck case with its journal entry. `None`: the case is closed. `known`: the case matches its last
/// commit; otherwise each of its calls may have been performed.
pub fn quarantine(mut case: Case, now: Timestamp, reason: &str, known: bool) -> Option<(Case, Entry)> {
    let step = case.step().unwrap_or(StepIndex(0));
    let calls = std::mem::take(&mut case.calls).into_iter().map(|(number, mut pending)| {
        pending.in_doubt |= pending.begun.is_some() || !known;
        pending.begun = None;
        (number, pending)
    });
    // Pending owner notices about the earlier state are dropped.
    let mut parked: Vec<_> = calls.filter(|(_, pending)| pending.purpose != Purpose::OwnerNotice).collect();
    let (call, interrupted) = match std::mem::replace(&mut case.state, State::Closed) {
        State::Closed => return None,
        State::Stuck(stuck) => {
            parked.extend(stuck.parked);
            (stuck.call, stuck.interrupted)
        }
        state => (None, Some(Box::new(state))),
    };
    let reason = reason.to_owned();
    case.state = State::Stuck(Stuck { step, since: now, reason: reason.clone(), call, parked, interrupted });
    let entry = Entry { number: case.next_entry, at: now, step: None, note: Note::Stuck { reason } };
    case.next_entry += 1;
    Some((case, entry))
}
