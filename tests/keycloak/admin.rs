//! An administrator of a realm, by the admin REST API: what a person with the console can do and see. Shares nothing
//! with the connector.
#![allow(dead_code, reason = "an administrator can do more than each test asks for")]

use std::time::Duration;

use proofd::simulate::mailbox::Mailbox;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{ADMIN, Keycloak};

/// The group of those who registered and are not approved.
pub const PENDING: &str = "proofd-pending";

#[derive(Debug, Clone)]
pub struct Realm {
    pub keycloak: &'static Keycloak,
    pub name: String,
    /// Where the realm's mails arrive.
    pub mailbox: Mailbox,
    http: Client,
}

impl Realm {
    pub fn new(keycloak: &'static Keycloak, name: &str) -> Self {
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(120)).build().unwrap();
        Self { keycloak, name: name.to_owned(), mailbox: keycloak.mailbox.clone(), http }
    }

    /// The address of the realm for applications.
    pub fn url(&self) -> String {
        format!("{}/realms/{}", self.keycloak.url, self.name)
    }

    async fn token(&self) -> String {
        let url = format!("{}/realms/master/protocol/openid-connect/token", self.keycloak.url);
        let form = [
            ("client_id", "admin-cli"),
            ("grant_type", "password"),
            ("username", ADMIN),
            ("password", ADMIN),
        ];
        let answer: Value = self.http.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// A request below `/admin/realms`. The token is fetched each time: it is valid for a minute.
    async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let url = format!("{}/admin/realms{path}", self.keycloak.url);
        let mut request = self.http.request(method, url).bearer_auth(self.token().await);
        request = request.header("Accept", "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// A request of the realm, as in `/users/ID`. An error fails the test.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.try_ask(method.clone(), path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer}\n{}", self.keycloak.tail());
        answer
    }

    pub async fn try_ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.request(method, &format!("/{}{path}", self.name), body.as_ref()).await
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, None).await
    }

    pub async fn create(&self, file: &Value) {
        let (status, answer) = self.request(Method::POST, "", Some(file)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}\n{}", self.keycloak.tail());
    }

    /// The user with this name, as an administrator sees it.
    pub async fn user(&self, username: &str) -> Option<Value> {
        let found = self.get(&format!("/users?exact=true&username={username}")).await;
        found.as_array().unwrap().first().cloned()
    }

    pub async fn id(&self, username: &str) -> String {
        let user = self.user(username).await.unwrap_or_else(|| panic!("no user {username}"));
        user["id"].as_str().unwrap().to_owned()
    }

    pub async fn group(&self, name: &str) -> String {
        let group = self.get(&format!("/group-by-path/{name}")).await;
        group["id"].as_str().unwrap().to_owned()
    }

    /// Names of the groups that the person is a member of.
    pub async fn groups_of(&self, id: &str) -> Vec<String> {
        names(&self.get(&format!("/users/{id}/groups")).await)
    }

    /// Realm roles of the person, by themselves, by groups and by other roles.
    pub async fn roles_of(&self, id: &str) -> Vec<String> {
        names(&self.get(&format!("/users/{id}/role-mappings/realm/composite")).await)
    }

    pub async fn sessions(&self, id: &str) -> usize {
        self.get(&format!("/users/{id}/sessions")).await.as_array().unwrap().len()
    }

    pub async fn joins(&self, id: &str, group: &str) {
        let group = self.group(group).await;
        self.ask(Method::PUT, &format!("/users/{id}/groups/{group}"), None).await;
    }

    pub async fn leaves(&self, id: &str, group: &str) {
        let group = self.group(group).await;
        self.ask(Method::DELETE, &format!("/users/{id}/groups/{group}"), None).await;
    }

    /// Creates somebody who can sign in at once: an account that was there before the gate.
    pub async fn employs(&self, username: &str, password: &str) -> String {
        let user = json!({
            "username": username, "email": format!("{username}@mail.example"), "emailVerified": true,
            "firstName": "Ada", "lastName": "Lovelace", "enabled": true,
            "credentials": [{"type": "password", "value": password, "temporary": false}],
        });
        self.ask(Method::POST, "/users", Some(user)).await;
        let id = self.id(username).await;
        self.leaves(&id, PENDING).await;
        id
    }

    pub async fn sets_password(&self, id: &str, password: &str) {
        let body = json!({"type": "password", "value": password, "temporary": false});
        self.ask(Method::PUT, &format!("/users/{id}/reset-password"), Some(body)).await;
    }

    /// Changes these members of the user and leaves the others.
    pub async fn changes(&self, id: &str, members: Value) {
        let path = format!("/users/{id}");
        let mut user = self.get(&path).await;
        user.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.ask(Method::PUT, &path, Some(user)).await;
    }

    /// Gives or takes a realm role.
    pub async fn role(&self, method: Method, id: &str, role: &str) {
        let role = self.get(&format!("/roles/{}", role.replace(' ', "%20"))).await;
        let body = json!([{"id": role["id"], "name": role["name"]}]);
        self.ask(method, &format!("/users/{id}/role-mappings/realm"), Some(body)).await;
    }

    pub async fn grants(&self, id: &str, role: &str) {
        self.role(Method::POST, id, role).await;
    }

    pub async fn revokes(&self, id: &str, role: &str) {
        self.role(Method::DELETE, id, role).await;
    }

    pub async fn deletes(&self, id: &str) {
        self.ask(Method::DELETE, &format!("/users/{id}"), None).await;
    }

    /// Administrators' events, newest first, as `OPERATION RESOURCE path` with the client that did it.
    pub async fn done(&self, path: &str) -> Vec<(String, String)> {
        let events = self.get("/admin-events?max=1000").await;
        let of_path =
            events.as_array().unwrap().iter().filter(|one| {
                one["resourcePath"].as_str().is_some_and(|resource| resource.starts_with(path))
            });
        of_path
            .map(|one| {
                let text = |name: &str| one[name].as_str().unwrap_or_default();
                let client = one["authDetails"]["clientId"].as_str().unwrap_or_default().to_owned();
                (format!("{} {}", text("operationType"), text("resourceType")), client)
            })
            .collect()
    }

    /// Events of this person, newest first.
    pub async fn events_of(&self, id: &str) -> Vec<Value> {
        self.get(&format!("/events?max=1000&user={id}")).await.as_array().unwrap().clone()
    }
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}
