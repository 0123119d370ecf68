//! SCIM on the wire: requests with the token, searches with checked answers, and the meaning of refusals. Never puts a
//! value into a failure: messages of the other side repeat values.

use std::fmt;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, IF_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::Settings;
use super::attribute::Attribute;
use super::compare;
use crate::connectors::http::{Answer, Wire, check_address, named, retry_after, trouble, under};
use crate::model::{Failure, FailureKind, Secret};

/// The schema of an error.
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

const MEDIA_TYPE: &str = "application/scim+json";

/// The error words of RFC 7644; other parts of an answer are left out.
const SCIM_TYPES: &[&str] = &[
    "invalidFilter",
    "tooMany",
    "uniqueness",
    "mutability",
    "invalidSyntax",
    "invalidPath",
    "noTarget",
    "invalidValue",
    "invalidVers",
    "sensitive",
];

/// One system with its token.
pub struct Api {
    name: String,
    wire: Wire,
    base: Url,
    token: Secret,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Api({})", self.name)
    }
}

/// An account that was found.
#[derive(Clone)]
pub struct Account {
    pub id: String,
    /// Sent in `If-Match`, if the system has versions.
    pub version: Option<String>,
    pub resource: Value,
}

/// The result of a search.
pub enum Found {
    None,
    One(Account),
    Several,
    /// The system does not support this search, or returns accounts that do not match.
    CannotSearch(Failure),
}

impl Api {
    pub fn new(settings: Settings) -> Result<Self, String> {
        let Settings { name, url, token } = settings;
        check_address(&url)?;
        if url.query().is_some() {
            return Err("url: expected the address that /Users is appended to, without a ?query".to_owned());
        }
        if token.expose().is_empty() || HeaderValue::from_str(token.expose()).is_err() {
            return Err("token: expected a bearer token, which is one line of text".to_owned());
        }
        Ok(Self { name, wire: Wire::new(None)?, base: url, token })
    }

