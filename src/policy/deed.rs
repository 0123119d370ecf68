//! Effects with everything worked out: what a step's expressions came to, or what an `act` function
//! returned. Plain data, so that a case can keep what it still has to do.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::diagnostic::Place;
use super::people::People;
use super::script::{Facts, ScriptError};
use super::tree::{Effect, LimitedAction, Notify, Recipient};
use crate::model::{Fields, Repeat, SubjectKind};

/// One effect, ready to be asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Deed {
    Notify {
        #[serde(flatten)]
        notify: Notify,
    },
    Suspend {
        end_sessions: bool,
    },
    Reinstate,
    HoldRole {
        role: String,
    },
    ReleaseRole {
        role: String,
    },
    AssignRole {
        role: String,
    },
    RemoveRole {
        role: String,
    },
    Set {
        attributes: Fields,
    },
    EndSessions,
    Invite,
    CreateUser {
        system: String,
        attributes: Fields,
    },
    UpdateUser {
        system: String,
        matching: Fields,
        attributes: Fields,
    },
    Call {
        endpoint: String,
        method: String,
        path: String,
        body: Option<Value>,
        repeat: Repeat,
    },
    Emit {
        kind: String,
        data: Fields,
    },
}

/// The verbs that an `act` function may return. What waits, branches or ends stays in the YAML, where the
/// loader can prove it, and so does what cannot be undone.
pub const VERBS: &[&str] = &[
    "notify",
    "suspend",
    "reinstate",
    "hold_role",
    "release_role",
    "assign_role",
    "remove_role",
    "set",
    "end_sessions",
    "invite",
    "create_user",
    "update_user",
    "call",
    "emit",
];

/// Fields of a person that `set` can change, besides `attributes.<name>`.
pub const SETTABLE: &[&str] = &["verified_at", "exempt_until", "service_account", "title", "department"];

/// The name under which an attribute is set: without the subject's word before it.
pub fn settable(key: &str, subject: SubjectKind) -> Option<&str> {
    let name = key.strip_prefix(subject.word()).and_then(|rest| rest.strip_prefix('.')).unwrap_or(key);
    let custom = name.strip_prefix("attributes.").is_some_and(|rest| !rest.is_empty());
    (custom || SETTABLE.contains(&name)).then_some(name)
}

impl Deed {
    /// Works out an effect as it is written in a policy. What came to nothing is an error where it says whom
    /// or what the effect is about.
    pub fn of(effect: &Effect, subject: SubjectKind, facts: &Facts<'_>) -> Result<Self, ScriptError> {
        let deed = Self::worked_out(effect, subject, facts)?;
        match deed.names_nothing() {
            Some(message) => Err(ScriptError { place: Place::default(), message: message.to_owned() }),
            None => Ok(deed),
        }
    }

