//! The person is read again before something is changed and whenever a case wakes, if the policy says
//! `as_long_as`: what it looks at must be true now.

use chrono::TimeDelta;

use super::state::{Purpose, State};
use super::transition::Transition;
use crate::model::{Action, Subject, SubjectKind, Timestamp};
use crate::policy::outcome::OwnResult;
use crate::policy::tree::StepIndex;

/// What was read this recently is true enough for the steps that follow one another.
const FRESH_FOR: TimeDelta = TimeDelta::seconds(60);

/// A record that was made this lately may be missing where it was not copied to yet.
const LATELY: TimeDelta = TimeDelta::minutes(10);
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(20);

const ONLY_AT_THE_OPENING: &[&str] = &["profile", "profile_id"];

impl Transition<'_> {
    /// Whether the person has to be read before the policy is asked whether it still applies.
    pub fn must_look(&self) -> bool {
        let fresh = self.case.seen_at.is_some_and(|at| (self.now() - at).abs() < FRESH_FOR);
        // Nobody can be asked about somebody who is in no identity provider.
        let readable = self.case.subject.kind != SubjectKind::Applicant;
        self.policy.as_long_as.is_some() && readable && !fresh
    }

    /// The only thing due is to ask the vendor how far a session is, which changes nobody.
    pub fn only_asks(&self) -> bool {
        let State::Verifying(proving) = &self.case.state else { return false };
        let later = |at: Option<Timestamp>| at.is_none_or(|at| at > self.now());
        later(proving.remind_at) && later(proving.late_until.or(Some(proving.deadline)))
    }

    /// Asks for the person; the case goes on with `looked`.
    pub fn look(&mut self, step: StepIndex) -> u32 {
        let subject = self.case.subject.reference();
        self.ask(step, Action::read(subject), Purpose::Look, self.now())
    }

    /// Whether a look was asked for at an earlier step than the one that the case is at.
    pub fn overtaken(&self, look: u32) -> bool {
        match *self.case.beneath() {
            State::Calling { call, .. } => call != look,
            _ => self.case.is_closed(),
        }
    }

    /// The person's record is gone at the provider. What was to be destroyed is gone too, whoever did it.
    pub fn subject_gone(&mut self) {
        let result = match self.case.beneath() {
            State::Grace(_) => self.case.result.clone(),
            _ => None,
        };
        self.close(result.as_deref().unwrap_or(OwnResult::SubjectDeleted.word()));
        self.let_go();
    }

    /// What was made minutes ago may not be shown yet, so its absence is not believed at once.
    fn not_seen(&mut self) {
        let now = self.now();
        let made = self.case.snapshot().created_at.unwrap_or(self.case.opened_at);
        let Some(step) = self.case.step().filter(|_| (now - made).abs() < LATELY) else {
            return self.subject_gone();
        };
        let subject = self.case.subject.reference();
        let call = self.ask(step, Action::read(subject), Purpose::Look, now + LOOK_AGAIN);
        if let State::Calling { step, .. } = self.case.state {
            self.case.state = State::Calling { step, call };
        }
    }

    pub fn looked(&mut self, look: u32, subject: Option<Box<Subject>>) {
        if self.overtaken(look) {
            return;
        }
        let Some(mut subject) = subject else { return self.not_seen() };
        for field in ONLY_AT_THE_OPENING {
            // Told by the event that opened the case, and by nothing since.
            let known = self.case.subject.fields.get(*field).filter(|value| !value.is_null());
            if let (Some(known), Some(now)) =
                (known, subject.fields.get_mut(*field).filter(|now| now.is_null()))
            {
                now.clone_from(known);
            }
        }
        self.case.seen = Some(*subject);
        self.case.seen_at = Some(self.now());
        match self.case.state {
            State::Calling { step, .. } => self.walk(step),
            State::Verifying(ref proving) if self.waits_to_start(proving) => {
                self.begin_session(proving.clone());
            }
            State::Verifying(_) | State::Reviewing(_) | State::Waiting(_) | State::Grace(_) => {
                // The answer may have come long after the question.
                self.be_fair();
                self.wake_now();
            }
            State::Held { .. } | State::Stuck(_) | State::Closed => {}
        }
    }
}
