//! Computes the end of a span that starts at a moment. Covers working days and wall times; independent of cases.
//!
//! `n` business days end `n` working days later at the same wall time. A start outside the working hours counts from
//! the next opening. Example: one business day from a Sunday ends at Tuesday's opening. A later start is never due
//! earlier, across any clock change.

use chrono::{
    DateTime, Datelike as _, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta,
    TimeZone as _, Utc,
};
use chrono_tz::Tz;

use crate::model::{Span, Timestamp};
use crate::policy::people::{Calendar, People};

/// The name of the calendar used when none is named.
pub const DEFAULT: &str = "default";

/// Returns the calendar of that name, else the default one, if the policy's people define it.
pub fn of<'a>(people: &'a People, name: Option<&str>) -> Option<&'a Calendar> {
    name.and_then(|name| people.calendars.get(name)).or_else(|| people.calendars.get(DEFAULT))
}

/// Returns `start` plus `span`. Without a calendar, business days are Monday to Friday in UTC, the whole day.
pub fn after(start: Timestamp, span: Span, calendar: Option<&Calendar>) -> Timestamp {
    match span {
        Span::Elapsed(delta) => start.checked_add_signed(delta).unwrap_or(DateTime::<Utc>::MAX_UTC),
        Span::BusinessDays(0) => start,
        Span::BusinessDays(days) => {
            let calendar = calendar.unwrap_or(&MONDAY_TO_FRIDAY);
            business_days(start, days, calendar).unwrap_or(DateTime::<Utc>::MAX_UTC)
        }
    }
}

const MONDAY_TO_FRIDAY: Calendar = Calendar {
    timezone: Tz::UTC,
    workdays: [true, true, true, true, true, false, false],
    opens: NaiveTime::MIN,
    closes: NaiveTime::MIN,
};

/// Returns `None` past the end of the supported dates.
fn business_days(start: Timestamp, days: u32, calendar: &Calendar) -> Option<Timestamp> {
    let begins = opening(wall_time(calendar.timezone, start), calendar)?;
    let mut date = begins.date();
    for _ in 0..days {
        date = workday_from(date.checked_add_days(Days::new(1))?, calendar)?;
    }
    Some(moment(calendar.timezone, date.and_time(begins.time())))
}

/// Returns the wall time itself during working hours, else the next opening.
fn opening(wall: NaiveDateTime, calendar: &Calendar) -> Option<NaiveDateTime> {
    let (opens, closes) = (calendar.opens, calendar.closes);
    let whole_day = opens >= closes;
    let today = workday_from(wall.date(), calendar)? == wall.date();
    if today && (whole_day || (opens..=closes).contains(&wall.time())) {
        return Some(wall);
    }
    let from = if today && wall.time() < opens {
        wall.date()
    } else {
        wall.date().checked_add_days(Days::new(1))?
    };
    Some(workday_from(from, calendar)?.and_time(opens))
}

/// Returns the first working day on or after `date`.
fn workday_from(date: NaiveDate, calendar: &Calendar) -> Option<NaiveDate> {
    // Without any working day the search would never end; every day counts then.
    let none = calendar.workdays.iter().all(|works| !works);
    let works = |date: &NaiveDate| {
        let weekday = usize::try_from(date.weekday().num_days_from_monday()).unwrap_or(0);
        none || calendar.workdays.get(weekday).copied().unwrap_or(false)
    };
    date.iter_days().take(7).find(works)
}

/// Returns the wall time of a moment. During a repeated hour it stays at the end of that hour: a later moment must
/// never have an earlier wall time.
fn wall_time(zone: Tz, at: Timestamp) -> NaiveDateTime {
    let wall = at.with_timezone(&zone).naive_local();
    match zone.from_local_datetime(&wall) {
        LocalResult::Ambiguous(first, second) if second.to_utc() == at => {
            let change = change_of_offset(zone, first.to_utc(), at);
            change.naive_utc() + first.offset().fix()
        }
        LocalResult::Ambiguous(..) | LocalResult::Single(_) | LocalResult::None => wall,
    }
}

/// Returns the moment of a wall time. A skipped wall time maps to the clock change; a repeated one maps to its second
/// occurrence. A deadline is thus never earlier than its displayed time.
fn moment(zone: Tz, wall: NaiveDateTime) -> Timestamp {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(moment) => moment.to_utc(),
        LocalResult::Ambiguous(_, second) => second.to_utc(),
        LocalResult::None => {
            // A gap is at most a day long, where a country moves across the date line.
            let (before, behind) = (wall - TimeDelta::hours(25), wall + TimeDelta::hours(25));
            match (zone.from_local_datetime(&before).latest(), zone.from_local_datetime(&behind).earliest()) {
                (Some(before), Some(behind)) => change_of_offset(zone, before.to_utc(), behind.to_utc()),
                _ => wall.and_utc(),
            }
        }
    }
}

