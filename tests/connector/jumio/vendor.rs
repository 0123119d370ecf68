//! The connector with the simulated vendor: the result of an earlier run determines which later runs are
//! possible. Data that the vendor deletes and runs that are not finished never become a rejection.

use super::peer::ordered;
use std::sync::Arc;

use chrono::TimeDelta;
use proofd::connectors::jumio::{Jumio, Settings, Urls, Web};
use proofd::engine::clock::Virtual;
use proofd::model::{
    Action, FailureKind, Judgement, Method, Outcome, Phase, ReadSession, Reading, Secret, Session,
    SessionAction,
};
use proofd::simulate::applicant::{Applicant, Lost};
use proofd::simulate::jumio::{self, Expired, Knobs, Script, Wiped};
use proofd::simulate::ledger::Ledger;
use proofd::simulate::town::{Addresses, Credentials, Town};
use serde_json::json;
use url::Url;

use super::peer::{call, failure, reading, session, start_of_test};
use crate::perform::perform_at;

struct Street {
    town: Town,
    jumio: Arc<Jumio>,
    clock: Virtual,
}

impl Street {
    async fn new() -> Self {
        let clock = Virtual::new(start_of_test());
        let credentials = Credentials::default();
        let town = Town::serve(Addresses::default(), &credentials, Arc::new(clock.clone()), Ledger::memory())
            .await
            .unwrap();
        town.jumio.turn(|knobs| knobs.rate_limits = false);
        let url = |host: &str| Url::parse(&format!("{}/{host}", town.jumio_served.url)).unwrap();
        let urls = Urls { auth: url("auth"), account: url("account"), retrieval: url("retrieval") };
        let settings = Settings {
            web: Web::urls(&urls),
            urls,
            client_id: credentials.client_id,
            client_secret: Secret::new(credentials.client_secret),
            user_agent: "Example proofd/v1".to_owned(),
            starts_per_second: 1.0,
        };
        let jumio = Arc::new(Jumio::new(settings, Arc::new(clock.clone())).unwrap());
        Self { town, jumio, clock }
    }

    async fn start(&self, way: Method, on: Option<&str>) -> Outcome {
        let action = ordered(|order| {
            order.method = way;
            order.account = on.map(str::to_owned);
            order.callback_url = None;
            order.workflow = match way {
                Method::Full => "10011",
                Method::Authentication => "10014",
                Method::ExistingId => "10022",
            }
            .to_owned();
        });
        perform_at(&self.jumio, &call(action)).await
    }

    async fn read(&self, session: &Session) -> Outcome {
        let action = Action::Verification {
            provider: "jumio".to_owned(),
            session: SessionAction::Read(ReadSession {
                account: session.account.clone(),
                execution: session.execution.clone(),
                reference: session.reference.clone(),
                returns_by: None,
                returned: None,
            }),
        };
        perform_at(&self.jumio, &call(action)).await
    }

    async fn passes(&self, script: Script) -> (Session, Reading) {
        let session = session(self.start(Method::Full, None).await);
        self.town.jumio.finish(&session.execution, Some(script)).unwrap();
        let reading = reading(self.read(&session).await);
        (session, reading)
    }
}

