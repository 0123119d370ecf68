//! Nominal times compared with an oracle without rules about clock changes. It steps through time minute by minute,
//! reads the local clock, and fires at every time that the clock passes for the first time.
use std::collections::BTreeSet;

use chrono::{
    DateTime, Datelike as _, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Timelike as _, Utc,
};
use chrono_tz::Tz;
use proofd::policy::schedule::{Rule, Timetable, parse};

const ZONES: [Tz; 9] = [
    chrono_tz::Europe::Berlin,
    chrono_tz::America::New_York,
    // Half an hour forward and back.
    chrono_tz::Australia::Lord_Howe,
    chrono_tz::America::St_Johns,
    chrono_tz::Asia::Kolkata,
    // Back for one month, which moves through the year.
    chrono_tz::Africa::Casablanca,
    // At midnight: a day may begin at one.
    chrono_tz::America::Santiago,
    chrono_tz::Asia::Beirut,
    chrono_tz::UTC,
];

/// Pseudorandom numbers that are equal in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(below)).unwrap()
    }

    fn time(&mut self) -> (u32, u32) {
        // Mostly at night, when clocks change.
        let hour = if self.roll(3) == 0 { self.roll(24) } else { self.roll(4) };
        (hour, [0, 15, 30, 45, 59, 5][self.roll(6) as usize])
    }
}

/// A rule in the form that the oracle uses: sets of numbers.
struct Spec {
    text: String,
    rule: Rule,
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    /// None: any.
    days: Option<BTreeSet<u32>>,
    /// Whether the days count from the end in shorter months.
    clamped: bool,
    months: BTreeSet<u32>,
    /// From Sunday.
    weekdays: BTreeSet<u32>,
}

impl Spec {
    fn any(text: String, rule: Rule) -> Self {
        Self {
            text,
            rule,
            minutes: (0..60).collect(),
            hours: (0..24).collect(),
            days: None,
            clamped: false,
            months: (1..=12).collect(),
            weekdays: (0..7).collect(),
        }
    }

    fn matches(&self, wall: NaiveDateTime) -> bool {
        let day = |days: &BTreeSet<u32>| {
            let last = u32::from(wall.date().num_days_in_month());
            days.iter().any(|day| wall.day() == if self.clamped { (*day).min(last) } else { *day })
        };
        self.minutes.contains(&wall.minute())
            && self.hours.contains(&wall.hour())
            && self.days.as_ref().is_none_or(day)
            && self.months.contains(&wall.month())
            && self.weekdays.contains(&wall.weekday().num_days_from_sunday())
    }

    fn random(dice: &mut Dice) -> Self {
        let (hour, minute) = dice.time();
        let at = NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
        match dice.roll(8) {
            0 => Self {
                minutes: [minute].into(),
                ..Self::any(format!("hourly {minute}"), Rule::Hourly { minute })
            },
            1 | 2 => Self {
                minutes: [minute].into(),
                hours: [hour].into(),
                ..Self::any(format!("daily {at}"), Rule::Daily { at })
            },
            3 => {
                let number = dice.roll(7);
                let on = chrono::Weekday::try_from(u8::try_from((number + 6) % 7).unwrap()).unwrap();
                Self {
                    minutes: [minute].into(),
                    hours: [hour].into(),
                    weekdays: [number].into(),
                    ..Self::any(format!("weekly {on} {at}"), Rule::Weekly { on, at })
                }
            }
            4 => {
                let on = if dice.roll(2) == 0 { 28 + dice.roll(4) } else { 1 + dice.roll(31) };
                Self {
                    minutes: [minute].into(),
                    hours: [hour].into(),
                    days: Some([on].into()),
                    clamped: true,
                    ..Self::any(format!("monthly {on} {at}"), Rule::Monthly { on, at })
                }
            }
            _ => Self::cron(dice),
        }
    }

