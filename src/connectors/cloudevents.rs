//! CloudEvents 1.0 over HTTP, in all three modes: structured, batched and binary. A request is accepted whole or not at
//! all, and an error has its place. Pure; does not check who may send.
//!
//! Written by hand: `cloudevents-sdk` (0.9) accepts duplicate members, attribute names in capitals or with signs,
//! control characters, an empty id, a source that is no URI and numbers beyond 32 bits. Its errors name no member.
//!
//! The person is the event's `subject`. The extension attribute `subjecttype` is the kind of record (`user` or
//! `registration`; `applicant` by default). `subjectsource` is the identity provider of the record, if there are
//! several. Policies see the data as `event.data`, with extension attributes added where the data has no member of that
//! name. Data that is no JSON object is `event.data.value`, and bytes are `event.data.data_base64`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use percent_encoding::percent_decode_str;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use crate::model::{Event, EventType, Fields, Origin, SubjectKind, SubjectRef, Timestamp, typed};

/// Most events of one request; more are refused.
const MOST_EVENTS: usize = 1_000;

/// Longest text of an attribute that is used in keys and lists.
const LONGEST: usize = 1_024;

/// Attributes of the specification. All others are extensions.
const OWN: &[&str] =
    &["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"];

/// Why a request is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("{0}")]
    MediaType(&'static str),
    #[error("{0} events are more than the {MOST_EVENTS} that a request may have")]
    TooMany(usize),
    /// The outer form of the request is invalid.
    #[error("{0}")]
    Malformed(&'static str),
    #[error("event {index}, {field}: {why}")]
    Event {
        /// Counts from 0.
        index: usize,
        field: String,
        why: &'static str,
    },
}

impl Unread {
    /// Reports an event whose subject has an ambiguous identity provider or one that is not configured.
    pub fn no_source(index: usize) -> Self {
        wrong(SOURCE, "expected the name of the identity provider that has the person").at(index)
    }
}

/// The extension attribute that names the identity provider of a person.
const SOURCE: &str = "subjectsource";

/// An error of one event.
struct Wrong {
    field: String,
    why: &'static str,
}

fn wrong(field: &str, why: &'static str) -> Wrong {
    // A name from the sender is shown only as far as it is readable.
    Wrong { field: field.chars().filter(|c| !c.is_control()).take(40).collect(), why }
}

/// Reads the events of a request; `now` is the time of its arrival, for events without a time.
pub fn read(headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Vec<Event>, Unread> {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or("?")).unwrap_or_default();
    let (media_type, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let media_type = media_type.trim().to_ascii_lowercase();
    let format = media_type.strip_prefix("application/cloudevents");
    if format.is_some() {
        only_utf8(parameters)?;
    }
    match format {
        Some("-batch+json") => batched(body, now),
        Some("+json") => structured(body, now).map(|event| vec![event]),
        Some(_) => {
            Err(Unread::MediaType("the only formats are application/cloudevents+json and -batch+json"))
        }
        None if headers.keys().any(|name| name.as_str().starts_with("ce-")) => {
            let event = binary(headers, &media_type, body).and_then(|draft| draft.event(now));
            event.map(|event| vec![event]).map_err(|wrong| wrong.at(0))
        }
        None => Err(Unread::MediaType(
            "expected Content-Type application/cloudevents+json or application/cloudevents-batch+json, or \
             the headers of an event (ce-id, ce-source, ce-type, ce-specversion)",
        )),
    }
}

fn only_utf8(parameters: &str) -> Result<(), Unread> {
    for parameter in parameters.split(';') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
            return Err(Unread::MediaType("events are read as UTF-8 only"));
        }
    }
    Ok(())
}

fn structured(body: &[u8], now: Timestamp) -> Result<Event, Unread> {
    let Object(members) = serde_json::from_slice(body)
        .map_err(|_| Unread::Malformed("the body is not a JSON object without repeated members"))?;
    Draft::from_json(members).and_then(|draft| draft.event(now)).map_err(|wrong| wrong.at(0))
}

fn batched(body: &[u8], now: Timestamp) -> Result<Vec<Event>, Unread> {
    let list: Vec<&serde_json::value::RawValue> =
        serde_json::from_slice(body).map_err(|_| Unread::Malformed("the body is not a JSON array"))?;
    if list.len() > MOST_EVENTS {
        return Err(Unread::TooMany(list.len()));
    }
    let each = list.iter().enumerate().map(|(index, one)| {
        let read = serde_json::from_str::<Object>(one.get());
        let object = read.map_err(|_| wrong("event", "expected a JSON object without repeated members"));
        let draft = object.and_then(|Object(members)| Draft::from_json(members));
        draft.and_then(|draft| draft.event(now)).map_err(|wrong| wrong.at(index))
    });
    each.collect()
}

