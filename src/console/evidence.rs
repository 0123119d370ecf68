//! What was read from a document, beside what the person registered with.

use serde::Serialize;
use serde_json::Value;

use crate::api::cases::CaseSheet;
use crate::model::Fields;

use super::words::{capital, plain};

/// One proof of a case.
#[derive(Debug, Serialize)]
pub struct Proof {
    step: String,
    outcome: String,
    decision: Option<String>,
    score: Option<f64>,
    reasons: Vec<String>,
    checks: Vec<(String, String)>,
    completed_at: Option<String>,
    /// Its document is there, and the person may not see it.
    hidden: bool,
    rows: Vec<Row>,
}

/// One field.
#[derive(Debug, Serialize)]
struct Row {
    label: String,
    registered: Option<String>,
    document: Option<String>,
    differs: bool,
}

/// Fields that both sides have, then those of the document alone.
const COMPARED: [&str; 3] = ["first_name", "last_name", "date_of_birth"];
const DOCUMENT: [&str; 3] = ["type", "country", "expires_on"];

/// Returns the proofs of a case, in the order of its steps.
pub fn proofs(sheet: &CaseSheet, raw_identity: bool) -> Vec<Proof> {
    let empty = Fields::new();
    let registered = sheet.registered.as_ref().unwrap_or(&empty);
    let is_proof = |value: &&Value| value.get("mismatches").is_some();
    let steps = sheet.steps.iter().filter(|(_, value)| is_proof(value));
    steps.map(|(step, value)| proof(step, value, registered, raw_identity)).collect()
}

fn proof(step: &str, value: &Value, registered: &Fields, raw_identity: bool) -> Proof {
    let texts = |field: &str| -> Vec<String> {
        let list = value.get(field).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let word = |field: &str| value.get(field).and_then(Value::as_str).map(plain);
    let mismatches = texts("mismatches");
    let document = value.get("document");
    let read = |field: &str| document.and_then(|document| document.get(field)).and_then(text);
    let row = |field: &str| Row {
        label: capital(&plain(field)),
        registered: registered.get(field).and_then(text),
        document: read(field),
        differs: mismatches.iter().any(|other| other == field),
    };
    let of_document = DOCUMENT.iter().filter(|field| read(field).is_some());
    let rows = COMPARED.iter().chain(of_document).map(|field| row(field));
    let checks = value.get("checks").and_then(Value::as_object).into_iter().flatten();
    Proof {
        step: step.to_owned(),
        outcome: word("outcome").unwrap_or_else(|| "not finished".to_owned()),
        decision: word("decision"),
        score: value.get("score").and_then(Value::as_f64),
        reasons: texts("reasons").iter().map(|reason| plain(reason)).collect(),
        checks: checks.filter_map(|(name, how)| Some((plain(name), plain(how.as_str()?)))).collect(),
        completed_at: value.get("completed_at").and_then(Value::as_str).map(str::to_owned),
        hidden: !raw_identity && value.get("completed_at").is_some_and(Value::is_string),
        rows: rows.filter(|row| row.registered.is_some() || row.document.is_some() || row.differs).collect(),
    }
}

/// Every field of a registration.
pub fn all(registered: &Fields) -> Vec<(String, String)> {
    let pairs = registered.iter().filter_map(|(name, value)| Some((capital(&plain(name)), text(value)?)));
    pairs.collect()
}

/// Fields of the registration that no document has.
pub fn others(registered: &Fields) -> Vec<(String, String)> {
    let rest = registered.iter().filter(|(name, _)| !COMPARED.contains(&name.as_str()));
    rest.filter_map(|(name, value)| Some((capital(&plain(name)), text(value)?))).collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::String(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