    fn cron(dice: &mut Dice) -> Self {
        let (minute, minutes) = field(dice, 0, 59);
        let (mut hour, mut hours) = field(dice, 0, 23);
        if dice.roll(2) == 0 {
            // At night, when clocks change.
            let (from, to) = (dice.roll(3), 2 + dice.roll(3));
            (hour, hours) = (format!("{from}-{to}"), (from..=to).collect());
        }
        let (mut day, mut days) = ("*".to_owned(), None);
        let (mut weekday, mut weekdays) = ("*".to_owned(), (0..7).collect());
        match dice.roll(3) {
            0 => {
                let (text, set) = field(dice, 1, 31);
                (day, days) = (text, Some(set));
            }
            1 => (weekday, weekdays) = field(dice, 0, 6),
            _ => {}
        }
        let (month, months) =
            if dice.roll(3) == 0 { field(dice, 1, 12) } else { ("*".to_owned(), (1..=12).collect()) };
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        match parse(&text) {
            Ok(line) => Self {
                minutes,
                hours,
                days,
                clamped: false,
                months,
                weekdays,
                ..Self::any(text, Rule::Cron(line))
            },
            // An impossible date, such as 31 February.
            Err(_) => Self::cron(dice),
        }
    }
}

/// One field of a cron line with its numbers.
fn field(dice: &mut Dice, least: u32, most: u32) -> (String, BTreeSet<u32>) {
    let (a, b) = (least + dice.roll(most - least + 1), least + dice.roll(most - least + 1));
    let (low, high) = (a.min(b), a.max(b));
    let step = 1 + dice.roll(7);
    match dice.roll(5) {
        0 => ("*".to_owned(), (least..=most).collect()),
        1 => (format!("*/{step}"), (least..=most).step_by(step as usize).collect()),
        2 => (format!("{low}-{high}/{step}"), (low..=high).step_by(step as usize).collect()),
        3 => (format!("{a},{b}"), [a, b].into()),
        _ => (a.to_string(), [a].into()),
    }
}

/// The local time at every minute of a period.
fn clock(zone: Tz, from: DateTime<Utc>, days: i64) -> Vec<(DateTime<Utc>, NaiveDateTime)> {
    let minutes = (0..days * 1440).map(|minute| from + TimeDelta::minutes(minute));
    minutes.map(|at| (at, zone.from_utc_datetime(&at.naive_utc()).naive_local())).collect()
}

/// The times at which the local clock passes a time for the first time, at most one per minute.
fn fires(spec: &Spec, clock: &[(DateTime<Utc>, NaiveDateTime)]) -> Vec<DateTime<Utc>> {
    let mut high = clock[0].1;
    let mut fired = Vec::new();
    for (at, wall) in &clock[1..] {
        let mut hit = false;
        while high < *wall {
            high += TimeDelta::minutes(1);
            hit |= spec.matches(high);
        }
        if hit {
            fired.push(*at);
        }
    }
    fired
}

/// Days on which the zone's clocks change.
fn changes(zone: Tz, from: DateTime<Utc>, days: i64) -> Vec<DateTime<Utc>> {
    use chrono::Offset as _;
    let offset = |at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
    let starts = (0..days).map(|day| from + TimeDelta::days(day));
    starts.filter(|at| offset(*at) != offset(*at + TimeDelta::days(1))).collect()
}

