//! OneLogin's event webhook: a shared header and a body in one of two forms. Independent of the effects of an event. A
//! webhook is a hint, polling is authoritative.

use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::events::{self, Channel, Credential};
use crate::connectors::WebhookRefused;
use crate::model::{Event, Secret};

/// Returns whether a request has the shared header. OneLogin signs nothing: this is the only proof of its sender.
pub fn authentic(headers: &HeaderMap, shared: &(HeaderName, Secret)) -> bool {
    let (name, secret) = shared;
    headers.get(name).is_some_and(|given| given.as_bytes().ct_eq(secret.expose().as_bytes()).into())
}

/// Reads the records of a JSON array, of one object, or of one object per line. Returns their events and the number of
/// records about no user. A request with a broken record is refused as a whole.
pub fn read(body: &[u8], own: &Credential) -> Result<(Vec<Event>, u64), WebhookRefused> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    let records: Vec<Value> = match body.first() {
        None => return Err(WebhookRefused::Malformed("the body is empty; expected JSON events".into())),
        Some(b'[') => serde_json::from_slice(body)
            .map_err(|_| WebhookRefused::Malformed("the body is not a JSON array of events".into()))?,
        Some(_) => lines(body)?,
    };
    own.learn(records.iter().filter_map(Value::as_object));
    let (mut found, mut skipped) = (Vec::new(), 0);
    for (index, record) in records.into_iter().enumerate() {
        let Value::Object(record) = record else { return Err(malformed(index, "not a JSON object")) };
        let events = element(record, index, own)?;
        skipped += u64::from(events.is_empty());
        found.extend(events);
    }
    Ok((found, skipped))
}

fn element(record: Map<String, Value>, index: usize, own: &Credential) -> Result<Vec<Event>, WebhookRefused> {
    events::read(record, Channel::Webhook, own).map_err(|what| malformed(index, &what))
}

fn lines(body: &[u8]) -> Result<Vec<Value>, WebhookRefused> {
    let records = serde_json::Deserializer::from_slice(body).into_iter::<Value>().enumerate();
    records.map(|(index, record)| record.map_err(|_| malformed(index, "not JSON"))).collect()
}

fn malformed(index: usize, what: &str) -> WebhookRefused {
    WebhookRefused::Malformed(format!("element {index} is not an event: {what}"))
}
