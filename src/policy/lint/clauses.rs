//! Finds conditions that can never hold or never fail, words that a field never has, and steps that make `as_long_as`
//! of their own policy false.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Seen;
use super::possible::{possible, refutable};
use crate::model::EventType;
use crate::policy::diagnostic::{Diagnostic, Place, nearest};
use crate::policy::schema;
use crate::policy::script::{By, Claim, Claims, Comparison, Condition, field_value};
use crate::policy::tree::{Effect, Step, Trigger, Verb};

pub fn look(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let policy = seen.policy;
    let mut reading = Reading { seen, events: events(seen), diagnostics, reported: BTreeSet::new() };
    reading.condition(&policy.condition, "no case ever opens");
    if let Some(condition) = &policy.as_long_as {
        reading.condition(condition, "every case closes as `no_longer_applies`");
    }
    for sweep in policy.sweeps() {
        reading.condition(&sweep.condition, "the sweep never selects anybody");
    }
    for step in &policy.steps {
        if let Some(condition) = &step.condition {
            reading.condition(condition, "this step never runs");
        }
    }
    let events = reading.events;
    own_undoing(seen, &events, diagnostics);
}

/// Returns the possible values of `event.type`. None: unrestricted, because some types have alternative types.
fn events(seen: &Seen<'_>) -> Option<Vec<String>> {
    let mut types = Vec::new();
    for trigger in &seen.policy.when {
        let Trigger::Event(EventType(name)) = trigger else { return None };
        let own_name = name.starts_with("custom.") || schema::event_names().any(|event| event == name);
        if !own_name {
            return None;
        }
        types.push(name.clone());
        if name == "login.risk" {
            // A sign-in with a score also has its own sign-in type.
            types.extend(["login.succeeded".to_owned(), "login.failed".to_owned()]);
        }
    }
    Some(types)
}

struct Reading<'a, 'b> {
    seen: &'a Seen<'b>,
    events: Option<Vec<String>>,
    diagnostics: &'a mut Vec<Diagnostic>,
    reported: BTreeSet<Place>,
}

impl Reading<'_, '_> {
    fn condition(&mut self, condition: &Condition, then: &str) {
        let Some(claims) = condition.claims(&self.seen.policy.settings) else { return };
        let before = self.reported.len();
        self.words(&claims.whole());
        self.parts(&claims, then);
        if self.reported.len() == before && !self.possible(&claims.whole()) {
            self.together(&claims, then);
        } else if self.reported.len() == before {
            self.implied(&claims);
        }
    }

    /// Reports a clause that is implied by the others: another clause is too strict, or this one has no effect.
    fn implied(&mut self, claims: &Claims) {
        let Claims::All(parts) = claims else { return };
        for (at, part) in parts.iter().enumerate() {
            let others = parts.iter().enumerate().filter(|(other, _)| *other != at);
            let mut way: Vec<_> = others.map(|(_, other)| other.whole()).collect();
            way.push(Claim::Not(Box::new(part.whole())));
            if !self.possible(&Claim::All(way)) {
                let message = "redundant clause: it holds whenever the clauses beside it hold";
                return self.report(&first(part), "always-holds", message);
            }
        }
    }

    fn possible(&self, claim: &Claim) -> bool {
        possible(claim, &|path| domain(path, self.seen, self.events.as_deref()))
    }

    fn refutable(&self, claim: &Claim) -> bool {
        refutable(claim, &|path| domain(path, self.seen, self.events.as_deref()))
    }

    /// Reports clauses that by themselves are always true or never true.
    fn parts(&mut self, claims: &Claims, then: &str) {
        let (parts, then) = match claims {
            Claims::All(parts) => (parts, then),
            Claims::Any(parts) => (parts, "this alternative has no effect"),
            Claims::None(parts) => (parts, "it excludes nobody"),
            Claims::Clause { claim, place } => {
                // The word in the clause was already reported.
                let within = |reported: &Place| reported.file == place.file && reported.line == place.line;
                if self.reported.iter().any(within) {
                    return;
                }
                if !self.possible(claim) {
                    self.report(place, "never-holds", &format!("this clause is never true: {then}"));
                } else if !self.refutable(claim) {
                    self.report(place, "always-holds", "this clause is always true");
                }
                return;
            }
        };
        for part in parts {
            self.parts(part, then);
        }
    }

