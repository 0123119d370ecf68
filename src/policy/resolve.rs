//! Resolves effects from the expressions of a step, or from the result of an `act` function.

use serde_json::Value;

use super::choices::HTTP_METHODS;
use super::diagnostic::Place;
use super::effect::{Effect, Request, Resolved, Written};
use super::people::People;
use super::script::{Facts, ScriptError};
use super::tree::{Notify, Recipient};
use crate::model::{EffectKind, EffectShape, Fields, Repeat, SubjectKind};

/// Fields of a person that `set` can change, besides `attributes.<name>`.
pub const SETTABLE: &[&str] = &["verified_at", "exempt_until", "service_account", "title", "department"];

/// Returns the name under which an attribute is set: the key without the prefix of the subject kind.
pub fn settable(key: &str, subject: SubjectKind) -> Option<&str> {
    let name = key.strip_prefix(subject.word()).and_then(|rest| rest.strip_prefix('.')).unwrap_or(key);
    let custom = name.strip_prefix("attributes.").is_some_and(|rest| !rest.is_empty());
    (custom || SETTABLE.contains(&name)).then_some(name)
}

impl Effect<Resolved> {
    /// Resolves an effect as written in a policy. An empty value is an error if it names the target of the effect.
    pub fn of(
        effect: &Effect<Written>,
        subject: SubjectKind,
        facts: &Facts<'_>,
    ) -> Result<Self, ScriptError> {
        let resolved = Self::worked_out(effect, subject, facts)?;
        match resolved.names_nothing() {
            Some(message) => Err(ScriptError { place: Place::default(), message: message.to_owned() }),
            None => Ok(resolved),
        }
    }

    /// Returns an error for an empty role or an empty value under `match`, which could match any account.
    fn names_nothing(&self) -> Option<&'static str> {
        let empty =
            |value: &Value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        match self {
            Self::Role { role, .. } => role.trim().is_empty().then_some("the role's name is empty"),
            Self::UpdateUser { matching, .. } => (matching.is_empty() || matching.values().any(empty))
                .then_some("a value under `match` is empty"),
            Self::Notify(_)
            | Self::Suspend { .. }
            | Self::Reinstate
            | Self::Account(_)
            | Self::Set(_)
            | Self::Invite
            | Self::CreateUser { .. }
            | Self::Call(_)
            | Self::Emit { .. } => None,
        }
    }

    fn worked_out(
        effect: &Effect<Written>,
        subject: SubjectKind,
        facts: &Facts<'_>,
    ) -> Result<Self, ScriptError> {
        Ok(match effect {
            Effect::Notify(notify) => Self::Notify(notify.clone()),
            Effect::Suspend { end_sessions } => Self::Suspend { end_sessions: *end_sessions },
            Effect::Reinstate => Self::Reinstate,
            Effect::Account(change) => Self::Account(*change),
            Effect::Role { change, role } => Self::Role { change: *change, role: role.render(facts)? },
            Effect::Set(data) => Self::Set(named(data.fields(facts)?, subject)),
            Effect::Invite => Self::Invite,
            Effect::CreateUser { system, attributes } => {
                Self::CreateUser { system: system.clone(), attributes: attributes.fields(facts)? }
            }
            Effect::UpdateUser { system, matching, attributes } => Self::UpdateUser {
                system: system.clone(),
                matching: matching.fields(facts)?,
                attributes: attributes.fields(facts)?,
            },
            Effect::Call(request) => Self::Call(Request {
                endpoint: request.endpoint.clone(),
                method: request.method.clone(),
                path: request.path.as_ref().map(|path| path.render_path(facts)).transpose()?,
                body: request.body.as_ref().map(|body| body.value(facts)).transpose()?,
                repeat: request.repeat,
                returns: request.returns.clone(),
            }),
            Effect::Emit { kind, data } => Self::Emit { kind: kind.clone(), data: data.fields(facts)? },
        })
    }

    /// Reads one action that a function returned, in the shape of a step. The error is a sentence without
    /// values, because it goes to the policy's owner.
    pub fn read(action: &Value, may: &[EffectKind], about: &About<'_>) -> Result<Self, String> {
        let Value::Object(fields) = action else {
            return Err("an action is a map with a verb, such as #{assign_role: \"staff\"}".to_owned());
        };
        let verb = fields.keys().filter_map(|key| EffectKind::of_word(key)).find(|kind| kind.row().act);
        let verb = verb.ok_or("an action has no verb that `act` can do")?;
        // `end_sessions` is a key beside `suspend`.
        let suspends = fields.contains_key(EffectKind::Suspend.word());
        let kind = if suspends { EffectKind::Suspend } else { verb };
        let word = kind.word();
        if !may.contains(&kind) {
            return Err(format!("the function returned `{word}`, which `may` does not list"));
        }
        let mut rest = fields.clone();
        let object = rest.remove(word).unwrap_or(Value::Null);
        if !kind.is_for(about.subject) {
            return Err(format!("the function returned `{word}`, which is not for {}", about.subject.one()));
        }
        let effect = shaped(kind, &object, &mut rest, about).ok_or_else(|| {
            format!("the `{word}` that the function returned does not have the form of a step")
        })?;
        if let Some(message) = effect.names_nothing() {
            return Err(format!("the `{word}` that the function returned does not work: {message}"));
        }
        match rest.keys().next() {
            Some(_) => Err(format!("the `{word}` that the function returned has unknown keys")),
            None => Ok(effect),
        }
    }
}

