//! The HTML pages that show a simulated system and its actions: no script, forms only, one style for all of them.

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};

/// The style of every page. It is part of each document, because each simulator has an address of its own.
const STYLE: &str = include_str!("page.css");

/// Escapes text for HTML.
pub(super) fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An HTML document. Title and body are HTML.
pub(super) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\
         <body><header><b>proofd</b><span>simulated, on this machine only</span></header><h1>{title}</h1>{body}\
         </body></html>"
    )
}

/// An HTML document as a response. It sends no referrer, because its address may contain a token.
pub(super) fn page(code: StatusCode, title: &str, body: &str) -> Response {
    (code, [(header::REFERRER_POLICY, "no-referrer")], Html(document(title, body))).into_response()
}

/// A table, or a sentence if there are no rows. Head and rows are HTML cells.
pub(super) fn table(head: &[&str], rows: &str, empty: &str) -> String {
    if rows.is_empty() {
        return format!("<p class=\"empty\">{empty}</p>");
    }
    let head: String = head.iter().map(|cell| format!("<th>{cell}</th>")).collect();
    format!("<table><tr>{head}</tr>{rows}</table>")
}
