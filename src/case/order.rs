//! Applies operator orders to a case, by state.

use super::entry::Note;
use super::input::{Operator, Order, Refused};
use super::state::State;
use super::transition::Transition;
use crate::policy::outcome::OwnResult;

impl Transition<'_> {
    pub fn ordered(&mut self, operator: Operator) -> Result<(), Refused> {
        let state = self.case.state.clone();
        // Noted first to keep the journal in order; a refusal discards the whole transition.
        let (order, by) = (operator.order, operator.by.clone());
        if !own_business(order) && self.is_about(&by) {
            let rule = "nobody orders this in their own case".to_owned();
            return Err(Refused::MayNotDecide { by: by.name, rule });
        }
        self.note(Note::Ordered { operator });
        match (order, state) {
            // A hold may outlive its case; lifting is allowed after the end.
            (Order::Lift, _) => self.lift_all(),
            (_, State::Closed) => Err(Refused::Closed),
            (Order::Cancel, _) => {
                self.close(OwnResult::Cancelled.word());
                Ok(())
            }
            (Order::Retry, State::Stuck(stuck)) => {
                self.retry(stuck);
                Ok(())
            }
            (Order::Release, State::Held { step, since, asked: Some(asked), .. }) => {
                self.case.released = Some(step);
                self.ask_on(*asked, since)
            }
            (Order::Release, State::Held { step, asked: None, .. }) => {
                self.walk_released(step);
                Ok(())
            }
            (Order::Drop, State::Held { .. }) => {
                self.close(OwnResult::Dropped.word());
                Ok(())
            }
            (Order::Undo, State::Grace(grace)) => self.undo(&grace),
            (Order::Undo, State::Stuck(stuck)) => match stuck.interrupted.as_deref() {
                // The destruction failed for good: undoing it is an alternative to a retry.
                Some(State::Grace(grace)) if stuck.parked.iter().all(|(_, call)| !call.in_doubt) => {
                    self.undo(grace)
                }
                Some(_) | None => Err(Refused::NotAwaited),
            },
            (Order::Remind, State::Verifying(proving)) => self.remind_now(&proving),
            (Order::Claim, State::Reviewing(reviewing)) => self.take_review(reviewing, by),
            (Order::ReleaseClaim, State::Reviewing(reviewing)) => self.give_back_review(reviewing, &by),
            (
                Order::Retry
                | Order::Release
                | Order::Drop
                | Order::Undo
                | Order::Remind
                | Order::Claim
                | Order::ReleaseClaim,
                _,
            ) => Err(Refused::NotAwaited),
        }
    }
}

/// Returns whether a person may order this in their own case: it changes nothing about them.
fn own_business(order: Order) -> bool {
    match order {
        Order::Retry | Order::Remind => true,
        Order::Cancel
        | Order::Release
        | Order::Drop
        | Order::Undo
        | Order::Claim
        | Order::ReleaseClaim
        | Order::Lift => false,
    }
}
