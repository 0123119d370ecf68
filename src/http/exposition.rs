//! The two formats of metrics: OpenMetrics for scrapers that ask for it, the text format of Prometheus for all others.

use std::fmt::Write as _;

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

/// The format that a scraper gets if it asks for no other.
pub const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// 200 with metrics in the format that the scraper asked for.
#[derive(Debug)]
pub struct Exposition {
    text: String,
    open: bool,
}

impl Exposition {
    /// From metrics as OpenMetrics.
    pub fn new(open_metrics: String, headers: &HeaderMap) -> Self {
        let asked = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let open = asked.flat_map(|value| value.split(',')).any(wants_open);
        Self { text: if open { open_metrics } else { plain(&open_metrics) }, open }
    }
}

impl IntoResponse for Exposition {
    fn into_response(self) -> Response {
        let kind = if self.open { OPEN } else { PLAIN };
        ([(header::CONTENT_TYPE, kind), (header::VARY, "accept")], self.text).into_response()
    }
}

/// Whether a part of an Accept header asks for OpenMetrics.
fn wants_open(part: &str) -> bool {
    let mut parameters = part.split(';').map(str::trim);
    parameters.next() == Some("application/openmetrics-text") && !parameters.any(|one| one == "q=0")
}

/// Converts OpenMetrics to the text format. There a counter is declared with its suffix, and units and the end have no
/// line.
fn plain(open_metrics: &str) -> String {
    let mut text = String::new();
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some(declared) = line.strip_prefix("# HELP ") {
            help = declared.split_once(' ');
        } else if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap_or((declared, "unknown"));
            let suffix = if kind == "counter" { "_total" } else { "" };
            let kind = if kind == "unknown" { "untyped" } else { kind };
            if let Some((_, words)) = help.take().filter(|(of, _)| *of == name) {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "# HELP {name}{suffix} {words}");
            }
            let _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_declares_counters_with_their_suffix() {
        let open = "# HELP a_cases Cases.\n# TYPE a_cases counter\na_cases_total{policy=\"p\"} 1\n# HELP b_seconds Time.\n# TYPE b_seconds histogram\n# UNIT b_seconds seconds\nb_seconds_sum 0.5\nb_seconds_count 1\nb_seconds_bucket{le=\"+Inf\"} 1\n# EOF\n";
        let expected = "# HELP a_cases_total Cases.\n# TYPE a_cases_total counter\na_cases_total{policy=\"p\"} 1\n# HELP b_seconds Time.\n# TYPE b_seconds histogram\nb_seconds_sum 0.5\nb_seconds_count 1\nb_seconds_bucket{le=\"+Inf\"} 1\n";
        assert_eq!(plain(open), expected);
    }

    #[test]
    fn a_scraper_gets_open_metrics_only_if_it_asks() {
        for (accept, open) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/plain;version=0.0.4;q=0.5"), false),
            (Some("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.7"), true),
            (Some("application/openmetrics-text;q=0, text/plain"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (header::ACCEPT, accept.parse().unwrap())));
            let answer = Exposition::new("# EOF\n".to_owned(), &headers).into_response();
            let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
            assert_eq!(kind.starts_with("application/openmetrics-text"), open, "{accept:?}");
        }
    }
}
