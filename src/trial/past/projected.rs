//! The projected result of a case: its end, its effects, and possible further effects.

use std::collections::BTreeSet;

use super::Then;
use crate::case::{Case, OpenedBy, Opening, State};
use crate::model::{CaseId, EffectKind, Event, SubjectRef, Timestamp};
use crate::policy::Policy;
use crate::policy::effects::reachable;
use crate::policy::tree::Step;

/// The result of one case, up to the end of the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Projected {
    pub case: CaseId,
    pub policy: String,
    pub subject: SubjectRef,
    pub name: Name,
    pub opened_at: Timestamp,
    /// The trigger: an event's type, `manual` or a sweep.
    pub opened_by: String,
    /// The event's key.
    pub event: Option<String>,
    pub end: End,
    /// Effects whose step was reached, in order.
    pub did: Vec<ProjectedEffect>,
    /// Sessions at a provider.
    pub sessions: usize,
    /// Possible further effects, if the case's course is unknown.
    pub may: BTreeSet<EffectKind>,
    /// The person's last read record was assumed to be unchanged.
    pub assumed: bool,
}

/// A person's name, for authorized viewers; logs omit it.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(pub String);

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("...")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectedEffect {
    pub what: EffectKind,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Closed {
        result: String,
    },
    /// An adverse effect is in grace.
    InGrace {
        result: String,
    },
    /// The case still waits at the end of the record.
    Open {
        state: &'static str,
        step: String,
    },
    /// The case's course after a step is unknown.
    Unknown {
        step: String,
        because: String,
    },
}

impl End {
    /// Builds an end. `step`: the case's current step. `lost`: why its further course is unknown.
    pub(super) fn of(case: &Case, step: Option<&Step>, lost: Option<&str>) -> Self {
        let at = || step.map(|step| step.id.as_ref().unwrap_or(&step.path).clone()).unwrap_or_default();
        let result = || case.result.clone().unwrap_or_default();
        match (&case.state, lost) {
            (State::Closed, _) => Self::Closed { result: result() },
            (State::Grace(_), _) => Self::InGrace { result: result() },
            (_, Some(why)) => Self::Unknown { step: at(), because: why.to_owned() },
            (_, None) => Self::Open { state: case.state_word(), step: at() },
        }
    }

    /// Returns the end in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Closed { result } => result.clone(),
            Self::InGrace { result } => format!("{result}, in grace"),
            Self::Open { state, step } => format!("{} at {step}", state.replace('_', " ")),
            Self::Unknown { step, because } => format!("unknown after {step}: {because}"),
        }
    }

    /// Returns whether two ends are equal for the person: an effect in grace counts as done.
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Closed { result: one } | Self::InGrace { result: one },
                Self::Closed { result: two } | Self::InGrace { result: two },
            ) => one == two,
            (Self::Open { step: one, .. }, Self::Open { step: two, .. }) => one == two,
            (Self::Unknown { step: one, .. }, Self::Unknown { step: two, .. }) => one == two,
            _ => false,
        }
    }
}

impl Projected {
    pub(super) fn of(
        case: &Case,
        policy: &Policy,
        lost: Option<&str>,
        did: Vec<ProjectedEffect>,
        assumed: bool,
    ) -> Self {
        let end = End::of(case, case.step().and_then(|step| policy.step(step)), lost);
        let may = match &end {
            End::Unknown { .. } => case.step().map(|step| reachable(policy, step)).unwrap_or_default(),
            _ => BTreeSet::new(),
        };
        let opened_by = opened_by(case.event.as_ref());
        Self {
            case: case.id.clone(),
            policy: case.policy.clone(),
            subject: case.subject.reference(),
            name: Name(case.subject.display_name()),
            opened_at: case.opened_at,
            opened_by,
            event: case.event.as_ref().map(|event| event.key.clone()),
            end,
            did,
            sessions: case.sessions.len(),
            may,
            assumed,
        }
    }

    /// Builds the result of a recorded case.
    pub(super) fn as_it_was(
        id: &CaseId,
        policy: &str,
        opening: &Opening,
        opened_at: Timestamp,
        then: &Then,
    ) -> Self {
        let event = match &opening.by {
            OpenedBy::Event(event) => Some(event),
            OpenedBy::Hand { .. } | OpenedBy::Sweep { .. } => None,
        };
        Self {
            case: id.clone(),
            policy: policy.to_owned(),
            subject: opening.subject.reference(),
            name: Name(opening.subject.display_name()),
            opened_at,
            opened_by: opened_by(event),
            event: event.map(|event| event.key.clone()),
            end: then.end.clone(),
            did: then.did.clone(),
            sessions: then.sessions,
            may: BTreeSet::new(),
            assumed: false,
        }
    }

    /// Builds the result of a case that might have opened, depending on the person's unknown record.
    pub(super) fn unasked(policy: &Policy, subject: SubjectRef, at: Timestamp, opened_by: String) -> Self {
        let because = "the person was not read at that time".to_owned();
        Self {
            case: CaseId(String::new()),
            policy: policy.name.clone(),
            name: Name(subject.id.clone()),
            subject,
            opened_at: at,
            opened_by,
            event: None,
            end: End::Unknown { step: "the trigger".to_owned(), because },
            did: Vec::new(),
            sessions: 0,
            may: reachable(policy, policy.graph.first),
            assumed: false,
        }
    }

    /// Returns whether the case did something to the person without giving it back.
    pub fn left(&self, what: EffectKind) -> bool {
        let Some(back) = what.given_back_by() else { return false };
        let last = self.did.iter().rev().find(|deed| deed.what == what || deed.what == back);
        last.is_some_and(|deed| deed.what == what)
    }

    /// Returns whether the results are equal for the person.
    pub fn same(&self, other: &Self) -> bool {
        let did = |result: &Self| result.did.iter().map(|deed| deed.what).collect::<Vec<_>>();
        self.end.same(&other.end) && did(self) == did(other)
    }
}

fn opened_by(event: Option<&Event>) -> String {
    event.map_or("manual or sweep".to_owned(), |event| event.kind.to_string())
}
