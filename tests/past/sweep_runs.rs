//! The handling of single people in a sweep's run, and of an edit during a run.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::town::{Directory, Town, at, person, policy};
use chrono::TimeDelta;
use proofd::api::explain::ExplainQuery;
use proofd::engine::clock::Virtual;
use proofd::model::{SubjectKind, SubjectRef, Timestamp};
use proofd::store::{Asked, AskedAbout, Class, SweepRun};
use serde_json::{Value, json};

const START: &str = "2026-03-01T12:00:00Z";
const FIRST: &str = "2026-03-02T02:00:00Z";
const CLOSE: &str = "steps:\n  - close: seen\n";

/// A nightly sweep at two, UTC; `more` contains further lines of the sweep.
fn nightly(dir: &Path, mode: &str, more: &[&str], rest: &str) {
    let lines = ["over: users", "run: daily", "at: \"02:00\"", "timezone: UTC"];
    let sweep: String = lines.iter().chain(more).map(|line| format!("      {line}\n")).collect();
    policy(dir, "p", mode, &sweep, rest);
}

fn skipped(run: &SweepRun) -> BTreeMap<&str, u64> {
    run.skipped.iter().map(|(why, count)| (why.as_str(), *count)).collect()
}

/// The values of the clause that decided against a case.
fn looked_at(asked: &Asked) -> Vec<(String, Value)> {
    let clause = &asked.said.trace.as_ref().unwrap().clauses[0];
    clause.values.iter().map(|seen| (seen.path.clone(), seen.value.clone())).collect()
}

fn cases_of(town: &Town, id: &str) -> usize {
    let filter = proofd::store::CaseFilter { subject: Some(format!("user/{id}")), ..Default::default() };
    town.engine.store().cases(&filter, None, 1_000).unwrap().0.len()
}

struct Setting {
    dir: tempfile::TempDir,
    clock: Virtual,
    directory: Arc<Directory>,
}

impl Setting {
    /// Ten people, `0` to `9`, with a proof at different numbers of days ago.
    fn new() -> Self {
        let people = (0..10).map(|number| person(&number.to_string(), Some(days_before(number * 10 + 1))));
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Virtual::new(at(START)),
            directory: Directory::of(people.collect()),
        }
    }

    async fn open(&self) -> Town {
        Town::open(self.dir.path(), &self.clock, &self.directory).await
    }

    /// Interrupts the first run: the daemon dies while it waits for the directory's next answer.
    async fn break_off_after(&self, answers: usize) {
        let town = self.open().await;
        self.directory.fall_silent_after(answers);
        town.advance_to(at(FIRST));
        self.directory.silent.notified().await;
        town.die().await;
        self.directory.fall_silent_after(0);
    }
}

fn days_before(days: i64) -> Timestamp {
    at(START) - TimeDelta::days(days)
}

const DUE: &str = "due: {field: user.verified_at, plus: 45d, if_empty: now}";

#[tokio::test]
async fn new_and_edited_sweeps_have_no_missed_runs() {
    let setting = Setting::new();
    nightly(setting.dir.path(), "enforce", &[DUE], CLOSE);
    let town = setting.open().await;
    assert_eq!(town.engine.store().sweep("p/1").unwrap().unwrap().run, None);
    let line = town.engine.sweeps().list().unwrap().remove(0);
    assert_eq!((line.next, line.timetable.as_str()), (Some(at(FIRST)), "daily at 02:00 UTC"));
    town.advance_to(at(FIRST));
    let run = town.settled("p/1", at(FIRST)).await;
    assert_eq!((run.looked_at, run.due, run.opened, run.left), (10, 5, 5, 0));
    // Another time of day, which has already passed today.
    let text = std::fs::read_to_string(setting.dir.path().join("policies/p/policy.yaml")).unwrap();
    town.advance_to(at("2026-03-02T12:00:00Z"));
    std::fs::write(setting.dir.path().join("policies/p/policy.yaml"), text.replace("02:00", "10:00"))
        .unwrap();
    assert!(town.engine.rollout().reload.reload(None).await.report.ok);
    town.advance_to(at("2026-03-02T12:01:00Z"));
    let state = town.until("p/1", |state| state.timetable.contains("10:00")).await;
    assert_eq!((state.run, state.settled), (None, at("2026-03-02T12:01:00Z")));
    town.advance_to(at("2026-03-03T10:00:00Z"));
    assert_eq!(town.settled("p/1", at("2026-03-03T10:00:00Z")).await.opened, 5);
    assert_eq!(town.engine.sweeps().list().unwrap()[0].past.len(), 2);
    town.stop().await;
}

