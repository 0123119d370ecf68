//! The Jumio connector against a scripted server: what it sends, and what it makes of answers.
//! The answers of finished and unfinished runs are data, one file a case, in `tests/data/jumio`.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, Response};
use base64::Engine as _;
use chrono::{DateTime, TimeDelta};
use proofd::connectors::Connector;
use proofd::connectors::jumio::{Hint, Jumio, Settings, Urls, hint};
use proofd::engine::clock::Virtual;
use proofd::model::{
    Action, Call, CallId, CaseId, Done, Failure, FailureKind, Method, Outcome, Reading, Secret, Session,
    Timestamp,
};
use serde_json::{Value, json};
use url::Url;

const ACCOUNT: &str = "11111111-1111-4111-8111-111111111111";
const RUN: &str = "22222222-2222-4222-8222-222222222222";

/// One request as the server saw it.
#[derive(Debug, Clone)]
struct Seen {
    line: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

struct Reply {
    status: u16,
    body: String,
    headers: Vec<(&'static str, String)>,
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply { status, body: body.to_string(), headers: Vec::new() }
}

/// A server of all three hosts, each under its own path. Tokens are numbered.
struct Peer {
    base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Script = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

impl Peer {
    /// `script` gets the request and how many requests came before it.
    async fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let script: Arc<Script> = Arc::new(script);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let app = axum::Router::new().fallback(move |request: Request<Body>| {
            let (script, log) = (Arc::clone(&script), Arc::clone(&log));
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap().to_vec();
                let now = Seen { line: format!("{} {}", head.method, head.uri), headers: head.headers, body };
                let before = {
                    let mut log = log.lock().unwrap();
                    log.push(now.clone());
                    log.len() - 1
                };
                let Reply { status, body, headers } = script(&now, before);
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(body)).unwrap()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, seen }
    }

    fn settings(&self) -> Settings {
        let url = |host: &str| Url::parse(&format!("{}/{host}/", self.base)).unwrap();
        Settings {
            urls: Urls { auth: url("auth"), account: url("account"), retrieval: url("retrieval") },
            client_id: "client".to_owned(),
            client_secret: Secret::new("CLIENTSECRET"),
            user_agent: "Example proofd/v1".to_owned(),
        }
    }

    fn connector(&self) -> (Jumio, Virtual) {
        let clock = Virtual::new(start_of_test());
        (Jumio::new(self.settings(), Arc::new(clock.clone())).unwrap(), clock)
    }

    fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.line.clone()).collect()
    }

    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }
}

fn start_of_test() -> Timestamp {
    DateTime::parse_from_rfc3339("2026-01-15T10:00:00Z").unwrap().to_utc()
}

fn token(number: usize) -> Reply {
    reply(200, &json!({"access_token": format!("token-{number}"), "expires_in": 3600, "token_type": "Bearer"}))
}

fn started() -> Value {
    json!({
        "timestamp": "2026-01-15T10:00:01.221Z",
        "account": {"id": ACCOUNT},
        "web": {"href": "https://acme.web.amer-1.jumio.ai/web/client?authorizationToken=SAMPLE&locale=en"},
        "sdk": {"token": "SAMPLE"},
        "workflowExecution": {"id": RUN, "credentials": []}
    })
}

fn call(action: Action) -> Call {
    Call { id: CallId { case: CaseId("case-1".to_owned()), number: 2 }, attempt: 1, in_doubt: false, action }
}

fn start() -> Action {
    Action::StartVerification {
        provider: "jumio".to_owned(),
        workflow: "10011".to_owned(),
        method: Method::Full,
        account: None,
        reference: "case-1.2.1".to_owned(),
        person: "person-1".to_owned(),
        lifetime_seconds: 172_800,
        locale: Some("de-AT".to_owned()),
        callback_url: Some("https://idv.example.com/hooks/jumio/CALLBACKSECRET".to_owned()),
        return_url: Some("https://idv.example.com/done".to_owned()),
    }
}

fn restart() -> Action {
    let mut action = start();
    if let Action::StartVerification { account, workflow, method, locale, callback_url, return_url, .. } =
        &mut action
    {
        *account = Some(ACCOUNT.to_owned());
        *workflow = "authentication-at-acme".to_owned();
        *method = Method::Authentication;
        (*locale, *callback_url, *return_url) = (None, None, None);
    }
    action
}

