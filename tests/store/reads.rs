//! Every query finds committed data, in the right order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{
    assert_sound, at, case, changed, closed, entry, event, open, options, pending, received, subject,
};
use chrono::TimeDelta;
use proofd::case::State;
use proofd::model::{CaseId, EffectKind, Enrolment, Lane, Verdict};
use proofd::policy::Revision;
use proofd::policy::tree::StepIndex;
use proofd::store::{
    Act, CaseFilter, Commit, Consumed, Deferred, Enrolled, Error, Options, PolicyVerdict, Store,
    StoredRevision,
};

#[tokio::test]
async fn each_index_finds_a_case_until_it_closes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!(opened.rebuilt, None);
    let mut one = case("one", 0);
    one.sessions.insert("ex-1".to_owned(), "acc-1".to_owned());
    one.calls.insert(1, pending(5));
    let id = one.id.clone();
    store.commit(changed(one.clone())).await.unwrap();

    assert_eq!(store.case(&id).unwrap(), Some(one.clone()));
    assert_eq!(store.entries(&id, 0, 9).unwrap(), vec![entry(0)]);
    assert_eq!(store.open_case("self-registration", "key-one").unwrap(), Some(id.clone()));
    assert_eq!(store.open_cases_of(&subject("r-one")).unwrap(), vec![id.clone()]);
    assert_eq!(store.case_by_execution("ex-1").unwrap(), Some(id.clone()));
    assert_eq!(
        store.counts().unwrap(),
        BTreeMap::from([(("self-registration".into(), "running".into()), 1)])
    );
    assert_eq!(store.due_calls(Lane::Identity, at(5), 9).unwrap(), (vec![(id.clone(), 1)], None));

    one.calls.get_mut(&1).unwrap().begun = Some(at(5));
    one.calls.get_mut(&1).unwrap().attempt = 1;
    store.commit(changed(one.clone())).await.unwrap();
    assert_eq!(store.due_calls(Lane::Identity, at(9), 9).unwrap(), (vec![], None));
    assert_eq!(store.begun_calls().unwrap(), vec![(id.clone(), 1, 1)]);

    one.calls.clear();
    one.state = State::Closed;
    store.commit(changed(one.clone())).await.unwrap();
    assert_eq!(store.open_case("self-registration", "key-one").unwrap(), None);
    assert!(store.open_cases_of(&subject("r-one")).unwrap().is_empty());
    assert!(store.begun_calls().unwrap().is_empty());
    assert!(store.counts().unwrap().is_empty());
    assert_eq!(store.case_by_execution("ex-1").unwrap(), Some(id));
    drop(store);
    assert_sound(dir.path());
}

#[tokio::test]
async fn due_calls_and_cases_are_sorted_with_the_time_of_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    for (name, due) in [("c", 30), ("a", 10), ("b", 20), ("z", 10)] {
        let mut one = case(name, 0);
        one.calls.insert(7, pending(due));
        store.commit(changed(one)).await.unwrap();
    }
    let due = |now: i64, limit: usize| {
        let (calls, next) = store.due_calls(Lane::Identity, at(now), limit).unwrap();
        (calls.into_iter().map(|(id, _)| id.0).collect::<Vec<_>>().join(""), next)
    };
    for (now, limit, expected, next) in [
        (9, 9, "", Some(10)),
        (10, 9, "az", Some(20)),
        (25, 9, "azb", Some(30)),
        (99, 9, "azbc", None),
        (99, 2, "az", Some(20)),
        (99, 0, "", Some(10)),
    ] {
        assert_eq!(due(now, limit), (expected.to_owned(), next.map(at)), "now {now}, at most {limit}");
    }
    assert_eq!(store.due_calls(Lane::Mail, at(99), 9).unwrap(), (vec![], None));
}