/// New checks and words, a bill beside the ID, and a run that is temporarily missing.
#[tokio::test]
async fn unknown_parts_of_a_newer_api_are_ignored() {
    let bill = json!([{"credentials": [{"id": "b", "category": "DOCUMENT"}], "decision": {"type": "PASSED"},
        "data": {"type": "UB", "firstName": "JORDAN", "lastName": "TENANT"}}]);
    for (patch, decision, named) in [
        (json!({"capabilities": {"deviceRisk": [{"decision": {"type": "INFO"}}]}}), Judgement::Passed, true),
        (json!({"capabilities": {"ageCheck": "YES"}}), Judgement::Passed, true),
        (json!({"capabilities": {"extraction": bill}}), Judgement::Passed, false),
        (json!({"decision": {"type": "CLEAR"}}), Judgement::Unknown, true),
    ] {
        // Each in a world of its own: a face that appears twice is reported.
        let street = Street::new().await;
        street.town.jumio.turn(|knobs| knobs.details_patch = Some(patch.clone()));
        let (_, reading) = street.passes(Script::default()).await;
        let proof = reading.proof.unwrap();
        assert_eq!((proof.decision, proof.document.is_some()), (decision, named), "{patch}");
    }
    let street = Street::new().await;
    let session = session(street.start(Method::Full, None).await);
    let fault = json!({"what": {"status": 404}, "path": "/retrieval", "count": 1});
    street.town.jumio.turn(|knobs| knobs.faults = vec![serde_json::from_value(fault).unwrap()]);
    assert_eq!(failure(street.read(&session).await).kind, FailureKind::Unavailable);
    assert_eq!(reading(street.read(&session).await).phase, Phase::Waiting);
}

/// An account in each state, and the result of each method on it.
#[tokio::test]
async fn each_method_has_the_expected_result_for_each_account_state() {
    type Change = fn(&Street, &Session);
    let rows: Vec<(&str, Change, [bool; 3])> = vec![
        ("enrolled", |_, _| (), [true; 3]),
        ("wiped", |street, one| street.town.jumio.wipe(&one.account), [true, false, false]),
        (
            "past retention",
            |street, _| {
                street.town.jumio.turn(|knobs| knobs.retention_seconds = Some(90 * 86_400));
                street.clock.advance(TimeDelta::days(90));
            },
            [true, false, false],
        ),
        (
            "not quite past retention",
            |street, _| {
                street.town.jumio.turn(|knobs| knobs.retention_seconds = Some(90 * 86_400));
                street.clock.advance(TimeDelta::days(90) - TimeDelta::seconds(1));
            },
            [true; 3],
        ),
        (
            "forgotten after its wipe",
            |street, one| {
                street.town.jumio.turn(|knobs| knobs.wiped_account_unknown = true);
                street.town.jumio.wipe(&one.account);
            },
            [false; 3],
        ),
        (
            "deleted",
            |street, one| {
                street.town.jumio.forget(&one.account);
            },
            [false; 3],
        ),
    ];
    for (why, change, expected) in rows {
        for (method, expected) in
            [Method::Full, Method::Authentication, Method::ExistingId].into_iter().zip(expected)
        {
            let street = Street::new().await;
            let (first, read) = street.passes(Script::default()).await;
            assert_eq!(read.proof.unwrap().decision, Judgement::Passed);
            change(&street, &first);
            let outcome = street.start(method, Some(&first.account)).await;
            if expected {
                assert_eq!(session(outcome).account, first.account, "{why} {method:?}");
            } else {
                assert_eq!(failure(outcome).kind, FailureKind::NotEnrolled, "{why} {method:?}");
                // The fallback: a full run on a new account is always possible.
                assert_ne!(session(street.start(Method::Full, None).await).account, first.account, "{why}");
            }
        }
    }
}

/// Any status that the vendor chooses for "nothing enrolled" is recognized by its text.
#[tokio::test]
async fn missing_enrolment_is_recognized_under_any_status() {
    let street = Street::new().await;
    let (one, _) = street.passes(Script::default()).await;
    street.town.jumio.wipe(&one.account);
    for status in [400, 404, 409, 410, 412, 422] {
        street.town.jumio.turn(|knobs| knobs.not_enrolled_status = status);
        for method in [Method::Authentication, Method::ExistingId] {
            let failure = failure(street.start(method, Some(&one.account)).await);
            assert_eq!(failure.kind, FailureKind::NotEnrolled, "{status} {method:?}: {}", failure.reason);
        }
    }
}

/// The vendor's pages contradict each other on whether a check of a document on file has a link.
#[tokio::test]
async fn a_check_without_a_link_needs_the_operator() {
    let street = Street::new().await;
    let (one, _) = street.passes(Script::default()).await;
    street.town.jumio.turn(|knobs| knobs.existing_id_on_web = false);
    let failure = failure(street.start(Method::ExistingId, Some(&one.account)).await);
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.reason.contains("WEB channel"), "{}", failure.reason);
}