/// Returns the moment between two at which the zone leaves the offset of the first.
fn change_of_offset(zone: Tz, before: Timestamp, behind: Timestamp) -> Timestamp {
    let offset = |at: Timestamp| at.with_timezone(&zone).offset().fix();
    let old = offset(before);
    let (mut before, mut behind) = (before, behind);
    while behind - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((behind - before).num_seconds() / 2);
        if offset(middle) == old { before = middle } else { behind = middle }
    }
    behind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn calendar(timezone: Tz, workdays: &str, hours: Option<(u32, u32)>) -> Calendar {
        let hour = |hour: u32| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let (opens, closes) = hours.map_or((hour(0), hour(0)), |(opens, closes)| (hour(opens), hour(closes)));
        let works: Vec<bool> = workdays.bytes().map(|day| day != b'-').collect();
        Calendar { timezone, workdays: works.try_into().unwrap(), opens, closes }
    }

    #[test]
    fn business_days_count_only_calendar_hours() {
        let berlin = calendar(Tz::Europe__Berlin, "MTWTF--", Some((9, 17)));
        for (start, span, end, why) in [
            ("2026-01-05T09:00:00Z", "2bd", "2026-01-07T09:00:00Z", "Monday to Wednesday"),
            ("2026-01-09T15:30:00Z", "1bd", "2026-01-12T15:30:00Z", "Friday 16:30 to Monday 16:30"),
            ("2026-01-09T16:00:00Z", "1bd", "2026-01-12T16:00:00Z", "Friday at closing to Monday at closing"),
            ("2026-01-09T16:00:01Z", "1bd", "2026-01-13T08:00:00Z", "after closing: all of Monday"),
            ("2026-01-10T08:00:00Z", "1bd", "2026-01-13T08:00:00Z", "Saturday: all of Monday"),
            ("2026-01-10T23:30:00Z", "1bd", "2026-01-13T08:00:00Z", "Sunday 00:30: all of Monday"),
            ("2026-01-11T23:30:00Z", "1bd", "2026-01-13T08:00:00Z", "Monday before opening: all of Monday"),
            ("2026-01-10T23:30:00Z", "3bd", "2026-01-15T08:00:00Z", "Monday, Tuesday and Wednesday"),
            ("2026-03-27T09:00:00Z", "1bd", "2026-03-30T08:00:00Z", "summer time begins between"),
            ("2026-10-23T08:00:00Z", "1bd", "2026-10-26T09:00:00Z", "and ends"),
            ("2026-01-10T09:00:00Z", "0bd", "2026-01-10T09:00:00Z", "nothing to wait for"),
            ("2026-03-28T09:00:00Z", "1d", "2026-03-29T09:00:00Z", "elapsed time knows no zone"),
        ] {
            assert_eq!(after(at(start), span.parse().unwrap(), Some(&berlin)), at(end), "{why}");
        }
        let every_day = calendar(Tz::Europe__Berlin, "MTWTFSS", None);
        let one = "1bd".parse().unwrap();
        let (gap, fold) = (at("2026-03-28T01:30:00Z"), at("2026-10-24T00:30:00Z"));
        assert_eq!(after(gap, one, Some(&every_day)), at("2026-03-29T01:00:00Z"), "02:30 is skipped");
        assert_eq!(after(fold, one, Some(&every_day)), at("2026-10-25T01:30:00Z"), "02:30 comes twice");
        let never = calendar(Tz::Europe__Berlin, "-------", None);
        assert_eq!(after(at("2026-01-05T09:00:00Z"), one, Some(&never)), at("2026-01-06T09:00:00Z"));
        assert_eq!(after(at("2026-01-09T09:00:00Z"), one, None), at("2026-01-12T09:00:00Z"));
        assert_eq!(after(at("2026-01-10T09:00:00Z"), one, None), at("2026-01-13T00:00:00Z"));
    }

    /// Covers every ten minutes of the days around each clock change.
    #[test]
    fn a_later_start_or_a_longer_span_is_never_due_earlier() {
        let years = [
            (Tz::Europe__Berlin, "2026-01-01T00:00:00Z"),
            (Tz::Australia__Lord_Howe, "2026-01-01T00:00:00Z"),
            (Tz::Africa__Cairo, "2026-01-01T00:00:00Z"),
            (Tz::America__St_Johns, "2026-01-01T00:00:00Z"),
            // Samoa skipped a whole day.
            (Tz::Pacific__Apia, "2011-06-01T00:00:00Z"),
        ];
        let calendars = [("MTWTF--", Some((9, 17))), ("MTWTFSS", None), ("--WTFS-", Some((1, 23)))];
        let spans: Vec<Span> = ["0bd", "1bd", "5bd"].iter().map(|span| span.parse().unwrap()).collect();
        for (zone, begin) in years {
            let begin = at(begin);
            let offset = |day: i64| (begin + TimeDelta::days(day)).with_timezone(&zone).offset().fix();
            let days: Vec<i64> = (0..366).filter(|day| offset(day - 2) != offset(day + 7)).collect();
            assert!(!days.is_empty(), "{zone} has no changes");
            for (workdays, hours) in calendars {
                let calendar = calendar(zone, workdays, hours);
                let mut due = vec![begin; spans.len()];
                for start in days.iter().flat_map(|day| {
                    (0..24 * 6).map(move |tick| begin + TimeDelta::days(*day) + TimeDelta::minutes(10 * tick))
                }) {
                    let now: Vec<_> = spans.iter().map(|span| after(start, *span, Some(&calendar))).collect();
                    let place = format!("{zone} {workdays} {hours:?} from {start}");
                    assert!(now.is_sorted() && now.iter().all(|due| *due >= start), "{place}: {now:?}");
                    assert!(
                        due.iter().zip(&now).all(|(before, now)| before <= now),
                        "{place}: {due:?} {now:?}"
                    );
                    due = now;
                }
            }
        }
    }
}
