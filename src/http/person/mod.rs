//! The page behind a person's link: the organization, the reason, the deadline, and one button. Only the button starts
//! an action: programs that open links in mails start nothing.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use chrono::TimeDelta;
use chrono_tz::Tz;
use minijinja::{Environment, context};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::engine::portal::{CameBack, Departure, Mark, Page, Pressed};
use crate::model::Timestamp;

use super::answer::{Format, PersonPage, Text};
use super::extract::{Path, Query};
use super::sessions::cookie;
use super::{AppState, Problem};

const LANGUAGES: [&str; 2] = ["en", "de"];

/// The pages' templates, compiled once.
#[derive(Debug)]
pub struct Pages(Environment<'static>);

impl Pages {
    pub fn new() -> Result<Self, String> {
        let mut pages = Environment::new();
        pages
            .add_template("person.html", include_str!("pages/person.html"))
            .map_err(|error| error.to_string())?;
        Ok(Self(pages))
    }

    fn render(
        &self,
        doors: &AppState,
        headers: &HeaderMap,
        page: &Page,
        wait: bool,
    ) -> Result<Response, Problem> {
        let (status, name, why, until, known) = match page {
            _ if wait => (StatusCode::OK, "wait", None, None, page_language(page)),
            Page::Unknown => (StatusCode::NOT_FOUND, "unknown", None, None, None),
            Page::Ask { why, until, language, resumes } => (
                StatusCode::OK,
                if *resumes { "resume" } else { "ask" },
                Some(why),
                Some(until),
                language.as_deref(),
            ),
            Page::Checking { language } => (StatusCode::OK, "checking", None, None, language.as_deref()),
            Page::Full { language, .. } => (StatusCode::OK, "full", None, None, language.as_deref()),
            Page::Often { language, .. } => (StatusCode::OK, "often", None, None, language.as_deref()),
            Page::Later { language } => {
                (StatusCode::SERVICE_UNAVAILABLE, "later", None, None, language.as_deref())
            }
            Page::Trouble { language } => {
                (StatusCode::SERVICE_UNAVAILABLE, "trouble", None, None, language.as_deref())
            }
            Page::Over { language } => (StatusCode::GONE, "over", None, None, language.as_deref()),
            Page::Contest { why, until, language } => {
                (StatusCode::OK, "contest", Some(why), Some(until), language.as_deref())
            }
            Page::Contested { language } => (StatusCode::OK, "contested", None, None, language.as_deref()),
        };
        let language = choose(known, headers);
        let template = self.0.get_template("person.html").map_err(|error| Problem::internal(&error))?;
        let organization = &doors.engine.settings().organization;
        let until = until.map(|until| date(*until));
        let from = match page {
            Page::Full { from, .. } => *from,
            Page::Often { from, .. } => Some(*from),
            _ => None,
        };
        let from = from.map(|from| date(up_to_the_minute(from)));
        let html = template
            .render(context! { page => name, language, organization, why, until, from })
            .map_err(|error| Problem::internal(&error))?;
        Ok((status, guards(), Html(html)).into_response())
    }

    /// Shows internal errors to the person as a page.
    fn with_error_page(
        &self,
        doors: &AppState,
        headers: &HeaderMap,
        answer: Result<Response, Problem>,
    ) -> Result<Response, Problem> {
        answer.or_else(|problem| {
            tracing::error!(problem = problem.detail(), "rendering a person's page failed");
            self.render(doors, headers, &Page::Trouble { language: None }, false)
        })
    }
}

fn page_language(page: &Page) -> Option<&str> {
    match page {
        Page::Ask { language, .. }
        | Page::Checking { language }
        | Page::Full { language, .. }
        | Page::Often { language, .. }
        | Page::Later { language }
        | Page::Trouble { language }
        | Page::Over { language }
        | Page::Contest { language, .. }
        | Page::Contested { language } => language.as_deref(),
        Page::Unknown => None,
    }
}

/// Headers of a page that must not be framed, cached, referred from or run any script.
fn guards() -> [(HeaderName, &'static str); 5] {
    [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; form-action *; frame-ancestors 'none'; base-uri 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ]
}

/// Returns the person's language if supported, else the browser's first supported one, else English.
fn choose(known: Option<&str>, headers: &HeaderMap) -> &'static str {
    let accepted =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wanted = known
        .into_iter()
        .chain(accepted.split(',').map(|tag| tag.split(';').next().unwrap_or_default().trim()));
    let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    wanted
        .filter_map(|tag| LANGUAGES.into_iter().find(|language| *language == primary(tag)))
        .next()
        .unwrap_or("en")
}

fn date(at: Timestamp) -> String {
    at.with_timezone(&Tz::UTC).format("%Y-%m-%d %H:%M UTC").to_string()
}

/// Returns the next whole minute: a person who comes back at the shown time is not too early.
fn up_to_the_minute(at: Timestamp) -> Timestamp {
    let past = at.timestamp().rem_euclid(60);
    if past == 0 && at.timestamp_subsec_nanos() == 0 { at } else { at + TimeDelta::seconds(60 - past) }
}

/// The query of the page. Other parameters are ignored: mail programs add their own.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Waiting {
    /// The button was pressed, and the vendor's session is not ready yet.
    #[serde(default)]
    wait: Option<String>,
}

