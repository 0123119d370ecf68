//! A browser without a screen: keeps cookies, follows no redirect, sends forms as a browser does.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Method, StatusCode};

use crate::world::{World, token};

pub struct Client {
    http: reqwest::Client,
    pub url: String,
    pub cookies: BTreeMap<String, String>,
    /// Sent as `Origin` with forms; None: none.
    pub origin: Option<String>,
}

#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    pub fn goes(&self) -> &str {
        self.headers.get(LOCATION).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The value of the first field with a name.
    pub fn field(&self, name: &str) -> Option<String> {
        let (_, rest) = self.text.split_once(&format!("name=\"{name}\" value=\""))?;
        // Values of our forms contain no other character that a template escapes.
        Some(rest.split('"').next().unwrap().replace("&#x2f;", "/"))
    }
}

impl Client {
    pub fn new(world: &World) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let origin = Some(world.url.clone());
        Self { http, url: world.url.clone(), cookies: BTreeMap::new(), origin }
    }

    /// Signs in with a token of the test world.
    pub async fn signed_in(world: &World, short: &str) -> Self {
        let mut client = Self::new(world);
        let page = client.post("/login", &[("token", &token(short))]).await;
        assert_eq!((page.status, page.goes()), (StatusCode::SEE_OTHER, "/"), "{}", page.text);
        client
    }

    pub async fn get(&mut self, path: &str) -> Page {
        self.send(Method::GET, path, &[], &[]).await
    }

    /// Sends exactly these fields.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(Method::POST, path, fields, &[]).await
    }

    /// Sends a form of a page: these fields, and the session's secret that the page has.
    pub async fn submit(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let key = self.get(page).await.field("form_key").expect("a page with a form");
        let mut all = vec![("form_key", key.as_str())];
        all.extend(fields);
        self.post(path, &all).await
    }

    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        more: &[(&str, &str)],
    ) -> Page {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if method == Method::POST {
            request = request.form(fields);
            if let Some(origin) = &self.origin {
                request = request.header(ORIGIN, origin);
            }
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        for set in answer.headers().get_all(SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (status, headers) = (answer.status(), answer.headers().clone());
        Page { status, headers, text: answer.text().await.unwrap() }
    }
}
