//! Two thousand people over eight months: two sweeps, daylight saving time, an identity provider that is down, and a
//! daemon that dies during runs or is stopped for weeks. After every run, the cases equal those of an independent
//! calculation from the population, and none opens twice.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::town::{Directory, Town, at, options, person, policy};
use chrono::{Datelike as _, NaiveDate, TimeDelta, TimeZone as _, Timelike as _, Weekday};
use chrono_tz::Tz;
use proofd::case::{OpenedBy, case_id};
use proofd::engine::clock::Virtual;
use proofd::model::{Clock as _, Subject, Timestamp};
use proofd::store::{CaseFilter, Commit, Store, SweepChange, SweepRun};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const PEOPLE: u32 = 2_000;
const AGAIN: &str = "again/1";
const BADGES: &str = "badges/2";

/// Pseudorandom numbers that are equal in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(below)).unwrap()
    }
}

fn population(dice: &mut Dice, start: Timestamp) -> Vec<Subject> {
    (0..PEOPLE).map(|number| newcomer(dice, number, start)).collect()
}

fn newcomer(dice: &mut Dice, number: u32, now: Timestamp) -> Subject {
    let verified = (dice.roll(8) > 0).then(|| now - TimeDelta::seconds(dice.roll(260 * 86_400).into()));
    let mut one = person(&format!("{}", 10_000_000 + number), verified);
    match dice.roll(20) {
        0 => drop(one.fields.insert("status".into(), "suspended".into())),
        1 => drop(one.fields.insert("service_account".into(), true.into())),
        2 => drop(
            one.fields.insert("exempt_until".into(), json!(now + TimeDelta::days(dice.roll(300).into()))),
        ),
        _ => {}
    }
    let badge = match dice.roll(6) {
        0 => json!((now - TimeDelta::days(dice.roll(170).into())).date_naive().to_string()),
        1 => json!(now - TimeDelta::seconds(dice.roll(170 * 86_400).into())),
        _ => Value::Null,
    };
    one.fields.insert("attributes".into(), json!({ "badge_seen": badge }));
    one
}

fn policies(dir: &Path) {
    policy(
        dir,
        "again",
        "enforce",
        "      over: users\n\
         \x20     where: user.status == \"active\" && user.service_account != true\n\
         \x20     due: {field: user.verified_at, plus: 240d, if_empty: now}\n\
         \x20     cron: \"30 2 * * 0\"\n\
         \x20     timezone: Europe/Berlin\n\
         \x20     spread: 14d\n\
         \x20     at_most: 90\n\
         \x20     if_missed: run_once\n",
        "if:\n  - user.exempt_until == () || user.exempt_until < now\nsteps:\n  - close: seen\n",
    );
    policy(
        dir,
        "badges",
        "enforce",
        "      over: users\n\
         \x20     where: user.status == \"active\"\n\
         \x20     due: {field: user.attributes.nothing, plus: 1d, if_empty: never}\n\
         \x20     run: monthly\n\
         \x20     on: last\n\
         \x20     at: \"23:59\"\n\
         \x20     timezone: UTC\n\
         \x20 - sweep:\n\
         \x20     over: users\n\
         \x20     where: user.status == \"active\"\n\
         \x20     due: {field: user.attributes.badge_seen, plus: 150d, if_empty: never}\n\
         \x20     run: weekly\n\
         \x20     on: sun\n\
         \x20     at: \"02:15\"\n\
         \x20     timezone: Australia/Lord_Howe\n\
         \x20     at_most: 30\n\
         \x20     if_missed: skip\n",
        "steps:\n  - close: asked\n",
    );
}

/// The first time of a day at which the local clock has reached a time, minute by minute.
fn nominal(zone: Tz, day: NaiveDate, hour: u32, minute: u32) -> Timestamp {
    let noon = zone.from_utc_datetime(&day.and_hms_opt(0, 0, 0).unwrap()).to_utc() - TimeDelta::hours(15);
    let minutes = (0..2_880).map(|minutes| noon + TimeDelta::minutes(minutes));
    let mut there = minutes.filter(|at| {
        let wall = zone.from_utc_datetime(&at.naive_utc());
        wall.date_naive() == day && (wall.hour(), wall.minute()) >= (hour, minute)
    });
    there.next().unwrap()
}

