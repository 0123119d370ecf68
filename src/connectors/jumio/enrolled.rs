//! Whether a refused start says that Jumio holds nothing (any more) that a person could be compared with.
//! Pure, from an answer to yes or no.
//!
//! Jumio documents one such answer, 404 for an account that it does not know. What it answers for an account
//! whose data was deleted or is past retention is written nowhere, so it is read by what it says. A yes makes
//! a case take its policy's fallback, so a mistake in our own request must not look like one: it would send
//! everybody through the fallback without anybody noticing.

use reqwest::StatusCode;
use serde_json::{Map, Value};

use crate::connectors::http::Answer;
use crate::model::Method;

/// Where hosts put what they say; a code may say it better than a sentence.
const FIELDS: [&str; 8] =
    ["message", "detail", "title", "error_description", "error", "code", "errorCode", "label"];

/// What a person is compared with, and what it hangs on.
const STORED: [&str; 11] = [
    "enrol",
    "facemap",
    "face map",
    "face data",
    "face template",
    "biometric",
    "liveness",
    "credential",
    "id document",
    "account",
    "retention",
];

/// That it is not there. Short words with their spaces, so that "cover" is not "over".
const ABSENT: [&str; 16] = [
    " no ",
    " not ",
    "notfound",
    " none ",
    " nothing ",
    " never ",
    " past ",
    "missing",
    "without",
    "deleted",
    "removed",
    "wiped",
    "purged",
    "expired",
    "exceeded",
    "unknown",
];

/// Parts of our request or of the tenant's setup: a complaint about one of them is not about the person.
const OURS: [&str; 17] = [
    "customerinternalreference",
    "userreference",
    "workflowdefinition",
    "workflow definition",
    "workflow key",
    "tokenlifetime",
    "callbackurl",
    "successurl",
    "errorurl",
    "locale",
    "channel",
    "supported",
    "enabled",
    "disabled",
    "allowed",
    "permitted",
    "header",
];

/// Whether the answer to a start on an account says so.
pub(super) fn nothing_there(answer: &Answer, method: Method) -> bool {
    // Failed tokens, permissions and limits are never about a person.
    let about_person = answer.status.is_client_error()
        && !matches!(
            answer.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
        );
    if !about_person {
        return false;
    }
    let body: Option<Map<String, Value>> = serde_json::from_slice(&answer.body).ok();
    if body.is_none() && !answer.body.trim_ascii().is_empty() {
        // A page of something in between: Jumio itself answers in JSON.
        return false;
    }
    let gone = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE);
    let said = body.map(|body| words(&body)).unwrap_or_default();
    match method {
        // A full run needs nothing but the account.
        Method::Full => gone || (says(&said, &ABSENT) && said.contains("account") && !says(&said, &OURS)),
        Method::Authentication | Method::ExistingId => {
            // Other than "bad request", these are about the state of what was asked for.
            let state = gone || answer.status == StatusCode::PRECONDITION_FAILED;
            state || (says(&said, &ABSENT) && says(&said, &STORED) && !says(&said, &OURS))
        }
    }
}

/// Everything that is said, in small letters, as words with one space around each.
fn words(body: &Map<String, Value>) -> String {
    let texts: Vec<&str> = FIELDS.iter().filter_map(|field| body.get(*field)?.as_str()).collect();
    let said = texts.join(" ").to_lowercase().replace("n't", " not");
    let words: Vec<&str> =
        said.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

fn says(said: &str, any: &[&str]) -> bool {
    any.iter().any(|word| said.contains(word))
}
