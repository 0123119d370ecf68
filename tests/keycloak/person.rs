//! A person who registers and signs in to the application `portal`, with a browser over plain HTTP.
#![allow(dead_code, reason = "a person can do more than each test asks for")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proofd::simulate::mailbox::Mail;
use reqwest::{StatusCode, Url};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::admin::Realm;
use crate::page::{Browser, CALLBACK, Place};

/// The application of the example realm.
pub const APPLICATION: &str = "portal";
/// How long a person waits for a mail.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Person {
    pub realm: Realm,
    pub name: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub password: String,
    pub browser: Browser,
    /// The secret half of the proof key of the last sign-in.
    verifier: String,
}

/// A proof key (RFC 7636): only who began a sign-in can fetch its tokens.
#[derive(Debug)]
pub struct Challenge {
    pub secret: String,
    pub public: String,
}

impl Challenge {
    pub fn new() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).unwrap();
        let secret = URL_SAFE_NO_PAD.encode(bytes);
        Self { public: URL_SAFE_NO_PAD.encode(Sha256::digest(&secret)), secret }
    }
}

impl Person {
    /// A person whom no other test knows.
    pub fn new(realm: &Realm, first_name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number}", first_name.to_lowercase());
        Self {
            realm: realm.clone(),
            first_name: first_name.to_owned(),
            last_name: "Tester".to_owned(),
            email: format!("{name}@partner.test"),
            password: format!("Passw0rd!{name}"),
            name,
            browser: Browser::new(),
            verifier: String::new(),
        }
    }

    /// The same person at another browser.
    pub fn elsewhere(&self) -> Self {
        Self {
            realm: self.realm.clone(),
            name: self.name.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            email: self.email.clone(),
            password: self.password.clone(),
            browser: Browser::new(),
            verifier: String::new(),
        }
    }

    /// The address to which the application sends people who want to sign in.
    pub fn door(&mut self, more: &[(&str, &str)]) -> String {
        let challenge = Challenge::new();
        self.verifier = challenge.secret;
        let mut url = Url::parse(&format!("{}/protocol/openid-connect/auth", self.realm.url())).unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", APPLICATION)
            .append_pair("redirect_uri", CALLBACK)
            .append_pair("response_type", "code")
            .append_pair("code_challenge", &challenge.public)
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(more);
        if !more.iter().any(|(name, _)| *name == "scope") {
            url.query_pairs_mut().append_pair("scope", "openid");
        }
        url.into()
    }

    pub async fn begins(&mut self, more: &[(&str, &str)]) {
        let door = self.door(more);
        self.browser.go(&door).await;
    }

    /// Fills in Keycloak's registration form. Since 26.7 it has no password if addresses are confirmed.
    pub async fn registers(&mut self) {
        self.begins(&[("prompt", "create")]).await;
        let (name, email) = (self.name.clone(), self.email.clone());
        let (first, last) = (self.first_name.clone(), self.last_name.clone());
        let password = self.password.clone();
        let mut values =
            vec![("username", &*name), ("email", &*email), ("firstName", &*first), ("lastName", &*last)];
        if self.browser.page().has_field("password") {
            values.extend([("password", &*password), ("password-confirm", &*password)]);
        }
        self.browser.submit(&values).await;
    }

    /// Signs in with name and password. True: the application got a code.
    pub async fn signs_in(&mut self) -> bool {
        self.signs_in_with(&[]).await
    }

    pub async fn signs_in_with(&mut self, more: &[(&str, &str)]) -> bool {
        self.begins(more).await;
        if let Place::Page(page) = &self.browser.place
            && page.has_field("username")
        {
            let (name, password) = (self.name.clone(), self.password.clone());
            self.browser.submit(&[("username", &name), ("password", &password)]).await;
        }
        self.browser.code().is_some()
    }

    /// Whether this browser has a session that gives a code without any form.
    pub async fn has_session(&mut self) -> bool {
        self.begins(&[("prompt", "none")]).await;
        self.browser.code().is_some()
    }

    /// The tokens for the code that the application got.
    pub async fn tokens(&self) -> (StatusCode, Value) {
        let code = self.browser.code().unwrap_or_else(|| panic!("no code: {}", self.browser.text()));
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", APPLICATION),
            ("redirect_uri", CALLBACK),
            ("code", code),
            ("code_verifier", &self.verifier),
        ];
        self.token(&form).await
    }

    /// Whether a refresh token gives new tokens.
    pub async fn refreshes(&self, tokens: &Value) -> bool {
        let token = tokens["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("client_id", APPLICATION), ("refresh_token", token)];
        self.token(&form).await.0.is_success()
    }

    /// Asks for tokens with name and password, without a browser.
    pub async fn direct_grant(&self, client: &str) -> StatusCode {
        let form = [
            ("grant_type", "password"),
            ("client_id", client),
            ("username", &self.name),
            ("password", &self.password),
        ];
        self.token(&form).await.0
    }

    async fn token(&self, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let url = format!("{}/protocol/openid-connect/token", self.realm.url());
        let answer = reqwest::Client::builder().no_proxy().build().unwrap().post(url).form(form).send().await;
        let answer = answer.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Asks for a new password at the sign-in form; Keycloak sends a mail.
    pub async fn forgets_password(&mut self) {
        self.begins(&[]).await;
        let link = self.browser.page().link("reset-credentials").expect("a link for a forgotten password");
        self.browser.go(&link).await;
        let name = self.name.clone();
        self.browser.submit(&[("username", &name)]).await;
    }

    /// Follows a link of Keycloak's mails to its end: confirms, and sets the password where it is asked for.
    pub async fn acts_on(&mut self, link: &str) {
        self.browser.go(link).await;
        for _ in 0..6 {
            let Place::Page(page) = &self.browser.place else { return };
            if page.has_field("password-new") {
                let password = self.password.clone();
                self.browser.submit(&[("password-new", &password), ("password-confirm", &password)]).await;
            } else if let Some(next) = page.link("/login-actions/action-token") {
                self.browser.go(&next).await;
            } else {
                return;
            }
        }
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.realm.mailbox.mails_to(&self.email)
    }

    /// Waits for the newest link to an address with this part, in mails after the first `seen`.
    pub async fn link_after(&self, seen: usize, part: &str) -> String {
        let started = Instant::now();
        loop {
            let mails = self.mails();
            let newest = mails.iter().skip(seen).rev();
            if let Some(link) = newest.flat_map(|mail| &mail.links).find(|link| link.contains(part)) {
                return link.clone();
            }
            let subjects: Vec<_> = mails.iter().map(|mail| &mail.subject).collect();
            assert!(started.elapsed() < PATIENCE, "no mail with {part} to {}: {subjects:?}", self.email);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for a link of Keycloak's own mails after the first `seen` mails.
    pub async fn keycloak_link(&self, seen: usize) -> String {
        self.link_after(seen, "/login-actions/action-token").await
    }
}
