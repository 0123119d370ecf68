//! Starts a run: on a new account, or on the account of a person's earlier run.
//!
//! Every method has the same request; the workflow that the policy names determines what is compared. A workflow with
//! an existing ID gets no reference to it: Jumio uses the account's latest.

use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::api::{Api, Host, parse, plain, refusal};
use super::enrolled::reports_no_data;
use super::{Web, is_id};
use crate::model::{self, Failure, Session, StartSession, Timestamp};

#[derive(Deserialize)]
struct Started {
    account: Named,
    #[serde(rename = "workflowExecution")]
    execution: Named,
    web: Option<WebClient>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct WebClient {
    href: Option<String>,
}

pub(super) async fn start(
    api: &Api,
    web: &Web,
    order: &StartSession,
    now: Timestamp,
) -> Result<Session, Failure> {
    let lifetime = lifetime(order.lifetime_seconds);
    let body = body(order, lifetime)?;
    let answer = match (&order.account, order.method) {
        (None, model::Method::Full) => {
            api.ask(Method::POST, Host::Account, &["api", "v1", "accounts"], Some(&body)).await?
        }
        // A new account has no enrolled data, and a request would only leave an empty account.
        (None, model::Method::Authentication | model::Method::ExistingId) => {
            return Err(Failure::not_enrolled(
                "the person has no account at Jumio yet; only a full verification is possible",
            ));
        }
        (Some(account), _) if is_id(account) => {
            let path = ["api", "v1", "accounts", account];
            api.ask(Method::PUT, Host::Account, &path, Some(&body)).await?
        }
        (Some(_), _) => {
            return Err(Failure::refused("the person's account at Jumio is not an id of Jumio's"));
        }
    };
    if answer.status.is_success() {
        return session(parse(&answer, "the start answer")?, web, order, now + lifetime);
    }
    let refused = refusal(&answer);
    if order.account.is_some() && reports_no_data(&answer, order.method) {
        return Err(Failure::not_enrolled(format!("{}: {}", missing_data(order.method), refused.reason)));
    }
    if answer.status == StatusCode::CONFLICT && order.account.is_some() {
        // Another run on the account, or the account itself, is being created.
        return Err(Failure::unavailable(refused.reason));
    }
    if answer.status == StatusCode::NOT_FOUND && order.account.is_some() {
        // A page of a proxy, not Jumio's answer about the account.
        return Err(Failure::unavailable(format!("{}; check the account address", refused.reason)));
    }
    Err(refused)
}

fn missing_data(method: model::Method) -> &'static str {
    match method {
        model::Method::Full => {
            "Jumio no longer has the person's account; a full verification creates a new one"
        }
        model::Method::Authentication => {
            "Jumio has no face of the person to compare a selfie with: none was enrolled, it was deleted, \
                or its retention ended"
        }
        model::Method::ExistingId => {
            "Jumio has no document of the person to compare a selfie with: none was kept, it was deleted, \
                or its retention ended"
        }
    }
}

fn session(
    started: Started,
    allowed: &Web,
    order: &StartSession,
    expires_at: Timestamp,
) -> Result<Session, Failure> {
    let Started { account, execution, web } = started;
    if !is_id(&account.id) || !is_id(&execution.id) {
        return Err(Failure::unavailable("Jumio's start answer has invalid ids"));
    }
    if order.account.as_ref().is_some_and(|asked| *asked != account.id) {
        return Err(Failure::unavailable("Jumio started a run on another account than requested"));
    }
    let Some(link) = web.and_then(|web| web.href).filter(|link| !link.is_empty()) else {
        return Err(Failure::refused(
            "Jumio started the run without a link: allow the WEB channel for the workflow, and set a \
                domain name prefix in Jumio's portal",
        ));
    };
    if !allowed.allows(&link) {
        return Err(Failure::unavailable(not_allowed(&link)));
    }
    let reference = order.reference.clone();
    let (account, execution) = (account.id, execution.id);
    Ok(Session { account, execution, link, expires_at, reference, returns_by: None })
}

/// Names only the host of the link, which is a secret of the person.
fn not_allowed(link: &str) -> String {
    let host = Url::parse(link).ok().and_then(|url| url.host_str().map(|host| plain(host, LONGEST_HOST)));
    let Some(host) = host else {
        return "Jumio's start answer has a link that is not a web address".to_owned();
    };
    format!(
        "Jumio's start answer sends the person to {host}, which is not an https address of the configured \
         region or of connectors.jumio.urls; nobody was sent there. If it is a domain of yours that is set in \
         Jumio's portal, add it to connectors.jumio.redirect_hosts"
    )
}

/// Maximum length of a host name.
const LONGEST_HOST: usize = 253;

