//! A real browser: Chromium without a window, driven by its debugging protocol over a pipe. It reaches loopback only,
//! and ends when the pipe closes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::skipped;

/// Names of the program: Debian's, and those of other systems.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const PATIENCE: Duration = Duration::from_secs(60);
/// The protocol is on the descriptors 3 and 4.
const PIPED: &str = "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";

#[derive(Debug)]
pub struct Chromium {
    browser: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// The tab.
    session: Option<String>,
    last: u64,
    /// Addresses that pages asked for.
    requests: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Chromium {
    /// A browser with an empty profile. None: it is not available, which is printed.
    pub fn open() -> Option<Self> {
        let there =
            |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|it| it.status.success());
        let Some(name) = NAMES.iter().find(there) else {
            skipped("Chromium", "none of its names is a program here");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", PIPED, "sh", name, "--headless=new", "--no-sandbox", "--remote-debugging-pipe"]);
        command.args(["--disable-gpu", "--no-first-run", "--disable-sync", "--disable-component-update"]);
        command.args(["--disable-background-networking", "--disable-dev-shm-usage", "--lang=en"]);
        command.arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        let mut browser = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let to = browser.stdin.take().unwrap();
        let from = BufReader::new(browser.stdout.take().unwrap());
        let mut chromium =
            Self { browser, to, from, session: None, last: 0, requests: Vec::new(), _profile: profile };
        let tab = chromium.command("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": tab["targetId"], "flatten": true});
        let attached = chromium.command("Target.attachToTarget", attach);
        chromium.session = attached["sessionId"].as_str().map(str::to_owned);
        chromium.command("Network.enable", json!({}));
        chromium.command("Page.enable", json!({}));
        Some(chromium)
    }

    fn command(&mut self, method: &str, params: Value) -> Value {
        let answer = self.try_command(method, params);
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Sends one command and reads until its answer. Events before it are looked at and dropped.
    fn try_command(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        tokio::task::block_in_place(|| {
            self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
            loop {
                let mut bytes = Vec::new();
                let read = self.from.read_until(0, &mut bytes).unwrap();
                assert!(read > 0, "Chromium ended");
                bytes.pop();
                let mut message: Value = serde_json::from_slice(&bytes).unwrap();
                if message["method"] == "Network.requestWillBeSent" {
                    let url = message["params"]["request"]["url"].as_str().unwrap_or_default();
                    self.requests.push(url.to_owned());
                }
                if message["id"] == self.last {
                    let error = message["error"].take();
                    return if error.is_null() { Ok(message["result"].take()) } else { Err(error) };
                }
            }
        })
    }

    pub fn go(&mut self, url: &str) {
        self.command("Page.navigate", json!({ "url": url }));
    }

    /// The value of an expression in the page. None: the page is changing.
    fn value(&mut self, expression: &str) -> Option<Value> {
        let params = json!({"expression": expression, "returnByValue": true});
        let mut answer = self.try_command("Runtime.evaluate", params).ok()?;
        answer.get("exceptionDetails").is_none().then(|| answer["result"]["value"].take())
    }

    pub fn address(&mut self) -> String {
        let address = self.value("location.href").unwrap_or_default();
        address.as_str().unwrap_or_default().to_owned()
    }

    /// What a person reads in the page.
    pub fn text(&mut self) -> String {
        let text = self.value("document.body ? document.body.innerText : ''").unwrap_or_default();
        text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn until(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> bool) {
        let started = Instant::now();
        while !look(self) {
            if started.elapsed() > PATIENCE {
                panic!("{what} did not come; at {}: {}", self.address(), self.text());
            }
            tokio::task::block_in_place(|| std::thread::sleep(Duration::from_millis(50)));
        }
    }

    /// Waits until the page says this.
    pub fn reads(&mut self, words: &str) {
        self.until(words, |chromium| chromium.text().contains(words));
    }

    /// Waits for an element.
    pub fn sees(&mut self, selector: &str) {
        let there =
            format!("document.readyState == 'complete' && !!document.querySelector({})", json!(selector));
        self.until(selector, |chromium| chromium.value(&there) == Some(true.into()));
    }

    /// Types into a field, as a keyboard does.
    pub fn types(&mut self, selector: &str, text: &str) {
        self.sees(selector);
        self.value(&format!("document.querySelector({}).focus()", json!(selector)));
        self.command("Input.insertText", json!({ "text": text }));
    }

    pub fn clicks(&mut self, selector: &str) {
        self.sees(selector);
        self.value(&format!("document.querySelector({}).click()", json!(selector)));
    }

    /// Addresses outside of this machine that a page asked for.
    pub fn strangers(&self) -> Vec<&String> {
        let ours = ["http://127.0.0.1", "data:", "about:", "blob:"];
        self.requests.iter().filter(|url| !ours.iter().any(|own| url.starts_with(own))).collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
