//! Rate limits of clients, with a clock that the test advances: which requests count together, the answer to a client
//! over the limit, and the clients without a limit.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::TimeDelta;
use proofd::case::LinkKind;
use proofd::config::Role;
use proofd::connectors::onelogin::{OneLogin, RegistrationsMode, Settings as OneLoginSettings};
use proofd::engine::clock::Virtual;
use proofd::engine::{Connectors, Engine, Settings};
use proofd::http::{Access, AppState, Bounds, Grant, Listening, listen_within};
use proofd::model::{Actor, CaseId, Clock, Secret};
use proofd::rollout;
use proofd::store::Store;
use reqwest::{Client, Method};

/// The HTTP interface of an idle engine, on a real socket.
pub struct House {
    clock: Virtual,
    pub engine: Engine,
    pub listening: Listening,
    client: Client,
    _dir: tempfile::TempDir,
}

impl House {
    async fn open() -> Self {
        Self::open_within(Bounds::default()).await
    }

    pub async fn open_within(bounds: Bounds) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let clock = Virtual::new("2026-01-05T09:00:00Z".parse().unwrap());
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let onelogin = OneLoginSettings {
            name: "onelogin".to_owned(),
            poll_every: TimeDelta::seconds(30),
            url: "http://127.0.0.1:9".parse().unwrap(),
            client_id: "id".to_owned(),
            client_secret: Secret::new("secret"),
            registrations: RegistrationsMode::Auto,
            webhook: Some(("Authorization".to_owned(), Secret::new("Bearer shared"))),
            attributes: BTreeMap::new(),
            lookback: TimeDelta::hours(24),
        };
        let source = Arc::new(OneLogin::new(onelogin, Arc::clone(&shared)).unwrap());
        let settings = Settings {
            public_url: "http://127.0.0.1".to_owned(),
            organization: "Example".to_owned(),
            rollout: rollout::Settings {
                policies: PathBuf::from("tests/data/tree"),
                park: Vec::new(),
                ..Default::default()
            },
            ..Settings::default()
        };
        let (store, opened) = Store::open(&dir.path().join("store"), clock.now()).unwrap();
        let connectors =
            Connectors { identity: [("onelogin".to_owned(), source as _)].into(), ..Connectors::default() };
        let engine = Engine::open(settings, store, &opened, shared, connectors).await.unwrap();
        let grant =
            |name: &str, role| Grant::new(Actor::named(name), [role], &Secret::new(format!("t-{name}")));
        let grants = vec![grant("ada", Role::Viewer), grant("bob", Role::Viewer), grant("sam", Role::Source)];
        let access = Access::new(grants, engine.clock());
        let router = AppState::new(engine.clone(), access).unwrap().everything();
        let listening = listen_within("127.0.0.1:0".parse().unwrap(), router, bounds).await.unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        Self { clock, engine, listening, client, _dir: dir }
    }

    /// Closes the store before its directory is removed: a store that cannot sync ends the process.
    pub async fn close(self) {
        self.listening.stop().await;
        self.engine.store().close().await.unwrap();
    }

    /// Sends a request several times and counts the answers by status. A refusal must be a problem document with the
    /// time of the next attempt.
    async fn ask(&self, ask: Ask, times: usize) -> BTreeMap<u16, usize> {
        let mut answers = BTreeMap::new();
        for _ in 0..times {
            let path = match ask.path {
                "/v/ours" | "/v/another" => {
                    let case = CaseId(ask.path.replace("/v/", "c-"));
                    format!("/v/{}", self.engine.links().token(&case, LinkKind::Verify, 1))
                }
                path => path.to_owned(),
            };
            let url = format!("http://{}{path}", self.listening.address);
            let mut request = self.client.request(ask.method.clone(), url).body(ask.body);
            if !ask.token.is_empty() {
                request = request.bearer_auth(ask.token);
            }
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            if status == 429 {
                let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
                assert_eq!(header("content-type"), "application/problem+json");
                assert_eq!(header("retry-after"), "1", "{}", ask.path);
                let document: serde_json::Value = answer.json().await.unwrap();
                assert_eq!(document["status"], 429);
                assert!(document["detail"].as_str().unwrap().contains("try again in 1 s"), "{document}");
            }
            *answers.entry(status).or_default() += 1;
        }
        answers
    }
}

