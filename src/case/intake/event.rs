//! Events and existing cases: the case whose effect caused an event, and the open cases that it reaches.

use std::collections::VecDeque;
use std::sync::Arc;

use super::sweep::Looked;
use super::{Answer, Decision, Intake, Step};
use crate::case::advance::gone;
use crate::case::echo::caused_by;
use crate::case::input::OpenedBy;
use crate::case::opening::concerns;
use crate::case::state::{Case, Echo};
use crate::model::{CaseId, Event, SubjectRef, Verdict};
use crate::policy::Policy;

/// A case's reaction to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    Joined,
    /// The event ended the case.
    Cancelled,
    /// The case refused the event.
    Ignored,
}

impl Reaction {
    pub(super) fn verdict(self) -> Verdict {
        match self {
            Self::Joined => Verdict::Joined,
            Self::Cancelled => Verdict::Cancelled,
            Self::Ignored => Verdict::Ignored,
        }
    }
}

/// Requests the known effects of cases on an account.
#[derive(Debug)]
pub struct AskEchoes {
    pub(super) intake: Box<Intake>,
}

impl AskEchoes {
    /// Returns the account.
    pub fn person(&self) -> String {
        self.intake.subject.person()
    }

    pub fn answer<'a>(self, known: impl IntoIterator<Item = (&'a CaseId, &'a Echo)>) -> Step {
        let Self { intake } = self;
        let OpenedBy::Event(event) = &intake.by else { return intake.next() };
        match caused_by(known, event).cloned() {
            Some(case) => {
                // This effect explains no other event of the type.
                let event = event.clone();
                Step::Join(AskJoin { intake, case: case.clone(), event, after: After::Cause(case) })
            }
            None => Step::Concerned(AskConcerned { intake }),
        }
    }
}

/// Requests the open cases about the event's subject, with their policies.
#[derive(Debug)]
pub struct AskConcerned {
    intake: Box<Intake>,
}

impl AskConcerned {
    pub fn about(&self) -> &SubjectRef {
        &self.intake.subject
    }

    pub fn answer<'a>(self, open: impl IntoIterator<Item = (&'a Case, &'a Arc<Policy>)>) -> Step {
        let Self { intake } = self;
        let OpenedBy::Event(event) = &intake.by else { return intake.next() };
        let concerned = open.into_iter().filter(|(case, policy)| concerns(case, policy, event));
        let cases = concerned.map(|(case, policy)| (case.id.clone(), Some(Arc::clone(policy))));
        let cases = in_order(cases.collect());
        join(intake, cases, None)
    }
}

/// Requests the open cases about a subject.
#[derive(Debug)]
pub struct AskCases {
    pub(super) intake: Box<Intake>,
    pub(super) of: Of,
}

/// The relevant open cases.
#[derive(Debug)]
pub(super) enum Of {
    /// All other cases: an effect of this case deleted the person's record.
    Left(CaseId),
    /// Those of the policy whose sweep selected the person.
    Policy(Box<Looked>),
}

impl AskCases {
    pub fn about(&self) -> SubjectRef {
        match &self.of {
            Of::Left(_) => self.intake.subject.clone(),
            Of::Policy(looked) => looked.subject.reference(),
        }
    }

    pub fn answer<'a>(self, open: impl IntoIterator<Item = &'a Case>) -> Step {
        let Self { intake, of } = self;
        match (of, &intake.by) {
            (Of::Policy(looked), _) => {
                let taken = open.into_iter().find(|case| case.policy == looked.policy.name);
                let taken = taken.map(|case| case.id.clone());
                intake.looked(*looked, taken)
            }
            (Of::Left(cause), OpenedBy::Event(event)) => {
                let left = open.into_iter().filter(|case| !case.explains(event));
                let cases = in_order(left.map(|case| (case.id.clone(), None)).collect());
                join(intake, cases, Some(cause))
            }
            (Of::Left(cause), OpenedBy::Hand { .. } | OpenedBy::Sweep { .. }) => {
                Step::Done(Decision::OwnChange(cause))
            }
        }
    }
}

/// Cases that an event reaches; with a policy if the case's reaction is recorded.
type Reached = VecDeque<(CaseId, Option<Arc<Policy>>)>;

fn in_order(mut cases: Vec<(CaseId, Option<Arc<Policy>>)>) -> Reached {
    cases.sort_by(|(one, _), (other, _)| one.cmp(other));
    cases.into()
}

/// Requests to hand the event to a case.
#[derive(Debug)]
pub struct AskJoin {
    pub(super) intake: Box<Intake>,
    pub case: CaseId,
    pub event: Event,
    pub(super) after: After,
}

/// The continuation after the case's reaction.
#[derive(Debug)]
pub(super) enum After {
    /// The effect of this case caused the event.
    Cause(CaseId),
    /// More open cases; `cause` as in `Of::Left`.
    Cases { policy: Option<Arc<Policy>>, rest: Reached, cause: Option<CaseId> },
    /// The policy that would have opened a case without this open one.
    Taken(Arc<Policy>),
}

impl AskJoin {
    pub fn answer(self, reaction: Reaction) -> Step {
        let Self { mut intake, case, event, after } = self;
        match after {
            After::Cause(cause) if gone(&event) => Step::Cases(AskCases { intake, of: Of::Left(cause) }),
            After::Cause(cause) => Step::Done(Decision::OwnChange(cause)),
            After::Cases { policy, rest, cause } => {
                if let Some(policy) = policy {
                    intake.note(policy, Answer::Reached(case, reaction));
                }
                join(intake, rest, cause)
            }
            After::Taken(policy) => intake.answered(policy, Answer::Reached(case, reaction)),
        }
    }
}

/// Hands the event to the cases in order.
fn join(intake: Box<Intake>, mut cases: Reached, cause: Option<CaseId>) -> Step {
    match (cases.pop_front(), &intake.by) {
        (Some((case, policy)), OpenedBy::Event(event)) => {
            let event = event.clone();
            Step::Join(AskJoin { intake, case, event, after: After::Cases { policy, rest: cases, cause } })
        }
        (Some(_) | None, _) => match cause {
            Some(cause) => Step::Done(Decision::OwnChange(cause)),
            None => intake.next(),
        },
    }
}
