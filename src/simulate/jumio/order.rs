//! Parsing and validation of a start's body, as the vendor documents it. This module must not know accounts.

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::execution::{Order, Outcome, Script};
use super::knobs::Knobs;
use super::labels;

const FORBIDDEN: &[char] = &['<', '>', '"', '/', ';', '`', '%', '{', '}', '|'];
const RESERVED: &[&str] = &[
    "accountId",
    "workflowExecutionId",
    "acquisitionStatus",
    "customerInternalReference",
    "errorCode",
    "transactionReference",
    "transactionStatus",
];

/// Parses a body; the error is the vendor's message.
pub(super) fn read(body: &[u8], knobs: &Knobs) -> Result<Order, String> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "Request body is not valid JSON")?;
    let body = body.as_object().ok_or("Request body must be an object")?;
    let reference = text(body, "customerInternalReference", usize::MAX)?
        .ok_or("customerInternalReference is required")?;
    let mock = if knobs.mock_dialect { mock(&reference) } else { None };
    if mock.is_none() {
        plain(&reference, "customerInternalReference")?;
    }
    let user_reference = text(body, "userReference", 100)?;
    if let Some(user_reference) = &user_reference {
        plain(user_reference, "userReference")?;
    }
    text(body, "reportingCriteria", 255)?;
    let definition = object(body, "workflowDefinition")?.ok_or("workflowDefinition is required")?;
    let key = key(definition)?;
    if key == 32 && user_reference.is_none() {
        return Err("userReference is required for this workflow".into());
    }
    let existing = credentials(definition)?;
    let callback_url = text(body, "callbackUrl", 255)?;
    let empty = Map::new();
    let web = object(body, "web")?.unwrap_or(&empty);
    let (success_url, error_url) = (text(web, "successUrl", 255)?, text(web, "errorUrl", 255)?);
    for (name, url) in
        [("callbackUrl", &callback_url), ("successUrl", &success_url), ("errorUrl", &error_url)]
    {
        if let Some(url) = url {
            address(name, url, knobs.strict_urls)?;
        }
    }
    let lifetime = text(body, "tokenLifetime", 20)?;
    Ok(Order {
        customer_internal_reference: reference,
        user_reference,
        key,
        callback_url,
        success_url,
        error_url,
        locale: text(web, "locale", 5)?.unwrap_or_else(|| "en".into()),
        lifetime_seconds: lifetime.map_or(Ok(30 * 60), |text| seconds(&text))?,
        existing,
        mock,
    })
}

fn text(of: &Map<String, Value>, name: &str, most: usize) -> Result<Option<String>, String> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.chars().count() <= most => {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(format!("{name} must be a text of 1 to {most} characters")),
    }
}

fn object<'a>(of: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Map<String, Value>>, String> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(format!("{name} must be an object")),
    }
}

fn plain(reference: &str, name: &str) -> Result<(), String> {
    if reference.chars().count() > 100 {
        return Err(format!("{name} must be a text of 1 to 100 characters"));
    }
    match reference.contains(FORBIDDEN) {
        true => Err(format!("{name} contains forbidden characters")),
        false => Ok(()),
    }
}

fn key(definition: &Map<String, Value>) -> Result<u32, String> {
    match definition.get("key") {
        Some(Value::Number(number)) => number.as_u64().and_then(|key| u32::try_from(key).ok()),
        Some(Value::String(text)) => text.parse().ok(),
        _ => return Err("workflowDefinition.key is required".into()),
    }
    .ok_or_else(|| "workflowDefinition.key is unknown".into())
}

/// Validates the credentials of a start and returns the id of a reused ID document.
fn credentials(definition: &Map<String, Value>) -> Result<Option<String>, String> {
    let Some(list) = definition.get("credentials") else { return Ok(None) };
    let list = list.as_array().ok_or("workflowDefinition.credentials must be a list")?;
    let mut existing = None;
    for credential in list {
        let category = credential["category"].as_str().unwrap_or_default();
        if !["ID", "FACEMAP", "DOCUMENT", "SELFIE", "DATA"].contains(&category) {
            return Err("credentials.category is unknown".into());
        }
        if category == "ID" {
            existing = existing.or_else(|| credential["id"].as_str().map(str::to_owned));
            let values = |name: &str| credential[name]["values"].as_array().map(Vec::len);
            match (values("country"), values("type")) {
                (None, None) | (Some(1), Some(1)) => {}
                _ => return Err("credentials.country and credentials.type need one value each".into()),
            }
        }
        for name in ["country", "type"] {
            let kind = &credential[name]["predefinedType"];
            if !kind.is_null() && kind != "DEFINED" && kind != "RECOMMENDED" {
                return Err(format!("credentials.{name}.predefinedType is unknown"));
            }
        }
    }
    Ok(existing)
}

fn address(name: &str, text: &str, strict: bool) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|_| format!("{name} is not a URL"))?;
    if name != "callbackUrl" && url.query_pairs().any(|(name, _)| RESERVED.contains(&&*name)) {
        return Err(format!("{name} contains a reserved parameter"));
    }
    let named = matches!(url.host(), Some(url::Host::Domain(_)));
    if strict && (url.scheme() != "https" || !named || url.port().is_some() || url.fragment().is_some()) {
        return Err(format!("{name} must be https without address, port and fragment"));
    }
    Ok(())
}

/// Parses a lifetime, `^([+-]?\d+)([smhd]{1})$`, from 5 minutes to 60 days.
fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || "tokenLifetime is invalid".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(unit).ok_or_else(wrong)?;
    let range = TimeDelta::minutes(5).num_seconds()..=TimeDelta::days(60).num_seconds();
    match range.contains(&seconds) {
        true => Ok(seconds),
        false => Err("tokenLifetime must be between 5m and 60d".into()),
    }
}

/// Parses the vendor's mock dialect: a JSON object in the reference.
fn mock(reference: &str) -> Option<Script> {
    let object: Map<String, Value> = serde_json::from_str(reference).ok()?;
    let label = object.get("decisionLabel").and_then(Value::as_str);
    let extraction = object.get("extractionOverrides").and_then(Value::as_object).cloned();
    let outcome = match label {
        None => Outcome::Pass,
        Some(label) => labels::outcome(label),
    };
    let labels = match outcome {
        Outcome::Pass => Vec::new(),
        _ => label.map(str::to_owned).into_iter().collect(),
    };
    let mut extraction = extraction.unwrap_or_default();
    if let Some(kind) = extraction.shift_remove("idType") {
        extraction.insert("type".into(), kind);
    }
    Some(Script { outcome, labels, extraction, ..Script::default() })
}