#[derive(Debug, Clone)]
struct Ask {
    method: Method,
    path: &'static str,
    token: &'static str,
    body: &'static str,
}

fn get(path: &'static str, token: &'static str) -> Ask {
    Ask { method: Method::GET, path, token, body: "" }
}

fn post(path: &'static str, token: &'static str, body: &'static str) -> Ask {
    Ask { method: Method::POST, path, token, body }
}

/// Milliseconds to advance first, the request, its number of repetitions, and the expected count per status.
type Row = (i64, Ask, usize, &'static [(u16, usize)]);

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_limited_per_client_and_per_address() {
    let login = r#"[{"uuid":"u","event_timestamp":"2026-01-05 09:00:00 UTC","event_type_id":5,"user_id":1}]"#;
    let rows: Vec<Row> = vec![
        // A program with a token: a burst, then fifty requests a second, for all paths together.
        (0, get("/v1/cases", "t-ada"), 210, &[(200, 200), (429, 10)]),
        (0, get("/v1/policies", "t-ada"), 1, &[(429, 1)]),
        (0, get("/v1/cases", "t-bob"), 10, &[(200, 10)]),
        (100, get("/v1/cases", "t-ada"), 7, &[(200, 5), (429, 2)]),
        // A person's link counts by itself, even if its case does not exist.
        (0, get("/v/ours", ""), 40, &[(404, 30), (429, 10)]),
        (0, post("/v/ours", "", ""), 1, &[(429, 1)]),
        (0, get("/v/another", ""), 5, &[(404, 5)]),
        // Unauthenticated requests from one address: wrong tokens, invalid links and wrong hooks count together.
        (0, get("/v1/cases", "guess"), 20, &[(401, 20)]),
        (0, get("/v/c1.v1.00", ""), 10, &[(404, 10)]),
        (0, post("/hooks/jumio/guess", "", "{}"), 10, &[(404, 10)]),
        (0, post("/hooks/onelogin", "guess", login), 15, &[(401, 10), (429, 5)]),
        (0, post("/hooks/jumio/guess", "", "{}"), 1, &[(429, 1)]),
        (0, get("/v1/cases", ""), 1, &[(429, 1)]),
        // Other clients at that address are still served: a known client, a vendor, monitoring.
        (0, get("/v1/cases", "t-bob"), 10, &[(200, 10)]),
        (0, get("/v/another", ""), 5, &[(404, 5)]),
        (0, post("/hooks/onelogin", "shared", login), 300, &[(200, 300)]),
        (0, get("/livez", ""), 300, &[(200, 300)]),
        (0, get("/metrics", ""), 300, &[(200, 300)]),
        (0, get("/readyz", ""), 300, &[(200, 300)]),
        (0, get("/person.css", ""), 100, &[(200, 100)]),
        // After one second, five more are allowed.
        (1_000, get("/v1/cases", "guess"), 7, &[(401, 5), (429, 2)]),
    ];
    let house = House::open().await;
    for (passed, ask, times, expected) in rows {
        house.clock.advance(TimeDelta::milliseconds(passed));
        let what = format!("{ask:?} {times} times");
        let expected: BTreeMap<u16, usize> = expected.iter().copied().collect();
        assert_eq!(house.ask(ask, times).await, expected, "{what}");
    }
    let metrics = house.engine.status().metrics_text().unwrap();
    for (client, count) in [("token", 13), ("link", 11), ("address", 9)] {
        let line = format!("proofd_requests_limited_total{{client=\"{client}\"}} {count}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    house.close().await;
}
