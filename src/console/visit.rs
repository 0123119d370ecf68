//! One request of a signed-in person, and the page that answers it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use chrono_tz::Tz;
use serde::Serialize;

use crate::http::sessions::{Draft, Signed, cookie};
use crate::http::{AppState, Caller, Problem};
use crate::model::Timestamp;

use super::nav::{self, Group, Place};
use super::templates;

/// The cookies that the switch of the theme and the browser's script set.
pub const THEME: &str = "proofd_theme";
const ZONE: &str = "proofd_zone";

/// Who asks, with what the page needs to know about the browser. A handler of a page takes one.
#[derive(Debug, Clone)]
pub struct Visit {
    pub doors: AppState,
    pub caller: Caller,
    signed: Signed,
    look: Look,
    path: String,
}

/// How a browser wants pages.
#[derive(Debug, Clone)]
struct Look {
    now: Timestamp,
    zone: Tz,
    theme: &'static str,
}

/// A sentence at the top of a page.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    pub good: bool,
    pub text: String,
}

/// The frame around every page, as its template reads it.
#[derive(Debug, Serialize)]
struct Page<'a> {
    title: &'a str,
    nav: Vec<Group>,
    who: Option<&'a str>,
    form_key: Option<&'a str>,
    theme: &'static str,
    now: String,
    zone: &'static str,
    path: &'a str,
    organization: &'a str,
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &AppState) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, doors).await?;
        let signed = parts.extensions.get::<Signed>().cloned();
        let signed = signed
            .ok_or_else(|| Problem::internal(&"a page asks for a session where its route needs none"))?;
        let path = parts.uri.path_and_query().map(|path| path.as_str().to_owned()).unwrap_or_default();
        Ok(Self { doors: doors.clone(), caller, signed, look: look(doors, &parts.headers), path })
    }
}

fn look(doors: &AppState, headers: &HeaderMap) -> Look {
    let zone = cookie(headers, ZONE).and_then(|zone| zone.replace("%2F", "/").parse().ok());
    let theme = match cookie(headers, THEME) {
        Some("dark") => "dark",
        Some("light") => "light",
        _ => "auto",
    };
    Look { now: doors.engine().now(), zone: zone.unwrap_or(Tz::UTC), theme }
}

impl Visit {
    /// What the person typed on this page before it could be sent.
    pub fn take_draft(&self) -> Option<Draft> {
        let path = self.path.split('?').next().unwrap_or_default();
        self.doors.sessions().take_draft(&self.signed, path)
    }

    /// Keeps what the person typed for the next look at a page.
    pub fn keep_draft(&self, page: &str, fields: Vec<(String, String)>) {
        self.doors.sessions().keep_draft(&self.signed, Draft { page: page.to_owned(), fields });
    }

    /// What the last form of this page came to.
    pub fn take_note(&self) -> Option<Note> {
        let mut fields = self.take_draft().into_iter().flat_map(|draft| draft.fields);
        fields.find_map(|(name, text)| match name.as_str() {
            "done" => Some(Note { good: true, text }),
            "refused" => Some(Note { good: false, text }),
            _ => None,
        })
    }

    /// Renders a page with its view.
    pub fn page(
        &self,
        template: &str,
        title: &str,
        place: Place,
        view: &impl Serialize,
    ) -> Result<Response, Problem> {
        self.page_with(StatusCode::OK, template, title, place, view)
    }

    pub fn page_with(
        &self,
        status: StatusCode,
        template: &str,
        title: &str,
        place: Place,
        view: &impl Serialize,
    ) -> Result<Response, Problem> {
        let page = Page {
            title,
            nav: nav::groups(Some(&self.caller), place),
            who: Some(self.caller.name()),
            form_key: Some(&self.signed.form_key),
            ..frame(&self.doors, &self.look, &self.path)
        };
        finish(status, template, &page, view)
    }
}

fn frame<'a>(doors: &'a AppState, look: &Look, path: &'a str) -> Page<'a> {
    Page {
        title: "",
        nav: Vec::new(),
        who: None,
        form_key: None,
        theme: look.theme,
        now: look.now.to_rfc3339(),
        zone: look.zone.name(),
        path,
        organization: &doors.engine().settings().organization,
    }
}

fn finish(
    status: StatusCode,
    template: &str,
    page: &Page<'_>,
    view: &impl Serialize,
) -> Result<Response, Problem> {
    let html = templates::render(template, page, view).map_err(|error| Problem::internal(&error))?;
    Ok((status, guards(), Html(html)).into_response())
}

/// Renders a page for somebody who is not signed in, or whose session is not at hand.
pub fn outside(
    doors: &AppState,
    headers: &HeaderMap,
    status: StatusCode,
    template: &str,
    title: &str,
    view: &impl Serialize,
) -> Result<Response, Problem> {
    let look = look(doors, headers);
    finish(status, template, &Page { title, ..frame(doors, &look, "/") }, view)
}

/// Renders a page for a session that got no visit: a refused request.
pub fn aside(
    doors: &AppState,
    headers: &HeaderMap,
    signed: &Signed,
    status: StatusCode,
    title: &str,
    view: &impl Serialize,
) -> Result<Response, Problem> {
    let look = look(doors, headers);
    // Any role opens this navigation entry by entry.
    let caller = doors.access().permit(&signed.grant, crate::http::routes::ANY).ok();
    let page = Page {
        title,
        nav: nav::groups(caller.as_ref(), Place::Other),
        who: Some(signed.grant.name()),
        form_key: Some(&signed.form_key),
        ..frame(doors, &look, "/")
    };
    finish(status, "refused.html", &page, view)
}

/// Headers of every page: nothing from elsewhere, no frame around it, no copy in a cache, no address told to others.
/// `same-origin` for the referrer, since without one a browser sends forms with the origin `null`.
pub fn guards() -> [(HeaderName, &'static str); 7] {
    [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
             connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ]
}