#[tokio::test]
async fn cases_are_listed_newest_first_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    for number in 0..25_i64 {
        let name = format!("n{number:02}");
        let mut one = if number % 2 == 0 { case(&name, number) } else { closed(&name, number) };
        one.sessions.insert(format!("ex-{number}"), "acc".to_owned());
        store.commit(changed(one)).await.unwrap();
    }
    let mut cursor = None;
    let mut names = Vec::new();
    loop {
        let (page, next) = store.cases(&CaseFilter::default(), cursor.as_deref(), 10).unwrap();
        names.extend(page.into_iter().map(|case| case.id.0));
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (0..25).rev().map(|number| format!("n{number:02}")).collect();
    assert_eq!(names, expected);

    let count = |filter: CaseFilter| store.cases(&filter, None, 99).unwrap().0.len();
    let none = CaseFilter::default;
    for (filter, expected) in [
        (CaseFilter { open: Some(true), ..none() }, 13),
        (CaseFilter { open: Some(false), ..none() }, 12),
        (CaseFilter { policy: Some("other".into()), ..none() }, 0),
        (CaseFilter { subject: Some("r-n03".into()), ..none() }, 1),
        (CaseFilter { subject: Some("registration/r-n03".into()), ..none() }, 1),
        (CaseFilter { vendor: Some("acc".into()), ..none() }, 25),
        (CaseFilter { vendor: Some("ex-4".into()), ..none() }, 1),
        (CaseFilter { vendor: Some("ex-4".into()), open: Some(false), ..none() }, 0),
    ] {
        assert_eq!(count(filter.clone()), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn an_event_is_received_once_from_all_channels() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let mut exact = event("exact", 1);
    exact.leaves = vec!["about-noon".to_owned()];
    let mut coarse = event("coarse", 2);
    coarse.near = vec!["about-noon".to_owned()];
    let inbox = |now| -> Vec<String> {
        store.inbox(at(now), 9).unwrap().0.into_iter().map(|waiting| waiting.event.key).collect()
    };
    store.commit(received([exact.clone(), exact.clone()])).await.unwrap();
    store.commit(received([coarse.clone(), exact.clone(), event("early", 0)])).await.unwrap();
    assert_eq!(inbox(0), ["early", "exact"]);
    assert!(!store.seen(&exact).unwrap());

    let deferred = Deferred { key: "early".into(), due: at(50), attempts: 3, reason: "not readable".into() };
    let consumed = Consumed {
        key: "exact".into(),
        at: at(1),
        verdicts: vec![PolicyVerdict::new("p", &Revision("0".into()), Verdict::Opened, String::new())],
        ..Consumed::default()
    };
    let commit = Commit { consumed: vec![consumed.clone()], deferred: vec![deferred], ..Commit::default() };
    store.commit(commit).await.unwrap();
    assert!(inbox(49).is_empty());
    assert_eq!(store.inbox(at(49), 9).unwrap().1, Some(at(50)));
    assert_eq!(store.inbox(at(50), 9).unwrap().0[0].attempts, 3);
    assert!(store.seen(&exact).unwrap() && store.seen(&coarse).unwrap());
    assert!(!store.seen(&event("early", 0)).unwrap());
    assert_eq!(store.verdicts("exact").unwrap(), Some(consumed));

    store.prune(at(0) + TimeDelta::days(44)).await.unwrap();
    assert!(store.seen(&exact).unwrap());
    store.prune(at(0) + TimeDelta::days(46)).await.unwrap();
    assert!(!store.seen(&exact).unwrap() && !store.seen(&coarse).unwrap());
    store.commit(received([event("early", 0)])).await.unwrap();
    assert_eq!(inbox(99), ["early"]);
    drop(store);
    assert_sound(dir.path());
}

#[tokio::test]
async fn revisions_cursors_and_enrolments_survive_a_restart_and_a_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let stored = StoredRevision {
        policy: "p".into(),
        revision: Revision("abc".into()),
        files: BTreeMap::from([("p.yaml".to_owned(), "x".repeat(700_000))]),
        at: at(3),
        tests: proofd::store::Examined { tests: 1, ..proofd::store::Examined::default() },
    };
    let mut commit = changed(case("one", 0));
    commit.cases[0].effects = vec![EffectKind::Delete, EffectKind::Delete];
    commit.cases[0].at = at(8);
    commit.cursors = BTreeMap::from([("onelogin".to_owned(), "17".to_owned())]);
    commit.revisions = vec![stored.clone()];
    commit.active = Some(BTreeMap::from([("p".to_owned(), Revision("abc".into()))]));
    let enrolment = Enrolment { account: "acc".into(), ..Enrolment::default() };
    commit.enrolled = vec![Enrolled { provider: "jumio".into(), person: "m".into(), enrolment }];
    store.commit(commit).await.unwrap();
    let secret = store.secret();
    let check = |store: &Store| {
        assert_eq!(store.cursor("onelogin").unwrap().as_deref(), Some("17"));
        assert_eq!(store.revisions("p").unwrap(), vec![stored.clone()]);
        let files = store.revision(&Revision("abc".into())).unwrap().unwrap();
        assert_eq!(files.get("p.yaml").map(|text| text.len()), Some(700_000));
        assert_eq!(store.active().unwrap().len(), 1);
        assert_eq!(store.enrolment("jumio", "m").unwrap().map(|known| known.account).as_deref(), Some("acc"));
        let effect = ("self-registration".to_owned(), EffectKind::Delete, at(8));
        assert_eq!(store.effects_since(at(8)).unwrap(), vec![effect.clone(), effect]);
        assert!(store.effects_since(at(9)).unwrap().is_empty());
        assert!(store.secret() == secret && secret.expose().len() == 64);
    };
    check(&store);
    store.close().await.unwrap();
    drop(store);
    let (store, opened) = open(dir.path());
    assert_eq!((opened.records, opened.rebuilt), (1, None));
    check(&store);
    drop(store);
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    let (store, opened) = open(dir.path());
    assert!(opened.rebuilt.is_some());
    check(&store);
    drop(store);
    assert_sound(dir.path());
}

#[tokio::test]
async fn a_second_open_fails_with_the_store_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    assert!(matches!(Store::open(dir.path(), at(0)), Err(Error::Locked(_))));
    assert!(matches!(proofd::store::verify(dir.path()), Err(Error::Locked(_))));
    store.close().await.unwrap();
    assert!(matches!(store.commit(Commit::default()).await, Err(Error::Closed)));
    drop(store);
    open(dir.path());
}

