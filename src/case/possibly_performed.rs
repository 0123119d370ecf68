//! Cases of a store that was restored from a backup: what happened after the backup is unknown, so each call may have
//! been performed once.

use super::state::{Case, State};
use crate::model::Timestamp;

/// Marks every pending call as possibly performed, as after a stop of the daemon during it. Due calls count as begun:
/// the next start resolves them as lost attempts, which read before they act, wait, or ask a person. `taken`: the time
/// of the backup. Returns the case and the number of marked calls. `None`: it has no such call.
pub fn possibly_performed(mut case: Case, taken: Timestamp, now: Timestamp) -> Option<(Case, usize)> {
    let closed = case.is_closed();
    let (mut marked, mut began) = (0, Vec::new());
    for (number, pending) in &mut case.calls {
        if pending.begun.is_some() || (closed && !pending.purpose.outlives()) {
            continue;
        }
        marked += 1;
        if pending.due > now {
            // Only an operator could have brought it forward.
            pending.in_doubt = true;
            continue;
        }
        pending.begun = Some(now);
        pending.attempt += 1;
        began.push((*number, pending.action.clone()));
    }
    for (number, action) in began {
        // The provider may list the event of an effect that was performed since the backup.
        case.will_echo(number, &action, taken);
    }
    if let State::Stuck(stuck) = &mut case.state {
        for (_, pending) in stuck.parked.iter_mut().filter(|(_, pending)| !pending.in_doubt) {
            // An operator may have retried it.
            pending.in_doubt = true;
            marked += 1;
        }
    }
    (marked > 0).then_some((case, marked))
}
