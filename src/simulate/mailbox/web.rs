//! The web interface: pages for people, JSON under `/_sim` for tests.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;

use super::{Knobs, Mail, Mailbox};
use crate::simulate::page::{html, page, table};

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
                html(&mail.to),
                html(&mail.subject)
            )
        })
        .collect();
    let list = table(&["received (UTC)", "to", "subject"], &rows, "No mail yet.");
    page(StatusCode::OK, "Mailbox", &format!("<p>Every mail that proofd sends.</p>{list}"))
}

async fn one(State(mailbox): State<Mailbox>, Path(number): Path<usize>) -> Response {
    let mails = mailbox.mails();
    let Some(mail) = mails.get(number) else { return StatusCode::NOT_FOUND.into_response() };
    let links: String =
        mail.links.iter().map(|link| format!("<li><a href=\"{0}\">{0}</a>", html(link))).collect();
    let body = format!(
        "<p><a href=\"/\">All mails</a></p><p>To {}, from {}</p><pre>{}</pre><h2>Links</h2><ul>{links}</ul>",
        html(&mail.to),
        html(&mail.from),
        html(&mail.text)
    );
    page(StatusCode::OK, &html(&mail.subject), &body)
}
