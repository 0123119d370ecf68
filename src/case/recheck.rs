//! Reads the person again before a change and whenever a case wakes, if the policy has `as_long_as`: its condition
//! needs current values.

use chrono::TimeDelta;

use super::state::{Purpose, State};
use super::transition::Transition;
use crate::model::{Action, Subject, SubjectKind, Timestamp};
use crate::policy::outcome::OwnResult;
use crate::policy::tree::StepIndex;

/// A record this recent is current enough for consecutive steps.
const FRESH_FOR: TimeDelta = TimeDelta::seconds(60);

/// A record made this recently may be missing on replicas.
const LATELY: TimeDelta = TimeDelta::minutes(10);
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(20);

const ONLY_AT_THE_OPENING: &[&str] = &["profile", "profile_id"];

impl Transition<'_> {
    /// Returns whether the person must be read before `as_long_as` is evaluated.
    pub fn must_look(&self) -> bool {
        let fresh = self.case.seen_at.is_some_and(|at| (self.now() - at).abs() < FRESH_FOR);
        // An applicant is in no identity provider and cannot be read.
        let readable = self.case.subject.kind != SubjectKind::Applicant;
        self.policy.as_long_as.is_some() && readable && !fresh
    }

    /// Returns whether only a reading of the vendor session is due, which changes nothing about the person.
    pub fn only_asks(&self) -> bool {
        let State::Verifying(proving) = &self.case.state else { return false };
        let later = |at: Option<Timestamp>| at.is_none_or(|at| at > self.now());
        later(proving.remind_at) && later(proving.late_until.or(Some(proving.deadline)))
    }

    /// Requests a read of the person; `looked` continues the case.
    pub fn look(&mut self, step: StepIndex) -> u32 {
        let subject = self.case.subject.reference();
        self.ask(step, Action::read(subject), Purpose::Look, self.now())
    }

    /// Returns whether a look belongs to an earlier step than the current one.
    pub fn overtaken(&self, look: u32) -> bool {
        match *self.case.beneath() {
            State::Calling { call, .. } => call != look,
            _ => self.case.is_closed(),
        }
    }

    /// Handles a deleted record at the provider. A pending destruction counts as done, by any actor.
    pub fn subject_gone(&mut self) {
        let result = match self.case.beneath() {
            State::Grace(_) => self.case.result.clone(),
            _ => None,
        };
        self.close(result.as_deref().unwrap_or(OwnResult::SubjectDeleted.word()));
        self.let_go();
    }

    /// Retries a read that found nothing: a new record may not be visible yet.
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
            // Only the opening event supplied this value.
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
                // The answer may have arrived long after the request.
                self.be_fair();
                self.wake_now();
            }
            State::Held { .. } | State::Stuck(_) | State::Closed => {}
        }
    }
}