    pub async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
        version: Option<&str>,
    ) -> Result<Answer, Failure> {
        let mut request = self
            .wire
            .request(method, under(&self.base, path))
            .header(ACCEPT, "application/scim+json, application/json")
            .bearer_auth(self.token.expose());
        // An empty query would leave a question mark behind.
        if !query.is_empty() {
            request = request.query(query);
        }
        if let Some(version) = version {
            request = request.header(IF_MATCH, version);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, MEDIA_TYPE).json(body);
        }
        self.wire.send(request).await.map_err(|failure| named(failure, &self.name))
    }

    /// Finds the accounts that have all of `keys`. Results are compared again: a system that ignores a filter returns
    /// all accounts.
    pub async fn find(&self, keys: &[(Attribute, Value)]) -> Result<Found, Failure> {
        let filter: Vec<_> = keys
            .iter()
            .map(|(attribute, value)| format!("{} eq {value}", attribute.path_of_value()))
            .collect();
        let filter = filter.join(" and ");
        let query = [("filter", filter.as_str()), ("count", "10")];
        let answer = self.send(Method::GET, &["Users"], &query, None, None).await?;
        if answer.status == StatusCode::NOT_FOUND && is_scim_error(&answer) {
            // RFC 7644 requires an empty list. A SCIM error with 404 also means that nothing was found.
            return Ok(Found::None);
        }
        if answer.status == StatusCode::NOT_FOUND && (answer.body.is_empty() || is_json(&answer)) {
            return Err(Failure::refused(format!(
                "{} answered a search of accounts with 404 and without a SCIM answer, where RFC 7644 wants 200 \
                 and a list; check its url in proofd.yaml, which /Users is appended to",
                self.name
            )));
        }
        if !answer.status.is_success() {
            let refusal = self.refusal(&answer);
            // Not every system reports an unknown filter with its own word.
            let no_filter = matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::NOT_IMPLEMENTED)
                && refusal.kind == FailureKind::Refused;
            return if no_filter { Ok(Found::CannotSearch(self.no_search())) } else { Err(refusal) };
        }
        let list: Value = answer.json().map_err(|failure| named(failure, &self.name))?;
        let shape =
            || Failure::unavailable(format!("{} answered with something that is not a list", self.name));
        let total = list.get("totalResults").and_then(Value::as_u64);
        let rows = match list.get("Resources") {
            Some(Value::Array(rows)) => rows.as_slice(),
            // An empty result may leave the list out.
            None | Some(Value::Null) if total == Some(0) => &[],
            _ => return Err(shape()),
        };
        let matches =
            |row: &&Value| keys.iter().all(|(attribute, value)| compare::matches(row, attribute, value));
        let more = total.is_some_and(|total| total > rows.len() as u64);
        let mut found = rows.iter().filter(matches);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Ok(Found::Several),
            (Some(_), None) if more => Ok(Found::Several),
            (Some(row), None) => self.account(row).map(Found::One).ok_or_else(shape),
            (None, _) if rows.iter().all(|row| nearly(row, keys)) && !more => Ok(Found::None),
            (None, _) => Ok(Found::CannotSearch(self.no_search())),
        }
    }

    fn account(&self, row: &Value) -> Option<Account> {
        let version = row.get("meta").and_then(|meta| compare::text(meta, "version"));
        let version = version.filter(|version| HeaderValue::from_str(version).is_ok());
        Some(Account { id: id(row)?, version: version.map(str::to_owned), resource: row.clone() })
    }

    fn no_search(&self) -> Failure {
        Failure::refused(format!("{} does not support the search for these attributes", self.name))
    }

    /// Returns the failure of a refusal, with the words of the standard.
    pub fn refusal(&self, answer: &Answer) -> Failure {
        let mut failure = trouble(answer, &self.name);
        let body = answer.json::<Value>().ok();
        let status = answer.status;
        if status.is_client_error() && body.is_none() && !answer.body.is_empty() && !about_us(status) {
            // A page of a proxy, or an address without SCIM: not about this account.
            let reason = format!(
                "{} answered {} with something that is not SCIM; check its url in proofd.yaml",
                self.name,
                status.as_u16()
            );
            failure = Failure::unavailable(reason).waiting(retry_after(answer));
        }
        if status == StatusCode::NOT_IMPLEMENTED {
            failure = Failure::refused(format!("{} does not support this (501)", self.name));
        }
        let stated = body.as_ref().and_then(|body| compare::text(body, "scimType"));
        let scim_type = stated.and_then(|stated| SCIM_TYPES.iter().copied().find(|known| *known == stated));
        if let Some(word) = scim_type {
            failure.reason = format!("{} ({word})", failure.reason);
        }
        failure
    }
}

/// Returns whether an answer is a SCIM error (RFC 7644, 3.12) and not a page of a proxy.
fn is_scim_error(answer: &Answer) -> bool {
    let body = answer.json::<Value>().unwrap_or_default();
    let schemas = compare::member(&body, "schemas").and_then(Value::as_array);
    let is = |schema: &Value| schema.as_str().is_some_and(|schema| schema.eq_ignore_ascii_case(ERROR));
    schemas.is_some_and(|schemas| schemas.iter().any(is))
}

fn is_json(answer: &Answer) -> bool {
    answer.json::<Value>().is_ok()
}

/// Statuses with messages of their own.
fn about_us(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429)
}

/// Returns whether a row that does not match exactly still answers the query. It may differ only in ways that a system
/// ignores, such as capital letters.
fn nearly(row: &Value, keys: &[(Attribute, Value)]) -> bool {
    keys.iter().all(|(attribute, value)| compare::matches_loosely(row, attribute, value))
}

/// Returns the id of an account. Ids become parts of addresses: one that could change an address is rejected.
pub fn id(resource: &Value) -> Option<String> {
    let id = match compare::member(resource, "id")? {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    (!matches!(id.as_str(), "" | "." | "..")).then_some(id)
}
