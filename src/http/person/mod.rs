//! The pages behind people's links: the organization, the reason, the deadline, what happens to the person's data, and
//! one button. Only the button starts an action: programs that open links in mails start nothing.
//!
//! | file | what |
//! |---|---|
//! | `texts` | the texts in all languages |
//! | `look` | name, logo, colour, contacts, times |

mod look;
mod texts;

use std::path::Path as FilePath;

use axum::extract::{FromRequest, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use chrono::TimeDelta;
use data_encoding::HEXLOWER;
use minijinja::Environment;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;

use crate::config::{Agreement, PersonPages};
use crate::engine::portal::{Ask, CameBack, Departure, Mark, Page, Pressed, Shown};
use crate::model::Timestamp;

use super::answer::{Format, PersonPage, Text};
use super::extract::{Path, Query};
use super::sessions::cookie;
use super::{AppState, Problem};
use look::Look;
use texts::{Facts, Texts};

/// The pages' template, texts and look.
#[derive(Debug)]
pub struct Pages {
    template: Environment<'static>,
    texts: Texts,
    look: Look,
}

/// What is shown beside the page itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Also {
    #[default]
    Nothing,
    /// The person pressed the button without agreeing.
    AgreementMissing,
}

/// What the template shows.
#[derive(Debug, Serialize)]
struct View<'a> {
    language: &'a str,
    organization: &'a str,
    logo: Option<&'a str>,
    help: Option<&'a look::Contacts>,
    #[serde(flatten)]
    words: texts::Words,
    labels: &'a texts::Labels,
    why: Option<&'a String>,
    until: Option<look::Moment>,
    from: Option<look::Moment>,
    waits: bool,
    notice: Option<Told>,
    missing: bool,
}

/// The notice about the person's data, and the version of the text to which they agree.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    shown: texts::Shown,
    version: Option<String>,
}

impl Pages {
    /// Reads the files that the settings name; relative paths start at `base`. The error names the key or the file.
    pub fn new(organization: &str, settings: &PersonPages, base: &FilePath) -> Result<Self, String> {
        let mut template = Environment::new();
        let added = template.add_template("page.html", include_str!("page.html"));
        added.map_err(|error| error.to_string())?;
        let languages = settings.languages.as_ref().map(|dir| base.join(dir));
        let texts =
            Texts::load(languages.as_deref()).map_err(|why| format!("person_pages.languages: {why}"))?;
        Ok(Self { template, texts, look: Look::new(organization, settings, base)? })
    }

    fn render(&self, headers: &HeaderMap, shown: &Shown, also: Also) -> Result<Response, Problem> {
        let Shown { page, language } = shown;
        let language = self.language(language.as_deref(), headers);
        let html = self.html(language, page, also).map_err(|why| Problem::internal(&why))?;
        Ok((status(page), guards(), Html(html)).into_response())
    }

    fn html(&self, language: &str, page: &Page, also: Also) -> Result<String, String> {
        let (why, until, from) = match page {
            Page::Ask(ask) => (Some(&ask.why), Some(ask.until), None),
            Page::Contest { why, until } => (Some(why), Some(*until), None),
            Page::Full { from } => (None, None, *from),
            Page::Often { from } => (None, None, Some(*from)),
            Page::Unknown
            | Page::Wait
            | Page::Checking
            | Page::InReview
            | Page::Decided
            | Page::Over
            | Page::Later
            | Page::Trouble
            | Page::Contested => (None, None, None),
        };
        let facts = self.facts(language, page)?;
        let words = self.texts.words(language, page, &facts)?;
        let told = match page {
            Page::Ask(ask) if !ask.resumes => Some(self.told(language, ask)?),
            _ => None,
        };
        let template = self.template.get_template("page.html").map_err(|error| error.to_string())?;
        let view = View {
            language,
            organization: &self.look.organization,
            logo: self.look.logo.as_deref(),
            help: self.look.help.as_ref(),
            words,
            labels: self.texts.labels(language)?,
            why,
            until: until.map(|until| self.look.moment(until)),
            from: from.map(|from| self.look.moment(up_to_the_minute(from))),
            waits: *page == Page::Wait,
            notice: told,
            missing: also == Also::AgreementMissing,
        };
        template.render(Serde(&view)).map_err(|error| error.to_string())
    }

    fn facts(&self, language: &str, page: &Page) -> Result<Facts, String> {
        let organization = self.look.organization.clone();
        let Page::Ask(ask) = page else { return Ok(Facts { organization, ..Facts::default() }) };
        Ok(Facts {
            organization,
            vendor: ask.vendor.clone(),
            why: ask.why.clone(),
            evidence: self.texts.period(language, ask.evidence_kept)?,
            case: self.texts.period(language, ask.case_kept)?,
        })
    }

    fn told(&self, language: &str, ask: &Ask) -> Result<Told, String> {
        let facts = self.facts(language, &Page::Ask(ask.clone()))?;
        let shown = self.texts.notice(language, ask.document, &facts)?;
        let version = (self.look.agreement == Agreement::Ask).then(|| version(language, &shown));
        Ok(Told { shown, version })
    }

    /// Returns whether a person agreed to a text that applies to the page, in any language: the language may have
    /// changed between the page and the button.
    fn agreed(&self, page: &Page, agreed: Option<&str>) -> Result<bool, String> {
        let Page::Ask(ask) = page else { return Ok(true) };
        if ask.resumes || self.look.agreement == Agreement::Inform {
            return Ok(true);
        }
        let Some(agreed) = agreed else { return Ok(false) };
        let language = agreed.split('-').next().unwrap_or_default();
        if self.texts.choose(std::iter::once(language)) != language {
            return Ok(false);
        }
        Ok(self.told(language, ask)?.version.as_deref() == Some(agreed))
    }