/// Reads an event whose attributes are in headers; the body is its data.
fn binary(headers: &HeaderMap, media_type: &str, body: &[u8]) -> Result<Draft, Wrong> {
    let mut draft = Draft::default();
    for name in headers.keys() {
        let Some(attribute) = name.as_str().strip_prefix("ce-") else { continue };
        if attribute == "datacontenttype" {
            return Err(wrong(attribute, "in this mode Content-Type says it"));
        }
        let mut values = headers.get_all(name).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(wrong(attribute, "the header is there more than once"));
        };
        draft.set(attribute, Value::String(decoded(value).map_err(|why| wrong(attribute, why))?))?;
    }
    let is_json =
        media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json");
    draft.data = match body {
        [] => None,
        body if is_json || media_type.is_empty() => {
            Some(Data::Json(serde_json::from_slice(body).map_err(|_| wrong("data", "the body is not JSON"))?))
        }
        body => Some(match std::str::from_utf8(body) {
            Ok(text) if media_type.starts_with("text/") || media_type.ends_with("xml") => {
                Data::Json(text.into())
            }
            _ => Data::Bytes(STANDARD.encode(body)),
        }),
    };
    Ok(draft)
}

/// Decodes a header's text: removes quotes and percent-decodes once.
fn decoded(value: &HeaderValue) -> Result<String, &'static str> {
    let text = value.to_str().map_err(|_| "expected ASCII, with all else percent-encoded as UTF-8")?.trim();
    let text = match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => unescaped(quoted),
        None => text.to_owned(),
    };
    if !is_encoded(&text) {
        return Err("'%' is not followed by two hexadecimal digits");
    }
    let text = percent_decode_str(&text).decode_utf8();
    text.map(Cow::into_owned).map_err(|_| "what is percent-encoded is not UTF-8")
}

fn unescaped(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    while let Some(c) = rest.next() {
        text.push(if c == '\\' { rest.next().unwrap_or(c) } else { c });
    }
    text
}

/// Attributes and data, each checked for its type.
#[derive(Default)]
struct Draft {
    attributes: Map<String, Value>,
    data: Option<Data>,
}

enum Data {
    Json(Value),
    Bytes(String),
}

impl Draft {
    fn from_json(members: Map<String, Value>) -> Result<Self, Wrong> {
        let mut draft = Self::default();
        for (name, value) in members {
            let data = match (name.as_str(), value) {
                // Null means a missing member, for data as well as attributes.
                (_, Value::Null) => continue,
                ("data", value) => Data::Json(value),
                ("data_base64", Value::String(text)) if STANDARD.decode(&text).is_ok() => Data::Bytes(text),
                ("data_base64", _) => return Err(wrong("data_base64", "expected bytes as base64")),
                (_, value) => {
                    draft.set(&name, value)?;
                    continue;
                }
            };
            if draft.data.replace(data).is_some() {
                return Err(wrong("data_base64", "there may be data or data_base64 but not both"));
            }
        }
        Ok(draft)
    }