fn read() -> Action {
    Action::ReadVerification {
        provider: "jumio".to_owned(),
        account: ACCOUNT.to_owned(),
        execution: RUN.to_owned(),
        reference: "case-1.2.1".to_owned(),
    }
}

fn session(outcome: Outcome) -> Session {
    match outcome {
        Outcome::Done(Done::Started { session }) => session,
        other => panic!("not started: {other:?}"),
    }
}

fn reading(outcome: Outcome) -> Reading {
    match outcome {
        Outcome::Done(Done::Read { reading }) => reading,
        other => panic!("not read: {other:?}"),
    }
}

fn failure(outcome: Outcome) -> Failure {
    let Outcome::Failed(failure) = outcome else { panic!("did not fail: {outcome:?}") };
    for secret in ["CLIENTSECRET", "CALLBACKSECRET", "SECRETNAME", "token-", "SAMPLE"] {
        assert!(!failure.reason.contains(secret), "{secret} is in: {}", failure.reason);
    }
    failure
}

#[tokio::test]
async fn a_first_run_is_started_as_jumio_wants_it() {
    let peer = Peer::start(|seen, before| match seen.line.as_str() {
        "POST /auth/oauth2/token" => token(before),
        "POST /account/api/v1/accounts" => reply(200, &started()),
        _ => reply(500, &json!({})),
    })
    .await;
    let (jumio, _clock) = peer.connector();
    let session = session(jumio.perform(&call(start())).await);
    assert_eq!(session.account, ACCOUNT);
    assert_eq!(session.execution, RUN);
    assert_eq!(session.link, started()["web"]["href"].as_str().unwrap());
    assert_eq!(session.reference, "case-1.2.1");
    assert_eq!(session.expires_at, start_of_test() + TimeDelta::days(2));

    let asked_for_token = peer.seen.lock().unwrap()[0].clone();
    let basic = base64::engine::general_purpose::STANDARD.encode("client:CLIENTSECRET");
    assert_eq!(asked_for_token.header("authorization"), format!("Basic {basic}"));
    assert_eq!(asked_for_token.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(asked_for_token.body, b"grant_type=client_credentials");
    assert_eq!(asked_for_token.header("user-agent"), "Example proofd/v1");

    let sent = peer.last();
    assert_eq!(sent.header("authorization"), "Bearer token-0");
    assert_eq!(sent.header("user-agent"), "Example proofd/v1");
    assert_eq!(sent.header("accept"), "application/json");
    assert_eq!(sent.header("content-type"), "application/json");
    assert_eq!(
        sent.json(),
        json!({
            "customerInternalReference": "case-1.2.1",
            "userReference": "person-1",
            "workflowDefinition": {"key": 10011},
            "tokenLifetime": "2d",
            "callbackUrl": "https://idv.example.com/hooks/jumio/CALLBACKSECRET",
            "web": {
                "successUrl": "https://idv.example.com/done",
                "errorUrl": "https://idv.example.com/done",
                "locale": "de"
            }
        })
    );
}

#[tokio::test]
async fn a_later_run_is_started_on_the_same_account() {
    let peer = Peer::start(|seen, before| match seen.line.as_str() {
        "POST /auth/oauth2/token" => token(before),
        line if line == format!("PUT /account/api/v1/accounts/{ACCOUNT}") => reply(201, &started()),
        _ => reply(500, &json!({})),
    })
    .await;
    let (jumio, _clock) = peer.connector();
    let session = session(jumio.perform(&call(restart())).await);
    assert_eq!(session.account, ACCOUNT);
    assert_eq!(
        peer.last().json(),
        json!({
            "customerInternalReference": "case-1.2.1",
            "userReference": "person-1",
            "workflowDefinition": {"key": "authentication-at-acme"},
            "tokenLifetime": "2d"
        })
    );
}

/// Answers to a start that are no session.
#[tokio::test]
async fn a_start_that_is_not_one() {
    let no_link = json!({"account": {"id": ACCOUNT}, "workflowExecution": {"id": RUN}, "sdk": {"token": "SAMPLE"}});
    let mut script_link = started();
    script_link["web"]["href"] = "javascript:alert(1)".into();
    let mut other_account = started();
    other_account["account"]["id"] = "11111111-1111-4111-8111-999999999999".into();
    let mut path_in_id = started();
    path_in_id["workflowExecution"]["id"] = "../status".into();
    let echo = json!({"message": "bad callbackUrl https://idv.example.com/hooks/jumio/CALLBACKSECRET here",
        "httpStatus": 400, "requestURI": "/api/v1/accounts"});
    let limit = json!({"title": "Too Many Requests", "status": 429, "detail": "Request limit exceeded"});
    use FailureKind::{Refused, Unavailable};
    for (action, status, body, kind, sentence) in [
        (start(), 200, no_link, Refused, "WEB channel"),
        (start(), 200, script_link, Unavailable, "not a web address"),
        (start(), 200, path_in_id, Unavailable, "ids"),
        (restart(), 200, other_account, Unavailable, "another account"),
        (start(), 200, json!({"account": 7}), Unavailable, "'account'"),
        (start(), 400, echo, Refused, "bad callbackUrl […] here"),
        (start(), 429, limit, Unavailable, "Request limit exceeded"),
        (start(), 500, json!(null), Unavailable, "500"),
        (start(), 302, json!(null), Unavailable, "302"),
        (start(), 403, json!({"message": "Forbidden"}), Unavailable, "permission"),
        (restart(), 404, json!({"message": "Not found"}), Refused, "account"),
        (restart(), 400, json!({"message": "No facemap is enrolled"}), Refused, "No facemap is enrolled"),
        (restart(), 422, json!({"title": "Unprocessable"}), Refused, "Unprocessable"),
    ] {
        let about = format!("{status} {body}");
        let peer = Peer::start(move |seen, before| {
            if seen.line.contains("token") { token(before) } else { reply(status, &body) }
        })
        .await;
        let (jumio, _clock) = peer.connector();
        let failure = failure(jumio.perform(&call(action)).await);
        assert_eq!(failure.kind, kind, "{about}: {}", failure.reason);
        assert!(failure.reason.contains(sentence), "{about}: {}", failure.reason);
    }
}

/// What Jumio would refuse without saying why is not sent.
#[tokio::test]
async fn an_order_that_jumio_would_not_take_is_not_sent() {
    let peer = Peer::start(|_, before| token(before)).await;
    let (jumio, _clock) = peer.connector();
    let long = "x".repeat(101);
    let far = format!("https://idv.example.com/{}", "x".repeat(255));
    let references = ["", &long, "a/b", "a|b", "a;b", "a%b", "{a}", "a`b", "a<b", "a\"b", "a\nb"];
    let mut orders: Vec<(Action, &str)> = Vec::new();
    for text in references {
        for which in ["reference", "person"] {
            let mut action = start();
            if let Action::StartVerification { reference, person, .. } = &mut action {
                *(if which == "reference" { reference } else { person }) = text.to_owned();
            }
            orders.push((action, "reference for Jumio"));
        }
    }
    for which in ["callback", "return", "workflow", "account"] {
        let mut action = start();
        if let Action::StartVerification { callback_url, return_url, workflow, account, .. } = &mut action {
            match which {
                "callback" => *callback_url = Some(far.clone()),
                "return" => *return_url = Some(far.clone()),
                "workflow" => workflow.clear(),
                _ => *account = Some("../../x".to_owned()),
            }
        }
        orders.push((action, if matches!(which, "callback" | "return") { "address for Jumio" } else { "" }));
    }
    for (action, sentence) in orders {
        let about = format!("{action:?}");
        let failure = failure(jumio.perform(&call(action)).await);
        assert_eq!(failure.kind, FailureKind::Refused, "{about}");
        assert!(failure.reason.contains(sentence), "{about}: {}", failure.reason);
    }
    assert_eq!(peer.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_wait_that_jumio_asks_for_is_told() {
    let peer = Peer::start(|seen, before| {
        let mut answer = reply(429, &json!({"title": "Too Many Requests"}));
        answer.headers.push(("retry-after", "17".to_owned()));
        if seen.line.contains("token") { token(before) } else { answer }
    })
    .await;
    let (jumio, _clock) = peer.connector();
    let failure = failure(jumio.perform(&call(start())).await);
    assert_eq!((failure.kind, failure.retry_after_seconds), (FailureKind::Unavailable, Some(17)));
}

/// A token is used for many calls, refreshed early, dropped when it is not accepted; never in a loop.
#[tokio::test]
async fn tokens_are_kept_refreshed_and_dropped() {
    let status = json!({"workflowExecution": {"id": RUN, "status": "INITIATED"}});
    let peer = Peer::start(move |seen, before| match seen.header("authorization") {
        basic if basic.starts_with("Basic") => token(before),
        // The token of the fifth request is withdrawn at once.
        "Bearer token-4" => reply(401, &json!({})),
        _ => reply(200, &status),
    })
    .await;
    let (jumio, clock) = peer.connector();
    let tokens = || peer.lines().iter().filter(|line| line.contains("token")).count();
    for _ in 0..3 {
        reading(jumio.perform(&call(read())).await);
    }
    assert_eq!(tokens(), 1);
    clock.advance(TimeDelta::minutes(50));
    reading(jumio.perform(&call(read())).await);
    assert_eq!(tokens(), 3, "one refreshed early, one because the refreshed one was not accepted");
    assert_eq!(peer.last().header("authorization"), "Bearer token-6");
}

#[tokio::test]
async fn a_token_that_is_never_accepted_waits_for_the_operator() {
    let peer = Peer::start(|seen, _| {
        // The same token again and again, as Jumio does.
        if seen.line.contains("token") { token(0) } else { reply(401, &json!({})) }
    })
    .await;
    let (jumio, _clock) = peer.connector();
    let failure = failure(jumio.perform(&call(start())).await);
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.reason.contains("401"), "{}", failure.reason);
    assert_eq!(peer.lines().len(), 4, "two tokens, two tries, no loop: {:?}", peer.lines());
}

#[tokio::test]
async fn no_token() {
    let invalid = json!({"error": "invalid_client", "error_description": "Bad client CLIENTSECRET"});
    for (status, body, sentence) in [
        (401, invalid.clone(), "OAuth client"),
        (400, invalid, "OAuth client"),
        (503, json!({}), "503"),
        (429, json!({}), "429"),
        (200, json!({"token": "x"}), "token answer"),
        (200, json!("no object"), "token answer"),
    ] {
        let peer = Peer::start(move |_, _| reply(status, &body)).await;
        let (jumio, _clock) = peer.connector();
        let failure = failure(jumio.perform(&call(read())).await);
        assert_eq!(failure.kind, FailureKind::Unavailable, "{status}");
        assert!(failure.reason.contains(sentence), "{status}: {}", failure.reason);
    }
}

/// The token's own end goes before what the answer says, because Jumio hands out half-used tokens.
#[tokio::test]
async fn a_half_used_token_is_refreshed_by_its_own_end() {
    let status = json!({"workflowExecution": {"id": RUN, "status": "INITIATED"}});
    let end = (start_of_test() + TimeDelta::minutes(5)).timestamp();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json!({"exp": end}).to_string());
    let granted = json!({"access_token": format!("e30.{claims}.x"), "expires_in": 3600});
    let peer = Peer::start(move |seen, _| {
        reply(200, if seen.line.contains("/token") { &granted } else { &status })
    })
    .await;
    let (jumio, clock) = peer.connector();
    for (minutes, requests) in [(0, 2), (3, 3), (2, 5)] {
        clock.advance(TimeDelta::minutes(minutes));
        reading(jumio.perform(&call(read())).await);
        assert_eq!(peer.lines().len(), requests, "{:?}", peer.lines());
    }
}

/// One file of `tests/data/jumio`: what the server answers, and what is expected of it.
async fn check(file: &Path) {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let case: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (expect, why) = (case["expect"].clone(), case["why"].clone());
    let run = format!("GET /retrieval/api/v1/accounts/{ACCOUNT}/workflow-executions/{RUN}");
    let answers = case.clone();
    let peer = Peer::start(move |seen, before| {
        let found = |body: &Value| match body {
            Value::Null => reply(404, &json!({"title": "Not Found", "status": 404})),
            body => reply(200, body),
        };
        match seen.line.strip_prefix(&run) {
            Some("/status") => reply(
                200,
                &json!({
                    "account": {"id": ACCOUNT, "href": "https://elsewhere.example.com/never-followed"},
                    "workflowExecution": {"id": RUN, "definitionKey": "10011", "status": answers["status"],
                        "href": "https://elsewhere.example.com/never-followed"}
                }),
            ),
            Some("") => found(&answers["details"]),
            Some("/steps") => found(&answers["steps"]),
            _ => token(before),
        }
    })
    .await;
    let (jumio, _clock) = peer.connector();
    let outcome = jumio.perform(&call(read())).await;
    if let Some(kind) = expect.get("failed") {
        let failure = failure(outcome);
        assert_eq!(&json!(failure.kind), kind, "{name}: {why}: {}", failure.reason);
        return;
    }
    let got = reading(outcome);
    assert_eq!((got.account.as_str(), got.execution.as_str()), (ACCOUNT, RUN), "{name}");
    let got = json!({"phase": got.phase, "reference": got.reference, "proof": got.proof});
    assert_eq!(got, expect, "{name}: {why}");
    let asked_steps = peer.lines().iter().any(|line| line.ends_with("/steps"));
    let rejected_authentication =
        got["proof"]["checks"].get("authentication").is_some() && got["proof"]["decision"] != "passed";
    assert_eq!(asked_steps, rejected_authentication, "{name}");
}

#[tokio::test]
async fn readings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jumio");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 40, "the data files are missing");
    for file in files {
        check(&file).await;
    }
}

