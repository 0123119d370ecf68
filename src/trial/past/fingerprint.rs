//! The wait fingerprint of a case: what it waits for. Two paths of a case are in step while their fingerprints are
//! equal.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use super::How;
use crate::case::{Case, State};
use crate::model::{Action, HttpRequest, IdentityAction, SessionAction, Timestamp};
use crate::policy::Policy;
use crate::policy::outcome::ProofOutcome;
use crate::policy::tree::{Verb, Verify};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitFingerprint {
    state: &'static str,
    wake: Option<Timestamp>,
    calls: Vec<Awaited>,
}

/// A call that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Awaited {
    number: u32,
    /// `None`: it is in progress.
    due: Option<Timestamp>,
    kind: Kind,
}

impl WaitFingerprint {
    pub fn of(case: &Case) -> Self {
        let awaited = |(number, pending): (&u32, &crate::case::Pending)| Awaited {
            number: *number,
            due: pending.begun.is_none().then_some(pending.due),
            kind: kind(&pending.action),
        };
        let calls = case.calls.iter().map(awaited).collect();
        Self { state: case.state_word(), wake: case.wake_at(), calls }
    }

    /// Returns the kind of an awaited call.
    pub(super) fn kind(&self, number: u32) -> Option<&Kind> {
        self.calls.iter().find(|call| call.number == number).map(|call| &call.kind)
    }
}

/// The kind of a request, without case-specific parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    what: String,
    /// The action changes the person's record.
    pub alters: bool,
}

pub(super) fn kind(action: &Action) -> Kind {
    Kind { what: what(action), alters: action.changes_person() || action.ends().is_some() }
}

fn what(action: &Action) -> String {
    let word = action.word();
    match action {
        Action::Identity(IdentityAction::Change { change, .. }) => {
            change.role().map_or_else(|| word.to_owned(), |role| format!("{word} {role}"))
        }
        Action::Identity(IdentityAction::Read { .. }) | Action::Mail { .. } => word.to_owned(),
        Action::Verification { provider, session: SessionAction::Start(start) } => {
            format!("{word} {provider} {}", start.workflow)
        }
        Action::Verification { session: SessionAction::Read(read), .. } => {
            format!("{word} {}", read.execution)
        }
        Action::Provisioning { system, .. } => format!("{word} {system}"),
        Action::Emit { sink, .. } => format!("{word} {sink}"),
        Action::Request { endpoint, request: HttpRequest { method, path, body, .. } } => {
            let mut hash = DefaultHasher::new();
            body.as_ref().map(ToString::to_string).hash(&mut hash);
            format!("{word} {endpoint} {method} {path} {:x}", hash.finish())
        }
    }
}

/// Returns the current question to the person or to a queue's team, with its start.
pub(super) fn asking(case: &Case, policy: &Policy) -> Option<(String, Timestamp)> {
    match &case.state {
        State::Verifying(proving) => {
            let Verb::Verify(verify) = &policy.step(proving.step)?.verb else { return None };
            Some((proof(verify, proving.fell_back), proving.started_at))
        }
        State::Reviewing(reviewing) => Some((format!("review {}", reviewing.queue), reviewing.started_at)),
        _ => None,
    }
}

fn proof(verify: &Verify, fell_back: bool) -> String {
    let fallback = verify.fallback.as_ref().filter(|_| fell_back);
    let by = fallback.unwrap_or(&verify.verification);
    if verify.compare.is_empty() {
        return format!("verify {}", by.name);
    }
    format!("verify {} compared by {}", by.name, verify.compared().join(", "))
}

/// Returns how the previous step ended, if one ended.
pub(super) fn ended(outcome: Option<&str>) -> How {
    match outcome.map(ProofOutcome::of_word) {
        Some(Some(ProofOutcome::NoResponse)) => How::Silence,
        Some(_) => How::Answered,
        None => How::Cut,
    }
}
