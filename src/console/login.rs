//! Signing in with a token or a one-time link, and signing out.

use axum::extract::{RawForm, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::{Deserialize, Serialize};

use crate::http::extract::{Path, Query};
use crate::http::sessions::Draft;
use crate::http::{AppState, Grant, Problem};

use super::visit::{guards, outside};

/// Fields of an interrupted form come back under this prefix.
pub const KEPT: &str = "kept.";

/// The page of `/login`, as its template reads it.
#[derive(Debug, Default, Serialize)]
pub struct SignIn {
    /// Where to go afterwards: a path of this console.
    pub next: String,
    /// What went wrong, or why a sign-in is needed.
    pub note: Option<String>,
    /// What was typed before, kept for afterwards.
    pub kept: Vec<(String, String)>,
    /// Sign-in at the organization's identity provider is set up.
    pub oidc: bool,
}

#[derive(Debug, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    next: String,
}

/// GET `/login`.
pub async fn show(
    State(doors): State<AppState>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    if doors.signed(&headers).is_some() {
        return Ok(goes(local(&wanted.next)));
    }
    let view = SignIn { next: local(&wanted.next).to_owned(), ..SignIn::default() };
    outside(&doors, &headers, StatusCode::OK, "login.html", "Sign in", &view)
}

/// POST `/login`: a token in the field `token`.
pub async fn enter(
    State(doors): State<AppState>,
    headers: HeaderMap,
    RawForm(form): RawForm,
) -> Result<Response, Problem> {
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(&form).into_owned().collect();
    let field = |name: &str| {
        let found = fields.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let next = local(field("next")).to_owned();
    let kept: Vec<(String, String)> = fields
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(KEPT)?.to_owned(), value.clone())))
        .collect();
    let grant = match doors.access().sign_in(field("token").trim()) {
        Ok(grant) => grant,
        Err(problem) => {
            tracing::warn!("a sign-in with an unknown or expired token was refused");
            let note = match problem.detail() {
                "unknown token" => "This token is not known. Check that all of it was copied.".to_owned(),
                detail => format!("The token was refused: {detail}."),
            };
            let view = SignIn { next, note: Some(note), kept, ..SignIn::default() };
            return outside(&doors, &headers, StatusCode::UNAUTHORIZED, "login.html", "Sign in", &view);
        }
    };
    let draft = (!kept.is_empty())
        .then(|| Draft { page: next.split('?').next().unwrap_or_default().to_owned(), fields: kept });
    open(&doors, &headers, grant, draft, &next)
}

/// GET `/login/{secret}`: a link that signs in once.
pub async fn redeem(
    State(doors): State<AppState>,
    headers: HeaderMap,
    Path(secret): Path<String>,
) -> Result<Response, Problem> {
    // A browser that loads pages ahead must not use it up.
    let ahead = headers.get("sec-purpose").is_some() || headers.get("purpose").is_some();
    if let Some(grant) = (!ahead).then(|| doors.sessions().redeem(&secret)).flatten() {
        return open(&doors, &headers, grant, None, "/");
    }
    let note = "This sign-in link was used before, or is too old. Use a token, or print a new link.";
    let view = SignIn { next: "/".to_owned(), note: Some(note.to_owned()), ..SignIn::default() };
    outside(&doors, &headers, StatusCode::UNAUTHORIZED, "login.html", "Sign in", &view)
}

/// POST `/logout`.
pub async fn leave(State(doors): State<AppState>, headers: HeaderMap) -> Response {
    let mut response = goes("/login");
    for cookie in doors.sessions().close(&headers) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Opens a session and goes on.
pub fn open(
    doors: &AppState,
    headers: &HeaderMap,
    grant: Grant,
    draft: Option<Draft>,
    next: &str,
) -> Result<Response, Problem> {
    tracing::info!(by = grant.name(), "signed in to the console");
    let opened = doors.sessions().open(grant, headers, doors.is_https(headers), draft);
    let cookie = opened.map_err(|error| Problem::internal(&error))?;
    let mut response = goes(next);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Sends the browser on.
pub fn goes(next: &str) -> Response {
    (guards(), Redirect::to(next)).into_response()
}

/// Returns a path of this console: anything else becomes the home page. Browsers read `//` and `/\` as another host, and
/// drop tabs and line ends.
pub fn local(next: &str) -> &str {
    let own = next.starts_with('/')
        && !next.starts_with("//")
        && !next.starts_with("/login")
        && !next.starts_with("/logout")
        && !next.contains('\\')
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if own { next } else { "/" }
}

/// Makes the address of a one-time link that signs somebody in for the first look: `demo` and `dev` print it.
pub fn sign_in_link(doors: &AppState, url: &str, grant: Grant) -> Result<String, String> {
    let secret = doors.sessions().link(grant)?;
    Ok(format!("{}/login/{secret}", url.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_only_to_pages_of_the_console() {
        for (next, goes) in [
            ("/cases?state=stuck", "/cases?state=stuck"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("https://evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("/login?next=/", "/"),
            ("/a\nSet-Cookie: x", "/"),
        ] {
            assert_eq!(local(next), goes, "{next:?}");
        }
    }
}
