//! Decides whether a refused start means that Jumio has no data (any more) to compare a person with. Pure, from an
//! answer to yes or no.
//!
//! Jumio documents one such answer, 404 for an unknown account. Its answer for an account whose data was deleted or is
//! past retention is undocumented: the text of the answer decides. A yes makes a case take its policy's fallback. A
//! mistake in our own request must therefore not count as one: it would send every person through the fallback
//! unnoticed.

use reqwest::StatusCode;
use serde_json::{Map, Value};

use crate::connectors::http::Answer;
use crate::model::Method;

/// Fields in which hosts put their message; a code may be more exact than a sentence.
const FIELDS: [&str; 8] =
    ["message", "detail", "title", "error_description", "error", "code", "errorCode", "label"];

/// Words for stored data that a person is compared with.
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

/// Words for absence. Short words include their spaces: "cover" is not "over".
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

/// Returns whether the answer to a start on an account means that no data is stored.
pub(super) fn reports_no_data(answer: &Answer, method: Method) -> bool {
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
        // A page of a proxy: Jumio itself answers in JSON.
        return false;
    }
    let gone = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE);
    let words = body.map(|body| words(&body)).unwrap_or_default();
    match method {
        // A full run needs only the account.
        Method::Full => {
            gone || (contains_any(&words, &ABSENT)
                && words.contains("account")
                && !contains_any(&words, &OURS))
        }
        Method::Authentication | Method::ExistingId => {
            // Unlike "bad request", these statuses are about the state of the requested data.
            let state = gone || answer.status == StatusCode::PRECONDITION_FAILED;
            state
                || (contains_any(&words, &ABSENT)
                    && contains_any(&words, &STORED)
                    && !contains_any(&words, &OURS))
        }
    }
}

/// Returns all messages in lower case, as words separated by single spaces.
fn words(body: &Map<String, Value>) -> String {
    let texts: Vec<&str> = FIELDS.iter().filter_map(|field| body.get(*field)?.as_str()).collect();
    let words = texts.join(" ").to_lowercase().replace("n't", " not");
    let words: Vec<&str> =
        words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

fn contains_any(words: &str, any: &[&str]) -> bool {
    any.iter().any(|word| words.contains(word))
}
