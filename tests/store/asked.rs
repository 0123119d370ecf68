//! Policy decisions in the store: found by person, kept by verdict, by reference to a clause, equal after a rebuild.
use crate::support::{assert_sound, at, event, open, received, subject};
use chrono::TimeDelta;
use proofd::model::{Event, Fields, Subject, SubjectKind, SubjectRef, Timestamp, Verdict};
use proofd::policy::Revision;
use proofd::policy::script::{Answer, Seen, Trace, Traced};
use proofd::store::{Asked, AskedAbout, Class, Commit, Consumed, PolicyVerdict, Store};

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

/// A verdict as versions before 5 wrote it.
fn said(policy: &str, verdict: &str) -> PolicyVerdict {
    let verdict = Verdict::ALL.into_iter().find(|one| one.word() == verdict).unwrap();
    let said = PolicyVerdict::new(policy, &Revision("0".to_owned()), verdict, String::new());
    PolicyVerdict { trace: (verdict == Verdict::Clause).then(trace), ..said }
}

/// A verdict that refers to a clause.
fn clause(policy: &str, number: usize) -> PolicyVerdict {
    PolicyVerdict { trace: None, clause: Some(number), ..said(policy, "clause") }
}

async fn consume(store: &Store, key: &str, on: i64, verdicts: Vec<PolicyVerdict>) {
    let one = Event { subject: subject("1"), ..event(key, on * 86_400) };
    store.commit(received([one])).await.unwrap();
    let fields = Fields::from_iter([("state".to_owned(), key.into())]);
    let named =
        vec![Subject { source: String::new(), kind: SubjectKind::Registration, id: "1".to_owned(), fields }];
    let consumed = Consumed { key: key.to_owned(), at: day(on), verdicts, people: Vec::new(), named };
    store.commit(Commit { consumed: vec![consumed], ..Commit::default() }).await.unwrap();
}

/// A policy's stored decisions about the person: verdicts and days, newest first.
fn kept(store: &Store, policy: &str) -> Vec<(String, i64)> {
    let about = AskedAbout { policy: Some(policy), ..AskedAbout::person("1", day(9_999)) };
    let asked = store.asked(about, 99).unwrap().into_iter().map(|one| one.asked);
    asked.map(|one| (one.said.verdict.to_string(), (one.at - day(0)).num_days())).collect()
}

#[tokio::test]
async fn each_answer_is_kept_as_long_as_its_kind_and_the_last_ones_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    for (key, on, verdicts) in [
        ("e0", 0, vec![said("a", "opened"), clause("b", 0)]),
        ("e1", 1, vec![said("a", "opened"), said("b", "could_not_decide")]),
        ("e2", 2, vec![clause("a", 1), said("b", "could_not_decide")]),
        ("e3", 3, vec![clause("a", 0), said("b", "clause"), said("s", "shadow")]),
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
            90,
            &[("clause", 3), ("clause", 2), ("opened", 1), ("opened", 0)],
            &[("joined", 4), ("clause", 3), ("could_not_decide", 2), ("could_not_decide", 1), ("clause", 0)],
            &[("shadow", 4), ("shadow", 3)],
        ),
        (
            93,
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
    let last = store.asked_in(Class::Error, 9).unwrap();
    assert_eq!(last.iter().map(|one| one.event.as_str()).collect::<Vec<_>>(), ["e2"]);
    assert_eq!(store.asked_in(Class::NoMatch, 9).unwrap(), []);
    // The event of a stored decision is stored as long.
    let events = store.events_of(AskedAbout::person("1", day(9_999)), 9).unwrap();
    assert_eq!(events.iter().map(|event| event.key.as_str()).collect::<Vec<_>>(), ["e4", "e2", "e1"]);
}

#[tokio::test]
async fn pruning_continues_after_its_first_batch() {
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
    assert_eq!(store.asked_in(Class::NoMatch, 9_999).unwrap().len(), 1_250);
    store.prune(day(91)).await.unwrap();
    assert_eq!(store.asked_in(Class::NoMatch, 9_999).unwrap(), []);
    assert_eq!(store.asked_in(Class::Match, 9_999).unwrap().len(), 1_250);
    store.prune(day(400)).await.unwrap();
    let left = store.asked_in(Class::Match, 9_999).unwrap();
    assert_eq!(left.iter().map(|one| one.subject.id.as_str()).collect::<Vec<_>>(), ["u2499"]);
    assert!(store.is_asked("u2499").unwrap());
    assert!(!store.is_asked("u1").unwrap());
    drop(store);
    assert_sound(dir.path());
}