#[tokio::test]
async fn a_shadow_sweep_opens_no_case_and_enforcing_starts_the_spread() {
    let setting = Setting::new();
    for id in ["3", "4"] {
        setting.directory.change(id, |fields| drop(fields.insert("verified_at".into(), json!(null))));
    }
    nightly(setting.dir.path(), "shadow", &[DUE, "at_most: 4"], CLOSE);
    let town = setting.open().await;
    town.advance_to(at(FIRST));
    let run = town.settled("p/1", at(FIRST)).await;
    assert_eq!((run.due, run.would_open, run.opened, run.left), (7, 4, 0, 3));
    assert!((0..10).all(|id| cases_of(&town, &id.to_string()) == 0));
    let seen = |shadow| town.engine.store().first_seen("p", shadow, "3").unwrap();
    assert_eq!((seen(true), seen(false)), (Some(at(FIRST)), None));
    // The back-test opens the case of each person that the sweep selected.
    let report = town.engine.rollout().shadows.report("p", 100).await.unwrap().unwrap();
    assert_eq!((report.people, report.unknown), (4, 0), "{report:?}");
    for person in &report.items {
        assert_eq!((person.would.len(), person.happened.len()), (1, 0), "{report:?}");
        let would = &person.would[0];
        assert_eq!((would.opened_at, would.event.as_ref()), (at(FIRST), None), "{report:?}");
    }
    town.stop().await;
}

