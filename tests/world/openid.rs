//! A vendor that verifies people by OpenID Connect: npm oidc-provider, with faults (`openid/vendor.mjs`). It needs node
//! and npm and, the first time, the package index.
#![allow(dead_code, reason = "every test file uses its own part of it")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

const PACKAGE: &str = "oidc-provider@9.13.3";
pub const SECRET: &str = "a-secret-of-the-vendor-for-tests-only";

/// A running vendor. It ends with the test.
pub struct Vendor {
    pub issuer: String,
    child: Child,
    http: reqwest::Client,
}

impl Drop for Vendor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Installs the package once and keeps it between runs. Tests may run as separate processes: one installs, the others
/// wait.
fn installed() -> Result<PathBuf, String> {
    let cache = std::env::var_os("PROOFD_TEST_CACHE").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/proofd-tests"));
    let place = cache.or_else(home).ok_or("neither PROOFD_TEST_CACHE nor HOME is set")?.join("openid");
    let said = |error: std::io::Error| error.to_string();
    std::fs::create_dir_all(&place).map_err(said)?;
    let lock = File::create(place.join("lock")).map_err(said)?;
    lock.lock().map_err(said)?;
    super::python::run(Path::new("node"), &["--version"])?;
    let mark = place.join("installed");
    if std::fs::read_to_string(&mark).is_ok_and(|found| found == PACKAGE) {
        return Ok(place);
    }
    std::fs::write(place.join("package.json"), r#"{"name":"peer","private":true}"#).map_err(said)?;
    let at = place.to_string_lossy().into_owned();
    super::python::run(
        Path::new("npm"),
        &["install", "--prefix", &at, "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE],
    )?;
    std::fs::write(mark, PACKAGE).map_err(said)?;
    Ok(place)
}

impl Vendor {
    /// Starts a vendor that sends browsers back to `redirects`. None: node or npm is missing, which is printed.
    pub fn start(redirects: &[&str], more: &Value) -> Option<Self> {
        let home = match installed() {
            Ok(home) => home,
            Err(why) => {
                assert!(std::env::var_os("CI").is_none(), "{PACKAGE} must be there in CI: {why}");
                eprintln!("SKIPPED: nothing was tried against {PACKAGE}. {why}");
                return None;
            }
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut given = json!({"secret": SECRET, "redirects": redirects});
        given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world/openid/vendor.mjs");
        let mut child = Command::new("node")
            .args([script.as_os_str(), home.as_os_str()])
            .arg(given.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.find_map(|line| serde_json::from_str::<Value>(&line.ok()?).ok());
        let issuer = said.expect("the vendor ended")["issuer"].as_str().unwrap().to_owned();
        // The rest of its output must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Some(Self { issuer, child, http })
    }

    /// Sets how it answers from now on.
    pub async fn play(&self, order: Value) {
        let request = self.http.post(format!("{}/play", self.issuer)).body(order.to_string());
        assert!(request.send().await.unwrap().status().is_success());
    }

    pub async fn seen(&self) -> Value {
        self.http.get(format!("{}/seen", self.issuer)).send().await.unwrap().json().await.unwrap()
    }
}

/// A browser: follows redirects and keeps cookies.
#[derive(Debug, Clone)]
pub struct Browser {
    http: reqwest::Client,
    pub cookies: BTreeMap<String, String>,
}

impl Default for Browser {
    fn default() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, cookies: BTreeMap::new() }
    }
}

impl Browser {
    pub async fn send(&mut self, method: Method, url: &str) -> Response {
        self.ask(self.http.request(method, url)).await
    }

    /// Sends a form.
    pub async fn submit(&mut self, url: &str, fields: &[(&str, String)]) -> Response {
        self.ask(self.http.post(url).form(fields)).await
    }

    async fn ask(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header(COOKIE, cookies.join("; ")).send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// Follows redirects from an address until one begins with `until`, which is returned and not followed. None: a
    /// page came before.
    pub async fn goes(&mut self, from: &str, until: &str) -> Option<String> {
        let mut url = url::Url::parse(from).unwrap();
        for _ in 0..10 {
            let response = self.send(Method::GET, url.as_str()).await;
            let next = response.headers().get(LOCATION)?.to_str().unwrap();
            url = url.join(next).unwrap();
            if url.as_str().starts_with(until) {
                return Some(url.into());
            }
        }
        None
    }
}
