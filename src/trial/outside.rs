//! The identity provider, target systems and endpoints of a simulated world: they perform actions at once and store the
//! results.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::environment::{Answer, Environment};
use super::vendor::Vendor;
use crate::case::Case;
use crate::case::intake::Lookup;
use crate::model::{
    Action, Call, Changed, Done, Failure, IdentityAction, IdentityChange, Outcome, ProvisioningAction,
    RegistrationState, SessionAction, Snapshot, Subject, SubjectRef, Target, Timestamp,
};

#[derive(Debug, Default)]
pub struct Outside {
    pub vendor: Vendor,
    pub people: BTreeMap<SubjectRef, Subject>,
    /// Answers of endpoints; the default is 200 without a body.
    pub answers: BTreeMap<String, (u16, Value)>,
    /// Accounts of target systems: system and external id.
    pub accounts: BTreeSet<(String, String)>,
    down: BTreeMap<String, Option<Timestamp>>,
}

impl Environment for Outside {
    fn person(&mut self, subject: &SubjectRef, now: Timestamp) -> Lookup {
        match self.look_up(subject, now) {
            Ok(person) => Lookup::Read(person),
            Err(failure) => Lookup::Later(failure),
        }
    }

    fn perform(&mut self, _case: &Case, call: &Call, now: Timestamp) -> Answer {
        Answer::Ended(Self::perform(self, &call.action, now))
    }
}

impl Outside {
    pub fn goes_down(&mut self, who: &str, until: Option<Timestamp>) {
        self.down.insert(who.to_owned(), until);
    }

    pub fn comes_up(&mut self, who: &str) {
        self.down.remove(who);
    }

    pub fn is_down(&self, who: &str, now: Timestamp) -> bool {
        self.down.get(who).is_some_and(|until| until.is_none_or(|until| now < until))
    }

    /// Returns the person that the identity provider has for a reference, if it is available.
    pub fn look_up(&self, reference: &SubjectRef, now: Timestamp) -> Result<Option<Subject>, Failure> {
        if self.is_down(Target::IDENTITY, now) {
            return Err(Failure::unavailable(format!("{} is down", Target::IDENTITY)));
        }
        Ok(self.people.get(reference).cloned())
    }

    pub fn perform(&mut self, action: &Action, now: Timestamp) -> Outcome {
        let who = match action.target() {
            Target::Identity(_) => Target::IDENTITY,
            other @ (Target::Mail
            | Target::VerificationStart(_)
            | Target::VerificationRead(_)
            | Target::System(_)
            | Target::Endpoint(_)
            | Target::Sink(_)) => other.name(),
        };
        if self.is_down(who, now) {
            return Outcome::Failed(Failure::unavailable(format!("{who} is down")));
        }
        match self.done(action, now) {
            Ok(done) => Outcome::Done(done),
            Err(failure) => Outcome::Failed(failure),
        }
    }

    fn done(&mut self, action: &Action, now: Timestamp) -> Result<Done, Failure> {
        Ok(match action {
            Action::Identity(IdentityAction::Read { subject }) => {
                Done::Seen { subject: self.people.get(subject).cloned().map(Box::new) }
            }
            Action::Identity(IdentityAction::Change { snapshot, change }) => {
                change.done(self.change(snapshot, change, now)?)
            }
            Action::Verification { session: SessionAction::Start(start), .. } => {
                Done::Started { session: self.vendor.start(start, now)? }
            }
            Action::Verification { session: SessionAction::Read(read), .. } => {
                Done::Read { reading: self.vendor.read(&read.execution, now)? }
            }
            Action::Mail { .. } => Done::Sent,
            Action::Provisioning { system, account: ProvisioningAction::Create { external_id, .. } } => {
                let already = !self.accounts.insert((system.clone(), external_id.clone()));
                Done::Created { id: Some(external_id.clone()), already }
            }
            Action::Provisioning { account: ProvisioningAction::Update { .. }, .. } => {
                Done::Applied { already: false, before: None }
            }
            Action::Request { endpoint, .. } => {
                let (status, body) = self.answers.get(endpoint).cloned().unwrap_or((200, Value::Null));
                Done::Answered { status, body }
            }
            Action::Emit { .. } => Done::Emitted,
        })
    }

