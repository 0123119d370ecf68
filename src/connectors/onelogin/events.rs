//! Converts OneLogin's events from either channel. Independent of the way they are fetched.
//!
//! The webhook has no event id and the Events API no uuid. An event is therefore identified by the data of both: its
//! type, user, app, role, risk score and whole second. Two events that agree in all of these count as one. The channels
//! may round a time to neighboring seconds. Each therefore leaves a mark of its own and looks for the other's mark one
//! second before and after. Two events of one channel stay two.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, NaiveDateTime};
use serde_json::{Map, Value};

use super::types::{self, By};
use crate::model::{Event, EventType, Fields, Origin, SubjectKind, SubjectRef, Timestamp};

/// The channel of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Poll,
    Webhook,
}

impl Channel {
    fn word(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Webhook => "webhook",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Poll => Self::Webhook,
            Self::Webhook => Self::Poll,
        }
    }
}

/// The credential of this program, by which a tenant names it in events. The actor does not identify it: a credential
/// acts as the administrator who created it, who also acts as themselves.
#[derive(Debug)]
pub struct Credential {
    /// The name of the tenant that events come from.
    source: String,
    client_id: String,
    /// True once the tenant named this credential in an event; an event without a client is then not ours.
    named: AtomicBool,
}

impl Credential {
    pub fn new(source: String, client_id: String) -> Self {
        Self { source, client_id, named: AtomicBool::new(false) }
    }

    pub fn is_named(&self) -> bool {
        self.named.load(Ordering::Relaxed)
    }

    /// Checks records before they are read: one of them may name the credential.
    pub fn learn<'a>(&self, records: impl IntoIterator<Item = &'a Map<String, Value>>) {
        let names_us =
            |record: &Map<String, Value>| text(record, "client_id").as_ref() == Some(&self.client_id);
        if !self.is_named() && records.into_iter().any(names_us) {
            self.learned();
        }
    }

    pub fn learned(&self) {
        self.named.store(true, Ordering::Relaxed);
    }

    /// Returns the origin of a record. Without a client, a label that only the API has counts as ours: one effect of
    /// ours explains it.
    pub fn did(&self, record: &Map<String, Value>) -> Origin {
        let number = text(record, "event_type_id").and_then(|number| number.parse().ok());
        let row = number.and_then(types::find);
        match self.origin(record, row) {
            Origin::Unknown if row.is_some_and(|row| row.by == By::Api) => Origin::Ours,
            origin => origin,
        }
    }

    fn origin(&self, record: &Map<String, Value>, row: Option<&types::Row>) -> Origin {
        match (text(record, "client_id"), row.map(|row| row.by)) {
            (Some(client), _) if client == self.client_id => Origin::Ours,
            (Some(_), _) | (None, Some(By::Hand)) => Origin::Others,
            (None, Some(By::Api)) => Origin::Unknown,
            (None, Some(By::Anybody) | None) if self.is_named() => Origin::Others,
            (None, Some(By::Anybody) | None) => Origin::Unknown,
        }
    }
}

/// Returns the events of one record, one per kind of subject; none if it is about no user. The error describes the
/// fault of the record.
pub fn read(record: Map<String, Value>, channel: Channel, own: &Credential) -> Result<Vec<Event>, String> {
    let number = text(&record, "event_type_id").ok_or("it has no event_type_id")?;
    let number: u32 = number.parse().map_err(|_| "its event_type_id is not a number")?;
    let time =
        ["event_timestamp", "created_at"].iter().find_map(|key| record.get(*key).filter(|v| !v.is_null()));
    let time = time.ok_or("it has no event_timestamp")?;
    let time = moment(time).ok_or("its event_timestamp is not a time")?;
    let Some(user) = text(&record, "user_id") else { return Ok(Vec::new()) };
    let row = types::find(number);
    let means = row.map_or(&[(SubjectKind::User, "")][..], |row| row.means);
    let origin = own.origin(&record, row);
    let label = row.map(|row| row.label);
    let head = Head { number, label, time, user: &user, origin, source: &own.source };
    let Some(((kind, name), others)) = means.split_last() else { return Ok(Vec::new()) };
    let other = |(kind, name): &(SubjectKind, &str)| one(record.clone(), channel, &head, *kind, name);
    let mut events: Vec<Event> = others.iter().map(other).collect();
    events.push(one(record, channel, &head, *kind, name));
    Ok(events)
}

struct Head<'a> {
    number: u32,
    label: Option<&'static str>,
    time: Timestamp,
    user: &'a str,
    origin: Origin,
    source: &'a str,
}

