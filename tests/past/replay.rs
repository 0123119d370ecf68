//! Decisions can be repeated from the journal alone with equal results, byte for byte. A change that was written by any
//! other means is found.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::TimeDelta;
use proofd::case::{Case, Input, OpenedBy, Opening, Operator, Order, Press, State};
use proofd::engine::clock::Virtual;
use proofd::engine::replay::{self, Replayed};
use proofd::engine::{Connectors, Engine, Settings};
use proofd::model::{Actor, Clock, Failure, Fields, Outcome, Subject, SubjectKind};
use proofd::policy::Revision;
use proofd::policy::tree::StepIndex;
use proofd::rollout;
use proofd::store::{self, Changed, Commit, Store};

fn settings(organization: &str) -> Settings {
    Settings {
        public_url: "http://127.0.0.1".to_owned(),
        organization: organization.to_owned(),
        rollout: rollout::Settings {
            policies: PathBuf::from("tests/data/tree"),
            park: Vec::new(),
            ..Default::default()
        },
        ..Settings::default()
    }
}

/// Makes six decisions: a person is invited, the mail server fails once, the person presses, an operator cancels.
async fn decide(dir: &Path) -> Case {
    let clock = Virtual::new("2026-01-05T09:00:00Z".parse().unwrap());
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let (store, opened) = Store::open(dir, clock.now()).unwrap();
    let engine =
        Engine::open(settings("Example"), store, &opened, shared, Connectors::default()).await.unwrap();
    let active = engine.active();
    let policy = active.set.policies.get("proofing").unwrap();
    let mut fields = Fields::new();
    for field in ["first_name", "last_name", "locale"] {
        fields.insert(field.to_owned(), "Ada".into());
    }
    fields.insert("email".to_owned(), "ada@partner.test".into());
    let opening = Opening {
        subject: Subject {
            source: String::new(),
            kind: SubjectKind::Registration,
            id: "1".to_owned(),
            fields,
        },
        by: OpenedBy::Hand { by: "Dana".to_owned(), reason: "a test".to_owned(), nonce: "1".to_owned() },
        key: "1".to_owned(),
    };
    let case = engine.cases().open_case(opening, policy).await.unwrap().unwrap();
    let State::Verifying(proving) = &case.state else { panic!("{:?}", case.state) };
    let operator =
        Operator { order: Order::Cancel, by: Actor::named("Dana"), reason: "the test is over".to_owned() };
    let mail = *case.calls.keys().next().unwrap();
    for input in [
        Input::Attempt { call: mail },
        Input::Outcome {
            call: mail,
            attempt: 1,
            outcome: Outcome::Failed(Failure::unavailable("the mail server is away")),
        },
        Input::Press(Press { link: proving.link, locale: Some("de".to_owned()), agreed: None }),
        Input::Lost { call: mail, attempt: 7 },
        Input::Operator(operator),
    ] {
        clock.advance(TimeDelta::seconds(1));
        let _ = engine.cases().apply(&case.id, input).await;
    }
    let case = engine.cases().case(&case.id).unwrap().unwrap();
    assert!(case.is_closed());
    engine.store().close().await.unwrap();
    case
}

/// Appends a change to a closed store.
async fn append(dir: &Path, changed: Changed) {
    let (store, _) = Store::open(dir, changed.at).unwrap();
    store.commit(Commit { cases: vec![changed], ..Commit::default() }).await.unwrap();
    store.close().await.unwrap();
}

/// The last change in a closed store.
fn last_of(dir: &Path) -> Changed {
    let mut last = None;
    store::verify_with(dir, &mut |_, commit, _| last = commit.cases.last().cloned().or(last.take())).unwrap();
    last.unwrap()
}

/// Repeats the decisions: the numbers of repeated, foreign, unrecorded and different ones, and the differences.
fn check(dir: &Path, organization: &str, expected: [u64; 4], says: &[&str]) {
    let (report, found) = replay::verify(dir, &settings(organization)).unwrap();
    assert_eq!(report.differences, Vec::<String>::new());
    let Replayed { decided, elsewhere, unrecorded, different, differences } = found;
    assert_eq!([decided, elsewhere, unrecorded, different], expected, "{differences:?}");
    assert_eq!(differences.len(), says.len());
    for (difference, says) in differences.iter().zip(says) {
        assert!(difference.contains(says) && !difference.contains("ada"), "{difference}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_decisions_give_the_same_records() {
    let dir = tempfile::tempdir().unwrap();
    decide(dir.path()).await;
    // The loss of an attempt that never began is refused, and a refused input is not written.
    check(dir.path(), "Example", [5, 0, 0, 0], &[]);
    check(dir.path(), "Another", [0, 5, 0, 0], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_a_decision_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let closed = decide(dir.path()).await;
    let last = last_of(dir.path());
    let open = Case { state: State::Calling { step: StepIndex(0), call: 1 }, ..closed.clone() };
    let unstored = Case { revision: Revision("0".repeat(24)), ..closed.clone() };
    let approved = Case { result: Some("approved".to_owned()), ..closed };
    for forged in [
        last.clone(),
        // As older versions wrote it.
        Changed { case: open, recorded: None, ..last.clone() },
        Changed { case: approved, ..last.clone() },
        Changed { case: unstored, ..last.clone() },
    ] {
        append(dir.path(), forged).await;
    }
    let says = ["is refused now: the case is closed", "case.result", "is not in the journal"];
    check(dir.path(), "Example", [8, 0, 1, 3], &says);
}