#[tokio::test]
async fn a_clause_error_is_counted_and_is_not_false() {
    let setting = Setting::new();
    for id in ["7", "8", "9"] {
        setting.directory.change(id, |fields| drop(fields.insert("title".into(), json!("clerk"))));
    }
    setting.directory.change("9", |fields| {
        fields.insert("attributes".into(), json!({"seen": "some day"}));
    });
    for (name, due) in [("p", DUE), ("q", "due: {field: user.attributes.seen, plus: 1d, if_empty: never}")] {
        let lines = format!(
            "      over: users\n      where: user.title.len > 3\n      {due}\n      cron: \"0 2 * * *\"\n"
        );
        policy(setting.dir.path(), name, "enforce", &lines, CLOSE);
    }
    let town = setting.open().await;
    town.advance_to(at(FIRST));
    let run = town.settled("p/1", at(FIRST)).await;
    assert_eq!((run.opened, skipped(&run)), (3, [("could_not_decide", 2)].into()));
    // Errors are stored with the clause and its values; the detail contains no value.
    let kept = |policy: &str| {
        let mut errors = town.engine.store().asked_in(Class::Error, 9).unwrap();
        errors.retain(|one| one.said.policy == policy);
        errors
    };
    let errors = kept("p");
    assert_eq!(errors.len(), 2);
    assert_eq!(looked_at(&errors[0]), [("user.title.len".to_owned(), json!(null))]);
    assert_eq!((errors[0].kind.as_str(), errors[0].said.verdict.word()), ("sweep", "could_not_decide"));
    assert!(errors[0].said.detail.starts_with("p/policy.yaml:"), "{}", errors[0].said.detail);
    // An invalid date.
    let run = town.settled("q/1", at(FIRST)).await;
    let undated = kept("q");
    assert_eq!(undated.len(), 1);
    assert_eq!(looked_at(&undated[0]), [("user.attributes.seen".to_owned(), json!("some day"))]);
    assert!(!undated[0].said.detail.contains("some day"), "{}", undated[0].said.detail);
    assert_eq!((run.opened, skipped(&run)), (0, [("could_not_decide", 1)].into()));
    let metrics = town.engine.status().metrics_text().unwrap();
    for line in [
        "could_not_decide_total{policy=\"p\"} 2",
        "sweep_runs_total{policy=\"p\",result=\"done\"} 1",
        "sweep_people_total{policy=\"p\",result=\"opened\"} 3",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    town.stop().await;
}

#[tokio::test]
async fn each_person_is_read_again_before_the_decision() {
    let setting = Setting::new();
    let lines = [DUE, "where: user.status == \"active\""];
    nightly(setting.dir.path(), "enforce", &lines, &format!("if: user.manager == ()\n{CLOSE}"));
    // The population's page arrives, the first person's record does not.
    setting.break_off_after(2).await;
    setting.directory.change("5", |fields| drop(fields.insert("verified_at".into(), json!(at(FIRST)))));
    setting.directory.change("6", |fields| drop(fields.insert("status".into(), json!("suspended"))));
    setting.directory.change("7", |fields| {
        fields.insert("manager".into(), json!({"email": "m@example.com", "name": "M"}));
    });
    setting.directory.people.lock().unwrap().retain(|person| person.id != "8");
    let pages = setting.directory.pages.load(Ordering::SeqCst);
    let town = setting.open().await;
    let run = town.settled("p/1", at(FIRST)).await;
    let expected = [("not_due_any_more", 1), ("where", 1), ("clause", 1), ("gone", 1)];
    assert_eq!((run.due, run.opened, skipped(&run)), (5, 1, expected.into()));
    assert_eq!(cases_of(&town, "9"), 1);
    for (id, verdict) in [("6", "where"), ("7", "clause")] {
        let about = AskedAbout::person(id, town.engine.now());
        let asked = town.engine.store().asked(about, 9).unwrap();
        let words = asked.iter().map(|one| one.asked.said.verdict.word()).collect::<Vec<_>>();
        assert_eq!(words, [verdict]);
    }
    // It continued at the same position.
    assert_eq!(setting.directory.pages.load(Ordering::SeqCst), pages);
    town.stop().await;
}

#[tokio::test]
async fn skipped_people_are_listed_with_reasons_up_to_a_bound() {
    let mut setting = Setting::new();
    let people = (0..1_300).map(|number| {
        let mut one = person(&format!("{number:04}"), Some(days_before(100)));
        if number < 1_290 {
            one.fields.insert("status".into(), json!("suspended"));
        }
        if number >= 1_295 {
            one.fields.insert("title".into(), json!("guest"));
        }
        one
    });
    setting.directory = Directory::of(people.collect());
    let rest = format!("if: user.title != \"guest\"\n{CLOSE}");
    nightly(setting.dir.path(), "enforce", &[DUE, "where: user.status == \"active\""], &rest);
    // Two pages were read, and the decisions are stored; the read begins again.
    setting.break_off_after(3).await;
    let town = setting.open().await;
    let run = town.settled("p/1", at(FIRST)).await;
    let (expected, counted) = ([("where", 1_290), ("clause", 5)], run.not_noted);
    assert_eq!((run.opened, skipped(&run), counted), (5, expected.into(), 295));
    let store = town.engine.store();
    assert_eq!(store.asked_in(Class::NoMatch, 9_999).unwrap().len(), 1_000);
    assert_eq!(store.asked(AskedAbout::person("0003", town.engine.now()), 9).unwrap().len(), 1);
    let explained = |subject: &str| {
        let whom = town.engine.sources().whom(subject).unwrap().unwrap();
        let subject = subject.parse().unwrap();
        let question = ExplainQuery { subject, at: None, policy: None, event: None };
        serde_json::to_value(town.engine.explanations().explain(&question, &whom, false).unwrap().unwrap())
            .unwrap()["items"][0]
            .clone()
    };
    let one = explained("user/0003");
    assert_eq!((&one["verdict"], &one["event"]["type"]), (&json!("where"), &json!("sweep")), "{one}");
    assert_eq!(one["clauses"][0]["clause"], "user.status == \"active\"", "{one}");
    assert_eq!(one["clauses"][0]["values"], json!([{"path": "user.status", "value": "suspended"}]));
    assert_eq!(one["changes"][0].as_array().unwrap().len(), 1, "{one}");
    // One of the other people: no decision is recorded, and the answer names the dry run.
    let one = explained("user/1289");
    assert_eq!(one["verdict"], "not_asked", "{one}");
    assert!(one["says"].as_str().unwrap().contains("--try sweep"), "{one}");
    town.stop().await;
}

#[tokio::test]
async fn disabling_a_policy_stops_its_sweep_run() {
    let setting = Setting::new();
    nightly(setting.dir.path(), "enforce", &[DUE], CLOSE);
    setting.break_off_after(4).await;
    setting.directory.down.store(true, Ordering::SeqCst);
    let town = setting.open().await;
    let text = std::fs::read_to_string(setting.dir.path().join("policies/p/policy.yaml")).unwrap();
    let edit = |mode: &str| {
        let text = text.replace("mode: enforce", &format!("mode: {mode}"));
        std::fs::write(setting.dir.path().join("policies/p/policy.yaml"), text).unwrap();
    };
    edit("disabled");
    assert!(town.engine.rollout().reload.reload(None).await.report.ok);
    town.clock.advance(TimeDelta::minutes(10));
    let run = town.settled("p/1", at(FIRST)).await;
    assert_eq!(run.end.as_deref(), Some("stopped"));
    assert!((5..10).filter(|id| cases_of(&town, &id.to_string()) == 1).count() == 2);
    town.clock.advance(TimeDelta::minutes(1));
    town.until("p/1", |state| !state.awake).await;
    assert_eq!(town.engine.sweeps().list().unwrap()[0].next, None);
    // A month later it is enabled again, and has missed nothing.
    setting.directory.down.store(false, Ordering::SeqCst);
    town.clock.advance(TimeDelta::days(30));
    edit("enforce");
    assert!(town.engine.rollout().reload.reload(None).await.report.ok);
    town.clock.advance(TimeDelta::minutes(1));
    let state = town.until("p/1", |state| state.awake).await;
    assert_eq!((state.run, state.settled), (None, town.engine.now()));
    town.stop().await;
}

#[tokio::test]
async fn an_edit_during_a_run_applies_to_the_remaining_people() {
    let setting = Setting::new();
    nightly(setting.dir.path(), "enforce", &[DUE], CLOSE);
    setting.break_off_after(4).await;
    nightly(setting.dir.path(), "enforce", &[DUE, "at_most: 3"], CLOSE);
    let town = setting.open().await;
    let run = town.settled("p/1", at(FIRST)).await;
    assert_eq!((run.end.as_deref(), run.opened, run.left), (Some("done"), 3, 2));
    town.stop().await;
}

#[tokio::test]
async fn a_person_with_an_open_case_gets_no_second_one() {
    let setting = Setting::new();
    let waits = "steps:\n  - id: desk\n    review:\n      queue: desk\n      decisions: {fine: {reason: optional}}\n      \
                 answer_within: 90d\n    outcomes:\n      fine:\n        - close: fine\n      overdue:\n        - close: late\n";
    nightly(setting.dir.path(), "enforce", &[DUE], waits);
    std::fs::write(
        setting.dir.path().join("policies/people.yaml"),
        "format: 1\nteams:\n  desk: {mail: desk@example.com}\nqueues:\n  desk: {team: desk}\n",
    )
    .unwrap();
    let town = setting.open().await;
    town.advance_to(at(FIRST));
    assert_eq!(town.settled("p/1", at(FIRST)).await.opened, 5);
    let second = at("2026-03-03T02:00:00Z");
    town.advance_to(second);
    let run = town.settled("p/1", second).await;
    assert_eq!((run.opened, skipped(&run)), (0, [("open_case", 5)].into()));
    let nine = SubjectRef { source: String::new(), kind: SubjectKind::User, id: "9".to_owned() };
    assert_eq!(town.engine.store().open_cases_of(&nine).unwrap().len(), 1);
    town.stop().await;
}

#[tokio::test]
async fn a_sweep_without_a_due_date_asks_all_in_rotation() {
    let setting = Setting::new();
    nightly(setting.dir.path(), "enforce", &["at_most: 4"], CLOSE);
    let town = setting.open().await;
    let mut at_night = at(FIRST);
    for _ in 0..12 {
        town.advance_to(at_night);
        let run = town.settled("p/1", at_night).await;
        assert_eq!((run.due, run.opened, run.left), (10, 4, 6));
        at_night += TimeDelta::days(1);
    }
    assert!((0..10).all(|id| cases_of(&town, &id.to_string()) > 0), "somebody is never asked");
    town.stop().await;
}