fn body(order: &StartSession, lifetime: TimeDelta) -> Result<Value, Failure> {
    acceptable("the reference", &order.reference)?;
    acceptable("the person's reference", &order.person)?;
    let mut body = json!({
        "customerInternalReference": order.reference,
        "userReference": order.person,
        "workflowDefinition": { "key": key(&order.workflow)? },
        "tokenLifetime": expression(lifetime),
    });
    if let Some(url) = &order.callback_url {
        body["callbackUrl"] = short_enough("the callback address", url)?.into();
    }
    let mut web = Map::new();
    if let Some(url) = &order.return_url {
        let url = short_enough("the return address", url)?;
        web.insert("successUrl".to_owned(), url.into());
        web.insert("errorUrl".to_owned(), url.into());
    }
    if let Some(locale) = order.locale.as_deref().and_then(locale) {
        web.insert("locale".to_owned(), locale.into());
    }
    if !web.is_empty() {
        body["web"] = web.into();
    }
    Ok(body)
}

/// Keys are numbers in most of Jumio's examples and strings in some; each is sent in its own form.
fn key(workflow: &str) -> Result<Value, Failure> {
    match workflow.parse::<u32>() {
        Ok(number) if number.to_string() == workflow => Ok(number.into()),
        _ if workflow.trim().is_empty() => {
            Err(Failure::refused("the workflow is not a number of Jumio, such as 10011"))
        }
        _ => Ok(workflow.into()),
    }
}

/// Jumio accepts 1 to 100 characters without these; its error does not name the character.
fn acceptable(what: &str, text: &str) -> Result<(), Failure> {
    if !(1..=100).contains(&text.chars().count()) {
        return Err(Failure::refused(format!("{what} for Jumio must have 1 to 100 characters")));
    }
    if text.contains(|c: char| "<>\"/;`%{}|".contains(c) || c.is_control()) {
        return Err(Failure::refused(format!(
            "{what} for Jumio has a character that Jumio refuses: one of <>\"/;`%{{}}| or a control \
                character"
        )));
    }
    Ok(())
}

fn short_enough<'a>(what: &str, url: &'a str) -> Result<&'a str, Failure> {
    if (1..=255).contains(&url.len()) {
        Ok(url)
    } else {
        Err(Failure::refused(format!("{what} for Jumio must have 1 to 255 characters")))
    }
}

/// Jumio accepts link lifetimes from five minutes to sixty days.
fn lifetime(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds.clamp(5 * 60, 60 * 86_400))
}

/// Formats a duration for Jumio: digits and one of s, m, h, d; the largest unit that is exact.
fn expression(length: TimeDelta) -> String {
    let seconds = length.num_seconds();
    let (unit, word) = [(86_400, 'd'), (3_600, 'h'), (60, 'm')]
        .into_iter()
        .find(|(unit, _)| seconds % unit == 0)
        .unwrap_or((1, 's'));
    format!("{}{word}", seconds / unit)
}

/// The languages of Jumio's web client that have no region.
const LANGUAGES: [&str; 35] = [
    "ar", "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "he", "hr", "hu", "hy", "id", "it",
    "ja", "ka", "km", "ko", "lt", "ms", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sv", "sw", "th", "tr",
    "vi",
];

/// Converts a language tag for Jumio's web client: `de-AT` becomes `de`, `pt_BR` stays Brazilian. Unknown ones are left
/// out; the client then uses the tenant's default.
fn locale(tag: &str) -> Option<&'static str> {
    let tag = tag.to_ascii_lowercase().replace('_', "-");
    let (language, rest) = tag.split_once('-').unwrap_or((&tag, ""));
    match (language, rest) {
        ("en", "gb") => Some("en-GB"),
        ("es", "mx") => Some("es-MX"),
        ("pt", "br") => Some("pt-BR"),
        ("zh", rest) if rest.contains("hk") || rest.contains("tw") || rest.contains("hant") => Some("zh-HK"),
        ("zh", _) => Some("zh-CN"),
        ("nb" | "nn", _) => Some("no"),
        _ => LANGUAGES.into_iter().find(|known| *known == language),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_lifetimes_are_clamped() {
        for (seconds, expected) in [
            (0, "5m"),
            (-1, "5m"),
            (i64::MAX, "60d"),
            (301, "301s"),
            (5_400, "90m"),
            (7_200, "2h"),
            (86_400, "1d"),
            (90_000, "25h"),
        ] {
            assert_eq!(expression(lifetime(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn locales_are_mapped_to_supported_ones() {
        for (tag, expected) in [
            ("de", Some("de")),
            ("de-AT", Some("de")),
            ("DE_ch", Some("de")),
            ("en-GB", Some("en-GB")),
            ("en_US", Some("en")),
            ("pt_br", Some("pt-BR")),
            ("pt-PT", Some("pt")),
            ("es-419", Some("es")),
            ("zh", Some("zh-CN")),
            ("zh-Hant-TW", Some("zh-HK")),
            ("nb-NO", Some("no")),
            ("tlh", None),
            ("", None),
            ("d", None),
            ("de\r\nx", None),
        ] {
            assert_eq!(locale(tag), expected, "{tag:?}");
            assert!(locale(tag).is_none_or(|locale| locale.len() <= 5));
        }
    }

    #[test]
    fn workflow_keys_are_numbers_where_possible() {
        for (workflow, expected) in
            [("10011", json!(10011)), ("3", json!(3)), ("007", json!("007")), ("wf-a", json!("wf-a"))]
        {
            assert_eq!(key(workflow), Ok(expected), "{workflow}");
        }
        assert!(key(" ").is_err());
    }
}
