//! The simulated OneLogin over real HTTP: what it answers, what it does without saying so, and its knobs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta};
use proofd::engine::clock::Virtual;
use proofd::simulate::ledger::Ledger;
use proofd::simulate::onelogin::{
    Fault, Form, Knobs, Login, Mishap, Moment, Options, Registered, Serving, Simulator, TokenBurst,
    WebhookFormat,
};
use serde_json::{Value, json};

struct Tenant {
    simulator: Simulator,
    clock: Virtual,
    serving: Serving,
    client: reqwest::Client,
    token: String,
}

/// Status, headers and body of an answer; a body that is not JSON is a string.
struct Got {
    code: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Tenant {
    async fn start() -> Self {
        let clock = Virtual::new(DateTime::parse_from_rfc3339("2026-01-01T10:00:00Z").unwrap().to_utc());
        let simulator = Simulator::new(Options::default(), Arc::new(clock.clone()), Ledger::memory());
        let serving = simulator.serve(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let mut tenant = Self { simulator, clock, serving, client: client(), token: String::new() };
        tenant.login().await;
        tenant
    }

    async fn login(&mut self) {
        let token = format!("{}/auth/oauth2/v2/token", self.serving.url);
        let request = self.client.post(token).basic_auth("sim-client", Some("sim-secret"));
        let got = got(request.json(&json!({"grant_type": "client_credentials"}))).await.unwrap();
        self.token = got.body["access_token"].as_str().unwrap().to_owned();
    }

    async fn try_call(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::Result<Got> {
        let url = format!("{}{path}", self.serving.url);
        let mut request = self.client.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        got(request).await
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Got {
        self.try_call(method, path, Some(body)).await.unwrap()
    }

    async fn get(&self, path: &str) -> Got {
        self.try_call("GET", path, None).await.unwrap()
    }

    fn sign_up(&self, email: &str) -> Registered {
        let form = Form {
            firstname: "Ada".into(),
            lastname: "Lovelace".into(),
            email: email.into(),
            ..Form::default()
        };
        self.simulator.register(form).unwrap()
    }

    /// A registrant whose e-mail is verified; returns registration and user.
    fn applicant(&self) -> (i64, i64) {
        let registered = self.sign_up("ada@example.com");
        self.simulator.verify_email(registered.registration_id).unwrap();
        (registered.registration_id, registered.user_id.unwrap())
    }

    fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        self.simulator.turn(change);
    }

    fn user(&self, id: i64, key: &str) -> Value {
        self.simulator.user(id).unwrap()[key].clone()
    }

    fn applied(&self) -> Vec<(String, bool)> {
        let records = self.simulator.ledger().records();
        records.into_iter().map(|record| (record.what, record.applied)).collect()
    }

    fn event_types(&self) -> Vec<i64> {
        self.simulator.events().iter().map(|event| event["event_type_id"].as_i64().unwrap()).collect()
    }
}

async fn got(request: reqwest::RequestBuilder) -> reqwest::Result<Got> {
    let response = request.send().await?;
    let (code, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Got { code, headers, body })
}

#[tokio::test]
async fn a_token_is_had_in_four_ways_and_is_the_same_until_it_expires() {
    let mut tenant = Tenant::start().await;
    let url = format!("{}/auth/oauth2/v2/token", tenant.serving.url);
    let grant = json!({"grant_type": "client_credentials"});
    let odd = "client_id:sim-client, client_secret:sim-secret";
    let form = "grant_type=client_credentials&client_id=sim-client&client_secret=sim-secret";
    let client = &tenant.client;
    for (name, request) in [
        ("basic", client.post(&url).basic_auth("sim-client", Some("sim-secret")).json(&grant)),
        ("header", client.post(&url).header("authorization", odd).json(&grant)),
        ("form", client.post(&url).header("content-type", "application/x-www-form-urlencoded").body(form)),
        ("query", client.post(format!("{url}?grant_type=client_credentials")).header("authorization", odd)),
    ] {
        let got = got(request).await.unwrap();
        assert_eq!(
            (got.code, got.body["access_token"].as_str()),
            (200, Some(tenant.token.as_str())),
            "{name}"
        );
    }
    let wrong = got(client.post(&url).basic_auth("sim-client", Some("no")).json(&grant)).await.unwrap();
    let envelope =
        json!({"error": true, "code": 401, "type": "Unauthorized", "message": "Authentication Failure"});
    assert_eq!((wrong.code, wrong.body), (401, json!({"status": envelope})));

    for scheme in ["Bearer ", "bearer:", "BEARER "] {
        let users = format!("{}/api/2/users", tenant.serving.url);
        let request = client.get(users).header("authorization", format!("{scheme}{}", tenant.token));
        assert_eq!(got(request).await.unwrap().code, 200, "{scheme}");
    }
    tenant.clock.advance(TimeDelta::hours(10));
    let got = tenant.get("/api/2/users").await;
    assert_eq!(
        (got.code, got.body),
        (401, json!({"message": "Unauthorized", "name": "UnauthorizedError", "statusCode": 401}))
    );
    let old = std::mem::take(&mut tenant.token);
    tenant.login().await;
    assert_ne!(tenant.token, old);
    tenant.simulator.expire_token();
    assert_eq!(tenant.get("/api/1/events").await.code, 401);
}

#[tokio::test]
async fn refusals_have_the_shape_of_the_resource() {
    let tenant = Tenant::start().await;
    let id = tenant.simulator.seed_users(1)[0];
    let v2 =
        |message: &str, name: &str, code: u16| json!({"message": message, "name": name, "statusCode": code});
    let v1 = |message: Value| json!({"status": {"error": true, "code": 400, "type": "bad request", "message": message}});
    let state = |to: Value| json!({"state": to});
    for (method, path, body, code, expected) in [
        (
            "GET",
            "/api/2/users/1".to_owned(),
            Value::Null,
            404,
            v2("The resource with the given id could not be found", "NotFoundError", 404),
        ),
        (
            "GET",
            "/api/2/users?color=red".into(),
            Value::Null,
            400,
            v2("query parameter(s) not allowed: color", "BadRequestError", 400),
        ),
        (
            "GET",
            "/api/2/roles/1".into(),
            Value::Null,
            404,
            json!({"status": 404, "error": "NotFoundError", "description": "Resource not found"}),
        ),
        (
            "DELETE",
            "/api/2/roles/1001/users".into(),
            json!({"users": [1]}),
            400,
            v2("Expected array in request", "BadRequestError", 400),
        ),
        (
            "POST",
            "/api/2/mappings".into(),
            json!({"id": 1}),
            422,
            json!({"code": 422, "message": "Validation Failed",
                   "errors": [{"field": "id", "message": ["Field is not allowed"]}]}),
        ),
        (
            "PUT",
            format!("/api/1/users/{id}/set_state"),
            state(json!(1)),
            400,
            v1(json!("user is already in this state")),
        ),
        ("PUT", format!("/api/1/users/{id}/set_state"), state(json!(9)), 400, v1(json!("state is invalid"))),
        (
            "PUT",
            format!("/api/1/users/{id}/set_state"),
            state(json!("1")),
            400,
            v1(
                json!({"description": "state has incorrect data type. It should be -> integer", "attribute": "state"}),
            ),
        ),
        (
            "PUT",
            format!("/api/1/users/{id}"),
            json!({"status": 1}),
            400,
            v1(
                json!({"description": "status is an excluded attribute for put request for user", "attribute": "status"}),
            ),
        ),
        (
            "POST",
            "/api/1/invites/send_invite_link".into(),
            json!({"email": format!("USER{id}@example.com")}),
            400,
            v1(json!("No User exists for input email")),
        ),
        (
            "POST",
            "/api/2/users".into(),
            json!({"username": format!("user{id}")}),
            422,
            json!({"message": "Validation failed: Username must be unique",
                   "name": "UnprocessableEntityFieldError", "statusCode": 422, "field": "username"}),
        ),
    ] {
        let got = tenant.call(method, &path, body).await;
        assert_eq!((got.code, got.body), (code, expected), "{method} {path}");
        assert!(got.headers.contains_key("x-request-id"));
    }
    let records = tenant.applied();
    assert!(records.iter().all(|(_, applied)| !applied), "refused requests apply nothing: {records:?}");
    assert!(records.contains(&("user.approve".into(), false)), "{records:?}");
}

#[tokio::test]
async fn users_are_listed_in_pages_of_22_columns() {
    let tenant = Tenant::start().await;
    let ids = tenant.simulator.seed_users(120);
    let first = tenant.get("/api/2/users?limit=100").await;
    assert_eq!(first.body.as_array().unwrap().len(), 100);
    assert_eq!(first.body[0].as_object().unwrap().len(), 22);
    assert_eq!(first.headers["total-count"], "120");
    assert!(first.headers["link"].to_str().unwrap().contains("/api/v5/"), "a link that nobody should follow");
    let cursor = first.headers["after-cursor"].to_str().unwrap();
    let rest = tenant.get(&format!("/api/2/users?cursor={cursor}")).await;
    assert_eq!(rest.body.as_array().unwrap().len(), 20);
    assert_eq!(rest.body[19]["id"], ids[119]);
    assert!(!rest.headers.contains_key("after-cursor"));

    let some =
        tenant.get(&format!("/api/2/users?user_ids={}&fields=id,role_ids,custom_attributes", ids[0])).await;
    assert_eq!(some.body[0].as_object().unwrap().len(), 3);
    for (filter, count) in [
        ("email=user500*", 9),
        ("updated_since=2026-01-01T10:00:01Z", 0),
        ("created_until=2026-01-02", 50),
        ("custom_attributes.idv_status=passed", 0),
        ("role_ids=1002&limit=100", 60),
    ] {
        let got = tenant.get(&format!("/api/2/users?{filter}")).await;
        assert_eq!((got.code, got.body.as_array().unwrap().len()), (200, count), "{filter}");
    }
    assert_eq!(tenant.get("/api/2/users?custom_attributes.shoe=44").await.code, 400);
}

#[tokio::test]
async fn a_registration_is_approved_through_either_door() {
    for through in ["update", "set_state", "registrations"] {
        let tenant = Tenant::start().await;
        let (registration, user) = tenant.applicant();
        assert_eq!(tenant.event_types(), [100]);
        let path = "/api/2/self_registration_profiles/8/registrations";
        let listed = tenant.get(path).await;
        assert_eq!(
            (&listed.body[0]["status"], &listed.body[0]["id"]),
            (&json!("not_reviewed"), &json!(registration))
        );
        assert_eq!(tenant.get(&format!("/api/2/users/{user}")).await.body["state"], 0);

        let got = match through {
            "update" => tenant.call("PUT", &format!("/api/2/users/{user}"), json!({"state": 1})).await,
            "set_state" => {
                tenant.call("PUT", &format!("/api/1/users/{user}/set_state"), json!({"state": 1})).await
            }
            _ => tenant.call("PUT", &format!("{path}/{registration}"), json!({"status": "approved"})).await,
        };
        assert_eq!(got.code, 200, "{through}");
        assert_eq!(
            (tenant.user(user, "state"), tenant.user(user, "status")),
            (json!(1), json!(7)),
            "{through}"
        );
        assert_eq!(tenant.user(user, "invitations_sent"), 1, "{through}");
        assert_eq!(tenant.simulator.registration(registration).unwrap()["status"], "approved");
        assert!(tenant.event_types().contains(&101));
        let approvals =
            tenant.applied().into_iter().filter(|(what, _)| what == "user.approve").collect::<Vec<_>>();
        assert_eq!(approvals, [("user.approve".to_owned(), true)], "{through}");
        tenant.simulator.activate(user).unwrap();
        assert_eq!(tenant.user(user, "status"), 1);
    }
}

#[tokio::test]
async fn the_registrations_resource_and_the_moments_of_a_registration_are_knobs() {
    let tenant = Tenant::start().await;
    tenant.turn(|knobs| {
        knobs.registrations_resource = false;
        knobs.user_record = Moment::Verification;
        knobs.registration_event = Moment::Submission;
        knobs.registration_event_names_user = false;
        knobs.approval_sends_invitation = false;
        knobs.deletion_frees_email = false;
    });
    let registered = tenant.sign_up("ada@example.com");
    let user = registered.user_id.unwrap();
    let path = "/api/2/self_registration_profiles/8/registrations";
    assert_eq!(tenant.get(path).await.code, 404);
    assert_eq!(tenant.get(&format!("/api/2/users/{user}")).await.code, 404);
    let events = tenant.get("/api/1/events?event_type_id=100,37").await;
    assert_eq!(events.body["data"][0]["user_id"], Value::Null);
    tenant.simulator.verify_email(registered.registration_id).unwrap();
    assert_eq!(tenant.get(&format!("/api/2/users/{user}")).await.body["state"], 0);
    tenant.call("PUT", &format!("/api/2/users/{user}"), json!({"state": 1})).await;
    assert_eq!(tenant.user(user, "invitations_sent"), 0);
    let sent =
        tenant.call("POST", "/api/1/invites/send_invite_link", json!({"email": "ada@example.com"})).await;
    assert_eq!(sent.body["status"]["message"], "Email sent successfully to ada@example.com");
    assert_eq!(tenant.user(user, "invitations_sent"), 1);
    assert_eq!(tenant.call("DELETE", &format!("/api/2/users/{user}"), Value::Null).await.code, 204);
    let again = Form { email: "ada@example.com".into(), ..Form::default() };
    assert!(tenant.simulator.register(again).is_err(), "the address stays taken");
}

#[tokio::test]
async fn the_tenant_does_things_without_saying_so() {
    let tenant = Tenant::start().await;
    let (_, user) = tenant.applicant();
    let path = format!("/api/2/users/{user}");
    tenant.turn(|knobs| knobs.licences = Some(0));
    assert_eq!(tenant.call("PUT", &path, json!({"state": 1})).await.body["state"], 1, "it says");
    assert_eq!(tenant.get(&path).await.body["state"], 3, "it is");
    tenant.turn(|knobs| knobs.licences = Some(1));
    tenant.call("PUT", &path, json!({"state": 1})).await;
    assert_eq!(tenant.user(user, "state"), 3, "an update does not leave Unlicensed");
    let lock =
        tenant.call("PUT", &format!("/api/1/users/{user}/lock_user"), json!({"locked_until": 15})).await;
    assert_eq!(lock.code, 400, "only licensed users can be locked");
    tenant.call("PUT", &format!("/api/1/users/{user}/set_state"), json!({"state": 1})).await;
    assert_eq!(tenant.user(user, "state"), 1);

    let grant = || tenant.call("POST", "/api/2/roles/1002/users", json!([user]));
    assert_eq!(grant().await.code, 200);
    assert_eq!(tenant.user(user, "role_ids"), json!([]), "not activated: dropped");
    tenant.simulator.activate(user).unwrap();
    tenant.turn(|knobs| (knobs.role_grants_lost, knobs.role_grant_delay_s) = (1, 10));
    grant().await;
    tenant.clock.advance(TimeDelta::minutes(5));
    assert_eq!(tenant.user(user, "role_ids"), json!([]), "lost");
    grant().await;
    assert_eq!(tenant.user(user, "role_ids"), json!([]), "not yet");
    tenant.clock.advance(TimeDelta::seconds(10));
    assert_eq!(tenant.user(user, "role_ids"), json!([1002]));

    tenant.call("PUT", &path, json!({"status": 3})).await;
    assert_eq!((tenant.user(user, "status"), tenant.user(user, "role_ids")), (json!(3), json!([1002])));
    tenant.clock.advance(TimeDelta::minutes(15));
    assert_eq!(tenant.user(user, "status"), 1, "unlocked by itself");
    tenant.call("PUT", &format!("/api/1/users/{user}/lock_user"), json!({"locked_until": 525_600})).await;
    tenant.clock.advance(TimeDelta::days(364));
    assert_eq!(tenant.user(user, "status"), 3);
    let mut tenant = tenant;
    tenant.login().await;
    tenant.call("PUT", &format!("/api/1/users/{user}/set_state"), json!({"state": 2})).await;
    assert_eq!(tenant.user(user, "role_ids"), json!([]), "a rejected user is in no role");
    let made = tenant.call("POST", "/api/2/users", json!({"username": "b", "email": "b@example.com", "state": 0, "status": 0, "member_of": [""], "created_at": "0001-01-01T00:00:00Z"})).await;
    assert_eq!((made.code, &made.body["state"], &made.body["status"]), (201, &json!(0), &json!(0)));
    let made = made.body["id"].as_i64().unwrap();
    assert_eq!((tenant.user(made, "state"), tenant.user(made, "status")), (json!(1), json!(7)));
}

#[tokio::test]
async fn the_hour_has_a_limit_for_v1_only_and_tokens_have_an_edge() {
    let tenant = Tenant::start().await;
    tenant.turn(|knobs| {
        knobs.hourly_limit = 2;
        knobs.token_burst = Some(TokenBurst { requests: 2, seconds: 4 });
    });
    let first = tenant.get("/api/1/events").await;
    assert_eq!(first.headers["x-ratelimit-remaining"], "1");
    tenant.get("/api/1/events").await;
    let limit = tenant.get("/auth/rate_limit").await;
    let left = json!({"X-RateLimit-Limit": 2, "X-RateLimit-Remaining": 0, "X-RateLimit-Reset": 3600});
    assert_eq!(limit.body["data"], left);
    let over = tenant.get("/api/1/events").await;
    assert_eq!((over.code, &over.headers["x-ratelimit-reset"]), (429, &"3600".parse().unwrap()));
    let users = tenant.get("/api/2/users").await;
    assert!(users.code == 200 && !users.headers.contains_key("x-ratelimit-limit"));
    tenant.clock.advance(TimeDelta::hours(1));
    assert_eq!(tenant.get("/api/1/events").await.code, 200);

    let ask = || {
        let request = tenant.client.post(format!("{}/auth/oauth2/v2/token", tenant.serving.url));
        got(request
            .basic_auth("sim-client", Some("sim-secret"))
            .json(&json!({"grant_type": "client_credentials"})))
    };
    assert_eq!((ask().await.unwrap().code, ask().await.unwrap().code), (200, 200));
    let edge = ask().await.unwrap();
    assert_eq!(edge.code, 429);
    assert!(edge.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(!edge.headers.contains_key("retry-after") && !edge.headers.contains_key("x-ratelimit-reset"));
    tenant.clock.advance(TimeDelta::seconds(5));
    assert_eq!(ask().await.unwrap().code, 200);
}

#[tokio::test]
async fn faults_strike_where_and_as_often_as_they_are_told() {
    let tenant = Tenant::start().await;
    let user = tenant.simulator.seed_users(1)[0];
    let path = format!("/api/2/users/{user}");
    let fault = |what| Fault {
        what,
        path: Some("/api/2/users".into()),
        method: None,
        skip: 0,
        count: Some(1),
        after_effect: false,
        delay_ms: 0,
    };
    for (what, code) in [
        (Mishap::Unavailable, 503),
        (Mishap::ServerError, 500),
        (Mishap::Unauthorized, 401),
        (Mishap::TooManyRequests, 429),
        (Mishap::Html, 200),
        (Mishap::Huge, 200),
        (Mishap::Truncated, 200),
        (Mishap::WrongTypes, 200),
        (Mishap::MissingFields, 200),
        (Mishap::ExtraFields, 200),
    ] {
        let good = tenant.get(&path).await.body;
        tenant.turn(|knobs| knobs.faults = vec![fault(what)]);
        assert_eq!(tenant.get("/api/1/events").await.code, 200, "another path is spared");
        let bad = tenant.get(&path).await;
        assert_eq!(bad.code, code, "{what:?}");
        assert_ne!(bad.body, good, "{what:?}");
        assert_eq!(tenant.get(&path).await.body, good, "{what:?} is over");
    }
    tenant.turn(|knobs| knobs.faults = vec![Fault { skip: 1, after_effect: true, ..fault(Mishap::Closed) }]);
    assert!(tenant.try_call("PUT", &path, Some(json!({"title": "A"}))).await.is_ok());
    assert!(tenant.try_call("PUT", &path, Some(json!({"title": "B"}))).await.is_err());
    assert_eq!(tenant.user(user, "title"), "B", "the request took effect, only its answer was lost");
    tenant.turn(|knobs| knobs.faults = vec![fault(Mishap::Closed)]);
    assert!(tenant.try_call("PUT", &path, Some(json!({"title": "C"}))).await.is_err());
    assert_eq!(tenant.user(user, "title"), "B");
    assert_eq!(tenant.applied().last().unwrap(), &("request.lost".to_owned(), false));

    tenant.turn(|knobs| knobs.faults = vec![Fault { delay_ms: 60_000, ..fault(Mishap::Slow) }]);
    let slow = tenant.get(&path);
    let turn = async {
        while !tenant.simulator.knobs().faults.iter().all(|fault| fault.count == Some(0)) {
            tokio::task::yield_now().await;
        }
        tenant.clock.advance(TimeDelta::minutes(1));
    };
    let (slow, ()) = futures::future::join(slow, turn).await;
    assert_eq!(slow.code, 200);
}

#[tokio::test]
async fn events_are_served_late_and_by_keyset() {
    let tenant = Tenant::start().await;
    let user = tenant.simulator.seed_users(1)[0];
    for score in [10, 95] {
        tenant.simulator.login(user, Login { risk_score: Some(score), ..Login::default() });
        tenant.clock.advance(TimeDelta::seconds(1));
    }
    tenant.turn(|knobs| (knobs.event_delay_s, knobs.risk_scoring) = (30, false));
    tenant.simulator.login(user, Login { risk_score: Some(50), failed: true, ..Login::default() });
    let first = tenant.get("/api/1/events?limit=1").await;
    assert_eq!(first.body["data"][0]["risk_score"], 10);
    let cursor = first.body["pagination"]["after_cursor"].as_str().unwrap();
    let second = tenant.get(&format!("/api/1/events?limit=1&after_cursor={cursor}")).await;
    assert_eq!(second.body["data"][0]["risk_score"], 95);
    assert_eq!(second.body["pagination"]["after_cursor"], Value::Null, "the third is not visible yet");
    let since = tenant.get("/api/1/events?since=2026-01-01T10:00:00.000Z").await;
    assert_eq!(since.body["data"].as_array().unwrap().len(), 1, "since is exclusive");
    tenant.clock.advance(TimeDelta::seconds(30));
    let last = tenant.get("/api/1/events?event_type_id=6").await;
    assert_eq!(
        (last.body["data"].as_array().unwrap().len(), &last.body["data"][0]["risk_score"]),
        (1, &Value::Null)
    );
    let types = got(tenant.client.get(format!("{}/api/1/events/types", tenant.serving.url))).await.unwrap();
    assert_eq!(types.code, 200, "without a token");
}

type Inbox = Arc<Mutex<Vec<(String, String)>>>;

/// A receiver that keeps what it is sent: the secret header and the body.
async fn receiver() -> (String, Inbox, tokio::task::JoinHandle<()>) {
    let inbox = Inbox::default();
    let kept = Arc::clone(&inbox);
    let router = axum::Router::new().fallback(move |headers: axum::http::HeaderMap, body: String| {
        let secret = headers["x-onelogin-token"].to_str().unwrap().to_owned();
        kept.lock().unwrap().push((secret, body));
        async {}
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, inbox, task)
}

#[tokio::test]
async fn events_are_broadcast_in_batches_once_or_as_the_knobs_say() {
    let tenant = Tenant::start().await;
    let (url, inbox, receiver) = receiver().await;
    let user = tenant.simulator.seed_users(1)[0];
    tenant.turn(|knobs| {
        knobs.webhook.url = Some(url);
        knobs.webhook.headers.insert("X-OneLogin-Token".into(), "hush".into());
    });
    let arrive = async |count: usize| {
        while tenant.simulator.deliveries().len() < count {
            tokio::task::yield_now().await;
        }
    };
    let login = || tenant.simulator.login(user, Login::default());
    (0..10).for_each(|_| login());
    arrive(1).await;
    let (secret, body) = inbox.lock().unwrap().remove(0);
    let batch: Vec<Value> = serde_json::from_str(&body).unwrap();
    assert_eq!((secret.as_str(), batch.len()), ("hush", 10), "ten at once");
    assert_eq!(batch[0]["event_timestamp"], "2026-01-01 10:00:00 UTC");
    assert_eq!(batch[0]["create"]["_id"], batch[0]["uuid"]);
    assert!(batch[0].get("id").is_none(), "no id that the events API knows");

    login();
    assert!(inbox.lock().unwrap().is_empty());
    tenant.clock.advance(TimeDelta::seconds(10));
    arrive(2).await;
    assert_eq!(inbox.lock().unwrap().drain(..).count(), 1, "or one after ten seconds");

    tenant.turn(|knobs| {
        knobs.webhook.format = WebhookFormat::Ndjson;
        knobs.webhook.duplicate_every = 3;
        knobs.webhook.drop_every = 4;
        knobs.webhook.reorder = true;
        knobs.webhook.string_ids = true;
    });
    login();
    login();
    tenant.simulator.flush_webhook().await;
    let sent: Vec<_> = inbox.lock().unwrap().drain(..).collect();
    assert_eq!(sent.len(), 2, "twice");
    assert_eq!(sent[0], sent[1]);
    let lines: Vec<Value> = sent[0].1.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["event_type_id"]), (2, &json!("5")));
    login();
    tenant.simulator.flush_webhook().await;
    assert!(inbox.lock().unwrap().is_empty(), "dropped");
    assert_eq!(tenant.simulator.deliveries()[3]["statuses"], json!([]));
    receiver.abort();
}

#[tokio::test]
async fn everything_can_be_done_from_another_process() {
    let tenant = Tenant::start().await;
    let form = json!({"firstname": "Ada", "lastname": "L", "email": "ada@example.com"});
    let made = tenant.call("POST", "/_sim/register", form.clone()).await;
    assert_eq!((made.code, made.body), (201, json!({"registration_id": 701, "user_id": 5001})));
    assert_eq!(tenant.call("POST", "/_sim/register", form).await.code, 422, "the address is taken");
    for (path, body) in [
        ("/_sim/registrations/701/verify", Value::Null),
        ("/_sim/users/5001/approve", Value::Null),
        ("/_sim/users/5001/activate", Value::Null),
        ("/_sim/users/5001/login", json!({"risk_score": 90})),
        ("/_sim/users/5001/grant", json!({"role_id": 1002})),
        ("/_sim/tokens/expire", Value::Null),
    ] {
        let got = if body.is_null() {
            tenant.try_call("POST", path, None).await.unwrap()
        } else {
            tenant.call("POST", path, body).await
        };
        assert_eq!(got.code, 200, "{path}: {}", got.body);
    }
    tenant.call("PUT", "/_sim/users/5001/email", json!({"email": "new@example.com"})).await;
    let user = tenant.get("/_sim/users/5001").await.body;
    assert_eq!(
        (&user["email"], &user["role_ids"], &user["state"]),
        (&json!("new@example.com"), &json!([1002]), &json!(1))
    );
    assert_eq!(tenant.get("/_sim/registrations").await.body[0]["status"], "approved");
    tenant.call("PATCH", "/_sim/knobs", json!({"licences": 3, "webhook": {"drop_every": 1}})).await;
    tenant.call("PATCH", "/_sim/knobs", json!({"webhook": {"url": null}})).await;
    let knobs = tenant.simulator.knobs();
    assert_eq!((knobs.licences, knobs.webhook.drop_every), (Some(3), 1));
    assert_eq!(
        tenant.call("PUT", "/_sim/knobs", json!({"licence": 3})).await.code,
        400,
        "a slip is not ignored"
    );
    tenant.call("PUT", "/_sim/knobs", json!({})).await;
    assert_eq!(tenant.simulator.knobs(), Knobs::default());
    let seeded = tenant.call("POST", "/_sim/seed", json!({"count": 1000})).await;
    assert_eq!(seeded.body, json!({"first": 5002, "last": 6001, "count": 1000}));
    assert_eq!(tenant.get("/_sim/ledger").await.body[0]["what"], "person.register");
    let page = tenant.get("/").await.body;
    assert!(
        page.as_str().unwrap().contains("new@example.com")
            || page.as_str().unwrap().contains("ada@example.com")
    );
}

#[tokio::test]
async fn the_public_form_works_without_script() {
    let tenant = Tenant::start().await;
    let fields = tenant
        .call(
            "POST",
            "/api/2/self_registration_profiles/8/self_registration_profile_fields",
            json!({"custom_attribute_id": 789}),
        )
        .await;
    assert_eq!(fields.body["self_registration_profile"]["fields"][0]["custom_attribute_id"], 789);
    let form = tenant.get("/self_registration?name=sign-up").await;
    assert!(form.body.as_str().unwrap().contains("custom_attributes.idv_status"));
    assert_eq!(tenant.get("/self_registration?name=other").await.code, 404);
    let post = || {
        let url = format!("{}/self_registration?name=sign-up", tenant.serving.url);
        let fields = [
            ("firstname", "<b>"),
            ("lastname", "L"),
            ("email", "a@example.com"),
            ("custom_attributes.idv_status", "x"),
        ];
        got(tenant.client.post(url).form(&fields))
    };
    assert_eq!(post().await.unwrap().code, 200);
    assert_eq!(post().await.unwrap().code, 422, "taken");
    assert_eq!(tenant.user(5001, "custom_attributes")["idv_status"], "x");
    let after = got(tenant.client.post(format!("{}/play/verify/701", tenant.serving.url))).await.unwrap();
    assert!(after.body.as_str().unwrap().contains("&lt;b&gt; L"), "back at the overview, escaped");
    assert_eq!(tenant.simulator.registration(701).unwrap()["status"], "not_reviewed");
    tenant.serving.stop().await;
}
