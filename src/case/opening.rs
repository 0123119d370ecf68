//! Decides whether an event concerns an open case, and whether a policy opens one. The daemon and policy tests share
//! these decisions.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::advance::gone;
use super::evidence::contradicts_a_hold;
use super::holding::{keeps, role_of, withheld_role_given};
use super::overheard::keeps_for_a_wait;
use super::state::{Case, Hold};
use crate::model::{
    Action, Applicant, Event, EventType, Fields, RegistrationState, Subject, SubjectKind, SubjectRef,
    Timestamp,
};
use crate::policy::script::{Condition, Facts, Trace, Verdict};
use crate::policy::{Mode, Policy};

/// A policy's answer to an opening.
#[derive(Debug, Clone, PartialEq)]
pub enum Offered {
    Disabled,
    /// The clause that failed.
    Clause(Stopped),
    /// An error in a clause is not a refusal: a person must check it.
    CouldNotDecide(Stopped),
    /// A case with this key would open.
    Shadow(String),
    /// A case with this key opens.
    Opens(String),
}

/// Why a policy opened no case.
#[derive(Debug, Clone, PartialEq)]
pub struct Stopped {
    /// The clause or the error, with its place and without values.
    pub says: String,
    /// The number of the clause in the condition; `None`: an error, or a date.
    pub clause: Option<usize>,
    /// The values that were evaluated. Empty for the clause of an event: `Stopped::again` finds them.
    pub trace: Trace,
}

/// Whether a failing clause is returned with the values that it read. To find them costs far more than to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traces {
    Found,
    LeftOut,
}

/// Offers an opening to one policy. The caller checks for an open case with the key.
pub fn offer(
    policy: &Policy,
    event: Option<&Event>,
    subject: &Subject,
    traces: Traces,
    now: Timestamp,
) -> Offered {
    if policy.mode == Mode::Disabled {
        return Offered::Disabled;
    }
    match offer_enforced(policy, event, subject, traces, now) {
        Offered::Opens(key) if policy.mode == Mode::Shadow => Offered::Shadow(key),
        offered => offered,
    }
}

/// Offers an opening independent of the policy's mode.
pub fn offer_enforced(
    policy: &Policy,
    event: Option<&Event>,
    subject: &Subject,
    traces: Traces,
    now: Timestamp,
) -> Offered {
    let (steps, this_case) = (Fields::new(), no_case(policy));
    let settings = &policy.settings;
    let facts = Facts { event, subject, settings, steps: &steps, this_case: &this_case, now };
    match decide(policy, &facts, traces) {
        Ok(Ok(key)) => Offered::Opens(key),
        Ok(Err(stopped)) => Offered::Clause(stopped),
        Err(stopped) => Offered::CouldNotDecide(stopped),
    }
}

/// Returns the case key if the policy applies, else the failing clause. The outer error: it could not decide.
fn decide(policy: &Policy, facts: &Facts<'_>, traces: Traces) -> Result<Result<String, Stopped>, Stopped> {
    let condition = &policy.condition;
    let undecided = |says: String| Stopped::by(condition, says, facts);
    match condition.decide(facts).map_err(|error| undecided(error.to_string()))? {
        Verdict::Fails { clause, place, number } => {
            let trace = match traces {
                Traces::Found => condition.trace(facts).of_the_end(),
                Traces::LeftOut => Trace::default(),
            };
            Ok(Err(Stopped { says: format!("{place}: {clause}"), clause: Some(number), trace }))
        }
        Verdict::Holds => case_key(policy, facts).map(Ok).map_err(undecided),
    }
}

/// Returns the key under which openings of a policy are the same case. Ids of two identity providers never denote the
/// same person.
pub fn case_key(policy: &Policy, facts: &Facts<'_>) -> Result<String, String> {
    let subject = facts.subject;
    match &policy.case_key {
        Some(key) => {
            let id = key.render(facts).map_err(|error| error.to_string())?;
            Ok(SubjectRef { id, ..subject.reference() }.person())
        }
        None => Ok(subject.person()),
    }
}

/// Returns the failing clause of a condition, with its place and without values; `None` if it holds. The outer error:
/// it could not decide.
pub fn objection(condition: &Condition, facts: &Facts<'_>) -> Result<Option<String>, String> {
    match condition.decide(facts).map_err(|error| error.to_string())? {
        Verdict::Fails { clause, place, .. } => Ok(Some(format!("{place}: {clause}"))),
        Verdict::Holds => Ok(None),
    }
}

impl Stopped {
    /// Records a condition's result with the values it evaluated.
    pub fn by(condition: &Condition, says: String, facts: &Facts<'_>) -> Self {
        Self { says, clause: None, trace: condition.trace(facts).of_the_end() }
    }

    /// Decides about an event again, to find the values that were evaluated. `None`: this version of the program, or
    /// this record of the person, gives another answer than the recorded clause.
    pub fn again(
        policy: &Policy,
        event: &Event,
        subject: &Subject,
        now: Timestamp,
        clause: usize,
    ) -> Option<Self> {
        match offer_enforced(policy, Some(event), subject, Traces::Found, now) {
            Offered::Clause(stopped) if stopped.clause == Some(clause) => Some(stopped),
            Offered::Clause(_)
            | Offered::Disabled
            | Offered::CouldNotDecide(_)
            | Offered::Shadow(_)
            | Offered::Opens(_) => None,
        }
    }
}

