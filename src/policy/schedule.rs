//! When sweeps run: wall times of a zone, and their instants. Pure; the current time is an argument.
//!
//! A rule is evaluated over wall time as if there were no clock changes. Each wall time then maps to the first
//! instant at which the clocks of the zone show it or a later time. A time that is skipped in spring maps to the
//! first instant after the gap. A time that is repeated in autumn occurs once. The order of wall times is kept.
//! Cron lines have five fields as in a crontab. The `cron` crate reads another dialect (seconds first, 1 is Sunday,
//! day of month *and* day of week). This file checks the line and translates it, and is the only user of the crate.

use std::fmt;
use std::str::FromStr as _;

use chrono::{Datelike as _, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _};
use chrono::{Timelike as _, Weekday};
use chrono_tz::{GapInfo, Tz};
use cron::Schedule;

use crate::model::Timestamp;

/// A rule and the time zone of its wall times.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    pub rule: Rule,
    pub zone: Tz,
}

/// A rule for recurring wall times.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// At this minute of every hour.
    Hourly {
        minute: u32,
    },
    Daily {
        at: NaiveTime,
    },
    Weekly {
        on: Weekday,
        at: NaiveTime,
    },
    /// On this day of every month, or on its last day if the month is shorter; 31 is always the last day.
    Monthly {
        on: u32,
        at: NaiveTime,
    },
    Cron(Line),
}

/// A parsed cron line.
#[derive(Debug, Clone)]
pub struct Line {
    text: String,
    schedule: Box<Schedule>,
}

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Timetable {
    /// Returns the first nominal time after an instant. `None` if there is no later one.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        // Wall times up to the one shown at `after` are past. A wall time that repeats in autumn is later on the wall
        // but also past, so candidates are compared as instants too.
        let mut wall = after.with_timezone(&self.zone).naive_local();
        loop {
            wall = self.rule.next_wall(wall)?;
            let nominal = instant(wall, self.zone)?;
            if nominal > after {
                return Some(nominal);
            }
        }
    }

    /// Returns the runs per year, to compare timetables; frequent timetables are extrapolated from a part of the year.
    pub fn runs_in_a_year(&self) -> u64 {
        const COUNTED: u64 = 2_000;
        // A typical year, without a leap day.
        let day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
        let (begin, year) = (day.and_time(NaiveTime::MIN).and_utc(), TimeDelta::days(365));
        let (mut at, mut runs) = (begin, 0);
        while let Some(next) = self.next(at).filter(|next| *next - begin <= year) {
            (at, runs) = (next, runs + 1);
            if runs == COUNTED {
                let counted = u64::try_from((at - begin).num_seconds()).unwrap_or(0).max(1);
                return runs * u64::try_from(year.num_seconds()).unwrap_or(0) / counted;
            }
        }
        runs
    }

    /// Returns the latest nominal time after the first instant and not after the second.
    pub fn latest(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        // The search window doubles, which keeps the cost of a long outage as low as that of a short one.
        let mut back = TimeDelta::hours(2);
        loop {
            let from = until.checked_sub_signed(back).map_or(after, |from| from.max(after));
            let (mut at, mut latest) = (from, None);
            while let Some(next) = self.next(at).filter(|next| *next <= until) {
                (at, latest) = (next, Some(next));
            }
            if latest.is_some() || from <= after {
                return latest;
            }
            back = back.checked_mul(4).unwrap_or(TimeDelta::MAX);
        }
    }
}

impl Rule {
    /// Returns the first matching wall time after another.
    fn next_wall(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let day = after.date();
        let later = |wall: &NaiveDateTime| *wall > after;
        match self {
            Self::Hourly { minute } => {
                let this = day.and_hms_opt(after.hour(), *minute, 0)?;
                Some(this).filter(later).or_else(|| this.checked_add_signed(TimeDelta::hours(1)))
            }
            Self::Daily { at } => {
                Some(day.and_time(*at)).filter(later).or_else(|| Some(day.succ_opt()?.and_time(*at)))
            }
            Self::Weekly { on, at } => {
                let days = on.days_since(day.weekday());
                let this = day.checked_add_signed(TimeDelta::days(days.into()))?.and_time(*at);
                Some(this).filter(later).or_else(|| this.checked_add_signed(TimeDelta::days(7)))
            }
            Self::Monthly { on, at } => {
                let this = in_month(day.year(), day.month(), *on)?.and_time(*at);
                let following = || {
                    let (year, month) =
                        if day.month() == 12 { (day.year() + 1, 1) } else { (day.year(), day.month() + 1) };
                    Some(in_month(year, month, *on)?.and_time(*at))
                };
                Some(this).filter(later).or_else(following)
            }
            Self::Cron(line) => Some(line.schedule.after(&after.and_utc()).next()?.naive_utc()),
        }
    }
}

/// Returns a day of a month, or the last day if the month is shorter.
fn in_month(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    (1..=day.min(31)).rev().find_map(|day| NaiveDate::from_ymd_opt(year, month, day))
}

/// Returns the first instant at which clocks show a wall time or a later one.
fn instant(wall: NaiveDateTime, zone: Tz) -> Option<Timestamp> {
    match zone.from_local_datetime(&wall) {
        MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => Some(at.to_utc()),
        MappedLocalTime::None => Some(GapInfo::new(&wall, &zone)?.end?.to_utc()),
    }
}

