//! When a span that counts from a moment is over. Knows working days and wall times, nothing of cases.

use chrono::{
    DateTime, Datelike as _, Days, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::Tz;

use crate::model::{Span, Timestamp};
use crate::policy::people::{Calendar, People};

/// The calendar that holds where none is named.
pub const DEFAULT: &str = "default";

/// The calendar of that name, or the default one, if the people of a policy have it.
pub fn of<'a>(people: &'a People, name: Option<&str>) -> Option<&'a Calendar> {
    name.and_then(|name| people.calendars.get(name)).or_else(|| people.calendars.get(DEFAULT))
}

/// `start` plus `span`. Business days end at the same wall time on the n-th working day after the start;
/// without a calendar these are Monday to Friday in UTC.
pub fn after(start: Timestamp, span: Span, calendar: Option<&Calendar>) -> Timestamp {
    match span {
        Span::Elapsed(delta) => start.checked_add_signed(delta).unwrap_or(DateTime::<Utc>::MAX_UTC),
        Span::BusinessDays(days) => {
            let workdays = calendar.map_or(MONDAY_TO_FRIDAY, |calendar| calendar.workdays);
            business_days(start, days, calendar.map_or(Tz::UTC, |calendar| calendar.timezone), workdays)
        }
    }
}

const MONDAY_TO_FRIDAY: [bool; 7] = [true, true, true, true, true, false, false];

fn business_days(start: Timestamp, days: u32, zone: Tz, workdays: [bool; 7]) -> Timestamp {
    let local = start.with_timezone(&zone);
    let works = |date: NaiveDate| {
        let weekday = usize::try_from(date.weekday().num_days_from_monday()).unwrap_or(0);
        // A calendar without any working day would never end; every day counts then.
        workdays.iter().all(|works| !works) || workdays.get(weekday).copied().unwrap_or(false)
    };
    let mut date = local.date_naive();
    let mut left = days;
    while left > 0 {
        let Some(next) = date.checked_add_days(Days::new(1)) else { return DateTime::<Utc>::MAX_UTC };
        date = next;
        left -= u32::from(works(date));
    }
    if date == local.date_naive() { start } else { at_wall_time(zone, date, local.time()) }
}

/// The moment of a wall time. A time that the clocks skip is taken as much later as they jump; of a time
/// that happens twice the second one counts: a deadline is never earlier than it reads.
fn at_wall_time(zone: Tz, date: NaiveDate, time: NaiveTime) -> Timestamp {
    let wall = date.and_time(time);
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(moment) => moment.to_utc(),
        LocalResult::Ambiguous(_, second) => second.to_utc(),
        LocalResult::None => {
            // Read with the offset that held before the gap: 02:30 becomes 03:30 where an hour is skipped.
            let before = zone.from_local_datetime(&(wall - TimeDelta::days(1))).latest();
            before.map_or_else(|| wall.and_utc(), |moment| moment.to_utc() + TimeDelta::days(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn business_days_end_at_the_same_wall_time() {
        let berlin = Calendar {
            timezone: Tz::Europe__Berlin,
            workdays: MONDAY_TO_FRIDAY,
            opens: NaiveTime::MIN,
            closes: NaiveTime::MIN,
        };
        for (start, span, end, why) in [
            ("2026-01-05T09:00:00Z", "2bd", "2026-01-07T09:00:00Z", "Monday to Wednesday"),
            ("2026-01-09T09:00:00Z", "1bd", "2026-01-12T09:00:00Z", "Friday to Monday"),
            ("2026-01-10T09:00:00Z", "1bd", "2026-01-12T09:00:00Z", "Saturday to Monday"),
            ("2026-03-27T09:00:00Z", "1bd", "2026-03-30T08:00:00Z", "summer time begins between"),
            ("2026-10-23T08:00:00Z", "1bd", "2026-10-26T09:00:00Z", "and ends"),
            ("2026-01-10T09:00:00Z", "0bd", "2026-01-10T09:00:00Z", "nothing to wait for"),
            ("2026-03-28T09:00:00Z", "1d", "2026-03-29T09:00:00Z", "elapsed time knows no zone"),
        ] {
            assert_eq!(after(at(start), span.parse().unwrap(), Some(&berlin)), at(end), "{why}");
        }
        let every_day = Calendar { workdays: [true; 7], ..berlin.clone() };
        let one = "1bd".parse().unwrap();
        let (gap, fold) = (at("2026-03-28T01:30:00Z"), at("2026-10-24T00:30:00Z"));
        assert_eq!(after(gap, one, Some(&every_day)), at("2026-03-29T01:30:00Z"), "02:30 is skipped");
        assert_eq!(after(fold, one, Some(&every_day)), at("2026-10-25T01:30:00Z"), "02:30 comes twice");
        let never = Calendar { workdays: [false; 7], ..berlin };
        assert_eq!(after(at("2026-01-05T09:00:00Z"), one, Some(&never)), at("2026-01-06T09:00:00Z"));
        assert_eq!(after(at("2026-01-09T09:00:00Z"), one, None), at("2026-01-12T09:00:00Z"));
    }
}
