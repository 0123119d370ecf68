//! Evaluates a policy for a person that was read, and opens its case unless one is open.

use std::sync::Arc;

use super::event::{After, AskJoin};
use super::{Answer, Decision, Intake, Known, Modes, Step};
use crate::case::input::{OpenedBy, Opening};
use crate::case::opening::{Found, Offered, Traces, found, offer, offer_enforced, opened_by};
use crate::case::state::Case;
use crate::model::{CaseId, Event, Failure, Subject, SubjectRef, Timestamp};
use crate::policy::Policy;
use crate::policy::tree::IfAlreadyOpen;

/// Requests a read of the person, at this time.
#[derive(Debug)]
pub struct AskPerson {
    pub(super) intake: Box<Intake>,
    pub(super) policy: Arc<Policy>,
    /// The event, if the read is for one.
    pub event: Option<Event>,
    pub subject: SubjectRef,
}

/// The result of a lookup.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// `None`: the person does not exist.
    Read(Option<Subject>),
    /// The source is unavailable now.
    Later(Failure),
    /// The person has no source, permanently.
    Never(String),
    /// The earlier record is unknown: it was not read then.
    Unknown,
}

impl AskPerson {
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Continues with a lookup. `now`: the time of the read.
    pub fn answer(self, lookup: Lookup, now: Timestamp) -> Step {
        let Self { mut intake, policy, event, subject } = self;
        // One instant for all policies of an event: the log records it once.
        if intake.people.is_empty() {
            intake.now = now;
        }
        let known = match (lookup, event) {
            (Lookup::Later(failure), _) => return Step::Done(Decision::Later(failure)),
            (Lookup::Never(why), _) => Known::Never(why),
            (Lookup::Unknown, _) => Known::Unknown,
            (Lookup::Read(person), Some(event)) => match found(&event, person, intake.attempts) {
                Found::Person(person) => Known::Person(Arc::new(person)),
                Found::Later(why) => return Step::Done(Decision::Later(Failure::unavailable(why))),
                Found::Never(why) => Known::Never(why),
            },
            (Lookup::Read(Some(person)), None) => Known::Person(Arc::new(person)),
            (Lookup::Read(None), None) => {
                Known::Never(format!("the identity provider does not have {subject}"))
            }
        };
        intake.people.insert(policy.subject, known.clone());
        intake.met(policy, known)
    }
}

impl Intake {
    /// Returns the policy's answer to an opening, in its mode or as enforced.
    pub(super) fn offer(&self, policy: &Policy, event: Option<&Event>, subject: &Subject) -> Offered {
        // An event is recorded with the values; a manual start and a sweep are not.
        let traces = if event.is_some() { Traces::LeftOut } else { Traces::Found };
        match self.modes {
            Modes::AsWritten => offer(policy, event, subject, traces, self.now),
            Modes::AllEnforced => offer_enforced(policy, event, subject, traces, self.now),
        }
    }

    pub(super) fn offered(self: Box<Self>, policy: Arc<Policy>, subject: &Subject) -> Step {
        // The event of nearly all policies is the one that was received.
        let offered = match &self.by {
            OpenedBy::Event(event) if event.subject.kind == policy.subject => {
                self.offer(&policy, Some(event), subject)
            }
            OpenedBy::Event(_) | OpenedBy::Hand { .. } | OpenedBy::Sweep { .. } => {
                self.offer(&policy, self.event_for(&policy).as_ref(), subject)
            }
        };
        let opening = |key| {
            let by = self.event_for(&policy).map_or_else(|| self.by.clone(), OpenedBy::Event);
            Opening { subject: subject.clone(), by, key }
        };
        let answer = match offered {
            Offered::Opens(key) => {
                let opening = opening(key);
                return Step::Taken(AskTaken { intake: self, policy, opening, objections: Vec::new() });
            }
            Offered::Shadow(key) => Answer::Shadow(Box::new(opening(key))),
            Offered::Disabled => Answer::Disabled,
            Offered::Clause(stopped) => Answer::Clause(stopped),
            Offered::CouldNotDecide(stopped) => Answer::CouldNotDecide(stopped),
        };
        self.answered(policy, answer)
    }
}

/// Requests the policy's open case with the key. The daemon must prevent other openings until the next request that is
/// neither `Join` nor `Open`.
#[derive(Debug)]
pub struct AskTaken {
    pub(super) intake: Box<Intake>,
    pub(super) policy: Arc<Policy>,
    pub(super) opening: Opening,
    /// Objections of a thorough sweep.
    pub(super) objections: Vec<Answer>,
}

/// The open case with the key.
#[derive(Debug)]
pub enum Taken<'a> {
    Nobody,
    Case(&'a Case),
    /// The case is open and cannot be read.
    Gone(CaseId),
    /// Whether the case was still open is unknown.
    Unknown,
}

impl AskTaken {
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    pub fn key(&self) -> &str {
        &self.opening.key
    }

    pub fn answer(self, taken: Taken<'_>) -> Step {
        let Self { mut intake, policy, opening, mut objections } = self;
        if intake.sweeping.is_some() {
            objections.extend(match taken {
                Taken::Nobody => None,
                Taken::Case(case) => Some(Answer::AlreadyOpen(case.id.clone())),
                Taken::Gone(id) => Some(Answer::AlreadyOpen(id)),
                Taken::Unknown => Some(Answer::Unknown(opening.subject.reference())),
            });
            if objections.is_empty() {
                return intake.open_or_watch(policy, opening);
            }
            for objection in objections {
                intake.note(Arc::clone(&policy), objection);
            }
            return intake.next();
        }
        let answer = match taken {
            Taken::Nobody => return Step::Open(AskOpen { intake, policy, opening }),
            Taken::Unknown => Answer::Unknown(opening.subject.reference()),
            Taken::Gone(id) => Answer::Gone(id),
            Taken::Case(case) => match opening.by {
                // Redelivered event: the daemon stopped, or another policy failed, before the event was recorded as
                // consumed. Joining would restart or cancel the case that it opened.
                OpenedBy::Event(event) if opened_by(case, &event) => Answer::Opened(case.id.clone()),
                // The case decides `restart` and `cancel`; `open_another` with the same key joins too.
                OpenedBy::Event(event) => {
                    let case = case.id.clone();
                    return Step::Join(AskJoin { intake, case, event, after: After::Taken(policy) });
                }
                OpenedBy::Hand { .. } if policy.if_already_open == IfAlreadyOpen::OpenAnother => {
                    return Step::Open(AskOpen { intake, policy, opening });
                }
                OpenedBy::Hand { .. } | OpenedBy::Sweep { .. } => Answer::AlreadyOpen(case.id.clone()),
            },
        };
        intake.answered(policy, answer)
    }
}

impl Intake {
    pub(super) fn open_or_watch(self: Box<Self>, policy: Arc<Policy>, opening: Opening) -> Step {
        if self.only_watches(&policy) {
            return self.answered(policy, Answer::Shadow(Box::new(opening)));
        }
        Step::Open(AskOpen { intake: self, policy, opening })
    }
}

/// Requests to open a case.
#[derive(Debug)]
pub struct AskOpen {
    pub(super) intake: Box<Intake>,
    pub(super) policy: Arc<Policy>,
    pub opening: Opening,
}

impl AskOpen {
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Continues with the opened case. `None`: the same opening opened a case before.
    pub fn answer(self, opened: Option<CaseId>) -> Step {
        let answer = opened.map_or(Answer::Duplicate, Answer::Opened);
        self.intake.answered(self.policy, answer)
    }
}