fn one(
    record: Map<String, Value>,
    channel: Channel,
    head: &Head<'_>,
    kind: SubjectKind,
    name: &str,
) -> Event {
    let raw_name = EventType(format!("{}.{}", super::PROVIDER.name, head.number));
    let mut also = Vec::new();
    let score = score(&record);
    if name.starts_with("login.") && score.is_some() {
        also.push(EventType::new("login.risk"));
    }
    let event_type = if name.is_empty() {
        raw_name
    } else {
        also.push(raw_name);
        EventType::new(name)
    };
    let part = |key| text(&record, key).unwrap_or_default();
    // Of two sign-ins in one second, the risky one must stay distinct.
    let score = score.map_or_else(String::new, |score| format!(":{score}"));
    let (app, role) = (part("app_id"), part("role_id"));
    let stem = format!("{}:{}:{kind}:{}:{app}:{role}{score}", head.source, head.number, head.user);
    let second = head.time.timestamp();
    let mark = |channel: Channel, second: i64| format!("{}:{stem}:{second}", channel.word());
    Event {
        key: format!("{stem}:{second}"),
        near: vec![mark(channel.other(), second - 1), mark(channel.other(), second + 1)],
        leaves: vec![mark(channel, second)],
        kind: event_type,
        also,
        source: head.source.to_owned(),
        time: head.time,
        subject: SubjectRef { source: head.source.to_owned(), kind, id: head.user.to_owned() },
        actor: text(&record, "actor_user_name")
            .or_else(|| text(&record, "actor_system"))
            .or_else(|| text(&record, "actor_user_id")),
        actor_id: text(&record, "actor_user_id"),
        by_subject: text(&record, "actor_user_id").is_some_and(|actor| actor == head.user),
        origin: head.origin,
        ip: text(&record, "ipaddr"),
        fields: fields(record, name, head.label),
    }
}

fn fields(mut record: Map<String, Value>, name: &str, label: Option<&str>) -> Fields {
    let mut fields = Fields::new();
    let value = |key| text(&record, key).map_or(Value::Null, Value::String);
    if name.starts_with("login.") {
        let reasons = text(&record, "risk_reasons");
        let list: Vec<_> = reasons.as_deref().map(split).unwrap_or_default();
        let new_device = list.iter().any(|reason| {
            let reason = reason.to_lowercase();
            reason.contains("new device") || reason.contains("unknown device")
        });
        fields.insert("score".into(), score(&record).map_or(Value::Null, Value::from));
        fields.insert("reasons".into(), list.into());
        fields.insert("reason_text".into(), reasons.map_or(Value::Null, Value::String));
        fields.insert("new_device".into(), if new_device { true.into() } else { Value::Null });
    } else if name.starts_with("user.role_") {
        let role = text(&record, "role_name").or_else(|| text(&record, "role_id"));
        fields.insert("role".into(), role.map_or(Value::Null, Value::String));
    } else if name == "user.attribute_changed" {
        fields.insert("attribute".into(), value("user_field_name"));
        fields.insert("old".into(), Value::Null);
        fields.insert("new_value".into(), Value::Null);
    }
    fields.insert("label".into(), label.map_or(Value::Null, Value::from));
    // Null members are left out: they are most of a record.
    record.retain(|_, value| !value.is_null());
    fields.insert("data".into(), record.into());
    fields
}

fn split(reasons: &str) -> Vec<String> {
    reasons
        .split([',', ';', '\n', '\r'])
        .map(str::trim)
        .filter(|r| !r.is_empty())
        .map(str::to_owned)
        .collect()
}

fn score(record: &Map<String, Value>) -> Option<i64> {
    let score = text(record, "risk_score")?.parse::<f64>().ok().filter(|score| score.is_finite())?;
    // Scores are 0 to 100; policies compare the nearest whole number.
    Some(score.round().clamp(0.0, 100.0) as i64)
}

/// Returns a text or a number as text: types differ between the channels. An empty text is `None`.
pub fn text(record: &Map<String, Value>, key: &str) -> Option<String> {
    plain(record.get(key)?)
}

/// Returns a text, or a number as text.
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Parses a time in one of the known forms: RFC 3339, `2026-01-01 10:00:00 UTC`, seconds since 1970.
pub fn moment(value: &Value) -> Option<Timestamp> {
    if let Some(seconds) = value.as_i64() {
        // A number this large can only be milliseconds.
        let milliseconds = seconds.abs() > 100_000_000_000;
        return if milliseconds {
            DateTime::from_timestamp_millis(seconds)
        } else {
            DateTime::from_timestamp(seconds, 0)
        };
    }
    let text = value.as_str()?.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    let bare = ["UTC", "+0000", "+00:00", "Z"]
        .iter()
        .find_map(|zone| text.strip_suffix(zone))
        .unwrap_or(text)
        .trim();
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(bare, form).ok())
        .map(|at| at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::{Channel, Credential, read};
    use crate::model::Origin::{Others, Ours, Unknown};
    use serde_json::{Value, json};

    #[test]
    fn the_credential_determines_the_origin_of_an_event() {
        let own = Credential::new("onelogin".to_owned(), "ours".to_owned());
        let origin = |number: u32, client: &Value| {
            let record = json!({"event_type_id": number, "user_id": 7, "client_id": client,
                "created_at": "2026-01-01T10:00:00Z", "actor_user_id": 1, "actor_system": "API"});
            read(record.as_object().unwrap().clone(), Channel::Poll, &own).unwrap()[0].origin
        };
        let (us, them, nobody) = (json!("ours"), json!("theirs"), Value::Null);
        let rows = [
            (514, &us, Ours, Ours),
            (514, &them, Others, Others),
            (514, &nobody, Unknown, Unknown),
            (148, &nobody, Others, Others),
            (150, &nobody, Others, Others),
            // Once the tenant has named us, an event without a client is not ours.
            (15, &nobody, Unknown, Others),
            (21, &nobody, Unknown, Others),
            (14, &nobody, Unknown, Others),
            (9_999, &nobody, Unknown, Others),
        ];
        for (number, client, before, _) in rows {
            assert_eq!(origin(number, client), before, "{number} {client}");
        }
        let record = json!({"client_id": "ours"});
        own.learn(record.as_object());
        for (number, client, _, after) in rows {
            assert_eq!(origin(number, client), after, "{number} {client}");
        }
    }
}