/// An enrolled person follows the link to the vendor and shows a face.
#[tokio::test]
async fn a_selfie_check_follows_the_link() {
    let street = Street::new().await;
    let (first, _) = street.passes(Script::default()).await;
    let second = session(street.start(Method::Authentication, Some(&first.account)).await);
    let to = second.link.clone();
    let daemon = axum::Router::new()
        .route("/v/1", axum::routing::post(move || async move { axum::response::Redirect::to(&to) }))
        .route("/v/2", axum::routing::post(|| async { "nothing is asked of you" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, daemon).await });
    let person = Applicant::new("Ann", "Example", "ann@example.com").unwrap();
    let link = |number: u32| format!("{base}/v/{number}");
    let followed = async |number| person.reverify(&street.town, &link(number), Script::default()).await;
    assert!(followed(2).await.unwrap().is_none());
    assert_eq!(followed(1).await.unwrap().unwrap().execution, second.execution);
    assert_eq!(reading(street.read(&second).await).proof.unwrap().decision, Judgement::Passed);
}

#[tokio::test]
async fn a_selfie_check_gives_a_proof_without_a_document() {
    use Judgement::{NotExecuted, Passed, Rejected, Warning};
    let warned = || Script { outcome: jumio::Outcome::Warn, ..Script::default() };
    let empty = || Script { outcome: jumio::Outcome::PassEmpty, ..Script::default() };
    // (the person who returns) to the decision, the check of the face and that of the picture
    type Row = (Script, Judgement, Option<Judgement>, Option<Judgement>);
    let rows: Vec<Row> = vec![
        (Script::same_person(), Passed, Some(Passed), Some(Passed)),
        (Script::another_person(), Rejected, Some(Rejected), Some(Passed)),
        (Script::face_of("somebody else"), Rejected, Some(Rejected), Some(Passed)),
        (Script::poor_image(), Rejected, Some(NotExecuted), Some(Rejected)),
        (warned(), Warning, Some(Warning), Some(Passed)),
        (empty(), Passed, None, None),
    ];
    for (method, check) in [(Method::Authentication, "authentication"), (Method::ExistingId, "similarity")] {
        for (script, decision, face, usability) in &rows {
            let street = Street::new().await;
            let (first, _) = street.passes(Script::default()).await;
            let second = session(street.start(method, Some(&first.account)).await);
            assert_eq!(reading(street.read(&second).await).phase, Phase::Waiting);
            let person = Applicant::new("Ann", "Example", "ann@example.com").unwrap();
            person.prove_by_selfie(&street.town, &second.execution, script.clone()).unwrap();
            let read = reading(street.read(&second).await);
            assert_eq!((read.phase, read.reference), (Phase::Done, Some(second.reference)));
            let proof = read.proof.unwrap();
            let about = format!("{method:?} {script:?} {proof:?}");
            assert_eq!(proof.decision, *decision, "{about}");
            assert_eq!(proof.checks.get(check), face.as_ref(), "{about}");
            assert_eq!(proof.checks.get("usability"), usability.as_ref(), "{about}");
            assert_eq!((proof.document, proof.same_face.len()), (None, 0), "{about}");
        }
    }
}

/// A person with only a selfie cannot complete a check that takes a document.
#[tokio::test]
async fn a_full_check_needs_a_document() {
    let street = Street::new().await;
    let one = session(street.start(Method::Full, None).await);
    let person = Applicant::new("Ann", "Example", "ann@example.com").unwrap();
    let lost = person.prove_by_selfie(&street.town, &one.execution, Script::default()).unwrap_err();
    assert!(matches!(lost, Lost::Document), "{lost}");
    person.prove(&street.town, &one.execution, Script::default()).unwrap();
    let document = reading(street.read(&one).await).proof.unwrap().document.unwrap();
    assert_eq!(document.first_name.as_deref(), Some("ANN"));
}

