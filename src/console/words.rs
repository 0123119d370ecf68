//! Times, ids and states as people read them.

use chrono::{Datelike as _, TimeDelta};
use chrono_tz::Tz;

use crate::model::Timestamp;

/// A distance such as `in 3 days` or `2 hours ago`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let away = at - now;
    let size = span(away.abs());
    match (away.abs() < TimeDelta::seconds(45), away > TimeDelta::zero()) {
        (true, _) => "now".to_owned(),
        (false, true) => format!("in {size}"),
        (false, false) => format!("{size} ago"),
    }
}

/// A length such as `3 days`, in its largest unit, rounded.
pub fn span(length: TimeDelta) -> String {
    let minutes = (length.num_seconds() + 30) / 60;
    let (count, unit) = match minutes {
        ..60 => (minutes.max(1), "minute"),
        60..2160 => ((minutes + 30) / 60, "hour"),
        2160..86_400 => ((minutes + 720) / 1_440, "day"),
        86_400..1_051_200 => ((minutes + 21_900) / 43_800, "month"),
        _ => ((minutes + 262_800) / 525_600, "year"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A wall time, without the year if it is this one and without the date if it is today.
pub fn local(at: Timestamp, now: Timestamp, zone: Tz) -> String {
    let (at, now) = (at.with_timezone(&zone), now.with_timezone(&zone));
    let form = match (at.date_naive() == now.date_naive(), at.year() == now.year()) {
        (true, _) => "%H:%M",
        (false, true) => "%-d %b, %H:%M",
        (false, false) => "%-d %b %Y, %H:%M",
    };
    at.format(form).to_string()
}

/// A wall time with everything, for a title.
pub fn full(at: Timestamp, zone: Tz) -> String {
    at.with_timezone(&zone).format("%A %-d %B %Y, %H:%M:%S %Z").to_string()
}

/// The end of a long id, which tells ids of one kind apart; a short one as it is.
pub fn short(id: &str) -> String {
    let characters = id.chars().count();
    if characters <= 12 { id.to_owned() } else { id.chars().skip(characters - 8).collect() }
}

/// A word of the API as text: `in_review` becomes `in review`.
pub fn plain(word: &str) -> String {
    word.replace('_', " ")
}

/// A sentence of the API without its times, which a page shows beside it.
pub fn untimed(text: &str) -> String {
    const LENGTH: usize = "2027-03-10 12:00".len();
    let Some((before, after)) = text.split_once(" UTC") else { return text.to_owned() };
    let Some(at) = before.len().checked_sub(LENGTH) else { return text.to_owned() };
    match (before.get(..at), before.get(at..)) {
        (Some(said), Some(time)) if time.starts_with(|c: char| c.is_ascii_digit()) => {
            let said = said.trim_end();
            let said = said.strip_suffix("until").unwrap_or(said).trim_end().trim_end_matches(',');
            format!("{said}{after}")
        }
        _ => text.to_owned(),
    }
}

/// With a capital, for the start of a sentence or a button.
pub fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_say_them() {
        let now: Timestamp = "2027-03-10T12:00:00Z".parse().unwrap();
        for (seconds, text) in [
            (0, "now"),
            (44, "now"),
            (-45, "1 minute ago"),
            (90, "in 2 minutes"),
            (3_600, "in 1 hour"),
            (-35 * 3_600, "35 hours ago"),
            (36 * 3_600, "in 2 days"),
            (14 * 86_400, "in 14 days"),
            (-90 * 86_400, "3 months ago"),
            (800 * 86_400, "in 2 years"),
        ] {
            assert_eq!(relative(now + TimeDelta::seconds(seconds), now), text, "{seconds}");
        }
        let zone: Tz = "Europe/Berlin".parse().unwrap();
        for (at, text) in [
            ("2027-03-10T22:30:00Z", "23:30"),
            ("2027-03-10T23:30:00Z", "11 Mar, 00:30"),
            ("2026-12-31T09:00:00Z", "31 Dec 2026, 10:00"),
        ] {
            assert_eq!(local(at.parse().unwrap(), now, zone), text);
        }
        assert_eq!(full(now, zone), "Wednesday 10 March 2027, 13:00:00 CET");
    }

    #[test]
    fn sentences_lose_their_times() {
        for (text, without) in [
            ("a decision in the queue soc until 2027-03-10 12:00 UTC", "a decision in the queue soc"),
            ("a decision until 2027-03-10 12:00 UTC (1 given)", "a decision (1 given)"),
            (
                "the person's verification at proof, until 2027-03-10 12:00 UTC",
                "the person's verification at proof",
            ),
            ("the end of grace before delete, 2027-03-10 12:00 UTC", "the end of grace before delete"),
            ("nothing", "nothing"),
            ("in UTC", "in UTC"),
        ] {
            assert_eq!(untimed(text), without);
        }
    }

    #[test]
    fn long_ids_are_cut() {
        for (id, text) in [("user/17", "user/17"), ("123456789012345678901", "45678901"), ("", "")] {
            assert_eq!(short(id), text);
        }
    }
}