    /// Reports the first clause that contradicts the clauses before it.
    fn together(&mut self, claims: &Claims, then: &str) {
        let Claims::All(parts) = claims else { return };
        let mut before = Vec::new();
        for part in parts {
            before.push(part.whole());
            if !self.possible(&Claim::All(before.clone())) {
                let message = format!("this clause contradicts the clauses before it: {then}");
                return self.report(&first(part), "never-holds", &message);
            }
        }
    }

    fn report(&mut self, place: &Place, code: &'static str, message: &str) {
        if self.reported.insert(place.clone()) {
            let help = match code {
                "never-holds" => "compare with a value that can occur, or remove the clause",
                _ => "remove it, or correct it",
            };
            self.diagnostics.push(self.seen.warning(place.clone(), code, message).help(help));
        }
    }

    /// Reports values that a field never has.
    fn words(&mut self, claim: &Claim) {
        match claim {
            Claim::Is(_) | Claim::Unknown => {}
            Claim::All(parts) | Claim::Any(parts) => parts.iter().for_each(|part| self.words(part)),
            Claim::Not(of) => self.words(of),
            Claim::Compare(comparison) => self.word(comparison),
        }
    }

    fn word(&mut self, comparison: &Comparison) {
        let Comparison { path, by, value, place } = comparison;
        if let Some((text, help)) = no_domain(path, value)
            && self.reported.insert(place.clone())
        {
            let message = format!("`{path}` is never `{text}`");
            self.diagnostics.push(self.seen.warning(place.clone(), "never-equal", message).help(help));
        }
        let Some(known) = domain(path, self.seen, self.events.as_deref()) else { return };
        let wrong = match (by, value) {
            (By::Equal, Value::String(word)) => Some(word),
            (By::Among, Value::Array(words)) => words.iter().find_map(|word| match word {
                Value::String(text) if !known.contains(word) => Some(text),
                _ => None,
            }),
            _ => None,
        };
        let Some(word) = wrong.filter(|word| !known.contains(&json!(word))) else { return };
        if self.reported.insert(place.clone()) {
            let message = match path.as_str() {
                "event.type" => format!("no trigger of this policy has the type `{word}`"),
                _ => format!("`{path}` is never `{word}`"),
            };
            let help = nearest(word, known.iter().filter_map(Value::as_str));
            self.diagnostics.push(self.seen.warning(place.clone(), "never-equal", message).help(help));
        }
    }
}

/// Reports text that is not the domain of an address in lower case.
fn no_domain(path: &str, value: &Value) -> Option<(String, String)> {
    let texts = std::slice::from_ref(value);
    let texts = value.as_array().map_or(texts, Vec::as_slice);
    let odd = |text: &&str| text.contains(['@', ' ', '/', '*']) || text.chars().any(char::is_uppercase);
    let text =
        texts.iter().filter_map(Value::as_str).find(odd).filter(|_| path.ends_with(".email_domain"))?;
    let domain = text.trim().rsplit(['@', '/']).next().unwrap_or_default().to_lowercase();
    let domain = domain.trim_start_matches(['*', '.']);
    let help = format!("write the part after the @ in lower case: \"{domain}\"");
    Some((text.to_owned(), help))
}

fn first(claims: &Claims) -> Place {
    match claims {
        Claims::Clause { place, .. } => place.clone(),
        Claims::All(parts) | Claims::Any(parts) | Claims::None(parts) => {
            parts.first().map(first).unwrap_or_default()
        }
    }
}

/// Returns every value that a field can have, including the empty value.
fn domain(path: &str, seen: &Seen<'_>, events: Option<&[String]>) -> Option<Vec<Value>> {
    let mut words: Vec<Value> = match path {
        "event.type" => events?.iter().map(|name| json!(name)).collect(),
        _ => match path.strip_prefix("steps.").and_then(|rest| rest.split_once('.')) {
            Some((id, field)) => outcomes(id, field, seen)?.into_iter().map(|word| json!(word)).collect(),
            None => schema::words(path)?.iter().map(|word| json!(word)).collect(),
        },
    };
    words.push(Value::Null);
    Some(words)
}

