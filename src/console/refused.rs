//! Pages for refused requests: what was refused, and the way on. What somebody typed is kept.

use axum::http::{Method, StatusCode};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use serde::Serialize;

use crate::http::signed_in::{Asked, FORM_KEY, Refused};
use crate::http::{AppState, Problem};

use super::login::{SignIn, local};
use super::visit::{aside, guards, outside};

/// A refusal, as its template reads it.
#[derive(Debug, Serialize)]
struct Said {
    heading: &'static str,
    sentence: String,
    /// The way on.
    back: String,
}

pub fn refuse(doors: &AppState, asked: &Asked, why: Refused) -> Response {
    let answer = match why {
        Refused::SignedOut { form } if asked.method == Method::GET => {
            drop(form);
            return signed_out(asked);
        }
        Refused::SignedOut { form } => ended(doors, asked, &form),
        Refused::Foreign => foreign(doors, asked),
        Refused::Problem(problem) => said(doors, asked, &problem),
    };
    answer.unwrap_or_else(|problem| problem.into_response())
}

/// Asks for a sign-in. A link from a mail or another system comes without the strict cookie: the browser is sent here
/// once more by a page of ours, and then has it.
fn signed_out(asked: &Asked) -> Response {
    let text = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok());
    let target = local(asked.uri.path_and_query().map(|path| path.as_str()).unwrap_or("/"));
    let abroad = matches!(text("sec-fetch-site"), Some("cross-site" | "same-site"));
    if abroad && text("sec-fetch-mode") == Some("navigate") {
        let target = minijinja::HtmlEscape(target);
        let html = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>proofd</title>\
             <meta http-equiv=\"refresh\" content=\"0; url={target}\"><p><a href=\"{target}\">Continue</a></p></html>"
        );
        return (guards(), Html(html)).into_response();
    }
    let next: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
    let address = if target == "/" { "/login".to_owned() } else { format!("/login?next={next}") };
    (guards(), Redirect::to(&address)).into_response()
}

/// A form whose session has ended: nothing was done, and nothing is lost.
fn ended(doors: &AppState, asked: &Asked, form: &[u8]) -> Result<Response, Problem> {
    let fields = url::form_urlencoded::parse(form).into_owned();
    let kept: Vec<(String, String)> = fields.filter(|(name, _)| name != FORM_KEY).collect();
    let note = "Your session has ended, so nothing was done. Sign in again: what you typed is kept, and you \
                confirm it afterwards.";
    let view =
        SignIn { next: page_of(asked.uri.path()), note: Some(note.to_owned()), kept, ..SignIn::default() };
    outside(doors, &asked.headers, StatusCode::UNAUTHORIZED, "login.html", "Sign in again", &view)
}

/// The page whose form posts to a path: `/cases/17/decisions` belongs to `/cases/17`.
fn page_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let page = match parts.as_slice() {
        [first, id, ..] => format!("/{first}/{id}"),
        [first] => format!("/{first}"),
        [] => "/".to_owned(),
    };
    local(&page).to_owned()
}

fn foreign(doors: &AppState, asked: &Asked) -> Result<Response, Problem> {
    let sentence = "This form did not come from a page of this console, or from an older session. Nothing was done. \
                    Open the page again and repeat it there.";
    let said =
        Said { heading: "Not accepted", sentence: sentence.to_owned(), back: page_of(asked.uri.path()) };
    outside(doors, &asked.headers, StatusCode::FORBIDDEN, "refused.html", "Not accepted", &said)
}

fn said(doors: &AppState, asked: &Asked, problem: &Problem) -> Result<Response, Problem> {
    let status = problem.status();
    let (heading, sentence) = match status {
        StatusCode::NOT_FOUND => {
            ("Not here", "There is nothing at this address, or not any more.".to_owned())
        }
        StatusCode::FORBIDDEN => ("Not your role", capital(problem.detail())),
        StatusCode::TOO_MANY_REQUESTS => ("Too fast", capital(problem.detail())),
        StatusCode::CONFLICT => ("It has changed meanwhile", capital(problem.detail())),
        _ if status.is_server_error() => ("That did not work", capital(problem.detail())),
        _ => ("Not understood", capital(problem.detail())),
    };
    let back = if asked.method == Method::GET { "/".to_owned() } else { page_of(asked.uri.path()) };
    let said = Said { heading, sentence, back };
    match &asked.signed {
        Some(signed) => aside(doors, &asked.headers, signed, status, heading, &said),
        None => outside(doors, &asked.headers, status, "refused.html", heading, &said),
    }
}

fn capital(text: &str) -> String {
    let text = super::words::capital(text);
    if text.ends_with('.') { text } else { format!("{text}.") }
}
