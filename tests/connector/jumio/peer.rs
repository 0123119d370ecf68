//! A server of Jumio's three hosts with scripted answers, and the calls of the tests.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, Response};
use chrono::DateTime;
use proofd::connectors::jumio::{Jumio, Settings, Urls, Web};
use proofd::engine::clock::Virtual;
use proofd::model::{
    Action, Call, Done, Failure, Method, Outcome, ReadSession, Reading, Secret, Session, SessionAction,
    StartSession, Timestamp,
};
use serde_json::{Value, json};
use url::Url;

pub const ACCOUNT: &str = "11111111-1111-4111-8111-111111111111";
pub const RUN: &str = "22222222-2222-4222-8222-222222222222";

/// One request as the server received it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub line: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub struct Reply {
    pub status: u16,
    pub body: String,
    pub headers: Vec<(&'static str, String)>,
}

pub fn reply(status: u16, body: &Value) -> Reply {
    Reply { status, body: body.to_string(), headers: Vec::new() }
}

/// A server of all three hosts, each under its own path. Tokens are numbered.
pub struct Peer {
    pub base: String,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

pub type Script = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

impl Peer {
    /// `script` receives the request and the number of earlier requests.
    pub async fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
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

    pub fn settings(&self) -> Settings {
        let url = |host: &str| Url::parse(&format!("{}/{host}/", self.base)).unwrap();
        Settings {
            urls: Urls { auth: url("auth"), account: url("account"), retrieval: url("retrieval") },
            web: Web::region("amer-1"),
            client_id: "client".to_owned(),
            client_secret: Secret::new("CLIENTSECRET"),
            user_agent: "Example proofd/v1".to_owned(),
            starts_per_second: 1.0,
        }
    }

    pub fn connector(&self) -> (Arc<Jumio>, Virtual) {
        let clock = Virtual::new(start_of_test());
        (Arc::new(Jumio::new(self.settings(), Arc::new(clock.clone())).unwrap()), clock)
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.line.clone()).collect()
    }

    pub fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }
}

pub fn start_of_test() -> Timestamp {
    DateTime::parse_from_rfc3339("2026-01-15T10:00:00Z").unwrap().to_utc()
}

pub fn token(number: usize) -> Reply {
    reply(
        200,
        &json!({"access_token": format!("token-{number}"), "expires_in": 3600, "token_type": "Bearer"}),
    )
}

pub fn started() -> Value {
    json!({
        "timestamp": "2026-01-15T10:00:01.221Z",
        "account": {"id": ACCOUNT},
        "web": {"href": "https://acme.web.amer-1.jumio.ai/web/client?authorizationToken=SAMPLE&locale=en"},
        "sdk": {"token": "SAMPLE"},
        "workflowExecution": {"id": RUN, "credentials": []}
    })
}

pub fn call(action: Action) -> Call {
    Call { attempt: crate::perform::attempt("case-1", 2, 1, proofd::model::Timestamp::UNIX_EPOCH), action }
}

pub fn start() -> Action {
    Action::Verification {
        provider: "jumio".to_owned(),
        session: SessionAction::Start(StartSession {
            workflow: "10011".to_owned(),
            method: Method::Full,
            account: None,
            reference: "case-1.2.1".to_owned(),
            person: "person-1".to_owned(),
            lifetime_seconds: 172_800,
            locale: Some("de-AT".to_owned()),
            callback_url: Some("https://idv.example.com/hooks/jumio/CALLBACKSECRET".to_owned()),
            return_url: Some("https://idv.example.com/done".to_owned()),
            require: Vec::new(),
            registered: [].into(),
        }),
    }
}

pub fn restart() -> Action {
    ordered(|order| {
        order.account = Some(ACCOUNT.to_owned());
        order.workflow = "authentication-at-acme".to_owned();
        order.method = Method::Authentication;
        (order.locale, order.callback_url, order.return_url) = (None, None, None);
    })
}

/// A start with changed parameters.
pub fn ordered(change: impl FnOnce(&mut StartSession)) -> Action {
    let mut action = start();
    if let Action::Verification { session: SessionAction::Start(order), .. } = &mut action {
        change(order);
    }
    action
}

pub fn read() -> Action {
    Action::Verification {
        provider: "jumio".to_owned(),
        session: SessionAction::Read(ReadSession {
            account: ACCOUNT.to_owned(),
            execution: RUN.to_owned(),
            reference: "case-1.2.1".to_owned(),
            returns_by: None,
            returned: None,
        }),
    }
}

pub fn session(outcome: Outcome) -> Session {
    match outcome {
        Outcome::Done(Done::Started { session }) => session,
        other => panic!("not started: {other:?}"),
    }
}

pub fn reading(outcome: Outcome) -> Reading {
    match outcome {
        Outcome::Done(Done::Read { reading }) => reading,
        other => panic!("not read: {other:?}"),
    }
}

pub fn failure(outcome: Outcome) -> Failure {
    let Outcome::Failed(failure) = outcome else { panic!("did not fail: {outcome:?}") };
    for secret in ["CLIENTSECRET", "CALLBACKSECRET", "SECRETNAME", "token-", "SAMPLE"] {
        assert!(!failure.reason.contains(secret), "{secret} is in: {}", failure.reason);
    }
    failure
}
