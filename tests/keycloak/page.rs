//! What a browser does with Keycloak's pages, over plain HTTP: forms, links, cookies, redirects.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Request, RequestBuilder, Response, Url};

/// Where applications want their people back. Nobody listens: the redirect is read and not followed.
pub const CALLBACK: &str = "http://127.0.0.1:9/callback";

#[derive(Debug, Clone)]
pub struct Page {
    pub status: u16,
    pub url: Url,
    pub html: String,
}

/// Where the browser is.
#[derive(Debug, Clone)]
pub enum Place {
    Nowhere,
    Page(Page),
    /// Back at the application, with these parameters.
    Application(BTreeMap<String, String>),
}

#[derive(Debug)]
pub struct Browser {
    http: Client,
    /// By path and name: each realm has a path. Keycloak marks them `Secure` on loopback too, as browsers trust
    /// loopback; a jar that goes by the scheme would not send them.
    cookies: BTreeMap<(String, String), String>,
    pub place: Place,
}

/// A form: its address and its fields with their values.
#[derive(Debug)]
pub struct Form {
    pub action: Url,
    pub fields: BTreeMap<String, String>,
}

impl Browser {
    pub fn new() -> Self {
        let http = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let http = http.timeout(Duration::from_secs(60)).build().unwrap();
        Self { http, cookies: BTreeMap::new(), place: Place::Nowhere }
    }

    pub async fn go(&mut self, url: &str) {
        let request = self.http.get(url);
        self.follow(request).await;
    }

    /// Sends the page's form with these fields filled in.
    pub async fn submit(&mut self, values: &[(&str, &str)]) {
        let mut form = self.page().form();
        form.fields.extend(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let request = self.http.post(form.action).form(&form.fields);
        self.follow(request).await;
    }

    /// Sends a request and follows redirects to a page or to the application.
    async fn follow(&mut self, request: RequestBuilder) {
        let mut request = request.build().unwrap();
        for _ in 0..12 {
            self.show(&mut request);
            let answer = self.http.execute(request).await.unwrap();
            self.keep(&answer);
            let (status, url) = (answer.status(), answer.url().clone());
            let to = answer.headers().get(LOCATION).map(|to| url.join(to.to_str().unwrap()).unwrap());
            let Some(to) = to.filter(|_| status.is_redirection()) else {
                let html = answer.text().await.unwrap();
                self.place = Place::Page(Page { status: status.as_u16(), url, html });
                return;
            };
            if to.as_str().starts_with(CALLBACK) {
                let told = to.fragment().or(to.query()).unwrap_or_default();
                self.place = Place::Application(serde_urlencoded::from_str(told).unwrap());
                return;
            }
            request = self.http.get(to).build().unwrap();
        }
        panic!("redirects without an end");
    }

    /// Adds the cookies of the request's address.
    fn show(&self, request: &mut Request) {
        let path = request.url().path();
        let of_path = self.cookies.iter().filter(|((of, _), _)| path.starts_with(of.as_str()));
        let jar: Vec<String> = of_path.map(|((_, name), value)| format!("{name}={value}")).collect();
        request.headers_mut().insert(COOKIE, jar.join("; ").parse().unwrap());
    }

    fn keep(&mut self, answer: &Response) {
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let mut parts = cookie.to_str().unwrap().split(';').map(|part| part.trim().split_once('='));
            let (name, value) = parts.next().flatten().unwrap();
            let attributes: BTreeMap<String, &str> =
                parts.flatten().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
            let path = attributes.get("path").map_or("/", |path| *path);
            let key = (path.to_owned(), name.to_owned());
            if value.is_empty() || attributes.get("max-age") == Some(&"0") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
    }

    pub fn page(&self) -> &Page {
        match &self.place {
            Place::Page(page) => page,
            other => panic!("not at a page: {other:?}"),
        }
    }

    /// The code with which the application fetches tokens, if the person was signed in.
    pub fn code(&self) -> Option<&str> {
        match &self.place {
            Place::Application(parameters) => parameters.get("code").map(String::as_str),
            Place::Page(_) | Place::Nowhere => None,
        }
    }

    /// What a person reads.
    pub fn text(&self) -> String {
        match &self.place {
            Place::Nowhere => String::new(),
            Place::Application(parameters) => format!("the application, with {parameters:?}"),
            Place::Page(page) => format!("{} {}", page.status, page.text()),
        }
    }
}

impl Page {
    /// The first form of the page.
    pub fn form(&self) -> Form {
        let (tag, rest) =
            after_tag(&self.html, "<form").unwrap_or_else(|| panic!("no form: {}", self.text()));
        let inside = rest.split("</form>").next().unwrap_or_default();
        let mut fields = BTreeMap::new();
        let mut left = inside;
        while let Some((input, next)) = after_tag(left, "<input") {
            left = next;
            if let Some(name) = attribute(input, "name") {
                fields.insert(name, attribute(input, "value").unwrap_or_default());
            }
        }
        let action = attribute(tag, "action").unwrap_or_else(|| panic!("a form without address: {tag}"));
        Form { action: self.url.join(&action).unwrap(), fields }
    }

    pub fn has_field(&self, name: &str) -> bool {
        self.html.contains("<form") && self.form().fields.contains_key(name)
    }

    /// The first link whose address contains the text.
    pub fn link(&self, part: &str) -> Option<String> {
        let hrefs = self.html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let found = hrefs.map(decoded).find(|href| href.contains(part))?;
        Some(self.url.join(&found).unwrap().to_string())
    }

    pub fn text(&self) -> String {
        let body = self.html.split("<body").nth(1).unwrap_or(&self.html);
        let mut text = String::new();
        for (number, piece) in body.split("<script").enumerate() {
            let shown = if number == 0 {
                piece
            } else {
                piece.split_once("</script>").map_or("", |(_, shown)| shown)
            };
            for part in shown.split('<') {
                text.push_str(part.split_once('>').map_or(part, |(_, words)| words));
                text.push(' ');
            }
        }
        decoded(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The first tag that begins so, and what follows it.
fn after_tag<'a>(html: &'a str, begin: &str) -> Option<(&'a str, &'a str)> {
    let rest = &html[html.find(begin)? + begin.len()..];
    rest.split_once('>')
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    // The space before the name keeps `data-name` apart.
    let tag = tag.replace(['\n', '\t'], " ");
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(decoded)
}

fn decoded(text: &str) -> String {
    let pairs =
        [("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&#x2f;", "/"), ("&#47;", "/")];
    let text = pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&nbsp;", " ").replace("&laquo;", "«").replace("&amp;", "&")
}