/// A run cannot be read, and that is neither a pass nor a rejection.
#[tokio::test]
async fn a_run_that_cannot_be_read() {
    let other = json!({"workflowExecution": {"id": "another", "status": "PROCESSED"}});
    let stranger = json!({"account": {"id": "other"}, "workflowExecution": {"id": RUN, "status": "PROCESSED"}});
    let details_shape = json!({"workflow": {"id": RUN, "status": "PROCESSED"}});
    for (status, body, kind) in [
        (404, json!({"title": "Not Found"}), FailureKind::Refused),
        (403, json!({}), FailureKind::Unavailable),
        (429, json!({}), FailureKind::Unavailable),
        (502, json!({}), FailureKind::Unavailable),
        (200, json!("<html>"), FailureKind::Unavailable),
        (200, other, FailureKind::Unavailable),
        (200, stranger, FailureKind::Unavailable),
        (200, details_shape, FailureKind::Unavailable),
        (200, json!({"workflowExecution": {"id": RUN, "status": 4}}), FailureKind::Unavailable),
    ] {
        let about = format!("{status} {body}");
        let peer = Peer::start(move |seen, before| {
            if seen.line.contains("token") { token(before) } else { reply(status, &body) }
        })
        .await;
        let (jumio, _clock) = peer.connector();
        assert_eq!(failure(jumio.perform(&call(read())).await).kind, kind, "{about}");
    }
}

