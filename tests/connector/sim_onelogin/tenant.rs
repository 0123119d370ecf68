//! A simulated tenant on a port of its own, with a client that has its token.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::DateTime;
use proofd::engine::clock::Virtual;
use proofd::simulate::Serving;
use proofd::simulate::ledger::Ledger;
use proofd::simulate::onelogin::{Form, Knobs, Options, Registered, Simulator};
use serde_json::{Value, json};

pub struct Tenant {
    pub simulator: Simulator,
    pub clock: Virtual,
    pub serving: Serving,
    pub client: reqwest::Client,
    pub token: String,
}

/// Status, headers and body of an answer; a body that is not JSON is a string.
pub struct Got {
    pub code: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Tenant {
    pub async fn start() -> Self {
        let clock = Virtual::new(DateTime::parse_from_rfc3339("2026-01-01T10:00:00Z").unwrap().to_utc());
        let simulator = Simulator::new(Options::default(), Arc::new(clock.clone()), Ledger::memory());
        let serving = simulator.serve(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let mut tenant = Self { simulator, clock, serving, client: client(), token: String::new() };
        tenant.login().await;
        tenant
    }

    pub async fn login(&mut self) {
        let token = format!("{}/auth/oauth2/v2/token", self.serving.url);
        let request = self.client.post(token).basic_auth("sim-client", Some("sim-secret"));
        let got = got(request.json(&json!({"grant_type": "client_credentials"}))).await.unwrap();
        self.token = got.body["access_token"].as_str().unwrap().to_owned();
    }

    pub async fn try_call(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::Result<Got> {
        let url = format!("{}{path}", self.serving.url);
        let mut request = self.client.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        got(request).await
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> Got {
        self.try_call(method, path, Some(body)).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Got {
        self.try_call("GET", path, None).await.unwrap()
    }

    pub fn sign_up(&self, email: &str) -> Registered {
        let form = Form {
            firstname: "Ada".into(),
            lastname: "Lovelace".into(),
            email: email.into(),
            ..Form::default()
        };
        self.simulator.register(form).unwrap()
    }

    /// A registrant with a verified e-mail address; returns registration and user.
    pub fn applicant(&self) -> (i64, i64) {
        let registered = self.sign_up("ada@example.com");
        self.simulator.verify_email(registered.registration_id).unwrap();
        (registered.registration_id, registered.user_id.unwrap())
    }

    pub fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        self.simulator.turn(change);
    }

    pub fn user(&self, id: i64, key: &str) -> Value {
        self.simulator.user(id).unwrap()[key].clone()
    }

    pub fn applied(&self) -> Vec<(String, bool)> {
        let records = self.simulator.ledger().records();
        records.into_iter().map(|record| (record.what, record.applied)).collect()
    }

    pub fn event_types(&self) -> Vec<i64> {
        self.simulator.events().iter().map(|event| event["event_type_id"].as_i64().unwrap()).collect()
    }
}

pub async fn got(request: reqwest::RequestBuilder) -> reqwest::Result<Got> {
    let response = request.send().await?;
    let (code, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Got { code, headers, body })
}
