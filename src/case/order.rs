//! What an operator may tell a case, state by state.

use super::entry::Note;
use super::input::{Operator, Order, Refused};
use super::state::State;
use super::turn::Turn;

/// Results of cases that did not reach a `close` of their own.
pub(super) const CANCELLED: &str = "cancelled";
const DROPPED: &str = "dropped";

impl Turn<'_> {
    pub fn ordered(&mut self, operator: Operator) -> Result<(), Refused> {
        let state = self.case.state.clone();
        // Written first, so that the journal reads in order; a refusal throws the whole turn away.
        let order = operator.order;
        self.note(Note::Ordered { operator });
        match (order, state) {
            (_, State::Closed) => Err(Refused::Closed),
            (
                Order::Cancel,
                State::Calling { .. }
                | State::Proving(_)
                | State::Reviewing(_)
                | State::Held { .. }
                | State::Stuck(_)
                | State::Grace(_),
            ) => {
                self.close(CANCELLED);
                Ok(())
            }
            (Order::Retry, State::Stuck(stuck)) => {
                self.retry(stuck);
                Ok(())
            }
            (Order::Release, State::Held { step, .. }) => {
                self.walk_released(step);
                Ok(())
            }
            (Order::Drop, State::Held { .. }) => {
                self.close(DROPPED);
                Ok(())
            }
            (Order::Undo, State::Grace(grace)) => self.undo(&grace),
            (Order::Undo, State::Stuck(stuck)) => match stuck.interrupted.as_deref() {
                // The destruction failed for good: not doing it is the other way out.
                Some(State::Grace(grace)) if stuck.parked.iter().all(|(_, call)| !call.in_doubt) => {
                    self.undo(grace)
                }
                Some(_) | None => Err(Refused::NotAwaited),
            },
            (Order::Remind, State::Proving(proving)) => self.remind_now(&proving),
            (
                Order::Retry,
                State::Calling { .. }
                | State::Proving(_)
                | State::Reviewing(_)
                | State::Held { .. }
                | State::Grace(_),
            )
            | (
                Order::Release | Order::Drop,
                State::Calling { .. }
                | State::Proving(_)
                | State::Reviewing(_)
                | State::Stuck(_)
                | State::Grace(_),
            )
            | (
                Order::Undo,
                State::Calling { .. } | State::Proving(_) | State::Reviewing(_) | State::Held { .. },
            )
            | (
                Order::Remind,
                State::Calling { .. }
                | State::Reviewing(_)
                | State::Held { .. }
                | State::Stuck(_)
                | State::Grace(_),
            ) => Err(Refused::NotAwaited),
        }
    }
}