    fn change(
        &mut self,
        snapshot: &Snapshot,
        change: &IdentityChange,
        now: Timestamp,
    ) -> Result<Changed, Failure> {
        Ok(match change {
            IdentityChange::Approve => self.approve(snapshot, now)?,
            IdentityChange::EnsureInvited { .. } | IdentityChange::Account(_) => Changed::plain(false),
            IdentityChange::Reject => {
                let rejected = RegistrationState::Rejected.word();
                Changed::plain(self.set(snapshot, "state", json!(rejected))? == rejected)
            }
            IdentityChange::Delete => Changed::plain(self.people.remove(&snapshot.subject).is_none()),
            IdentityChange::Suspend { .. } => {
                let before = self.set(snapshot, "status", json!("suspended"))?;
                let before = before.as_str().map(str::to_owned);
                Changed { before: before.clone(), ..Changed::plain(before.as_deref() == Some("suspended")) }
            }
            IdentityChange::Reinstate { to } => {
                let to = to.as_deref().unwrap_or("active");
                Changed::plain(self.set(snapshot, "status", json!(to))? == to)
            }
            IdentityChange::AssignRole { role } => Changed::plain(!self.role(snapshot, role, true)?),
            IdentityChange::RemoveRole { role } => Changed::plain(!self.role(snapshot, role, false)?),
            IdentityChange::SetAttributes { attributes } => {
                let person = self.person(snapshot)?;
                for (name, value) in attributes {
                    match (name.strip_prefix("attributes."), person.fields.get_mut("attributes")) {
                        (Some(name), Some(Value::Object(custom))) => {
                            custom.insert(name.to_owned(), value.clone())
                        }
                        (Some(name), _) => {
                            person.fields.insert("attributes".to_owned(), json!({name: value}))
                        }
                        (None, _) => person.fields.insert(name.clone(), value.clone()),
                    };
                }
                Changed::plain(false)
            }
        })
    }

    fn person(&mut self, snapshot: &Snapshot) -> Result<&mut Subject, Failure> {
        let gone = || Failure::changed("the person no longer exists");
        self.people.get_mut(&snapshot.subject).ok_or_else(gone)
    }

    /// Sets a field; returns the previous value.
    fn set(&mut self, snapshot: &Snapshot, field: &str, value: Value) -> Result<Value, Failure> {
        Ok(self.person(snapshot)?.fields.insert(field.to_owned(), value).unwrap_or_default())
    }

    fn approve(&mut self, snapshot: &Snapshot, now: Timestamp) -> Result<Changed, Failure> {
        let invited = |already| Changed { invited_at: Some(now), ..Changed::plain(already) };
        match self.person(snapshot)?.text("state").and_then(RegistrationState::of_word) {
            Some(RegistrationState::Rejected) => {
                Err(Failure::changed("an administrator rejected the registration"))
            }
            Some(RegistrationState::Approved) => Ok(invited(true)),
            Some(RegistrationState::NotVerified | RegistrationState::NotReviewed) | None => {
                self.set(snapshot, "state", json!(RegistrationState::Approved.word()))?;
                Ok(invited(false))
            }
        }
    }

    /// Assigns or removes a role; returns whether anything changed.
    fn role(&mut self, snapshot: &Snapshot, role: &str, give: bool) -> Result<bool, Failure> {
        let roles = self.person(snapshot)?.fields.entry("roles").or_insert_with(|| json!([]));
        let Value::Array(roles) = roles else { return Ok(false) };
        let had = roles.iter().any(|one| one == role);
        match (had, give) {
            (false, true) => roles.push(json!(role)),
            (true, false) => roles.retain(|one| one != role),
            (true, true) | (false, false) => {}
        }
        Ok(had != give)
    }
}