/// Returns `this_case` before a case exists.
pub fn no_case(policy: &Policy) -> Fields {
    let empty = json!({
        "id": null, "policy": policy.name, "revision": policy.revision.0, "opened_at": null, "attempts": 0,
    });
    match empty {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

/// Returns whether an event concerns a subject's open case, independent of opening triggers.
pub fn concerns(case: &Case, policy: &Policy, event: &Event) -> bool {
    let named = |kind: &EventType| *kind == event.kind || event.also.contains(kind);
    let awaited = case.waiting().is_some_and(|waiting| waiting.event.as_ref().is_some_and(named));
    let touches_a_hold = contradicts_a_hold(case, event) || withheld_role_given(case, event);
    let cancels = cancels(case, policy, event);
    awaited || gone(event) || cancels || touches_a_hold || keeps_for_a_wait(case, policy, event)
}

/// Returns whether an event ends a case by its policy's `cancel_when`. Events about a role other than the case's role
/// do not.
pub(super) fn cancels(case: &Case, policy: &Policy, event: &Event) -> bool {
    let named = |kind: &EventType| *kind == event.kind || event.also.contains(kind);
    let about = case.event.as_ref().and_then(role_of);
    let other_role = about.zip(role_of(event)).is_some_and(|(about, other)| about != other);
    policy.cancel_when.iter().any(named) && !other_role
}

/// Returns whether an event is the one that opened the case.
pub fn opened_by(case: &Case, event: &Event) -> bool {
    case.event.as_ref().is_some_and(|opening| opening.key == event.key)
}

/// Builds an applicant from the event's data. Known names fill fields; all others become attributes.
pub fn applicant(event: &Event) -> Subject {
    let data = event.fields.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
    let text = |name: &str| data.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let known = ["id", "email", "first_name", "last_name", "locale"];
    let rest = data.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    Applicant {
        id: event.subject.id.clone(),
        email: text("email"),
        first_name: text("first_name"),
        last_name: text("last_name"),
        locale: text("locale"),
        attributes: rest.map(|(name, value)| (name.clone(), value.clone())).collect(),
    }
    .into()
}

/// Whether a registration awaits a decision; only then it opens a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decidable {
    Yes,
    /// The person has not confirmed their address yet; a later event may report it.
    NotYet,
    /// A decision was already made: the current state.
    Never(String),
}

pub fn decidable(event: &Event, subject: &Subject) -> Decidable {
    if subject.kind != SubjectKind::Registration || event.kind.as_str() != EventType::REGISTRATION_CREATED {
        return Decidable::Yes;
    }
    let state = subject.text("state");
    match state.and_then(RegistrationState::of_word) {
        Some(RegistrationState::NotReviewed) => Decidable::Yes,
        Some(RegistrationState::NotVerified) => Decidable::NotYet,
        Some(RegistrationState::Approved | RegistrationState::Rejected) | None => {
            Decidable::Never(state.unwrap_or("in an unknown state").to_owned())
        }
    }
}

/// Retries for an event about a person that does not exist yet.
const LOOKS: u32 = 6;
/// Retries for a registration whose address is not confirmed.
const LOOKS_AT_UNCONFIRMED: u32 = 24;

/// The person that an event is about, as far as known.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    Person(Subject),
    /// Retried later.
    Later(&'static str),
    Never(String),
}

/// Evaluates the identity provider's record for the event's subject. A registration opens a case only while it awaits a
/// decision.
pub fn found(event: &Event, person: Option<Subject>, attempts: u32) -> Found {
    let Some(person) = person else {
        return match attempts {
            ..LOOKS => Found::Later("the person was not found yet"),
            _ => Found::Never("the person does not exist".to_owned()),
        };
    };
    match decidable(event, &person) {
        Decidable::Yes => Found::Person(person),
        Decidable::NotYet if attempts < LOOKS_AT_UNCONFIRMED => {
            Found::Later("the address is not confirmed yet")
        }
        Decidable::NotYet => Found::Never("the registration is not_verified".to_owned()),
        Decidable::Never(state) => Found::Never(format!("the registration is {state}")),
    }
}

/// Returns when a deferred event is retried.
pub fn look_again_at(now: Timestamp, attempts: u32) -> Timestamp {
    let wait = TimeDelta::seconds(10) * 2_i32.pow(attempts.min(9));
    now + wait.min(TimeDelta::hours(1))
}

/// Returns the id that identifies a person across cases. Registrations and users have separate number ranges: one
/// number may denote two people.
pub fn known_as(subject: &Subject) -> String {
    match (subject.account(), subject.kind) {
        (Some(account), _) => account,
        (None, SubjectKind::User) => subject.person(),
        (None, SubjectKind::Registration | SubjectKind::Applicant) => subject.reference().to_string(),
    }
}

/// Returns whether another case, or this one again, holds what an action would free.
pub fn still_held(case: &Case, others: &[Hold], action: &Action) -> bool {
    if action.hold().is_none_or(|change| change.places) {
        return false;
    }
    let own = case.holds.iter().any(|hold| !hold.lifting && keeps(hold, action));
    own || others.iter().any(|hold| keeps(hold, action))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(source: &str, kind: SubjectKind, id: &str, account: Option<&str>) -> Subject {
        let account = account.map(|account| ("user_id".to_owned(), Value::from(account)));
        Subject { source: source.to_owned(), kind, id: id.to_owned(), fields: account.into_iter().collect() }
    }

    #[test]
    fn a_registration_and_its_account_have_one_identity_per_provider() {
        let account = |source| known_as(&subject(source, SubjectKind::User, "7", None));
        let registered = known_as(&subject("staff", SubjectKind::Registration, "r1", Some("7")));
        assert_eq!(registered, account("staff"));
        assert_ne!(registered, account("partners"));
        assert_ne!(known_as(&subject("staff", SubjectKind::Registration, "7", None)), account("staff"));
    }
}
