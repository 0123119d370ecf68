//! Attempts of calls in a simulated world: they begin in parallel, as in the daemon, and end sequentially.

use super::environment::{Answer, Environment};
use super::story::{What, destroyed, recipient};
use super::world::{TooLong, World};
use crate::case::{Input, Purpose, still_held};
use crate::model::{Action, Call, CaseId, Done, Outcome};

impl<O: Environment> World<O> {
    /// Begins an attempt. Returns true if the case refuses it.
    pub(super) fn begin(&mut self, id: &CaseId, number: u32) -> Result<bool, TooLong> {
        if self.apply(id, Input::Attempt { call: number })?.is_err() {
            return Ok(true);
        }
        let call = self.case(id).and_then(|case| case.call(number));
        self.under_way.extend(call.map(|call| ((id.clone(), number), call)));
        Ok(false)
    }

    /// Performs a begun attempt and passes its outcome to the case.
    pub(super) fn end(&mut self, id: &CaseId, call: &Call) -> Result<(), TooLong> {
        let Some(kept) = self.cases.get(id).filter(|kept| kept.lost.is_none()) else { return Ok(()) };
        let (number, case, policy) = (call.attempt.call.number, &kept.case, &kept.policy);
        let mail = if let Action::Mail { message } = &call.action {
            Some(What::Sent {
                template: message.template.clone(),
                recipient: recipient(&message.to.email, case, policy),
                own: case.calls.get(&number).is_some_and(|call| call.purpose == Purpose::OwnerNotice),
            })
        } else {
            None
        };
        let outcome = if still_held(case, &self.others_holds(&case.subject, Some(id)), &call.action) {
            Outcome::Done(Done::Kept)
        } else {
            match self.environment.perform(case, call, self.now) {
                Answer::Ended(outcome) => outcome,
                Answer::NotKnown(why) => {
                    self.lose(id, why);
                    return Ok(());
                }
            }
        };
        if let (Some(mail), Outcome::Done(_)) = (mail, &outcome) {
            self.record(Some(id), mail);
        }
        if let Some(gone) = destroyed(&call.action, &outcome) {
            self.record(Some(id), What::Destroyed(gone));
        }
        let input = Input::Outcome { call: number, attempt: call.attempt.number, outcome };
        // A refusal means that the case no longer needs the outcome.
        let _ = self.apply(id, input)?;
        Ok(())
    }
}