/// GET: shows the page. After a press that had to wait, redirects to the vendor once it is ready.
pub async fn look(
    State(doors): State<AppState>,
    Path(token): Path<String>,
    Query(waiting): Query<Waiting>,
    headers: HeaderMap,
) -> Result<PersonPage, Problem> {
    let shown = looked(&doors, &headers, &token, waiting.wait.is_some());
    doors.pages.with_error_page(&doors, &headers, shown).map(PersonPage)
}

fn looked(doors: &AppState, headers: &HeaderMap, token: &str, waits: bool) -> Result<Response, Problem> {
    if waits {
        match doors.engine.portal().ready_session(token)? {
            Pressed::Go(departure) => return Ok(go(&departure)),
            Pressed::Wait { .. } => {
                let page = doors.engine.portal().look(token)?;
                return doors.pages.render(doors, headers, &page, true);
            }
            Pressed::Page(page) => return doors.pages.render(doors, headers, &page, false),
        }
    }
    let page = doors.engine.portal().look(token)?;
    doors.pages.render(doors, headers, &page, false)
}

/// POST: starts or resumes the vendor session and redirects the person to it.
pub async fn press(
    State(doors): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<PersonPage, Problem> {
    let language = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split([',', ';']).next())
        .map(str::trim)
        .filter(|tag| {
            (2..=12).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        .map(str::to_owned);
    let shown = match doors.engine.portal().press(&token, language).await {
        Ok(Pressed::Go(departure)) => Ok(go(&departure)),
        Ok(Pressed::Wait { .. }) => {
            Ok((guards(), Redirect::to(&format!("/v/{token}?wait=1"))).into_response())
        }
        Ok(Pressed::Page(page)) => doors.pages.render(&doors, &headers, &page, false),
        Err(error) => Err(Problem::from(error)),
    };
    doors.pages.with_error_page(&doors, &headers, shown).map(PersonPage)
}

/// Handles the return of a person from the vendor: never a result, only a reason to read it.
pub async fn back(
    State(doors): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<PersonPage, Problem> {
    let page = doors.engine.portal().came_back(&token).map_err(Problem::from);
    let shown = page.and_then(|page| doors.pages.render(&doors, &headers, &page, false));
    doors.pages.with_error_page(&doors, &headers, shown).map(PersonPage)
}

/// Handles the return of a person whose browser brings the result. The page after it has none of it in its address.
pub async fn returned(
    State(doors): State<AppState>,
    Path(provider): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<PersonPage, Problem> {
    let cookie = |name: &str| cookie(&headers, name).map(str::to_owned);
    let portal = doors.engine.portal();
    let shown = match portal.returned(&provider, query.as_deref().unwrap_or_default(), cookie).await {
        Ok(CameBack::Page(token)) => Ok((guards(), Redirect::to(&format!("/v/{token}"))).into_response()),
        Ok(CameBack::Refused) => doors.pages.render(&doors, &headers, &Page::Unknown, false),
        Err(error) => Err(Problem::from(error)),
    };
    doors.pages.with_error_page(&doors, &headers, shown).map(PersonPage)
}

/// Sends the browser to the vendor. A return from there is a navigation between sites, for which a browser sends lax
/// cookies but not strict ones.
fn go(Departure { link, mark }: &Departure) -> Response {
    let mut response = (guards(), Redirect::to(link)).into_response();
    if let Some(Mark { name, value, seconds, secure }) = mark {
        let secure = if *secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax{secure}");
        if let Ok(text) = HeaderValue::from_str(&text) {
            response.headers_mut().append(header::SET_COOKIE, text);
        }
    }
    response
}

/// The style of the pages.
#[derive(Debug)]
pub enum Css {}

impl Format for Css {
    const KIND: &'static str = "text/css";
    const DESCRIPTION: &'static str = "The style of the pages";
}

pub async fn style() -> Text<Css> {
    Text::new(include_str!("pages/person.css")).kept_for("max-age=3600")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_cookie_is_http_only_and_host_only() {
        let mark = |secure| {
            let (name, value) = ("n".to_owned(), "v".to_owned());
            let mark = Some(Mark { name, value, seconds: 900, secure });
            let departure = Departure { link: "https://vendor.example.com/".to_owned(), mark };
            go(&departure).headers()[header::SET_COOKIE].to_str().unwrap().to_owned()
        };
        let text = "n=v; Max-Age=900; Path=/; HttpOnly; SameSite=Lax";
        assert_eq!((mark(false), mark(true)), (text.to_owned(), format!("{text}; Secure")));
        let none = go(&Departure { link: "https://vendor.example.com/".to_owned(), mark: None });
        assert!(!none.headers().contains_key(header::SET_COOKIE));
    }

    #[test]
    fn a_cookie_is_found_by_its_exact_name() {
        let mut headers = HeaderMap::new();
        for text in ["a=1; __Host-b=2=3", "c=4;d=5"] {
            headers.append(header::COOKIE, HeaderValue::from_static(text));
        }
        for (name, value) in
            [("a", Some("1")), ("__Host-b", Some("2=3")), ("b", None), ("c", Some("4")), ("d", Some("5"))]
        {
            assert_eq!(cookie(&headers, name), value, "{name}");
        }
    }
}