/// The names that an action may refer to.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub subject: SubjectKind,
    pub people: &'a People,
    pub templates: &'a [&'a str],
}

fn named(attributes: Fields, subject: SubjectKind) -> Fields {
    let name = |key: String| settable(&key, subject).map(str::to_owned).unwrap_or(key);
    attributes.into_iter().map(|(key, value)| (name(key), value)).collect()
}

fn shaped(
    kind: EffectKind,
    object: &Value,
    rest: &mut Fields,
    about: &About<'_>,
) -> Option<Effect<Resolved>> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let mut taken = |key: &str| rest.remove(key);
    let map = |value: Option<Value>| match value {
        None => Some(Fields::new()),
        Some(Value::Object(fields)) => Some(fields),
        Some(_) => None,
    };
    let me = |value: &Value| (value.as_str()? == about.subject.word()).then_some(());
    Some(match kind.row().shape {
        EffectShape::Notify => Effect::Notify(notice(object, about)?),
        EffectShape::Suspend => {
            me(object)?;
            let end_sessions = taken(EffectKind::EndSessions.word());
            Effect::Suspend { end_sessions: end_sessions.map_or(Some(false), |value| value.as_bool())? }
        }
        EffectShape::Reinstate => me(object).map(|()| Effect::Reinstate)?,
        EffectShape::Account(change) => me(object).map(|()| Effect::Account(change))?,
        EffectShape::Invite => me(object).map(|()| Effect::Invite)?,
        EffectShape::Role(change) => Effect::Role { change, role: text(object)? },
        EffectShape::Set => {
            let attributes = object.as_object()?.clone();
            if !attributes.keys().all(|key| settable(key, about.subject).is_some()) {
                return None;
            }
            Effect::Set(named(attributes, about.subject))
        }
        EffectShape::CreateUser => {
            me(object)?;
            Effect::CreateUser { system: text(&taken("in")?)?, attributes: map(taken("attributes"))? }
        }
        EffectShape::UpdateUser => {
            me(object)?;
            Effect::UpdateUser {
                system: text(&taken("in")?)?,
                matching: map(taken("match")).filter(|matching| !matching.is_empty())?,
                attributes: map(taken("attributes"))?,
            }
        }
        EffectShape::Call => {
            let method = taken("method").map_or_else(|| Some("POST".to_owned()), |method| text(&method))?;
            Effect::Call(Request {
                endpoint: text(object)?,
                path: taken("path").map_or(Some(None), |path| text(&path).map(Some))?,
                body: taken("body"),
                repeat: match taken("idempotency") {
                    None => repeat(&method),
                    Some(word) => serde_json::from_value(word).ok()?,
                },
                method: HTTP_METHODS.contains(&method.as_str()).then_some(method)?,
                returns: Vec::new(),
            })
        }
        EffectShape::Emit => Effect::Emit { kind: text(object)?, data: map(taken("data"))? },
        // Steps that wait, branch or end stay in the YAML, where the loader can prove them, and so do effects that
        // cannot be undone. The table lets no function return them.
        EffectShape::Approve | EffectShape::Reject | EffectShape::Delete | EffectShape::Verify => {
            return None;
        }
    })
}