/// All nominal times of both sweeps, in order.
fn calendar(start: Timestamp, end: Timestamp) -> Vec<(Timestamp, &'static str)> {
    let mut times = Vec::new();
    let days = start.date_naive().iter_days().take_while(|day| *day <= end.date_naive());
    for day in days {
        if day.weekday() == Weekday::Sun {
            times.push((nominal(chrono_tz::Europe::Berlin, day, 2, 30), AGAIN));
            times.push((nominal(chrono_tz::Australia::Lord_Howe, day, 2, 15), BADGES));
        }
    }
    times.retain(|(at, _)| *at > start && *at < end);
    times.sort();
    times
}

/// The state of the independent calculation.
struct Reader {
    first_seen: BTreeMap<String, Timestamp>,
    opened: BTreeMap<&'static str, usize>,
}

fn time(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?;
    let day = || Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc());
    text.parse().ok().or_else(day)
}

/// A person's offset within two weeks.
fn offset(policy: &str, person: &str) -> TimeDelta {
    let mut bytes = Vec::new();
    for text in [policy, person] {
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    let hash: [u8; 8] = Sha256::digest(&bytes)[..8].try_into().unwrap();
    TimeDelta::seconds((u64::from_be_bytes(hash) % (14 * 86_400)).try_into().unwrap())
}

impl Reader {
    /// The due people, with the time since when they are due.
    fn due(
        &mut self,
        schedule: &str,
        people: &[Subject],
        nominal: Timestamp,
        now: Timestamp,
    ) -> BTreeMap<String, Timestamp> {
        let mut due = BTreeMap::new();
        for person in people {
            let fields = &person.fields;
            if fields["status"] != "active" {
                continue;
            }
            let since = if schedule == AGAIN {
                if fields["service_account"] == true {
                    continue;
                }
                let base = match time(&fields["verified_at"]) {
                    Some(verified) => verified + TimeDelta::days(240),
                    None => *self.first_seen.entry(person.id.clone()).or_insert(nominal),
                };
                if time(&fields["exempt_until"]).is_some_and(|until| until >= now) {
                    continue;
                }
                base + offset("again", &person.id)
            } else {
                let Some(seen) = time(&fields["attributes"]["badge_seen"]) else { continue };
                seen + TimeDelta::days(150)
            };
            if since <= nominal {
                due.insert(person.id.clone(), since);
            }
        }
        due
    }

    /// Asserts that the cases of a nominal time are the expected ones, and returns their people.
    fn judge(
        &mut self,
        store: &Store,
        schedule: &'static str,
        due: &BTreeMap<String, Timestamp>,
        nominal: Timestamp,
    ) -> BTreeSet<String> {
        let (policy, most) = if schedule == AGAIN { ("again", 90) } else { ("badges", 30) };
        let by = OpenedBy::Sweep { schedule: schedule.to_owned(), nominal };
        let there = |id: &String| store.case(&case_id(policy, id, &by)).unwrap().is_some();
        let opened: BTreeSet<String> = due.keys().filter(|id| there(id)).cloned().collect();
        assert_eq!(opened.len(), due.len().min(most), "{schedule} {nominal}: of {} due", due.len());
        let latest = opened.iter().map(|id| due[id]).max();
        let earliest_left = due.iter().filter(|(id, _)| !opened.contains(*id)).map(|(_, at)| *at).min();
        if let (Some(latest), Some(left)) = (latest, earliest_left) {
            assert!(latest <= left, "{schedule} {nominal}: somebody more overdue was skipped");
        }
        *self.opened.entry(schedule).or_default() += opened.len();
        opened
    }
}

/// The disturbance at a nominal time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    None,
    /// The identity provider is down for some hours.
    Down,
    /// The daemon dies while it reads people or opens cases.
    Dies {
        answers: usize,
    },
    /// The same, and the last record of its position is lost.
    Forgets {
        answers: usize,
    },
    /// The daemon stops in an orderly way and restarts before the nominal time.
    Restart,
    /// The daemon is stopped for a number of hours.
    Away {
        hours: i64,
    },
}

