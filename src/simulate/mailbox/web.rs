//! The web side: pages for a person, JSON under `/_sim` for a test.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;

use super::{Knobs, Mail, Mailbox};

pub(super) fn router(mailbox: &Mailbox) -> Router {
    Router::new()
        .route("/", get(overview))
        .route("/mails/{number}", get(one))
        .route("/_sim/mails", get(mails).delete(clear))
        .route("/_sim/knobs", get(knobs).put(set_knobs))
        .with_state(mailbox.clone())
}

#[derive(Debug, Deserialize)]
struct Filter {
    to: Option<String>,
}

async fn mails(State(mailbox): State<Mailbox>, Query(filter): Query<Filter>) -> Json<Vec<Mail>> {
    Json(filter.to.map_or_else(|| mailbox.mails(), |to| mailbox.mails_to(&to)))
}

async fn clear(State(mailbox): State<Mailbox>) -> StatusCode {
    mailbox.clear();
    StatusCode::NO_CONTENT
}

async fn knobs(State(mailbox): State<Mailbox>) -> Json<Knobs> {
    Json(mailbox.knobs())
}

async fn set_knobs(State(mailbox): State<Mailbox>, Json(knobs): Json<Knobs>) -> Json<Knobs> {
    mailbox.set_knobs(knobs);
    Json(mailbox.knobs())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn page(title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>\
         <style>body{{font:16px sans-serif;max-width:60em;margin:2em auto}}td{{padding:.2em .8em}}\
         pre{{white-space:pre-wrap}}</style><h1>{title}</h1>{body}</html>"
    );
    Html(html).into_response()
}

async fn overview(State(mailbox): State<Mailbox>) -> Response {
    let rows: String = mailbox
        .mails()
        .iter()
        .enumerate()
        .rev()
        .map(|(number, mail)| {
            format!(
                "<tr><td>{}<td>{}<td><a href=\"/mails/{number}\">{}</a>",
                mail.received_at.format("%F %T"),
                escape(&mail.to),
                escape(&mail.subject)
            )
        })
        .collect();
    page("Mailbox", &format!("<table>{rows}</table>"))
}

async fn one(State(mailbox): State<Mailbox>, Path(number): Path<usize>) -> Response {
    let mails = mailbox.mails();
    let Some(mail) = mails.get(number) else { return StatusCode::NOT_FOUND.into_response() };
    let links: String =
        mail.links.iter().map(|link| format!("<li><a href=\"{0}\">{0}</a>", escape(link))).collect();
    let body = format!(
        "<p>To {}, from {}</p><pre>{}</pre><ul>{links}</ul><p><a href=\"/\">All mails</a></p>",
        escape(&mail.to),
        escape(&mail.from),
        escape(&mail.text)
    );
    page(&escape(&mail.subject), &body)
}