/// Earlier runs of the person are reported, and those of another account with the same face.
#[tokio::test]
async fn earlier_runs_with_the_same_face_are_reported() {
    let street = Street::new().await;
    let (first, _) = street.passes(Script::face_of("ann")).await;
    let (other, read) = street.passes(Script::face_of("ann")).await;
    let proof = read.proof.unwrap();
    assert_eq!((proof.decision, proof.same_face), (Judgement::Warning, vec![first.execution.clone()]));
    let again = session(street.start(Method::Full, Some(&first.account)).await);
    street.town.jumio.finish(&again.execution, Some(Script::face_of("ann"))).unwrap();
    let proof = reading(street.read(&again).await).proof.unwrap();
    assert_eq!(proof.same_face, [first.execution, other.execution]);
    assert_eq!(proof.reasons, ["REPEATED_FACE"]);
}

/// A run that was not finished, in every form in which the vendor reports it.
#[tokio::test]
async fn unfinished_runs_are_reported_as_expired() {
    let shapes =
        [Expired::New, Expired::Old, Expired::NotFound, Expired::Late, Expired::Unsaid, Expired::Nowhere];
    for expired in shapes {
        for opened in [false, true] {
            for method in [Method::Full, Method::Authentication, Method::ExistingId] {
                let street = Street::new().await;
                street.town.jumio.turn(|knobs| knobs.expired = expired);
                let (first, _) = street.passes(Script::default()).await;
                let second = session(street.start(method, Some(&first.account)).await);
                if opened {
                    street.town.jumio.abandon(&second.execution).unwrap();
                }
                street.clock.advance(TimeDelta::days(2));
                let read = reading(street.read(&second).await);
                assert_eq!(read.phase, Phase::Expired, "{expired:?} {opened} {method:?}");
                assert_eq!(read.proof, None);
            }
        }
    }
}

/// A result that was wiped before it was read, passed or rejected: it is unknown.
#[tokio::test]
async fn a_wiped_result_is_unknown() {
    let turn = |knobs: &mut Knobs, wiped: Wiped| knobs.wiped = wiped;
    for wiped in [Wiped::Emptied, Wiped::Silently, Wiped::Undecided, Wiped::NoDetails, Wiped::Gone] {
        for (method, script) in [
            (Method::Full, Script::another_person()),
            (Method::Authentication, Script::another_person()),
            (Method::Authentication, Script::same_person()),
        ] {
            let street = Street::new().await;
            street.town.jumio.turn(|knobs| turn(knobs, wiped));
            let (first, _) = street.passes(Script::default()).await;
            let second = session(street.start(method, Some(&first.account)).await);
            street.town.jumio.finish(&second.execution, Some(script.clone())).unwrap();
            street.town.jumio.wipe(&first.account);
            let about = format!("{wiped:?} {method:?} {script:?}");
            match street.read(&second).await {
                // A missing run may be too new; a wiped one is final at once.
                Outcome::Failed(failure) if wiped == Wiped::Gone => {
                    assert_eq!(failure.kind, FailureKind::Unavailable, "{about}");
                }
                Outcome::Failed(failure) => assert_eq!(failure.kind, FailureKind::Refused, "{about}"),
                Outcome::Done(_) if wiped == Wiped::NoDetails => {
                    // The details may only be late. They never appear, and the case ends the wait.
                    assert_eq!(reading(street.read(&second).await).phase, Phase::Processing, "{about}");
                }
                Outcome::Done(done) => {
                    let proof = reading(Outcome::Done(done)).proof.unwrap();
                    // No member shows that the data was wiped: a pass without checks, which no policy accepts.
                    assert_eq!(wiped, Wiped::Silently, "{about}");
                    assert_eq!((proof.decision, proof.checks.len()), (Judgement::Passed, 0), "{about}");
                }
            }
        }
    }
}
