//! Policy decisions in the store: found by person and by policy, kept by verdict, equal after a rebuild.
use crate::support::{assert_sound, at, event, open, received, subject};
use chrono::TimeDelta;
use proofd::model::{Event, SubjectKind, SubjectRef, Timestamp, Verdict};
use proofd::policy::Revision;
use proofd::policy::script::{Answer, Seen, Trace, Traced};
use proofd::store::{Asked, Class, Commit, Consumed, PolicyVerdict, Store};

fn day(day: i64) -> Timestamp {
    at(day * 86_400)
}

fn trace() -> Trace {
    let seen = Seen { path: "event.score".to_owned(), value: 71.into() };
    let clause = Traced {
        clause: "event.score >= 76".to_owned(),
        file: "p/policy.yaml".to_owned(),
        line: 9,
        column: 7,
        answer: Answer::Fails,
        stopped: true,
        error: None,
        values: vec![seen],
    };
    Trace { clauses: vec![clause], changes: Vec::new() }
}

fn said(policy: &str, verdict: &str) -> PolicyVerdict {
    let verdict = Verdict::ALL.into_iter().find(|one| one.word() == verdict).unwrap();
    let said = PolicyVerdict::new(policy, &Revision("0".to_owned()), verdict, String::new());
    PolicyVerdict { trace: (verdict == Verdict::Clause).then(trace), ..said }
}

async fn consume(store: &Store, key: &str, on: i64, verdicts: Vec<PolicyVerdict>) {
    let one = Event { subject: subject("1"), ..event(key, on * 86_400) };
    store.commit(received([one])).await.unwrap();
    let consumed = Consumed { key: key.to_owned(), at: day(on), verdicts, people: Vec::new() };
    store.commit(Commit { consumed: vec![consumed], ..Commit::default() }).await.unwrap();
}

/// A policy's stored decisions about the person: verdicts and days, newest first.
fn kept(store: &Store, policy: &str) -> Vec<(String, i64)> {
    let asked = store.asked("1", policy, day(9_999), 99).unwrap();
    asked.into_iter().map(|one| (one.said.verdict.to_string(), (one.at - day(0)).num_days())).collect()
}