#[test]
fn nominal_times_match_local_time() {
    let mut dice = Dice(7);
    let start = "2024-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let (mut schedules, mut compared, mut changed) = (0, 0, 0);
    for zone in ZONES {
        let changes = changes(zone, start, 4 * 365);
        changed += changes.len();
        let around = changes.iter().map(|at| *at - TimeDelta::days(1));
        let ends = [(2024, 2), (2025, 2), (2026, 12), (2027, 4)]
            .map(|(year, month)| Utc.with_ymd_and_hms(year, month, 27, 0, 0, 0).unwrap());
        let stretches: Vec<_> = around.chain(ends).map(|from| clock(zone, from, 4)).collect();
        for _ in 0..28 {
            let spec = Spec::random(&mut dice);
            let timetable = Timetable { rule: spec.rule.clone(), zone };
            schedules += 1;
            for clock in &stretches {
                let (from, until) = (clock[0].0, clock[clock.len() - 1].0);
                let expected = fires(&spec, clock);
                let mut found = Vec::new();
                let mut at = from;
                while let Some(next) = timetable.next(at).filter(|next| *next <= until) {
                    assert!(next > at, "{} {zone}", spec.text);
                    found.push(next);
                    at = next;
                }
                assert_eq!(found, expected, "{} {zone} from {from}", spec.text);
                compared += found.len();
                // From any time, not only from one nominal time to the next.
                let some = TimeDelta::seconds(dice.roll(4 * 86_400 - 60).into());
                let next = expected.iter().find(|at| **at > from + some);
                assert_eq!(timetable.next(from + some).filter(|at| *at <= until).as_ref(), next);
                let latest = expected.iter().rfind(|at| **at <= from + some);
                assert_eq!(timetable.latest(from, from + some).as_ref(), latest, "{} {zone}", spec.text);
            }
        }
    }
    println!("schedules={schedules} nominal times={compared} changes of clocks={changed}");
    assert!(schedules > 200 && compared > 10_000 && changed > 50);
}

#[test]
fn schedules_have_no_gaps_or_duplicates_over_years() {
    let start = "2025-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let mut dice = Dice(11);
    for zone in [chrono_tz::Europe::Berlin, chrono_tz::Australia::Lord_Howe] {
        let clock = clock(zone, start, 500);
        for _ in 0..3 {
            let spec = Spec::random(&mut dice);
            let timetable = Timetable { rule: spec.rule.clone(), zone };
            let expected = fires(&spec, &clock);
            let times = std::iter::successors(timetable.next(start), |at| timetable.next(*at));
            let until = clock[clock.len() - 1].0;
            let found: Vec<_> = times.take_while(|at| *at <= until).collect();
            assert_eq!(found, expected, "{} {zone}", spec.text);
            assert_eq!(timetable.latest(start, until), expected.last().copied());
        }
    }
}

#[test]
fn known_dates_have_the_expected_times() {
    let at = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
    let berlin = chrono_tz::Europe::Berlin;
    let daily = |hour, minute| Rule::Daily { at: at(hour, minute) };
    for (rule, zone, after, expected) in [
        // Half past two does not exist; it becomes three.
        (daily(2, 30), berlin, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        (daily(2, 30), berlin, "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"),
        // Half past two occurs twice; the first one counts.
        (daily(2, 30), berlin, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        (daily(2, 30), berlin, "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        // An outage that ends in the second half past two.
        (daily(2, 30), berlin, "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"),
        (
            Rule::Monthly { on: 31, at: at(1, 0) },
            chrono_tz::UTC,
            "2028-02-01T00:00:00Z",
            "2028-02-29T01:00:00Z",
        ),
        (
            Rule::Monthly { on: 30, at: at(1, 0) },
            chrono_tz::UTC,
            "2026-02-01T00:00:00Z",
            "2026-02-28T01:00:00Z",
        ),
        (
            Rule::Hourly { minute: 30 },
            chrono_tz::Asia::Kolkata,
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00Z",
        ),
    ] {
        let timetable = Timetable { rule, zone };
        let next = timetable.next(after.parse().unwrap()).unwrap();
        assert_eq!(next, expected.parse::<DateTime<Utc>>().unwrap(), "{timetable} after {after}");
    }
    let nightly = Timetable { rule: daily(2, 0), zone: berlin };
    let now = "2026-05-01T00:00:00Z".parse().unwrap();
    assert_eq!(nightly.latest(now, now), None);
    let long_ago = "2000-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(nightly.latest(long_ago, now), Some(now));
}