/// Each disturbance occurs repeatedly, at different runs.
fn trouble(dice: &mut Dice, number: usize) -> Trouble {
    match number % 19 {
        1 => Trouble::Down,
        3 => Trouble::Dies { answers: 1 + dice.roll(40) as usize },
        6 => Trouble::Away { hours: [1, 2_000, 5, 100][(number / 19) % 4] },
        9 => Trouble::Dies { answers: 42 + dice.roll(100) as usize },
        12 => Trouble::Away { hours: [200, 2, 8, 350][(number / 19) % 4] },
        14 => Trouble::Forgets { answers: 42 + dice.roll(100) as usize },
        17 => Trouble::Restart,
        _ => Trouble::None,
    }
}

/// Statistics of the year.
#[derive(Debug, Default)]
struct Tally {
    runs: usize,
    missed: usize,
    troubles: usize,
    deaths: usize,
}

struct Year {
    dir: tempfile::TempDir,
    clock: Virtual,
    directory: Arc<Directory>,
    town: Town,
    reader: Reader,
    dice: Dice,
    tally: Tally,
}

impl Year {
    async fn begin(start: Timestamp) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut dice = Dice(2026);
        let directory = Directory::of(population(&mut dice, start));
        let clock = Virtual::new(start);
        policies(dir.path());
        let town = Town::open(dir.path(), &clock, &directory).await;
        let reader = Reader { first_seen: BTreeMap::new(), opened: BTreeMap::new() };
        Self { dir, clock, directory, town, reader, dice, tally: Tally::default() }
    }

    /// The daemon is stopped until after the first of these times. The missed times of each sweep count as one or as
    /// none. Returns the number of times that have passed.
    async fn away(mut self, times: &[(Timestamp, &'static str)], hours: i64) -> (Self, usize) {
        self.town.stop().await;
        let back = times[0].0 + TimeDelta::hours(hours) + TimeDelta::minutes(1);
        self.clock.advance(back - self.clock.now());
        let over = times.iter().take_while(|(at, _)| *at <= back).count();
        self.town = Town::open(self.dir.path(), &self.clock, &self.directory).await;
        for schedule in [AGAIN, BADGES] {
            let all: Vec<_> = times[..over].iter().filter(|(_, of)| *of == schedule).collect();
            let Some((last, _)) = all.last() else { continue };
            let run = self.town.settled(schedule, *last).await;
            self.tally.missed += all.len() - 1;
            if schedule == BADGES && back - *last > TimeDelta::hours(1) {
                assert_eq!((run.end.as_deref(), run.opened), (Some("missed"), 0));
                self.tally.missed += 1;
                continue;
            }
            self.judge(schedule, *last, &run);
        }
        (self, over)
    }

    /// One nominal time with its disturbance.
    async fn night(mut self, nominal: Timestamp, schedule: &'static str, trouble: Trouble) -> Self {
        match trouble {
            Trouble::Restart => {
                self.town.stop().await;
                self.town = Town::open(self.dir.path(), &self.clock, &self.directory).await;
            }
            Trouble::Down => self.directory.down.store(true, Ordering::SeqCst),
            Trouble::Dies { answers } | Trouble::Forgets { answers } => {
                self.directory.fall_silent_after(answers);
            }
            Trouble::None | Trouble::Away { .. } => {}
        }
        let late = TimeDelta::seconds(self.dice.roll(600).into());
        self.clock.advance(nominal + late - self.clock.now());
        match trouble {
            Trouble::Down => {
                self.town.until(schedule, |state| state.run.is_some()).await;
                self.clock.advance(TimeDelta::hours(3));
                self.directory.down.store(false, Ordering::SeqCst);
                self.clock.advance(TimeDelta::hours(1));
            }
            Trouble::Dies { .. } | Trouble::Forgets { .. } => {
                tokio::select! {
                    () = self.directory.silent.notified() => {}
                    // The run needs fewer answers than that.
                    _ = self.town.settled(schedule, nominal) => {}
                }
                self.directory.fall_silent_after(0);
                self.town.die().await;
                self.tally.deaths += 1;
                if let Trouble::Forgets { .. } = trouble {
                    forget(self.dir.path(), schedule).await;
                }
                self.town = Town::open(self.dir.path(), &self.clock, &self.directory).await;
            }
            Trouble::None | Trouble::Restart | Trouble::Away { .. } => {}
        }
        let run = self.town.settled(schedule, nominal).await;
        self.judge(schedule, nominal, &run);
        self
    }

    fn judge(&mut self, schedule: &'static str, nominal: Timestamp, run: &SweepRun) {
        assert_eq!((run.nominal, run.end.as_deref()), (nominal, Some("done")), "{schedule}");
        let people = self.directory.people.lock().unwrap().clone();
        assert_eq!(run.looked_at, people.len() as u64);
        let due = self.reader.due(schedule, &people, nominal, self.clock.now());
        let opened = self.reader.judge(self.town.engine.store(), schedule, &due, nominal);
        let counted = (run.due, run.opened as usize, run.left);
        let expected = (due.len() as u64, opened.len(), (due.len() - opened.len()) as u64);
        assert_eq!(counted, expected, "{schedule} {nominal}");
        self.tally.runs += 1;
        live_on(&self.directory, schedule, &opened, self.clock.now(), &mut self.dice);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_months_of_sweeps_match_the_calendar() {
    let (start, end) = (at("2026-03-14T12:00:00Z"), at("2026-11-01T12:00:00Z"));
    let mut year = Year::begin(start).await;
    let times = calendar(start, end);
    let mut rest = &times[..];
    for number in 0.. {
        let Some((nominal, schedule)) = rest.first().copied() else { break };
        let trouble = trouble(&mut year.dice, number);
        year.tally.troubles += usize::from(trouble != Trouble::None);
        let over = match trouble {
            Trouble::Away { hours } if nominal + TimeDelta::hours(hours + 1) < end => {
                let over;
                (year, over) = year.away(rest, hours).await;
                over
            }
            trouble => {
                year = year.night(nominal, schedule, trouble).await;
                1
            }
        };
        rest = &rest[over..];
    }
    let Year { dir, town, reader, tally, .. } = year;
    // The interrupted runs opened no further cases.
    let total: usize = reader.opened.values().sum();
    assert_eq!(count(town.engine.store()), total);
    println!("{tally:?} cases={total} {:?}", reader.opened);
    assert!(tally.runs > 30 && tally.missed > 5 && tally.deaths > 4 && tally.troubles > 10 && total > 1_200);
    town.stop().await;
    let report = proofd::store::verify(&dir.path().join("store")).unwrap();
    assert_eq!(report.different, 0, "{:?}", report.differences);
}

/// The people's changes afterwards: most prove their identity, some do not answer, people join and leave.
fn live_on(
    directory: &Directory,
    schedule: &str,
    opened: &BTreeSet<String>,
    now: Timestamp,
    dice: &mut Dice,
) {
    let mut people = directory.people.lock().unwrap();
    for person in people.iter_mut().filter(|person| opened.contains(&person.id)) {
        let answers = dice.roll(30) > 0;
        if schedule == AGAIN && answers {
            person.fields.insert("verified_at".into(), json!(now));
        } else if answers {
            person.fields["attributes"]["badge_seen"] = json!(now);
        } else {
            person.fields.insert("status".into(), "suspended".into());
        }
    }
    for _ in 0..dice.roll(30) {
        let number = people.len();
        let status = if dice.roll(2) == 0 { "active" } else { "deactivated" };
        people[dice.roll(number.try_into().unwrap()) as usize].fields.insert("status".into(), status.into());
        let one = newcomer(dice, number.try_into().unwrap(), now);
        people.push(one);
    }
}

/// Resets the run's position to the time when the people were selected: as if only the cases had been written since.
async fn forget(dir: &Path, schedule: &str) {
    let (store, _) = Store::open_with(&dir.join("store"), at("2026-01-01T00:00:00Z"), options()).unwrap();
    let mut state = store.sweep(schedule).unwrap().unwrap();
    if let Some(run) = &mut state.run {
        (run.position, run.opened) = (0, 0);
        run.skipped.clear();
        let sweeps = vec![SweepChange::State(state)];
        store.commit(Commit { sweeps, ..Commit::default() }).await.unwrap();
    }
    store.close().await.unwrap();
}

fn count(store: &Store) -> usize {
    let (mut count, mut cursor) = (0, None);
    loop {
        let (page, next) = store.cases(&CaseFilter::default(), cursor.as_deref(), 1_000).unwrap();
        count += page.len();
        cursor = next;
        if cursor.is_none() {
            return count;
        }
    }
}