#[tokio::test]
async fn each_answer_is_kept_as_long_as_its_kind_and_the_last_ones_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    for (key, on, verdicts) in [
        ("e0", 0, vec![said("a", "opened"), said("b", "clause")]),
        ("e1", 1, vec![said("a", "opened"), said("b", "could_not_decide")]),
        ("e2", 2, vec![said("a", "clause"), said("b", "could_not_decide")]),
        ("e3", 3, vec![said("a", "clause"), said("b", "clause"), said("s", "shadow")]),
        ("e4", 4, vec![said("s", "shadow"), said("b", "joined")]),
    ] {
        consume(&store, key, on, verdicts).await;
    }
    let all = |verdicts: &[(&str, i64)]| -> Vec<_> {
        verdicts.iter().map(|(verdict, day)| ((*verdict).to_owned(), *day)).collect()
    };
    type Row<'a> = (i64, &'a [(&'a str, i64)], &'a [(&'a str, i64)], &'a [(&'a str, i64)]);
    let rows: [Row<'_>; 4] = [
        (
            30,
            &[("clause", 3), ("clause", 2), ("opened", 1), ("opened", 0)],
            &[("joined", 4), ("clause", 3), ("could_not_decide", 2), ("could_not_decide", 1), ("clause", 0)],
            &[("shadow", 4), ("shadow", 3)],
        ),
        (
            33,
            &[("clause", 3), ("opened", 1), ("opened", 0)],
            &[("joined", 4), ("clause", 3), ("could_not_decide", 2), ("could_not_decide", 1)],
            &[("shadow", 4), ("shadow", 3)],
        ),
        (
            94,
            &[("opened", 1), ("opened", 0)],
            &[("joined", 4), ("could_not_decide", 2), ("could_not_decide", 1)],
            &[("shadow", 4)],
        ),
        (5_000, &[("opened", 1)], &[("joined", 4), ("could_not_decide", 2)], &[("shadow", 4)]),
    ];
    for (on, a, b, s) in rows {
        // Pruning twice changes nothing more, and a rebuilt state is equal.
        for _ in 0..2 {
            store.prune(day(on)).await.unwrap();
        }
        assert_eq!((kept(&store, "a"), kept(&store, "b"), kept(&store, "s")), (all(a), all(b), all(s)));
        drop(store);
        assert_sound(dir.path());
        std::fs::remove_dir_all(dir.path().join("state")).unwrap();
        store = open(dir.path()).0;
        assert_eq!((kept(&store, "a"), kept(&store, "b"), kept(&store, "s")), (all(a), all(b), all(s)));
    }
    // A stored decision keeps its event as well.
    for (key, stays) in [("e0", false), ("e4", false)] {
        assert_eq!(store.verdicts(key).unwrap().is_some(), stays, "{key}");
        assert_eq!(store.event(key).unwrap().is_some(), stays, "{key}");
    }
    let last = store.asked_of("b", Class::Error, 9).unwrap();
    assert_eq!(last.iter().map(|one| one.event.as_str()).collect::<Vec<_>>(), ["e2"]);
}

#[tokio::test]
async fn more_than_one_look_of_the_pruning() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let asked = |number: i64, verdict: &str| Asked {
        at: at(number),
        subject: SubjectRef { source: String::new(), kind: SubjectKind::User, id: format!("u{number}") },
        event: "sweep:p/1".to_owned(),
        kind: "sweep".to_owned(),
        also: Vec::new(),
        time: at(0),
        said: said("p", verdict),
    };
    let asked: Vec<_> =
        (0..2_500).map(|number| asked(number, if number % 2 == 0 { "clause" } else { "opened" })).collect();
    store.commit(Commit { asked, ..Commit::default() }).await.unwrap();
    assert_eq!(store.asked_of("p", Class::NoMatch, 9_999).unwrap().len(), 1_250);
    store.prune(day(31)).await.unwrap();
    assert_eq!(store.asked_of("p", Class::NoMatch, 9_999).unwrap(), []);
    assert_eq!(store.asked_of("p", Class::Match, 9_999).unwrap().len(), 1_250);
    store.prune(day(400)).await.unwrap();
    let left = store.asked_of("p", Class::Match, 9_999).unwrap();
    assert_eq!(left.iter().map(|one| one.subject.id.as_str()).collect::<Vec<_>>(), ["u2499"]);
    assert_eq!(store.policies_asked("u2499").unwrap(), ["p"]);
    assert!(store.policies_asked("u1").unwrap().is_empty());
    drop(store);
    assert_sound(dir.path());
}

#[tokio::test]
async fn the_nearest_before_a_time_and_the_values_lie_with_the_person() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let about = SubjectRef { source: String::new(), kind: SubjectKind::User, id: "somebody-else".to_owned() };
    consume(&store, "e0", 0, vec![said("a", "clause"), said("a/b", "opened")]).await;
    consume(&store, "e1", 1, vec![said("a", "clause"), said("a", "joined")]).await;
    consume(&store, "e2", 2, vec![PolicyVerdict { about: Some(about), ..said("a", "opened") }]).await;
    let nearest = |until| {
        let found = store.asked("1", "a", until, 1).unwrap().pop();
        found.map(|asked| (asked.event, asked.said.verdict.to_string()))
    };
    let is = |event: &str, verdict: &str| Some((event.to_owned(), verdict.to_owned()));
    assert_eq!(nearest(day(0) - TimeDelta::seconds(1)), None);
    assert_eq!(nearest(day(0)), is("e0", "clause"));
    // Of one event, decisions with an effect come before those without.
    assert_eq!(nearest(day(9)), is("e1", "joined"));
    assert_eq!(store.policies_asked("1").unwrap(), ["a", "a/b"]);
    assert_eq!(store.policies_asked("somebody-else").unwrap(), ["a"]);
    let first = store.asked("1", "a", day(0), 1).unwrap().pop().unwrap();
    assert_eq!(first.said.trace, Some(trace()));
    assert_eq!(store.event("e0").unwrap().unwrap().key, "e0");
    consume(&store, "e3", 3, Vec::new()).await;
    assert_eq!(store.event("e3").unwrap(), None, "no policy was asked about it");
    let consumed = store.verdicts("e0").unwrap().unwrap();
    assert!(consumed.verdicts.iter().all(|said| said.trace.is_none()));
    drop(store);
    assert_sound(dir.path());
}
