//! A simulated Jumio on a virtual clock, and a client of its API.

use std::sync::Arc;
use std::time::Duration;

use proofd::engine::clock::Virtual;
use proofd::simulate::Serving;
use proofd::simulate::jumio::{Execution, Options, Script, Simulator};
use proofd::simulate::ledger::Ledger;
use reqwest::Method;
use serde_json::{Value, json};

pub struct Bench {
    pub simulator: Simulator,
    pub clock: Virtual,
    pub ledger: Ledger,
    pub serving: Serving,
    pub client: reqwest::Client,
    pub token: String,
}

impl Bench {
    pub async fn new() -> Self {
        let clock = Virtual::new("2026-01-15T10:00:00Z".parse().unwrap());
        let ledger = Ledger::memory();
        let options = Options { client_id: "id".into(), client_secret: "secret".into(), seed: 7 };
        let simulator = Simulator::new(options, Arc::new(clock.clone()), ledger.clone());
        simulator.turn(|knobs| knobs.rate_limits = false);
        let serving = simulator.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let none = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().no_proxy().user_agent("Test Test/v1.0").redirect(none);
        let client = client.timeout(Duration::from_secs(10)).build().unwrap();
        let mut bench = Self { simulator, clock, ledger, serving, client, token: String::new() };
        bench.token = bench.fresh_token().await["access_token"].as_str().unwrap().to_owned();
        bench
    }

    pub async fn fresh_token(&self) -> Value {
        let url = format!("{}/auth/oauth2/token", self.serving.url);
        let form = [("grant_type", "client_credentials")];
        let answer = self.client.post(url).basic_auth("id", Some("secret")).form(&form).send().await;
        answer.unwrap().json().await.unwrap()
    }

    pub async fn call(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}{path}", self.serving.url);
        let request = self.client.request(method, url).bearer_auth(&self.token).json(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
    }

    pub async fn start(&self, account: Option<&str>, key: u32, extra: Value) -> (u16, Value) {
        let mut body = json!({"customerInternalReference": "case-1", "workflowDefinition": {"key": key}});
        for (name, value) in extra.as_object().unwrap() {
            body[name] = value.clone();
        }
        let accounts = "/account/api/v1/accounts";
        match account {
            None => self.call(Method::POST, accounts, &body).await,
            Some(id) => self.call(Method::PUT, &format!("{accounts}/{id}"), &body).await,
        }
    }

    /// Starts a full check; returns account, execution and link.
    pub async fn started(&self, extra: Value) -> (String, String, String) {
        let (code, answer) = self.start(None, 10011, extra).await;
        assert_eq!(code, 200, "{answer}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let execution = text(&answer["workflowExecution"]["id"]);
        (text(&answer["account"]["id"]), execution, text(&answer["web"]["href"]))
    }

    pub async fn read(&self, account: &str, execution: &str, what: &str) -> (u16, Value) {
        let path = format!("/retrieval/api/v1/accounts/{account}/workflow-executions/{execution}{what}");
        self.call(Method::GET, &path, &Value::Null).await
    }

    /// A person completes a check with a key, on an account or on a new one; returns the execution and its details.
    pub async fn run(&self, account: Option<&str>, key: u32, script: Script) -> (Execution, Value) {
        let (code, answer) = self.start(account, key, json!({})).await;
        assert_eq!(code, 200, "{key}: {answer}");
        let execution = answer["workflowExecution"]["id"].as_str().unwrap();
        let one = self.simulator.finish(execution, Some(script)).unwrap();
        let (_, details) = self.read(&one.account, execution, "").await;
        (one, details)
    }

    /// The same client with a valid token.
    pub async fn with_fresh_token(self) -> Self {
        let token = self.fresh_token().await["access_token"].as_str().unwrap().to_owned();
        Self { token, ..self }
    }

    pub async fn status(&self, account: &str, execution: &str) -> String {
        let (_, answer) = self.read(account, execution, "/status").await;
        answer["workflowExecution"]["status"].as_str().unwrap().to_owned()
    }
}

pub fn label<'a>(details: &'a Value, name: &str) -> &'a str {
    details["capabilities"][name][0]["decision"]["details"]["label"].as_str().unwrap_or("-")
}
