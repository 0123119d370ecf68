//! A small OpenID Connect client: the application `portal` of the example realm. It greets a person who signs in by the
//! name that the server gives for the token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, Redirect};
use axum::routing::get;
use serde_json::Value;

use crate::admin::Realm;
use crate::person::{APPLICATION, Challenge};

#[derive(Debug, Clone)]
pub struct Portal {
    pub url: String,
    openid: String,
    /// The secret half of each proof key, by the state of its request.
    begun: Arc<Mutex<HashMap<String, String>>>,
}

impl Portal {
    /// Serves the application for as long as the runtime of the test runs.
    pub async fn open(realm: &Realm) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let openid = format!("{}/protocol/openid-connect", realm.url());
        let portal = Self { url, openid, begun: Arc::default() };
        let router = Router::new()
            .route("/", get(async || Html("<h1>Portal</h1><a id=signin href=/signin>Sign in</a>")))
            .route("/signin", get(sign_in))
            .route("/callback", get(callback))
            .with_state(portal.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        portal
    }

    fn callback(&self) -> String {
        format!("{}/callback", self.url)
    }

    /// The name of the person for a code.
    async fn name(&self, code: &str, verifier: &str) -> Option<String> {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let callback = self.callback();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", APPLICATION),
            ("redirect_uri", &callback),
            ("code", code),
            ("code_verifier", verifier),
        ];
        let tokens: Value =
            http.post(format!("{}/token", self.openid)).form(&form).send().await.ok()?.json().await.ok()?;
        let token = tokens["access_token"].as_str()?;
        let person = http.get(format!("{}/userinfo", self.openid)).bearer_auth(token).send().await.ok()?;
        let person: Value = person.json().await.ok()?;
        Some(person["preferred_username"].as_str()?.to_owned())
    }
}

async fn sign_in(State(portal): State<Portal>) -> Redirect {
    let challenge = Challenge::new();
    let callback = portal.callback();
    let query = [
        ("client_id", APPLICATION),
        ("redirect_uri", &callback),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", &challenge.public),
        ("code_challenge", &challenge.public),
        ("code_challenge_method", "S256"),
    ];
    let query = serde_urlencoded::to_string(query).unwrap();
    portal.begun.lock().unwrap().insert(challenge.public, challenge.secret);
    Redirect::to(&format!("{}/auth?{query}", portal.openid))
}

async fn callback(State(portal): State<Portal>, Query(told): Query<HashMap<String, String>>) -> Html<String> {
    let verifier = told.get("state").and_then(|state| portal.begun.lock().unwrap().remove(state));
    let name = match (told.get("code"), verifier) {
        (Some(code), Some(verifier)) => portal.name(code, &verifier).await,
        _ => None,
    };
    Html(match name {
        Some(name) => format!("<h1>Portal</h1><p>Welcome, {name}!</p>"),
        None => "<h1>Portal</h1><p>You are not signed in.</p>".to_owned(),
    })
}
