//! Parses a registered date of birth.

use chrono::{NaiveDate, NaiveTime};
use unicode_normalization::UnicodeNormalization as _;

/// Returns the day in a text such as `1990-01-31` or `1990-01-31T00:00:00Z`. Other orders of day and month are refused
/// as ambiguous, for example `03.04.1990`.
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    let text: String = text.nfkc().collect();
    let text = text.trim_matches(|c: char| c.is_whitespace() || super::words::is_unseen(c));
    let (day, rest) = text.split_at_checked(10)?;
    let time = rest.is_empty() || rest.strip_prefix(['T', ' ']).is_some_and(is_time);
    day.parse().ok().filter(|_| time)
}

/// Returns whether a text is a time of day, with or without a zone. It has no effect on the date of birth.
fn is_time(text: &str) -> bool {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let text = text.rfind(['+', '-']).and_then(|at| text.get(..at)).unwrap_or(text);
    text.parse::<NaiveTime>().is_ok()
}
