//! Files that pages load. Their addresses contain their hash, so browsers keep them for good.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::http::extract::Path;

const FILES: &[(&str, &str, &[u8])] = &[
    ("console.css", "text/css; charset=utf-8", include_bytes!("assets/console.css")),
    ("admin.css", "text/css; charset=utf-8", include_bytes!("assets/admin.css")),
    ("drawing.css", "text/css; charset=utf-8", include_bytes!("assets/drawing.css")),
    ("console.js", "text/javascript; charset=utf-8", include_bytes!("assets/console.js")),
    ("htmx.min.js", "text/javascript; charset=utf-8", include_bytes!("assets/htmx.min.js")),
    ("htmx-sse.min.js", "text/javascript; charset=utf-8", include_bytes!("assets/htmx-sse.min.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
];

/// Names with their addresses.
static ADDRESSES: LazyLock<BTreeMap<&'static str, String>> = LazyLock::new(|| {
    let address = |(name, _, bytes): &(&'static str, &str, &[u8])| {
        let hash = HEXLOWER.encode(&Sha256::digest(bytes));
        (*name, format!("/assets/{}-{name}", hash.get(..12).unwrap_or_default()))
    };
    FILES.iter().map(address).collect()
});

/// Returns the address of a file by its name.
pub fn address(name: &str) -> Option<&'static str> {
    ADDRESSES.get(name).map(String::as_str)
}

pub async fn show(Path(wanted): Path<String>) -> Response {
    let path = format!("/assets/{wanted}");
    let file = FILES.iter().find(|(name, _, _)| address(name) == Some(path.as_str()));
    let Some((_, kind, bytes)) = file else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Bytes::from_static(bytes)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendored_files_are_the_recorded_ones() {
        let recorded = include_str!("assets/README.md");
        for (name, _, bytes) in FILES.iter().filter(|(name, _, _)| name.contains(".min.")) {
            let line = format!("{}  {name}", HEXLOWER.encode(&Sha256::digest(bytes)));
            assert!(recorded.contains(&line), "assets/README.md lacks: {line}");
        }
    }
}