    /// An empty role, or an account that is to be found by an empty value: it could be anybody's.
    fn names_nothing(&self) -> Option<&'static str> {
        let empty =
            |value: &Value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        match self {
            Self::HoldRole { role }
            | Self::ReleaseRole { role }
            | Self::AssignRole { role }
            | Self::RemoveRole { role } => role.trim().is_empty().then_some("the role's name is empty"),
            Self::UpdateUser { matching, .. } => (matching.is_empty() || matching.values().any(empty))
                .then_some("a value under `match` is empty, and nobody is found by that"),
            _ => None,
        }
    }

    fn worked_out(effect: &Effect, subject: SubjectKind, facts: &Facts<'_>) -> Result<Self, ScriptError> {
        Ok(match effect {
            Effect::Suspend { end_sessions } => Self::Suspend { end_sessions: *end_sessions },
            Effect::Reinstate => Self::Reinstate,
            Effect::HoldRole(role) => Self::HoldRole { role: role.render(facts)? },
            Effect::ReleaseRole(role) => Self::ReleaseRole { role: role.render(facts)? },
            Effect::AssignRole(role) => Self::AssignRole { role: role.render(facts)? },
            Effect::RemoveRole(role) => Self::RemoveRole { role: role.render(facts)? },
            Effect::Set(data) => Self::Set { attributes: named(data.fields(facts)?, subject) },
            Effect::EndSessions => Self::EndSessions,
            Effect::Invite => Self::Invite,
            Effect::CreateUser { system, attributes } => {
                Self::CreateUser { system: system.clone(), attributes: attributes.fields(facts)? }
            }
            Effect::UpdateUser { system, matching, attributes } => Self::UpdateUser {
                system: system.clone(),
                matching: matching.fields(facts)?,
                attributes: attributes.fields(facts)?,
            },
            Effect::Request(request) => Self::Call {
                endpoint: request.endpoint.clone(),
                method: request.method.clone(),
                path: match &request.path {
                    Some(path) => path.render_path(facts)?,
                    None => String::new(),
                },
                body: request.body.as_ref().map(|body| body.value(facts)).transpose()?,
                repeat: request.repeat,
            },
            Effect::Emit { kind, data } => Self::Emit { kind: kind.clone(), data: data.fields(facts)? },
        })
    }

    /// What `limits` counts it as.
    pub fn action(&self) -> LimitedAction {
        match self {
            Self::Notify { .. } => LimitedAction::Notify,
            Self::Suspend { .. } => LimitedAction::Suspend,
            Self::Reinstate => LimitedAction::Reinstate,
            Self::HoldRole { .. } => LimitedAction::HoldRole,
            Self::ReleaseRole { .. } => LimitedAction::ReleaseRole,
            Self::AssignRole { .. } => LimitedAction::AssignRole,
            Self::RemoveRole { .. } => LimitedAction::RemoveRole,
            Self::Set { .. } => LimitedAction::Set,
            Self::EndSessions => LimitedAction::EndSessions,
            Self::Invite => LimitedAction::Invite,
            Self::CreateUser { .. } => LimitedAction::CreateUser,
            Self::UpdateUser { .. } => LimitedAction::UpdateUser,
            Self::Call { .. } => LimitedAction::Call,
            Self::Emit { .. } => LimitedAction::Emit,
        }
    }

    /// Reads one action that a function returned, in the shape of a step. The error is a sentence without
    /// values: it goes to the policy's owner.
    pub fn read(action: &Value, may: &[String], about: &About<'_>) -> Result<Self, String> {
        let Value::Object(fields) = action else {
            return Err("an action is a map with a verb, such as #{assign_role: \"staff\"}".to_owned());
        };
        let mut verbs = fields.keys().filter(|key| VERBS.contains(&key.as_str()));
        let verb = verbs.next().map(String::as_str).ok_or("an action has no verb that `act` can do")?;
        // `end_sessions` stands beside `suspend`.
        let verb = if fields.contains_key("suspend") { "suspend" } else { verb };
        if !may.iter().any(|allowed| allowed == verb) {
            return Err(format!("the function returned `{verb}`, which `may` does not list"));
        }
        let mut rest = fields.clone();
        let object = rest.remove(verb).unwrap_or(Value::Null);
        if !of_subject(verb, about.subject) {
            return Err(format!("the function returned `{verb}`, which is not for {}", about.subject.one()));
        }
        let deed = shaped(verb, &object, &mut rest, about).ok_or_else(|| {
            format!("the `{verb}` that the function returned is not in the shape of a step")
        })?;
        if let Some(message) = deed.names_nothing() {
            return Err(format!("the `{verb}` that the function returned cannot be done: {message}"));
        }
        match rest.keys().next() {
            Some(_) => Err(format!("the `{verb}` that the function returned has keys too many")),
            None => Ok(deed),
        }
    }
}

/// Whether a verb can be done to this kind of subject: only a user has an account, and an applicant has
/// nothing at the identity provider.
pub fn of_subject(verb: &str, subject: SubjectKind) -> bool {
    match verb {
        "suspend" | "reinstate" | "end_sessions" | "hold_role" | "release_role" | "assign_role"
        | "remove_role" => subject == SubjectKind::User,
        "set" | "invite" => subject != SubjectKind::Applicant,
        _ => true,
    }
}

/// What an action may name.
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