#[tokio::test]
async fn nobody_there() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer {
        base: format!("http://{}", listener.local_addr().unwrap()),
        seen: Arc::new(Mutex::new(Vec::new())),
    };
    drop(listener);
    let (jumio, _clock) = peer.connector();
    assert_eq!(failure(jumio.perform(&call(read())).await).kind, FailureKind::Unavailable);
    let findings = jumio.examine().await;
    assert_eq!(findings.len(), 1);
    assert!(!findings[0].ok);
}

#[tokio::test]
async fn examination() {
    // (account host, retrieval host, seconds that Jumio's clock is off) to what is well
    for (account, retrieval, skew, expected) in [
        (404, 404, 0, [true, true, true, true]),
        (405, 400, 59, [true, true, true, true]),
        (403, 404, 0, [true, false, true, true]),
        (404, 401, -3_000, [true, true, false, false]),
        (404, 503, 3_000, [true, true, false, false]),
    ] {
        let date = (start_of_test() + TimeDelta::seconds(skew)).to_rfc2822().replace("+0000", "GMT");
        let peer = Peer::start(move |seen, before| {
            let mut answer = match seen.line.as_str() {
                line if line.contains("/oauth2/token") => token(before),
                line if line.starts_with("GET /account/") => reply(account, &json!({})),
                line if line.starts_with("GET /retrieval/") => reply(retrieval, &json!({})),
                line => panic!("an examination changes nothing, but: {line}"),
            };
            answer.headers.push(("date", date.clone()));
            answer
        })
        .await;
        let (jumio, _clock) = peer.connector();
        let findings = jumio.examine().await;
        let well: Vec<bool> = findings.iter().map(|finding| finding.ok).collect();
        assert_eq!(well, expected, "{account} {retrieval} {skew}: {findings:?}");
    }
}

