//! What an operator may tell a case, state by state.

use super::entry::Note;
use super::input::{Operator, Order, Refused};
use super::state::State;
use super::transition::Transition;
use crate::policy::outcome::OwnResult;

impl Transition<'_> {
    pub fn ordered(&mut self, operator: Operator) -> Result<(), Refused> {
        let state = self.case.state.clone();
        // Written first, so that the journal reads in order; a refusal throws the whole turn away.
        let (order, by) = (operator.order, operator.by.clone());
        if !own_business(order) && self.is_about(&by) {
            let rule = "nobody orders this in their own case".to_owned();
            return Err(Refused::MayNotDecide { by: by.name, rule });
        }
        self.note(Note::Ordered { operator });
        match (order, state) {
            // A hold may outlive its case, and so may the wish to lift it.
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
                // The destruction failed for good: not doing it is the other way out.
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

/// What changes nothing about the person may be ordered by themselves.
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
