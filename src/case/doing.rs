//! Effects of a step: each becomes calls, and the step is done when the last of them is.

use serde_json::{Value, json};

use super::entry::Note;
use super::state::{Acting, Held, Pending, Purpose, State};
use super::transition::{Transition, Trouble};
use super::walk::{Bound, Entered, next_of};
use crate::model::{
    Action, Done, EffectKind, Fields, HttpRequest, IdentityChange, ProvisioningAction, Repeat, RoleChange,
};
use crate::policy::outcome::RequestOutcome;
use crate::policy::resolve::About;
use crate::policy::script::{Data, Function, Text};
use crate::policy::tree::{Effect, Notify, Recipient, Request, Resolved, Step, StepIndex, Verb, Written};

/// Longest answer that is kept, in bytes. Of a longer one only the status is kept.
const LARGEST_ANSWER: usize = 16 * 1024;

/// Maximum of actions that a function may return; more indicate a faulty function.
const MOST_ACTIONS: usize = 50;

impl Transition<'_> {
    pub fn work_out(&self, effect: &Effect<Written>) -> Result<Effect<Resolved>, Trouble> {
        let this_case = self.this_case();
        Effect::of(effect, self.policy.subject, &self.facts(&this_case))
            .map_err(|error| format!("a value could not be worked out: {error}"))
    }

    /// Requests one effect, and continues when it is done.
    pub fn effect(&mut self, step: &Step, effect: &Effect<Resolved>) -> Result<Entered, Trouble> {
        if step.outcomes.is_empty() {
            // The next step must exist before the effect happens.
            next_of(step)?;
        }
        match self.ask_for(step.index, effect)? {
            Some(call) => {
                self.case.state = State::Calling { step: step.index, call };
                Ok(Entered::Rests)
            }
            None => next_of(step).map(Entered::Go),
        }
    }

    /// Runs the actions that a function returned, one after the other.
    pub fn act(
        &mut self,
        step: &Step,
        function: &Function,
        may: &[EffectKind],
        bound: Bound,
    ) -> Result<Entered, Trouble> {
        if self.case.acting.as_ref().is_none_or(|acting| acting.step != step.index) {
            let left = self.actions(function, may)?;
            self.case.acting = Some(Acting { step: step.index, left });
        }
        self.next_action(step, bound)
    }

    fn actions(&self, function: &Function, may: &[EffectKind]) -> Result<Vec<Effect<Resolved>>, Trouble> {
        let this_case = self.this_case();
        let actions = function
            .list(&self.facts(&this_case))
            .map_err(|error| format!("the function could not say what to do: {error}"))?;
        if actions.len() > MOST_ACTIONS {
            return Err(format!("the function returned more than {MOST_ACTIONS} actions; nothing was done"));
        }
        let templates: Vec<&str> = self.policy.templates.names().collect();
        let about =
            About { subject: self.policy.subject, people: &self.policy.people, templates: &templates };
        // Validates all actions before the first one runs.
        actions.iter().map(|action| Effect::read(action, may, &about)).collect()
    }

    pub fn next_action(&mut self, step: &Step, mut bound: Bound) -> Result<Entered, Trouble> {
        next_of(step)?;
        loop {
            let next = self.case.acting.as_ref().and_then(|acting| acting.left.first()).cloned();
            let Some(effect) = next else {
                self.case.acting = None;
                return next_of(step).map(Entered::Go);
            };
            let action = effect.kind();
            if bound == Bound::Limited && self.context.over_limit.contains(&action) {
                match self.over_limit(step, action)? {
                    Some(Entered::Go(_)) => {
                        self.drop_action();
                        continue;
                    }
                    Some(Entered::Rests) => return Ok(Entered::Rests),
                    None => {}
                }
            }
            bound = Bound::Limited;
            self.count(action);
            let call = self.ask_for(step.index, &effect)?;
            self.drop_action();
            if let Some(call) = call {
                self.case.state = State::Calling { step: step.index, call };
                return Ok(Entered::Rests);
            }
        }
    }

    fn drop_action(&mut self) {
        if let Some(acting) = self.case.acting.as_mut().filter(|acting| !acting.left.is_empty()) {
            acting.left.remove(0);
        }
    }

    /// Requests the calls of an effect. Returns the number of the newest call, or `None` if there is nothing to do.
    fn ask_for(&mut self, step: StepIndex, effect: &Effect<Resolved>) -> Result<Option<u32>, Trouble> {
        let action = match effect {
            Effect::Notify(notify) => return self.notify(step, notify),
            Effect::Suspend { end_sessions } => {
                return Ok(Some(self.hold(step, Held::Account, *end_sessions)));
            }
            Effect::Reinstate => return self.lift_as_proven(step, &Held::Account),
            Effect::Account(change) => Action::change(self.case.snapshot(), IdentityChange::Account(*change)),
            Effect::Role { change, role } => {
                let held = Held::Role(role.clone());
                match change {
                    RoleChange::Hold => return Ok(Some(self.hold(step, held, false))),
                    RoleChange::Release => return self.lift_as_proven(step, &held),
                    RoleChange::Assign => {
                        let snapshot = self.proven_snapshot()?;
                        self.give_for_good(&held);
                        Action::change(snapshot, IdentityChange::AssignRole { role: role.clone() })
                    }
                    RoleChange::Remove => {
                        self.give_up(&held);
                        Action::change(
                            self.case.snapshot(),
                            IdentityChange::RemoveRole { role: role.clone() },
                        )
                    }
                }
            }
            Effect::Set(attributes) => {
                let attributes = attributes.clone();
                Action::change(self.proven_snapshot()?, IdentityChange::SetAttributes { attributes })
            }
            Effect::Invite => {
                let since = self.now();
                Action::change(self.proven_snapshot()?, IdentityChange::EnsureInvited { since })
            }
            Effect::CreateUser { system, attributes } => {
                self.still_as_compared()?;
                let external_id = self.case.subject.person();
                let account = ProvisioningAction::Create { external_id, attributes: attributes.clone() };
                Action::Provisioning { system: system.clone(), account }
            }
            Effect::UpdateUser { system, matching, attributes } => {
                self.still_as_compared()?;
                let (matching, attributes) = (matching.clone(), attributes.clone());
                let account = ProvisioningAction::Update { matching, attributes };
                Action::Provisioning { system: system.clone(), account }
            }
            Effect::Call(request) => Action::Request {
                endpoint: request.endpoint.clone(),
                request: HttpRequest {
                    method: request.method.clone(),
                    path: request.path.clone().unwrap_or_default(),
                    body: request.body.clone(),
                    repeat: request.repeat,
                },
            },
            Effect::Emit { kind, data } => return Ok(self.emit(step, kind, data)),
        };
        Ok(Some(self.ask(step, action, Purpose::Step, self.now())))
    }

    /// Sends mails, and for teams also calls their paging endpoint if the step requests that.
    fn notify(&mut self, step: StepIndex, notify: &Notify) -> Result<Option<u32>, Trouble> {
        let mut actions = Vec::new();
        for recipient in &notify.to {
            let message = self.mail(recipient, &notify.template, None)?;
            // The step waits for the mail only: an unavailable pager must not block it.
            actions.extend(self.page(recipient, notify).map(|page| (page, Purpose::Page)));
            actions.push((Action::Mail { message }, Purpose::Step));
        }
        let now = self.now();
        let asked = actions.into_iter().map(|(action, purpose)| self.ask(step, action, purpose, now));
        Ok(asked.last())
    }

    /// Returns an urgent notice for a team with a paging endpoint. It names the case, not the person.
    fn page(&self, recipient: &Recipient, notify: &Notify) -> Option<Action> {
        let Recipient::Team(name) = recipient else { return None };
        let endpoint = self.policy.people.teams.get(name)?.call.clone().filter(|_| notify.by_call)?;
        let body = json!({
            "summary": if notify.urgent { format!("Urgent: {}", self.policy.title) } else { self.policy.title.clone() },
            "template": notify.template,
            "team": name,
            "case": self.case.id,
            "policy": self.case.policy,
            "urgent": notify.urgent,
        });
        let (method, path) = ("POST".to_owned(), String::new());
        let request = HttpRequest { method, path, body: Some(body), repeat: Repeat::Key };
        Some(Action::Request { endpoint, request })
    }

    /// Requests one call for each sink, all with the same event id.
    fn emit(&mut self, step: StepIndex, kind: &str, data: &Fields) -> Option<u32> {
        let event = json!({
            "specversion": "1.0",
            "id": format!("{}.{}", self.case.id, self.case.next_call),
            "source": format!("/proofd/{}", self.case.policy),
            "type": kind,
            "subject": self.case.subject.id,
            "time": self.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            "datacontenttype": "application/json",
            "data": data,
        });
        let mut newest = None;
        for sink in self.context.sinks {
            let action = Action::Emit { sink: sink.clone(), event: event.clone() };
            newest = Some(self.ask(step, action, Purpose::Step, self.now()));
        }
        if newest.is_none() {
            self.note_at(Some(step), Note::NoSink { kind: kind.to_owned() });
        }
        newest
    }

    /// Records what an effect changed for later steps, and which effects are final.
    pub fn effect_done(&mut self, pending: &Pending, done: &Done) {
        self.held_or_lifted(pending, done);
        if let Some((_, IdentityChange::SetAttributes { attributes })) = pending.action.identity_change() {
            self.set_by_us(attributes);
        }
        if pending.action.changes_person() {
            // The record that was read before the change is outdated.
            self.case.seen_at = None;
        }
        let Some(settled) = pending.action.settles() else { return };
        if !self.case.settled.contains(&settled) {
            self.case.settled.push(settled);
        }
    }

    /// Handles the answer to the request that the case waits for. Returns true if it decided the next step.
    pub fn answered(&mut self, number: u32, status: u16, body: &Value) -> bool {
        let State::Calling { step, call } = self.case.state else { return true };
        let Ok(at) = self.step(step) else { return false };
        if call != number {
            // Answers to requests from before a restart are ignored.
            return false;
        }
        if matches!(at.verb, Verb::Act { .. }) && !well(status) {
            self.stick(step, format!("a request answered with {status}; retry goes on with the next action"));
            return true;
        }
        let Verb::Effect(Effect::Call(request)) = &at.verb else { return false };
        // Bounds the size of a stored case.
        let body = if body.to_string().len() > LARGEST_ANSWER { &Value::Null } else { body };
        self.learn(step, json!({ "status": status, "body": body }));
        if at.outcomes.is_empty() {
            if !well(status) {
                self.stick(step, format!("{} answered with {status}", request.endpoint));
            }
            return !well(status);
        }
        let outcome = outcome(request, status, body);
        self.note(Note::StepEnded { outcome: outcome.clone(), reasons: Vec::new() });
        self.follow(step, &outcome);
        true
    }

    /// Handles a request that failed for good at a step with a branch for it. A request that must not be repeated may
    /// have been done; a person must check it.
    pub fn request_failed(&mut self, number: u32, pending: &Pending) -> bool {
        let Action::Request { request, .. } = &pending.action else { return false };
        let State::Calling { step, call } = self.case.state else { return false };
        let Ok(at) = self.step(step) else { return false };
        if request.repeat == Repeat::None
            || call != number
            || !at.outcomes.contains_key(RequestOutcome::Failed.word())
        {
            return false;
        }
        self.note(Note::StepEnded { outcome: RequestOutcome::Failed.word().to_owned(), reasons: Vec::new() });
        self.follow(step, RequestOutcome::Failed.word());
        true
    }
}

fn well(status: u16) -> bool {
    (200..300).contains(&status)
}

fn outcome(request: &Request<Text, Data>, status: u16, body: &Value) -> String {
    if !well(status) {
        return RequestOutcome::Failed.word().to_owned();
    }
    if request.returns.is_empty() {
        return RequestOutcome::Ok.word().to_owned();
    }
    let stated = body.get("outcome").and_then(Value::as_str);
    let stated = stated.filter(|stated| request.returns.iter().any(|name| name == stated));
    stated.unwrap_or(RequestOutcome::Failed.word()).to_owned()
}