/// Returns the possible results of a step.
fn outcomes(id: &str, field: &str, seen: &Seen<'_>) -> Option<Vec<String>> {
    let step = seen.step(*seen.policy.by_id.get(id)?)?;
    let known = match &step.verb {
        Verb::Review(_) => "decision",
        Verb::Verify(_) | Verb::Run { .. } => "outcome",
        Verb::Wait(_)
        | Verb::Act { .. }
        | Verb::Approve
        | Verb::Reject { .. }
        | Verb::Delete { .. }
        | Verb::Do { .. }
        | Verb::RetryFrom { .. }
        | Verb::Close { .. }
        | Verb::Effect(_) => return None,
    };
    (field == known).then(|| step.outcomes.keys().map(|ending| ending.word().to_owned()).collect())
}

/// Reports steps that make the policy's `as_long_as` false while other steps remain.
fn own_undoing(seen: &Seen<'_>, events: &Option<Vec<String>>, diagnostics: &mut Vec<Diagnostic>) {
    let condition = seen.policy.as_long_as.as_ref().and_then(|all| all.claims(&seen.policy.settings));
    let Some(condition) = condition.map(|claims| claims.whole()) else { return };
    let domains = |path: &str| domain(path, seen, events.as_deref());
    if !possible(&condition, &domains) {
        return;
    }
    for step in &seen.policy.steps {
        let Some(fact) = fact(step, seen) else { continue };
        let rest = seen.later(step);
        let left = rest.iter().any(|step| asks_again(&step.verb));
        if !left || possible(&Claim::All(vec![fact, condition.clone()]), &domains) {
            continue;
        }
        let message = format!(
            "`{}` makes the policy's `as_long_as` false: the case closes, and the steps after it do not run",
            step.verb.word()
        );
        let help = "use a condition in `as_long_as` that this policy does not change";
        diagnostics.push(seen.warning(step.place.clone(), "own-undoing", message).help(help));
    }
}

/// Reports whether `as_long_as` is evaluated before a step, or when the case resumes after it.
fn asks_again(verb: &Verb) -> bool {
    verb.waits() || verb.changes_something()
}

/// Returns the constraint that holds after a step is done.
fn fact(step: &Step, seen: &Seen<'_>) -> Option<Claim> {
    let is = |path: &str, by: By, value: Value| {
        Claim::Compare(Comparison { path: path.to_owned(), by, value, place: step.place.clone() })
    };
    let role = |text: &crate::policy::script::Text, has: bool| {
        let known = text.known(&seen.policy.settings).map(Value::from);
        let role = known.or_else(|| text.field().map(|field| field_value(&field)))?;
        let role = is("user.roles", By::Has, role);
        Some(if has { role } else { Claim::Not(Box::new(role)) })
    };
    match &step.verb {
        Verb::Approve => Some(is("registration.state", By::Equal, json!("approved"))),
        Verb::Reject { .. } => Some(is("registration.state", By::Equal, json!("rejected"))),
        Verb::Effect(Effect::Suspend { .. }) => Some(is("user.status", By::Equal, json!("suspended"))),
        Verb::Effect(Effect::Role { change, role: text }) => role(text, change.gives()),
        // A field that was set is not empty afterwards.
        Verb::Effect(Effect::Set(data)) => {
            let set = data.names().into_iter();
            let filled = set.map(|path| Claim::Not(Box::new(is(path, By::Equal, Value::Null))));
            Some(Claim::All(filled.collect()))
        }
        Verb::Effect(
            Effect::Notify(_)
            | Effect::Reinstate
            | Effect::Account(_)
            | Effect::Invite
            | Effect::CreateUser { .. }
            | Effect::UpdateUser { .. }
            | Effect::Call(_)
            | Effect::Emit { .. },
        )
        | Verb::Verify(_)
        | Verb::Review(_)
        | Verb::Run { .. }
        | Verb::Wait(_)
        | Verb::Act { .. }
        | Verb::Delete { .. }
        | Verb::Do { .. }
        | Verb::RetryFrom { .. }
        | Verb::Close { .. } => None,
    }
}
