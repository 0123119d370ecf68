//! Bounds sessions at providers, which cost money: per person and day, and per policy. A policy's bound is an ordinary
//! limit. A person who presses while it is used up loses no time.

use chrono::TimeDelta;

use super::enrolling::in_use;
use super::entry::Note;
use super::input::{Press, Refused};
use super::state::{State, Verifying};
use super::transition::Transition;
use crate::model::{EffectKind, Enrolment, Session, Timestamp};

/// Sessions that one person may start in a day, over all providers and policies.
const MOST_IN_A_DAY: usize = 3;

const DAY: TimeDelta = TimeDelta::hours(24);

/// Whether a session may start now.
pub(super) enum Pays {
    Yes,
    /// The person must wait until then.
    Rests(Timestamp),
    /// The policy's limit is used up.
    Held,
}

impl Transition<'_> {
    pub(super) fn pays(&self, proving: &Verifying) -> Pays {
        let since = self.now() - DAY;
        let earlier =
            self.context.enrolments.iter().filter(|(provider, _)| !self.enrolments.contains_key(*provider));
        let known = earlier.chain(&self.enrolments).flat_map(|(_, known)| &known.starts);
        let mut lately: Vec<Timestamp> = known.filter(|at| **at > since).copied().collect();
        lately.sort_unstable();
        if let Some(oldest) = lately.len().checked_sub(MOST_IN_A_DAY).and_then(|at| lately.get(at)) {
            return Pays::Rests(*oldest + DAY);
        }
        let used_up = self.context.over_limit.contains(&EffectKind::Verify);
        if used_up && self.case.released != Some(proving.step) { Pays::Held } else { Pays::Yes }
    }

    /// Counts a requested session, once.
    pub fn pay(&mut self, proving: &mut Verifying) {
        proving.rests_until = None;
        self.case.released.take_if(|step| *step == proving.step);
        self.count(EffectKind::Verify);
    }

    pub fn rest(&mut self, mut proving: Verifying, until: Timestamp) {
        if proving.rests_until != Some(until) {
            self.note(Note::StartRests { until });
        }
        proving.rests_until = Some(until);
        proving.wanted = false;
        self.case.state = State::Verifying(proving);
    }

    pub fn hold_start(&mut self, mut proving: Verifying) {
        proving.wanted = false;
        let (step, since, action) = (proving.step, self.now(), EffectKind::Verify);
        self.case.state = State::Held { step, action, since, asked: Some(Box::new(proving)) };
        self.note(Note::Held { action });
    }

    /// Handles another press while the case is over limit: it continues if the limit has room now.
    pub fn press_again(&mut self, asked: Verifying, since: Timestamp, press: Press) -> Result<(), Refused> {
        if press.link != asked.link {
            return Err(Refused::DeadLink);
        }
        if self.context.over_limit.contains(&EffectKind::Verify) {
            return Err(Refused::NotAwaited);
        }
        let stood = self.now() - since;
        self.prove_on(asked, stood);
        let State::Verifying(proving) = self.case.state.clone() else { return Err(Refused::NotAwaited) };
        self.press(proving, press)
    }

    /// Continues after an operator released the start: the person gets a mail with the link.
    pub fn ask_on(&mut self, asked: Verifying, since: Timestamp) -> Result<(), Refused> {
        let stood = self.now() - since;
        self.prove_on(asked, stood);
        let State::Verifying(proving) = self.case.state.clone() else { return Err(Refused::NotAwaited) };
        self.remind_now(&proving)
    }

    /// Gives the day's session back: it was no try of the person.
    pub fn give_back(&mut self, proving: &Verifying) {
        if let Ok(verify) = self.verify_of(proving.step) {
            let provider = in_use(proving, verify).provider.clone();
            self.change(&provider, Enrolment::never_started);
        }
    }

    pub fn remember_start(&mut self, provider: &str, session: &Session) {
        let now = self.now();
        self.remember_run(provider, session);
        self.change(provider, |enrolment| enrolment.started(now));
    }
}