#[tokio::test]
async fn the_last_verdict_before_a_time_is_found_by_person() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let about = SubjectRef { source: String::new(), kind: SubjectKind::User, id: "somebody-else".to_owned() };
    consume(&store, "e0", 0, vec![said("a", "clause"), said("a/b", "opened")]).await;
    consume(&store, "e1", 1, vec![said("a", "clause"), said("a", "joined")]).await;
    consume(&store, "e2", 2, vec![PolicyVerdict { about: Some(about), ..said("a", "opened") }]).await;
    let nearest = |until| {
        let about = AskedAbout { policy: Some("a"), ..AskedAbout::person("1", until) };
        let found = store.asked(about, 1).unwrap().pop();
        found.map(|found| (found.asked.event, found.asked.said.verdict.to_string()))
    };
    let is = |event: &str, verdict: &str| Some((event.to_owned(), verdict.to_owned()));
    assert_eq!(nearest(day(0) - TimeDelta::seconds(1)), None);
    assert_eq!(nearest(day(0)), is("e0", "clause"));
    // Of one event, decisions with an effect come before those without.
    assert_eq!(nearest(day(9)), is("e1", "joined"));
    let asked = |person: &str| {
        let last = store.last_asked(AskedAbout::person(person, day(9))).unwrap();
        last.by_policy.into_iter().map(|(policy, last)| (policy, last.asked.event)).collect::<Vec<_>>()
    };
    let all = |all: &[(&str, &str)]| -> Vec<_> {
        all.iter().map(|(policy, event)| ((*policy).to_owned(), (*event).to_owned())).collect()
    };
    assert_eq!(asked("1"), all(&[("a", "e1"), ("a/b", "e0")]));
    assert_eq!(asked("somebody-else"), all(&[("a", "e2")]));
    assert_eq!(asked("nobody"), []);
    let about = AskedAbout { event: Some("e0"), policy: Some("a"), ..AskedAbout::person("1", day(9)) };
    let first = store.asked(about, 1).unwrap().pop().unwrap();
    assert_eq!(first.asked.said.trace, Some(trace()));
    assert_eq!(store.event("e0").unwrap().unwrap().key, "e0");
    consume(&store, "e3", 3, Vec::new()).await;
    assert_eq!(store.event("e3").unwrap(), None, "no policy was asked about it");
    drop(store);
    assert_sound(dir.path());
}

#[tokio::test]
async fn a_clause_is_stored_as_a_reference_with_the_event_and_the_fields() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let policies: Vec<String> = (0..10).map(|number| format!("p{number}")).collect();
    let all: Vec<_> = policies.iter().enumerate().map(|(number, policy)| clause(policy, number)).collect();
    for number in 0..40 {
        consume(&store, &format!("e{number}"), number / 4, all.clone()).await;
    }
    // A policy that decided otherwise has the list of the others, and no clause in it.
    let mut one = all.clone();
    one[3] = said("p3", "opened");
    consume(&store, "e40", 10, one).await;
    for again in 0..2 {
        let last = store.last_asked(AskedAbout::person("1", day(99))).unwrap();
        assert_eq!(last.from, None);
        assert_eq!(last.by_policy.keys().collect::<Vec<_>>(), policies.iter().collect::<Vec<_>>());
        for (number, policy) in policies.iter().enumerate() {
            let found = &last.by_policy[policy];
            let inputs = found.inputs.as_ref().unwrap();
            let is = &found.asked;
            assert_eq!((is.event.as_str(), inputs.event.key.as_str()), ("e40", "e40"));
            assert_eq!(inputs.named["state"], "e40");
            let expected =
                if number == 3 { (Verdict::Opened, None) } else { (Verdict::Clause, Some(number)) };
            assert_eq!((is.said.verdict, is.said.clause), expected, "{again}");
        }
        let about = AskedAbout { policy: Some("p3"), ..AskedAbout::person("1", day(9)) };
        let earlier = store.asked(about, 99).unwrap();
        assert_eq!(earlier.len(), 40);
        assert!(earlier.iter().all(|one| one.asked.said.clause == Some(3)));
        assert!(earlier.is_sorted_by_key(|one| std::cmp::Reverse(one.asked.at)));
        let verdicts = store.verdicts("e0").unwrap().unwrap();
        assert_eq!(verdicts.verdicts, all);
        drop(store);
        assert_sound(dir.path());
        std::fs::remove_dir_all(dir.path().join("state")).unwrap();
        store = open(dir.path()).0;
    }
    // Nothing is left of expired references.
    store.prune(day(3_000)).await.unwrap();
    let left = store.last_asked(AskedAbout::person("1", day(3_000))).unwrap().by_policy;
    assert_eq!(left.keys().collect::<Vec<_>>(), ["p3"]);
}