fn shaped(verb: &str, object: &Value, rest: &mut Fields, about: &About<'_>) -> Option<Deed> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let mut taken = |key: &str| rest.remove(key);
    let map = |value: Option<Value>| match value {
        None => Some(Fields::new()),
        Some(Value::Object(fields)) => Some(fields),
        Some(_) => None,
    };
    let me = |value: &Value| (value.as_str()? == about.subject.word()).then_some(());
    Some(match verb {
        "notify" => Deed::Notify { notify: notice(object, about)? },
        "suspend" => {
            me(object)?;
            Deed::Suspend {
                end_sessions: match taken("end_sessions") {
                    None => false,
                    Some(value) => value.as_bool()?,
                },
            }
        }
        "reinstate" => me(object).map(|()| Deed::Reinstate)?,
        "end_sessions" => me(object).map(|()| Deed::EndSessions)?,
        "invite" => me(object).map(|()| Deed::Invite)?,
        "hold_role" => Deed::HoldRole { role: text(object)? },
        "release_role" => Deed::ReleaseRole { role: text(object)? },
        "assign_role" => Deed::AssignRole { role: text(object)? },
        "remove_role" => Deed::RemoveRole { role: text(object)? },
        "set" => {
            let attributes = object.as_object()?.clone();
            if !attributes.keys().all(|key| settable(key, about.subject).is_some()) {
                return None;
            }
            Deed::Set { attributes: named(attributes, about.subject) }
        }
        "create_user" => {
            me(object)?;
            Deed::CreateUser { system: text(&taken("in")?)?, attributes: map(taken("attributes"))? }
        }
        "update_user" => {
            me(object)?;
            Deed::UpdateUser {
                system: text(&taken("in")?)?,
                matching: map(taken("match")).filter(|matching| !matching.is_empty())?,
                attributes: map(taken("attributes"))?,
            }
        }
        "call" => {
            let method = taken("method").map_or_else(|| Some("POST".to_owned()), |method| text(&method))?;
            Deed::Call {
                endpoint: text(object)?,
                path: taken("path").map_or_else(|| Some(String::new()), |path| text(&path))?,
                body: taken("body"),
                repeat: match taken("idempotency") {
                    None => repeat(&method),
                    Some(word) => serde_json::from_value(word).ok()?,
                },
                method: METHODS.contains(&method.as_str()).then_some(method)?,
            }
        }
        "emit" => Deed::Emit { kind: text(object)?, data: map(taken("data"))? },
        _ => return None,
    })
}

/// The methods of a request.
const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Why repeating a request is safe where nothing is said.
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
    fn actions_are_read_in_the_shape_of_steps_and_nothing_else_is() {
        let may = ["suspend", "set", "assign_role", "call", "notify", "update_user"].map(str::to_owned);
        let people = People::default();
        let about = About { subject: SubjectKind::User, people: &people, templates: &["known"] };
        for (action, expected) in [
            (json!({"suspend": "user", "end_sessions": true}), Ok("suspend")),
            (json!({"set": {"user.verified_at": "2026-01-01T00:00:00Z"}}), Ok("set")),
            (json!({"set": {"attributes.level": 2}}), Ok("set")),
            (json!({"assign_role": "staff"}), Ok("assign_role")),
            (json!({"call": "ticketing", "method": "PUT", "body": {"a": 1}}), Ok("call")),
            (json!({"notify": {"to": ["subject", "manager"], "template": "known"}}), Ok("notify")),
            (json!({"notify": {"to": "subject", "template": "unknown"}}), Err("not in the shape")),
            (json!({"notify": {"to": "team:nobody", "template": "known"}}), Err("not in the shape")),
            (json!({"set": {"user.email": "x"}}), Err("not in the shape")),
            (json!({"suspend": "registration"}), Err("not in the shape")),
            (json!({"assign_role": ""}), Err("not in the shape")),
            (json!({"assign_role": "staff", "until": "later"}), Err("keys too many")),
            (json!({"call": "ticketing", "method": "FROB"}), Err("not in the shape")),
            (json!({"assign_role": " "}), Err("name is empty")),
            (json!({"update_user": "user", "in": "hris", "match": {"userName": null}}), Err("is empty")),
            (json!({"remove_role": "staff"}), Err("`may` does not list")),
            (json!({"delete": "user"}), Err("no verb")),
            (json!("suspend"), Err("is a map")),
        ] {
            let deed = Deed::read(&action, &may, &about);
            match (&deed, expected) {
                (Ok(deed), Ok(verb)) => assert_eq!(json!(deed)["verb"], verb, "{action}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{action}: {error}"),
                (_, _) => panic!("{action}: {deed:?}"),
            }
        }
        let about = About { subject: SubjectKind::Registration, ..about };
        let error = Deed::read(&json!({"suspend": "registration"}), &may, &about).unwrap_err();
        assert!(error.contains("not for a registration"), "{error}");
    }
}
