//! The OneLogin connector against a small scripted server. It must not use the simulator: a shared mistake would
//! stay undetected.
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use chrono::TimeDelta;
use proofd::connectors::IdentityProvider as _;
use proofd::connectors::onelogin::{OneLogin, RegistrationsMode, Settings};
use proofd::engine::clock::Virtual;
use proofd::model::{
    Action, Done, FailureKind, IdentityChange, Outcome, Secret, Snapshot, SubjectKind, SubjectRef,
};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::perform::{first, perform_at};

type Answers = Vec<(&'static str, u16, String)>;

/// Answers each `METHOD path` with the next of its answers and repeats the last one; keeps a log.
async fn tenant(mode: RegistrationsMode, answers: Answers) -> (Arc<OneLogin>, Arc<Mutex<Vec<String>>>) {
    let mut script = BTreeMap::<_, VecDeque<_>>::new();
    for (what, status, body) in answers {
        script.entry(what).or_default().push_back((status, body));
    }
    let (script, log) = (Arc::new(Mutex::new(script)), Arc::new(Mutex::new(Vec::new())));
    let seen = log.clone();
    let app = Router::new().fallback(move |request: Request| {
        let what = format!("{} {}", request.method(), request.uri().path());
        seen.lock().unwrap().push(what.clone());
        let answer = match script.lock().unwrap().get_mut(what.as_str()) {
            Some(queue) if queue.len() > 1 => queue.pop_front().unwrap(),
            Some(queue) => queue[0].clone(),
            None if what.ends_with("/token") => (200, r#"{"access_token":"t","expires_in":36000}"#.into()),
            None => (404, r#"{"message":"none","statusCode":404}"#.to_owned()),
        };
        async move { (StatusCode::from_u16(answer.0).unwrap(), [("retry-after", "7")], answer.1) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (connector(mode, &url), log)
}

fn connector(mode: RegistrationsMode, url: &str) -> Arc<OneLogin> {
    let settings = Settings {
        name: "onelogin".to_owned(),
        poll_every: TimeDelta::seconds(30),
        url: url.parse().unwrap(),
        client_id: "id".into(),
        client_secret: Secret::new("secret"),
        registrations: mode,
        webhook: Some(("X-OneLogin-Token".into(), Secret::new("shared"))),
        attributes: BTreeMap::new(),
        lookback: TimeDelta::hours(24),
    };
    let clock = Virtual::new("2026-01-02T00:00:00Z".parse().unwrap());
    Arc::new(OneLogin::new(settings, Arc::new(clock)).unwrap())
}

#[test]
fn webhook_bodies_are_parsed() {
    let good = r#"{"event_type_id":"100","user_id":"5001","event_timestamp":"2026-01-01 10:00:00 UTC"}"#;
    let mut headers = HeaderMap::new();
    headers.insert("x-onelogin-token", HeaderValue::from_static("shared"));
    for (body, expected) in [
        (format!("[{good}]"), "registration.created"),
        (format!("{good}\n{good}"), "registration.created registration.created"),
        ("[]".into(), ""),
        (good.replace("100", "17"), "user.deleted registration.deleted"),
        (good.replace("100", "9999"), "onelogin.9999"),
        (format!("[{good},7]"), "element 1 is not an event: not a JSON object"),
        (format!("{good}\n{{oops"), "element 1 is not an event: not JSON"),
    ] {
        let told = match connector(RegistrationsMode::UserRecord, "http://127.0.0.1:1")
            .webhook(&headers, body.as_bytes())
        {
            Ok(events) => events.iter().map(|e| e.kind.to_string()).collect::<Vec<_>>().join(" "),
            Err(refused) => refused.to_string(),
        };
        assert_eq!(told, expected, "{body}");
    }
    assert!(
        connector(RegistrationsMode::UserRecord, "http://127.0.0.1:1")
            .webhook(&HeaderMap::new(), b"[]")
            .is_err()
    );
}

#[tokio::test]
async fn invalid_answers_are_classified() {
    for (status, body, kind, wait) in [
        (429, "<html>slow</html>".to_owned(), FailureKind::Unavailable, Some(7)),
        (200, "<html>".to_owned(), FailureKind::Unavailable, None),
        (200, " ".repeat(10_000_000), FailureKind::Unavailable, None),
        (401, "{}".to_owned(), FailureKind::Unavailable, Some(7)),
        (403, "{}".to_owned(), FailureKind::Unavailable, Some(7)),
        (503, "{}".to_owned(), FailureKind::Unavailable, Some(7)),
    ] {
        let (onelogin, _) =
            tenant(RegistrationsMode::UserRecord, vec![("GET /api/1/events", status, body)]).await;
        let failure = onelogin.poll(None).await.unwrap_err();
        assert_eq!((failure.kind, failure.retry_after_seconds), (kind, wait), "{status}: {}", failure.reason);
    }
}

/// A token request with a wait is not repeated earlier, whichever call needs the token.
#[tokio::test]
async fn token_requests_respect_retry_after() {
    for status in [429, 503, 401] {
        let token = ("POST /auth/oauth2/v2/token", status, "<html>".to_owned());
        let (onelogin, log) = tenant(RegistrationsMode::UserRecord, vec![token]).await;
        for _ in 0..3 {
            let failure = onelogin.poll(None).await.unwrap_err();
            assert_eq!(failure.retry_after_seconds, Some(7), "{status}: {}", failure.reason);
        }
        assert_eq!(log.lock().unwrap().len(), 1, "{status}");
    }
}

const USER: &str = "GET /api/2/users/5001";
const PUT: &str = "PUT /api/2/users/5001";
const CREATED: &str = "2026-01-01T00:00:00.000Z";

#[tokio::test]
async fn effects_read_the_registration_before_and_after() {
    let put = || (PUT, 200, "{}".to_owned());
    let gone = || ("DELETE /api/2/users/5001", 204, String::new());
    let approve = || Action::change(snapshot(), IdentityChange::Approve);
    let delete = || Action::change(snapshot(), IdentityChange::Delete);
    let table: Vec<(Action, u32, Answers, &str, bool)> = vec![
        (approve(), 1, vec![user(0), user(1), put()], "done false", true),
        (approve(), 1, vec![user(1)], "done true", false),
        (approve(), 1, vec![user(0), user(3), put()], "Refused", true),
        (approve(), 1, vec![user(2)], "Changed", false),
        (approve(), 1, vec![], "Changed", false),
        (delete(), 1, vec![user(1)], "Changed", false),
        (delete(), 1, vec![], "Changed", false),
        (delete(), 2, vec![], "Changed", false),
        (delete(), 2, vec![event(17, json!("id"))], "done true", false),
        (delete(), 2, vec![event(17, json!("theirs"))], "Changed", false),
        (delete(), 2, vec![event(17, Value::Null)], "Changed", false),
        (delete(), 2, vec![event(530, Value::Null)], "done true", false),
        (delete(), 1, vec![user(0), user(0), gone()], "Unavailable", true),
    ];
    for (row, (action, attempt, answers, expected, writes)) in table.into_iter().enumerate() {
        let (told, log) = perform(RegistrationsMode::UserRecord, answers, action, attempt).await;
        assert_eq!(told, expected, "row {row}");
        assert_eq!(log.iter().any(|line| !line.starts_with("GET")), writes, "row {row}");
    }
}

const ROWS: &str = "GET /api/2/self_registration_profiles/8/registrations";
const PUT_ROW: &str = "PUT /api/2/self_registration_profiles/8/registrations/77";

/// The resource and the account must agree; a row that names another person is ignored.
#[tokio::test]
async fn a_registration_and_its_account_must_agree() {
    let row = |status: &str, user: Option<u32>| {
        let row = json!({"id": 77, "status": status, "email": "ADA@example.com", "user_id": user});
        (ROWS, 200, json!([row]).to_string())
    };
    let waits = |user| row("not_reviewed", user);
    let put = || (PUT_ROW, 200, "{}".to_owned());
    let table: Vec<(Answers, &str, &str)> = vec![
        (vec![waits(None), row("approved", None), user(0), user(1), put()], "done false", PUT_ROW),
        (vec![waits(Some(5001)), row("approved", None), user(0), user(1), put()], "done false", PUT_ROW),
        (vec![waits(None), row("approved", None), user(0), put()], "Unavailable", PUT_ROW),
        (vec![waits(None), user(0), user(1), put()], "Unavailable", PUT_ROW),
        (vec![waits(None), row("approved", None), user(0), user(3), put()], "Refused", PUT_ROW),
        (vec![waits(None), row("approved", None), user(0), user(2), put()], "Changed", PUT_ROW),
        (vec![waits(None), user(1)], "done true", ""),
        (vec![row("rejected", None), user(0)], "Changed", ""),
        (vec![row("of another kind", None), user(0)], "Unavailable", ""),
        (vec![waits(Some(6006)), user(0), user(1), (PUT, 200, "{}".into())], "done false", PUT),
    ];
    for (number, (answers, expected, wrote)) in table.into_iter().enumerate() {
        let action = Action::change(snapshot(), IdentityChange::Approve);
        let (told, log) = perform(RegistrationsMode::Resource, answers, action, 1).await;
        assert_eq!(told, expected, "row {number}");
        let writes: Vec<_> = log.iter().filter(|line| !line.starts_with("GET")).cloned().collect();
        assert_eq!(writes.join(" "), wrote, "row {number}");
    }
}

const ROLE_USERS: &str = "/api/2/roles/7/users";

/// The other effects on an account: the written values, and the result as read back.
#[tokio::test]
async fn effects_on_accounts_read_the_account_before_and_after() {
    let account = |status: u8, roles: &[u32]| {
        let record = json!({"id": "5001", "email": "other@example.com", "state": 1, "status": status,
            "role_ids": roles, "created_at": "2026-01-01T00:00:00Z", "custom_attributes": {"seen": null}});
        (USER, 200, record.to_string())
    };
    let roles = || ("GET /api/2/roles", 200, json!([{"id": 7, "name": "Staff"}]).to_string());
    let put = || (PUT, 200, "{}".to_owned());
    let known = || Snapshot {
        subject: SubjectRef { source: "onelogin".to_owned(), kind: SubjectKind::User, id: "5001".into() },
        ..snapshot()
    };
    let suspend = || Action::change(known(), IdentityChange::Suspend { end_sessions: true });
    let give = || Action::change(known(), IdentityChange::AssignRole { role: "Staff".into() });
    let take = || Action::change(known(), IdentityChange::RemoveRole { role: "Staff".into() });
    let set = || {
        Action::change(
            known(),
            IdentityChange::SetAttributes {
                attributes: json!({"attributes.seen": true}).as_object().unwrap().clone(),
            },
        )
    };
    let seen = |value: &str| {
        let record = json!({"id": 5001, "state": 1, "status": 1, "created_at": CREATED,
            "custom_attributes": {"seen": value}});
        (USER, 200, record.to_string())
    };
    let logout = || ("PUT /api/1/users/5001/logout", 200, "{}".to_owned());
    let table: Vec<(Action, Answers, &str, &str)> = vec![
        (suspend(), vec![account(1, &[]), account(2, &[]), put(), logout()], "applied active", "PUT PUT"),
        (suspend(), vec![account(2, &[]), logout()], "already suspended", "PUT"),
        (suspend(), vec![account(1, &[]), put(), logout()], "Unavailable", "PUT"),
        (suspend(), vec![account(1, &[]), account(2, &[]), put()], "Changed", "PUT PUT"),
        (give(), vec![roles(), account(7, &[])], "Unavailable", ""),
        (give(), vec![roles(), account(2, &[7])], "already", ""),
        (
            give(),
            vec![roles(), account(1, &[]), account(1, &[7]), ("POST /api/2/roles/7/users", 200, "[]".into())],
            "applied",
            "POST",
        ),
        (
            take(),
            vec![roles(), account(1, &[7]), account(1, &[]), ("DELETE /api/2/roles/7/users", 204, "".into())],
            "applied",
            "DELETE",
        ),
        // Removing a missing role or value already has the wanted result.
        (take(), vec![roles(), account(1, &[])], "already", "DELETE"),
        (set(), vec![seen("false"), seen("true"), put()], "applied", "PUT"),
        (set(), vec![seen("true")], "already", ""),
        (set(), vec![seen("false"), put()], "Unavailable", "PUT"),
    ];
    for (row, (action, answers, expected, wrote)) in table.into_iter().enumerate() {
        let (told, log) = perform(RegistrationsMode::UserRecord, answers, action, 1).await;
        assert_eq!(told, expected, "row {row}: {log:?}");
        let writes = log.iter().filter(|line| !line.starts_with("GET"));
        let writes: Vec<_> = writes.map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(writes.join(" "), wrote, "row {row}");
        assert!(log.iter().all(|line| !line.contains("/roles/") || line.ends_with(ROLE_USERS)), "row {row}");
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        subject: SubjectRef {
            source: "onelogin".to_owned(),
            kind: SubjectKind::Registration,
            id: "5001".into(),
        },
        user_id: Some("5001".into()),
        profile_id: Some("8".into()),
        email: Some("ada@example.com".into()),
        created_at: Some(CREATED.parse().unwrap()),
        compared: BTreeMap::new(),
    }
}

/// A tenant event about the deletion of the account.
fn event(number: u32, client: Value) -> (&'static str, u16, String) {
    let event = json!({"event_type_id": number, "user_id": 5001, "created_at": CREATED, "client_id": client});
    ("GET /api/1/events", 200, json!({"data": [event]}).to_string())
}

fn user(state: u8) -> (&'static str, u16, String) {
    let record = json!({"id": 5001, "email": "ada@example.com", "state": state, "created_at": CREATED});
    (USER, 200, record.to_string())
}

/// The result of an effect, and its requests without those for tokens.
async fn perform(
    mode: RegistrationsMode,
    answers: Answers,
    action: Action,
    attempt: u32,
) -> (String, Vec<String>) {
    let (onelogin, log) = tenant(mode, answers).await;
    let mut call = first(action);
    call.attempt.number = attempt;
    let told = match perform_at(&onelogin, &call).await {
        Outcome::Done(Done::Approved { already, .. } | Done::Deleted { already }) => {
            format!("done {already}")
        }
        Outcome::Done(Done::Applied { already, before }) => {
            let word = if already { "already" } else { "applied" };
            format!("{word} {}", before.unwrap_or_default()).trim_end().to_owned()
        }
        Outcome::Done(other) => format!("{other:?}"),
        Outcome::Failed(failure) => format!("{:?}", failure.kind),
    };
    let log = log.lock().unwrap().iter().filter(|line| !line.contains("/token")).cloned().collect();
    (told, log)
}
