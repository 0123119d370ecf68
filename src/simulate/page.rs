//! The HTML pages that show a simulated system and its actions: no script, forms only.

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};

/// Escapes text for HTML.
pub(super) fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An HTML document. Title and body are HTML.
pub(super) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}\
         table{{border-collapse:collapse}}td,th{{padding:.3rem .8rem;border-bottom:1px solid #ccc;text-align:left}}\
         form{{display:inline}}label{{display:block;margin:.5rem 0}}button{{margin:.2rem}}\
         pre{{background:#eee;padding:.6rem;white-space:pre-wrap}}</style></head>\
         <body><h1>{title}</h1>{body}</body></html>"
    )
}

/// An HTML document as a response. It sends no referrer, because its address may contain a token.
pub(super) fn page(code: StatusCode, title: &str, body: &str) -> Response {
    (code, [(header::REFERRER_POLICY, "no-referrer")], Html(document(title, body))).into_response()
}
