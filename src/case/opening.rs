//! Whether an event concerns a case that is open, and whether a policy opens one. What the daemon decides
//! about an event, and what a policy test decides about it, is decided here.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::advance::gone;
use super::evidence::takes_what_is_held;
use super::holding::{keeps, role_of, withheld_role_given};
use super::overheard::keeps_for_a_wait;
use super::state::{Case, Hold};
use crate::model::{
    Action, Applicant, Event, EventType, Fields, RegistrationState, Subject, SubjectKind, SubjectRef,
    Timestamp,
};
use crate::policy::script::{Condition, Facts, Trace, Verdict};
use crate::policy::{Mode, Policy};

/// What a policy says to an opening.
#[derive(Debug, Clone, PartialEq)]
pub enum Offered {
    Disabled,
    /// The clause that says no.
    Clause(Stopped),
    /// An error in a clause is not a no: somebody has to look.
    CouldNotDecide(Stopped),
    /// A case with this key would open.
    Shadow(String),
    /// With this key.
    Opens(String),
}

/// What kept a policy from opening a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Stopped {
    /// The clause or the error, with its place and without values.
    pub says: String,
    /// What it looked at.
    pub trace: Trace,
}

/// Offers an opening to one policy. Whether a case with that key is open already is for who keeps them.
pub fn offer(policy: &Policy, event: Option<&Event>, subject: &Subject, now: Timestamp) -> Offered {
    if policy.mode == Mode::Disabled {
        return Offered::Disabled;
    }
    match offer_enforced(policy, event, subject, now) {
        Offered::Opens(key) if policy.mode == Mode::Shadow => Offered::Shadow(key),
        offered => offered,
    }
}

/// The same, whatever the mode of the policy says.
pub fn offer_enforced(policy: &Policy, event: Option<&Event>, subject: &Subject, now: Timestamp) -> Offered {
    let (steps, this_case) = (Fields::new(), no_case(policy));
    let settings = &policy.settings;
    match decide(policy, &Facts { event, subject, settings, steps: &steps, this_case: &this_case, now }) {
        Ok(Ok(key)) => Offered::Opens(key),
        Ok(Err(stopped)) => Offered::Clause(stopped),
        Err(stopped) => Offered::CouldNotDecide(stopped),
    }
}

/// The case key if the policy applies, else what says no. The outer error: it could not decide.
pub fn decide(policy: &Policy, facts: &Facts<'_>) -> Result<Result<String, Stopped>, Stopped> {
    let stopped = |says: String| Stopped::by(&policy.condition, says, facts);
    if let Some(no) = objection(&policy.condition, facts).map_err(stopped)? {
        return Ok(Err(stopped(no)));
    }
    case_key(policy, facts).map(Ok).map_err(stopped)
}

/// What two cases of a policy have in common that are the same case. Ids of two identity providers are never the
/// same person's.
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

/// What of a condition says no, with its place and without values; none: it holds. The outer error: it could
/// not be decided.
pub fn objection(condition: &Condition, facts: &Facts<'_>) -> Result<Option<String>, String> {
    match condition.decide(facts).map_err(|error| error.to_string())? {
        Verdict::Fails { clause, place } => Ok(Some(format!("{place}: {clause}"))),
        Verdict::Holds => Ok(None),
    }
}

impl Stopped {
    /// What a condition said, with what it looked at.
    pub fn by(condition: &Condition, says: String, facts: &Facts<'_>) -> Self {
        Self { says, trace: condition.trace(facts).of_the_end() }
    }
}

/// `this_case` before there is one.
pub fn no_case(policy: &Policy) -> Fields {
    let empty = json!({
        "id": null, "policy": policy.name, "revision": policy.revision.0, "opened_at": null, "attempts": 0,
    });
    match empty {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

/// Whether an open case of a subject hears of an event about them, whatever opens cases.
pub fn concerns(case: &Case, policy: &Policy, event: &Event) -> bool {
    let named = |kind: &EventType| *kind == event.kind || event.also.contains(kind);
    let awaited = case.waiting().is_some_and(|waiting| waiting.event.as_ref().is_some_and(named));
    let touches_a_hold = takes_what_is_held(case, event) || withheld_role_given(case, event);
    let cancels = cancels(case, policy, event);
    awaited || gone(event) || cancels || touches_a_hold || keeps_for_a_wait(case, policy, event)
}

/// Whether an event ends a case by its policy's `cancel_when`. What happens to another role than the one that a
/// case is about is none of its business.
pub(super) fn cancels(case: &Case, policy: &Policy, event: &Event) -> bool {
    let named = |kind: &EventType| *kind == event.kind || event.also.contains(kind);
    let about = case.event.as_ref().and_then(role_of);
    let other_role = about.zip(role_of(event)).is_some_and(|(about, other)| about != other);
    policy.cancel_when.iter().any(named) && !other_role
}

/// Whether an event is the very one that opened a case.
pub fn opened_by(case: &Case, event: &Event) -> bool {
    case.event.as_ref().is_some_and(|opening| opening.key == event.key)
}

/// Fields of the event's data with the names of an applicant's fill those, the rest are attributes.
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

/// Whether a registration waits for a decision, which is when it opens a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decidable {
    Yes,
    /// The person has not confirmed their address yet; another event may or may not come then.
    NotYet,
    /// Somebody decided already: the state it is in.
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

/// An event about somebody who is not there (yet) is looked at again this often before it is given up.
const LOOKS: u32 = 6;
/// The same for a registration whose address is not confirmed.
const LOOKS_AT_UNCONFIRMED: u32 = 24;

/// Who an event is about, as far as that is known now.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    Person(Subject),
    /// Looked at again later.
    Later(&'static str),
    Never(String),
}

/// What is made of whom the identity provider has under the event's name. A registration opens a case only
/// while it waits for a decision.
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

/// When an event that could not be dealt with is looked at again.
pub fn look_again_at(now: Timestamp, attempts: u32) -> Timestamp {
    let wait = TimeDelta::seconds(10) * 2_i32.pow(attempts.min(9));
    now + wait.min(TimeDelta::hours(1))
}

/// Under what a person is known over several cases. Numbers of registrations and of users are counted
/// apart: the same one can be two people.
pub fn known_as(subject: &Subject) -> String {
    match (subject.account(), subject.kind) {
        (Some(account), _) => account,
        (None, SubjectKind::User) => subject.person(),
        (None, SubjectKind::Registration | SubjectKind::Applicant) => subject.reference().to_string(),
    }
}

/// Whether what an action would free is held by another case too, or by this one anew.
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
    fn a_registration_and_its_account_are_one_person_of_one_provider() {
        let account = |source| known_as(&subject(source, SubjectKind::User, "7", None));
        let registered = known_as(&subject("staff", SubjectKind::Registration, "r1", Some("7")));
        assert_eq!(registered, account("staff"));
        assert_ne!(registered, account("partners"));
        assert_ne!(known_as(&subject("staff", SubjectKind::Registration, "7", None)), account("staff"));
    }
}