#[tokio::test]
async fn other_calls_are_refused() {
    let peer = Peer::start(|_, before| token(before)).await;
    let (jumio, _clock) = peer.connector();
    let snapshot = json!({"do": "delete", "snapshot": {
        "subject": {"type": "user", "id": "1"}, "user_id": null, "profile_id": null, "email": null,
        "created_at": null}});
    let action: Action = serde_json::from_value(snapshot).unwrap();
    assert_eq!(failure(jumio.perform(&call(action)).await).kind, FailureKind::Refused);
    assert_eq!(peer.lines(), Vec::<String>::new());
}

#[test]
fn hints() {
    let full = json!({
        "callbackSentAt": "2026-01-15T10:31:00.000Z",
        "userReference": "person-0001",
        "workflowExecution": {"id": RUN, "href": "https://evil.example.com/", "definitionKey": "10011",
            "status": "PROCESSED"},
        "account": {"id": ACCOUNT, "href": "https://evil.example.com/"}
    });
    let expected =
        Hint { account: Some(ACCOUNT.to_owned()), execution: RUN.to_owned(), status: Some("PROCESSED".to_owned()) };
    assert_eq!(hint(full.to_string().as_bytes()), Ok(expected));
    let least = json!({"workflowExecution": {"id": RUN, "status": 7}, "account": "?"});
    let expected = Hint { account: None, execution: RUN.to_owned(), status: None };
    assert_eq!(hint(least.to_string().as_bytes()), Ok(expected));
    for wrong in [
        &b""[..],
        b"[]",
        b"null",
        b"transactionStatus=DONE&scanReference=1",
        b"{}",
        br#"{"workflowExecution":{}}"#,
        br#"{"workflowExecution":{"id":7}}"#,
        br#"{"workflowExecution":{"id":""}}"#,
        br#"{"workflowExecution":{"id":"../../accounts"}}"#,
        br#"{"workflow":{"id":"22222222-2222-4222-8222-222222222222"}}"#,
        b"\xff\xfe",
    ] {
        assert!(hint(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
    }
    let deep = "[".repeat(100_000);
    assert!(hint(deep.as_bytes()).is_err());
}

#[test]
fn settings() {
    let clock = || Arc::new(Virtual::new(start_of_test()));
    let good = || Settings {
        urls: Urls::region("emea-1").unwrap(),
        client_id: "client".to_owned(),
        client_secret: Secret::new("CLIENTSECRET"),
        user_agent: "Example proofd/v1".to_owned(),
    };
    assert_eq!(good().urls.retrieval.as_str(), "https://retrieval.emea-1.jumio.ai/");
    let jumio = Jumio::new(good(), clock()).unwrap();
    assert!(!format!("{jumio:?} {:?}", good()).contains("CLIENTSECRET"));
    for region in ["", "EMEA-1", "evil.example.com/", "emea-1.evil"] {
        assert!(Urls::region(region).is_err(), "{region}");
    }
    let plain = Url::parse("http://account.example.com").unwrap();
    let wrong = [
        Settings { user_agent: " ".to_owned(), ..good() },
        Settings { user_agent: "a\nb".to_owned(), ..good() },
        Settings { client_id: String::new(), ..good() },
        Settings { client_secret: Secret::default(), ..good() },
        Settings { urls: Urls { account: plain, ..good().urls }, ..good() },
    ];
    for settings in wrong {
        let error = Jumio::new(settings, clock()).unwrap_err();
        assert!(!error.contains("CLIENTSECRET"), "{error}");
    }
}