    /// Returns the person's language if supported, else the browser's first supported one, else English.
    fn language(&self, known: Option<&str>, headers: &HeaderMap) -> &str {
        let accepted =
            headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let accepted = accepted.split(',').map(|tag| tag.split(';').next().unwrap_or_default().trim());
        self.texts.choose(known.into_iter().chain(accepted))
    }

    /// Shows internal errors to the person as a page.
    fn with_error_page(
        &self,
        headers: &HeaderMap,
        answer: Result<Response, Problem>,
    ) -> Result<Response, Problem> {
        answer.or_else(|problem| {
            tracing::error!(problem = problem.detail(), "rendering a person's page failed");
            self.render(headers, &Shown { page: Page::Trouble, language: None }, Also::Nothing)
        })
    }
}

fn status(page: &Page) -> StatusCode {
    match page {
        Page::Unknown => StatusCode::NOT_FOUND,
        Page::Later | Page::Trouble => StatusCode::SERVICE_UNAVAILABLE,
        Page::Over | Page::InReview | Page::Decided => StatusCode::GONE,
        Page::Ask(_)
        | Page::Wait
        | Page::Checking
        | Page::Contest { .. }
        | Page::Full { .. }
        | Page::Often { .. }
        | Page::Contested => StatusCode::OK,
    }
}

/// Returns the version of a text to which a person agrees: its language, and a hash of what it says.
fn version(language: &str, shown: &texts::Shown) -> String {
    let mut hash = Sha256::new();
    for text in [&shown.collected, &shown.kept, &shown.agree] {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    let digits = HEXLOWER.encode(&hash.finalize());
    format!("{language}-{}", digits.get(..12).unwrap_or(&digits))
}

/// What a person agreed to, in the form of the page.
#[derive(Debug)]
pub struct Agreed(pub Option<String>);

impl<S: Send + Sync> FromRequest<S> for Agreed {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let form = axum::body::Bytes::from_request(request, state).await;
        let form = form.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        let mut fields = url::form_urlencoded::parse(&form);
        Ok(Self(fields.find(|(name, _)| name == "agree").map(|(_, value)| value.into_owned())))
    }
}

/// Headers of a page that must not be framed, cached, referred from or run any script.
fn guards() -> [(HeaderName, &'static str); 5] {
    [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src data:; form-action *; frame-ancestors 'none'; base-uri 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ]
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
    doors.pages.with_error_page(&headers, shown).map(PersonPage)
}

fn looked(doors: &AppState, headers: &HeaderMap, token: &str, waits: bool) -> Result<Response, Problem> {
    if waits {
        return match doors.engine.portal().ready_session(token)? {
            Pressed::Go(departure) => Ok(go(&departure)),
            Pressed::Page(page) => doors.pages.render(headers, &page, Also::Nothing),
        };
    }
    let page = doors.engine.portal().look(token)?;
    doors.pages.render(headers, &page, Also::Nothing)
}

/// POST: starts or resumes the vendor session and redirects the person to it.
pub async fn press(
    State(doors): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Agreed(agreed): Agreed,
) -> Result<PersonPage, Problem> {
    let shown = pressed(&doors, &headers, &token, agreed).await;
    doors.pages.with_error_page(&headers, shown).map(PersonPage)
}

async fn pressed(
    doors: &AppState,
    headers: &HeaderMap,
    token: &str,
    agreed: Option<String>,
) -> Result<Response, Problem> {
    let language = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split([',', ';']).next())
        .map(str::trim)
        .filter(|tag| {
            (2..=12).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        .map(str::to_owned);
    let portal = doors.engine.portal();
    let before = portal.look(token)?;
    if !doors.pages.agreed(&before.page, agreed.as_deref()).map_err(|why| Problem::internal(&why))? {
        return doors.pages.render(headers, &before, Also::AgreementMissing);
    }
    // Only what a person was asked for is recorded.
    let agreed = agreed.filter(|_| matches!(&before.page, Page::Ask(ask) if !ask.resumes));
    match portal.press(token, language, agreed).await? {
        Pressed::Go(departure) => Ok(go(&departure)),
        Pressed::Page(Shown { page: Page::Wait, .. }) => {
            Ok((guards(), Redirect::to(&format!("/v/{token}?wait=1"))).into_response())
        }
        Pressed::Page(page) => doors.pages.render(headers, &page, Also::Nothing),
    }
}

/// Handles the return of a person from the vendor: never a result, only a reason to read it.
pub async fn back(
    State(doors): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<PersonPage, Problem> {
    let page = doors.engine.portal().came_back(&token).map_err(Problem::from);
    let shown = page.and_then(|page| doors.pages.render(&headers, &page, Also::Nothing));
    doors.pages.with_error_page(&headers, shown).map(PersonPage)
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
        Ok(CameBack::Refused) => {
            let unknown = Shown { page: Page::Unknown, language: None };
            doors.pages.render(&headers, &unknown, Also::Nothing)
        }
        Err(error) => Err(Problem::from(error)),
    };
    doors.pages.with_error_page(&headers, shown).map(PersonPage)
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

pub async fn style(State(doors): State<AppState>) -> Text<Css> {
    Text::new(doors.pages.look.css.clone()).kept_for("max-age=3600")
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