    fn set(&mut self, name: &str, value: Value) -> Result<(), Wrong> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if name.is_empty() || !name.bytes().all(legal) || name == "data" {
            return Err(wrong(name, "names of attributes are made of lower-case letters and digits"));
        }
        let fits = match &value {
            Value::String(text) if text.chars().any(is_forbidden) => {
                return Err(wrong(name, "a control character is not allowed here"));
            }
            Value::String(text) if !text.chars().all(typed::is_plain) => {
                return Err(wrong(
                    name,
                    "a character that cannot be seen or that turns the text is not allowed here",
                ));
            }
            Value::String(_) => true,
            Value::Bool(_) => !OWN.contains(&name),
            Value::Number(number) => {
                !OWN.contains(&name) && number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
            }
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        if !fits {
            let why = if OWN.contains(&name) {
                "expected a text"
            } else {
                "an extension attribute is a text, true, false or a whole number of 32 bits"
            };
            return Err(wrong(name, why));
        }
        self.attributes.insert(name.to_owned(), value);
        Ok(())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::as_str)
    }

    fn must(&self, name: &str) -> Result<&str, Wrong> {
        match self.text(name) {
            None => Err(wrong(name, "is missing")),
            Some(text) if text.trim().is_empty() => Err(wrong(name, "is empty")),
            Some(text) if text.len() > LONGEST => Err(wrong(name, "is longer than 1024 bytes")),
            Some(text) => Ok(text),
        }
    }

    fn event(mut self, now: Timestamp) -> Result<Event, Wrong> {
        if self.must("specversion")? != "1.0" {
            return Err(wrong("specversion", "expected 1.0"));
        }
        let (id, source, kind) = (self.must("id")?, self.must("source")?, self.must("type")?);
        if !is_reference(source) {
            return Err(wrong("source", "expected a URI or a relative reference"));
        }
        let person = self.must("subject")?;
        let record = match self.attributes.get("subjecttype").map(Value::as_str) {
            None => SubjectKind::Applicant,
            Some(word) => word
                .and_then(SubjectKind::of_word)
                .ok_or_else(|| wrong("subjecttype", "expected applicant, user or registration"))?,
        };
        let provider = match self.attributes.get(SOURCE) {
            None => String::new(),
            Some(Value::String(name)) if record != SubjectKind::Applicant => name.clone(),
            Some(_) => {
                return Err(wrong(
                    SOURCE,
                    "expected the name of an identity provider, for a user or registration",
                ));
            }
        };
        let time = match self.text("time") {
            None => now,
            Some(text) => moment(text)
                .ok_or_else(|| wrong("time", "expected a time such as 2026-01-31T09:30:00Z (RFC 3339)"))?,
        };
        if self.text("dataschema").is_some_and(|uri| !is_reference(uri) || !uri.contains(':')) {
            return Err(wrong("dataschema", "expected a URI"));
        }
        if self.text("datacontenttype").is_some_and(|kind| !is_media_type(kind)) {
            return Err(wrong("datacontenttype", "expected a media type such as application/json"));
        }
        if let Some(Data::Json(Value::Object(members))) = &self.data
            && let Some((field, why)) = typed::refused(members)
        {
            return Err(wrong(&format!("data.{field}"), why));
        }
        Ok(Event {
            key: key(source, id),
            near: Vec::new(),
            leaves: Vec::new(),
            kind: EventType::new(format!("custom.{kind}")),
            also: Vec::new(),
            source: source.to_owned(),
            time,
            subject: SubjectRef { source: provider, kind: record, id: person.to_owned() },
            actor: None,
            actor_id: None,
            by_subject: false,
            origin: Origin::Unknown,
            ip: None,
            fields: self.fields(),
        })
    }

    fn fields(&mut self) -> Fields {
        let mut data = match self.data.take() {
            None => Fields::new(),
            Some(Data::Json(Value::Object(members))) => members,
            Some(Data::Json(value)) => Fields::from_iter([("value".to_owned(), value)]),
            Some(Data::Bytes(text)) => Fields::from_iter([("data_base64".to_owned(), text.into())]),
        };
        for (name, value) in &self.attributes {
            if !OWN.contains(&name.as_str()) && !data.contains_key(name) {
                data.insert(name.clone(), value.clone());
            }
        }
        Fields::from_iter([("data".to_owned(), data.into())])
    }
}

impl Wrong {
    fn at(self, index: usize) -> Unread {
        Unread::Event { index, field: self.field, why: self.why }
    }
}

/// Returns the key of an event: source and id together identify it. The length keeps them apart.
fn key(source: &str, id: &str) -> String {
    format!("ce:{}:{source}:{id}", source.len())
}

/// Parses a time within the clock's own range.
fn moment(text: &str) -> Option<Timestamp> {
    let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    at.timestamp_nanos_opt().filter(|nanos| *nanos > 0).map(|_| at)
}

/// Returns whether a character is a control character or a noncharacter, as the specification defines them.
fn is_forbidden(c: char) -> bool {
    c.is_control() || (u32::from(c) & 0xFFFE) == 0xFFFE || matches!(c, '\u{FDD0}'..='\u{FDEF}')
}

/// Returns whether each '%' is followed by two hex digits.
fn is_encoded(text: &str) -> bool {
    let digits = |two: &str| two.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.match_indices('%').all(|(at, _)| text.get(at + 1..at + 3).is_some_and(digits))
}

/// Returns whether a text has only the characters of RFC 3986.
fn is_reference(text: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    text.bytes().all(may_be) && is_encoded(text)
}

fn is_media_type(text: &str) -> bool {
    let name = text.split(';').next().unwrap_or_default().trim();
    let token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    name.split_once('/').is_some_and(|(kind, subkind)| token(kind) && token(subkind))
}

/// A JSON object without duplicate members: which of two ids an event has must not be guessed.
struct Object(Map<String, Value>);

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a member is there twice"));
                    }
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
