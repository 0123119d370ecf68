//! Cron lines of sweeps: five fields as in a crontab. The crate behind it reads another dialect (seconds
//! first, 1 is Sunday, day of month *and* day of week), so the line is checked and put into its words here,
//! and nowhere else is it named.

use std::str::FromStr as _;

use cron::Schedule;

const WEEKDAYS: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// Reads `minute hour day-of-month month day-of-week`; 0 and 7 are Sunday.
pub fn parse(line: &str) -> Result<Schedule, String> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err("expected five fields: minute hour day-of-month month day-of-week".to_owned());
    };
    if *day != "*" && *weekday != "*" {
        return Err(
            "day of month and day of week together are read in two ways; leave one of them *".to_owned()
        );
    }
    let weekday = weekday.split(',').map(named).collect::<Result<Vec<_>, _>>()?.join(",");
    let translated = format!("0 {minute} {hour} {day} {month} {weekday}");
    Schedule::from_str(&translated)
        .map_err(|_| format!("`{line}` is not a cron line, such as \"0 2 * * 1-5\""))
}

/// Weekday numbers as names, which mean the same to everybody.
fn named(field: &str) -> Result<String, String> {
    let (range, step) = match field.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (field, None),
    };
    let name = |day: &str| match day.parse::<usize>() {
        Ok(number) => WEEKDAYS.get(number).map(|name| (*name).to_owned()).ok_or_else(|| {
            format!("{day} is not a day of the week; they are 0 (Sunday) to 6, or 7 (Sunday)")
        }),
        Err(_) => Ok(day.to_uppercase()),
    };
    let range = match range.split_once('-') {
        // A range up to Sunday goes round the end of the week for a reader that begins with it.
        Some((from, "7" | "0" | "sun" | "SUN")) if from != "0" => format!("{}-SAT,SUN", name(from)?),
        Some((from, to)) => format!("{}-{}", name(from)?, name(to)?),
        None => name(range)?,
    };
    Ok(match step {
        Some(step) => format!("{range}/{step}"),
        None => range,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn crontab_lines_mean_what_a_crontab_means() {
        let from = "2026-01-05T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        // 5 January 2026 is a Monday.
        for (line, next) in [
            ("0 2 * * 1", "2026-01-05T02:00:00+00:00"),
            ("0 2 * * 0", "2026-01-11T02:00:00+00:00"),
            ("0 2 * * 7", "2026-01-11T02:00:00+00:00"),
            ("0 2 * * sat", "2026-01-10T02:00:00+00:00"),
            ("0 2 * * 6-7", "2026-01-10T02:00:00+00:00"),
            ("*/15 * * * *", "2026-01-05T00:15:00+00:00"),
            ("0 2 31 1 *", "2026-01-31T02:00:00+00:00"),
        ] {
            let schedule = parse(line).unwrap();
            assert_eq!(
                schedule.after(&from).next().map(|at| at.to_rfc3339()).as_deref(),
                Some(next),
                "{line}"
            );
        }
    }

    #[test]
    fn other_lines_are_refused_with_what_to_do() {
        for (line, says) in [
            ("0 0 2 * * 1", "five fields"),
            ("", "five fields"),
            ("0 2 1 * 1", "leave one of them"),
            ("0 2 * * 8", "not a day of the week"),
            ("0 25 * * *", "not a cron line"),
            ("at noon on every day", "leave one of them"),
        ] {
            let why = parse(line).unwrap_err();
            assert!(why.contains(says), "{line}: {why}");
        }
    }
}