impl fmt::Display for Timetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::Hourly { minute } => write!(f, "hourly at minute {minute:02}")?,
            Rule::Daily { at } => write!(f, "daily at {}", at.format("%H:%M"))?,
            Rule::Weekly { on, at } => write!(f, "weekly on {on} at {}", at.format("%H:%M"))?,
            Rule::Monthly { on: 31, at } => write!(f, "monthly on the last day at {}", at.format("%H:%M"))?,
            Rule::Monthly { on, at } => write!(f, "monthly on day {on} at {}", at.format("%H:%M"))?,
            Rule::Cron(line) => write!(f, "cron {}", line.text)?,
        }
        write!(f, " {}", self.zone)
    }
}

/// Weekday names by crontab number; both 0 and 7 are Sunday.
const WEEKDAYS: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// Parses `minute hour day-of-month month day-of-week`; 0 and 7 are Sunday.
pub fn parse(line: &str) -> Result<Line, String> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err("expected five fields: minute hour day-of-month month day-of-week".to_owned());
    };
    if *day != "*" && *weekday != "*" {
        return Err("day of month and day of week together are ambiguous; set one of them to *".to_owned());
    }
    let translated = format!("0 {minute} {hour} {day} {month} {}", weekdays(weekday)?);
    let schedule = Schedule::from_str(&translated)
        .map_err(|_| format!("invalid cron line `{line}`; write for example \"0 2 * * 1-5\""))?;
    // The longest gap between two runs is from one leap year to the next, which can be eight years.
    let begin = NaiveDate::from_ymd_opt(2096, 3, 1).unwrap_or_default().and_time(NaiveTime::MIN).and_utc();
    if schedule.after(&(begin - TimeDelta::days(40 * 366))).next().is_none_or(|next| next > begin) {
        return Err(format!("the day of `{line}` does not exist"));
    }
    Ok(Line { text: fields.join(" "), schedule: Box::new(schedule) })
}

/// Translates the weekdays of a field to names, which mean the same in every cron dialect.
fn weekdays(field: &str) -> Result<String, String> {
    let day = |word: &str| -> Result<usize, String> {
        let known = WEEKDAYS.iter().position(|name| name.eq_ignore_ascii_case(word));
        known
            .or_else(|| word.parse().ok().filter(|number| *number <= 7))
            .ok_or_else(|| format!("{word} is not a day of the week; use 0 (Sunday) to 6, or 7 (Sunday)"))
    };
    let mut named = [false; 7];
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((from, to)) => (day(from)?, day(to)?),
            None if step.is_some() => (day(range)?, 6),
            None => (day(range)?, day(range)?),
        };
        // A range may end with Sunday, but must not begin after its end.
        let to = if to == 0 && from > 0 { 7 } else { to };
        let step = step.map_or(Some(1), |step| step.parse().ok()).filter(|step| *step > 0);
        let Some(step) = step.filter(|_| from <= to) else {
            return Err(format!("`{part}` is not a range of days of the week, such as 1-5"));
        };
        for day in (from..=to).step_by(step) {
            if let Some(named) = named.get_mut(day % 7) {
                *named = true;
            }
        }
    }
    if named.iter().all(|named| *named) {
        return Ok("*".to_owned());
    }
    let names = WEEKDAYS.iter().zip(named).filter(|(_, named)| *named).map(|(name, _)| *name);
    Ok(names.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::{Rule, Timetable, parse};
    use crate::model::Timestamp;

    fn next(line: &str, after: &str) -> String {
        let timetable = Timetable { rule: Rule::Cron(parse(line).unwrap()), zone: chrono_tz::UTC };
        timetable.next(after.parse::<Timestamp>().unwrap()).unwrap().to_rfc3339()
    }

    #[test]
    fn cron_lines_are_parsed_like_crontab() {
        // 5 January 2026 is a Monday.
        for (line, expected) in [
            ("0 2 * * 1", "2026-01-05T02:00:00+00:00"),
            ("0 2 * * 0", "2026-01-11T02:00:00+00:00"),
            ("0 2 * * 7", "2026-01-11T02:00:00+00:00"),
            ("0 2 * * sat", "2026-01-10T02:00:00+00:00"),
            ("0 2 * * 6-7", "2026-01-10T02:00:00+00:00"),
            ("0 2 * * 5-7/2", "2026-01-09T02:00:00+00:00"),
            ("0 2 * * fri-sun/2", "2026-01-09T02:00:00+00:00"),
            ("0 2 * * */3", "2026-01-07T02:00:00+00:00"),
            ("*/15 * * * *", "2026-01-05T00:15:00+00:00"),
            ("0 2 31 1 *", "2026-01-31T02:00:00+00:00"),
            ("0 2 29 2 *", "2028-02-29T02:00:00+00:00"),
        ] {
            assert_eq!(next(line, "2026-01-05T00:00:00Z"), expected, "{line}");
        }
    }

    #[test]
    fn invalid_cron_lines_are_refused_with_a_fix() {
        for (line, says) in [
            ("0 0 2 * * 1", "five fields"),
            ("", "five fields"),
            ("0 2 1 * 1", "are ambiguous"),
            ("0 2 * * 8", "not a day of the week"),
            ("0 2 * * 5-2", "not a range"),
            ("0 2 * * 1/0", "not a range"),
            ("0 25 * * *", "invalid cron line"),
            ("0 2 30 2 *", "does not exist"),
            ("at noon on every day", "are ambiguous"),
        ] {
            let why = parse(line).unwrap_err();
            assert!(why.contains(says), "{line}: {why}");
        }
    }
}