/// Returns the default reason why repeating a request is safe.
pub fn repeat(method: &str) -> Repeat {
    if matches!(method, "GET" | "PUT" | "DELETE") { Repeat::Natural } else { Repeat::Key }
}

fn notice(object: &Value, about: &About<'_>) -> Option<Notify> {
    let fields = object.as_object()?;
    if !fields.keys().all(|key| ["to", "template", "urgent"].contains(&key.as_str())) {
        return None;
    }
    let to = match fields.get("to")? {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let recipient = |value: &Value| match value.as_str()? {
        "subject" => Some(Recipient::Subject),
        "manager" if about.subject == SubjectKind::User => Some(Recipient::Manager),
        other => {
            let team = other.strip_prefix("team:")?;
            about.people.teams.contains_key(team).then(|| Recipient::Team(team.to_owned()))
        }
    };
    let template = fields.get("template")?.as_str().filter(|name| about.templates.contains(name))?;
    Some(Notify {
        to: to.iter().map(recipient).collect::<Option<_>>()?,
        template: template.to_owned(),
        urgent: fields.get("urgent").map_or(Some(false), Value::as_bool)?,
        by_call: false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn act_accepts_only_actions_in_step_form() {
        let may = ["suspend", "set", "assign_role", "call", "notify", "update_user"];
        let may = may.map(|word| EffectKind::of_word(word).unwrap());
        let people = People::default();
        let about = About { subject: SubjectKind::User, people: &people, templates: &["known"] };
        for (action, expected) in [
            (json!({"suspend": "user", "end_sessions": true}), Ok("suspend")),
            (json!({"set": {"user.verified_at": "2026-01-01T00:00:00Z"}}), Ok("set")),
            (json!({"set": {"attributes.level": 2}}), Ok("set")),
            (json!({"assign_role": "staff"}), Ok("assign_role")),
            (json!({"call": "ticketing", "method": "PUT", "body": {"a": 1}}), Ok("call")),
            (json!({"notify": {"to": ["subject", "manager"], "template": "known"}}), Ok("notify")),
            (json!({"notify": {"to": "subject", "template": "unknown"}}), Err("does not have the form")),
            (json!({"notify": {"to": "team:nobody", "template": "known"}}), Err("does not have the form")),
            (json!({"set": {"user.email": "x"}}), Err("does not have the form")),
            (json!({"suspend": "registration"}), Err("does not have the form")),
            (json!({"assign_role": ""}), Err("does not have the form")),
            (json!({"assign_role": "staff", "until": "later"}), Err("unknown keys")),
            (json!({"call": "ticketing", "method": "FROB"}), Err("does not have the form")),
            (json!({"assign_role": " "}), Err("name is empty")),
            (json!({"update_user": "user", "in": "hris", "match": {"userName": null}}), Err("is empty")),
            (json!({"remove_role": "staff"}), Err("`may` does not list")),
            (json!({"delete": "user"}), Err("no verb")),
            (json!("suspend"), Err("is a map")),
        ] {
            let effect = Effect::read(&action, &may, &about);
            match (&effect, expected) {
                (Ok(effect), Ok(verb)) => assert_eq!(effect.kind().word(), verb, "{action}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{action}: {error}"),
                (_, _) => panic!("{action}: {effect:?}"),
            }
        }
        let about = About { subject: SubjectKind::Registration, ..about };
        let error = Effect::read(&json!({"suspend": "registration"}), &may, &about).unwrap_err();
        assert!(error.contains("not for a registration"), "{error}");
    }
}