#[tokio::test]
async fn a_missing_secret_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    std::fs::remove_file(dir.path().join("secret")).unwrap();
    assert!(matches!(Store::open(dir.path(), at(0)), Err(Error::Lost(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_wait_together_are_synced_together() {
    let dir = tempfile::tempdir().unwrap();
    let syncs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&syncs);
    let options = Options {
        fault: Some(Arc::new(move |act| {
            if matches!(act, Act::Sync { .. }) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        })),
        segment_bytes: 8 << 10,
        ..options()
    };
    let (store, _) = Store::open_with(dir.path(), at(0), options).unwrap();
    let began = std::time::Instant::now();
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0..20_u32 {
                    let mut one = case(&format!("t{task}"), 0);
                    one.attempts = round;
                    store.commit(changed(one.clone())).await.unwrap();
                    assert_eq!(store.case(&one.id).unwrap().map(|case| case.attempts), Some(round));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let syncs = syncs.load(Ordering::Relaxed);
    println!("1280 commits, {syncs} syncs, {:?}", began.elapsed());
    assert!(syncs < 640, "{syncs} syncs for 1280 commits");
    assert_eq!(*store.applied().borrow(), 1280);
    drop(store);
    assert!(dir.path().join("journal/000002.log").exists());
    assert_sound(dir.path());
}

#[tokio::test]
async fn a_held_case_is_counted_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let mut one = case("one", 0);
    store.commit(changed(one.clone())).await.unwrap();
    one.state = State::Held { step: StepIndex(1), action: EffectKind::Delete, since: at(0), asked: None };
    store.commit(changed(one)).await.unwrap();
    assert_eq!(
        store.counts().unwrap(),
        BTreeMap::from([(("self-registration".into(), "over_limit".into()), 1)])
    );
    assert_eq!(store.case(&CaseId("none".into())).unwrap(), None);
}

#[tokio::test]
async fn the_history_is_read_in_order_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    // More than the reader threads hold at once.
    let big = "x".repeat(1 << 20);
    for number in 0..48 {
        let mut event = event(&format!("e{number:02}"), number);
        event.fields.insert("data".to_owned(), big.as_str().into());
        store.commit_durable(Commit { received: vec![event], ..Commit::default() }).await.unwrap();
    }
    let mut one = case("one", 0);
    one.subject.fields.insert("first_name".to_owned(), "Ada".into());
    store.commit(changed(one.clone())).await.unwrap();
    let mut keys = Vec::new();
    let mut cases = Vec::new();
    store
        .history(
            &|page| (page.received.into_iter().map(|event| event.key).collect::<Vec<_>>(), page.cases),
            &mut |(received, changed)| {
                keys.extend(received);
                cases.extend(changed);
                true
            },
        )
        .unwrap();
    assert_eq!(keys, (0..48).map(|number| format!("e{number:02}")).collect::<Vec<_>>());
    let then = cases.pop().unwrap();
    // Only the record of the opening contains the person's fields.
    one.subject.fields.clear();
    assert_eq!((then.case.id, then.case.state, then.case.subject), (one.id, one.state, one.subject));
    // The reader stops when the callback ends the iteration.
    let mut taken = 0;
    let given_up = store.history(&|page| page.received.len(), &mut |_| {
        taken += 1;
        taken < 3
    });
    assert!(matches!(given_up, Err(Error::Closed)), "{given_up:?}");
    assert_eq!(taken, 3);
}
