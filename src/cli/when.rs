//! Times for people: in the local time zone, with the distance from now beside. JSON has RFC 3339.

use chrono::{Local, TimeDelta, TimeZone};

use crate::model::Timestamp;

/// A time with its distance from now, such as `2026-11-30 21:35 (in 2 h)`.
pub fn when(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", moment(at), distance(at, now))
}

/// A time to the minute, in the local time zone.
pub fn moment(at: Timestamp) -> String {
    moment_in(at, &Local)
}

fn moment_in<Tz: TimeZone<Offset: std::fmt::Display>>(at: Timestamp, zone: &Tz) -> String {
    at.with_timezone(zone).format("%Y-%m-%d %H:%M").to_string()
}

/// A time of a log line, in the local time zone.
pub fn stamp(at: Timestamp) -> String {
    at.with_timezone(&Local).format("%d %b %H:%M").to_string()
}

/// The distance of a time from now: `in 2 h`, `3 d ago`, `now`.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    let ahead = at - now;
    let length = span(ahead.abs());
    match length.as_str() {
        "" => "now".to_owned(),
        _ if ahead > TimeDelta::zero() => format!("in {length}"),
        _ => format!("{length} ago"),
    }
}

/// The largest unit of a length that people count in; empty below a second.
pub fn span(length: TimeDelta) -> String {
    let seconds = length.num_seconds();
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    // Two of a unit are more exact than one of the next: 36 h, not 1 d.
    let unit = units.into_iter().find(|(size, unit)| seconds >= if *unit == "s" { *size } else { 2 * size });
    unit.map(|(size, unit)| format!("{} {unit}", seconds / size)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_one_unit() {
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(10);
        for (seconds, expected) in [
            (0, "now"),
            (1, "in 1 s"),
            (119, "in 119 s"),
            (120, "in 2 min"),
            (-7_199, "119 min ago"),
            (7_200, "in 2 h"),
            (36 * 3_600, "in 36 h"),
            (14 * 86_400, "in 14 d"),
            (-3 * 86_400, "3 d ago"),
        ] {
            assert_eq!(distance(now + TimeDelta::seconds(seconds), now), expected);
        }
    }

    #[test]
    fn moments_have_the_zone_of_the_reader() {
        let at = "2026-01-05T23:30:45Z".parse::<Timestamp>().unwrap();
        assert_eq!(moment_in(at, &chrono_tz::Europe::Berlin), "2026-01-06 00:30");
        assert_eq!(moment_in(at, &chrono::Utc), "2026-01-05 23:30");
    }
}
