//! The real daemon as a child process, with simulators in the test. Shared parts of the end-to-end tests, which read
//! the actual changes from the simulators' ledger.
#![allow(dead_code, reason = "every test file uses its own part of it")]

pub mod disk;
pub mod inside;
pub mod openid;
pub mod past;
pub mod people;
pub mod python;
pub mod staff;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use proofd::engine::clock::Scaled;
use proofd::model::{Clock, Timestamp};
use proofd::simulate::ledger::Ledger;
use proofd::simulate::town::{Addresses, Credentials, Town};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// Timeout of every wait; a test that hangs then reports its condition.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct World {
    pub town: Arc<Town>,
    pub clock: Scaled,
    pub dir: tempfile::TempDir,
    pub url: String,
    factor: i32,
    /// Origin of the daemon's clock; days that pass while the daemon is down move it back.
    origin: Timestamp,
    daemon: Option<Child>,
    http: reqwest::Client,
    /// The socket for notifications to systemd, if a test acts as systemd.
    pub notify: Option<PathBuf>,
}

/// The result of a command.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

/// One token for each role, by `token("t-ROLE")`. The desk tokens belong to persons, and Dora leads the desk.
const ACCESS: &str = "access:
  tokens:
    - {name: Dana, role: admin, person: dana@example.com, teams: [TEAMS, LEADS], token: t-admin-of-the-test-world}
    - {name: Vic, role: viewer, token: t-viewer-of-the-test-world}
    - {name: Desi, role: desk, person: desi@example.com, teams: [TEAMS], token: t-desk-of-the-test-world}
    - {name: Devi, role: desk, person: devi@example.com, teams: [TEAMS], token: t-desk-2-of-the-test-world}
    - {name: Dora, role: desk, person: dora@example.com, teams: [TEAMS, LEADS], token: t-desk-3-of-the-test-world}
    - {name: Tenant Admin, role: desk, person: tina@example.com, teams: [TEAMS], token: t-granter-of-the-test-world}
    - {name: Spencer, role: desk, person: sponsor@example.com, teams: [TEAMS], token: t-sponsor-of-the-test-world}
    - {name: Aut, role: author, person: aut@example.com, token: t-author-of-the-test-world}
    - {name: Opal, role: operator, token: t-operator-of-the-test-world}
    - {name: Priya, role: privacy, token: t-privacy-of-the-test-world}
    - {name: Sam, role: source, token: t-source-of-the-test-world}
    - {name: Rae, roles: [viewer, raw_identity], token: t-raw-of-the-test-world}
";
const TEAMS: &str = "desk, identity-desk, role-owners, partner-desk, soc, hr, iam-oncall";
const LEADS: &str = "leads, identity-leads, soc-leads";

fn access() -> String {
    ACCESS.replace("TEAMS", TEAMS).replace("LEADS", LEADS)
}

/// The text of a token in `ACCESS` by its short name: token texts have a minimum length.
pub fn token(short: &str) -> String {
    format!("{short}-of-the-test-world")
}

/// A free address with a port below the range from which the system assigns client ports.
fn free_address() -> std::net::SocketAddr {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let free = |_| {
        let turn = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + std::process::id() * 97;
        let port = 20_000 + u16::try_from(turn % 12_000).unwrap();
        std::net::TcpListener::bind(("127.0.0.1", port)).ok()?.local_addr().ok()
    };
    (0..12_000).find_map(free).expect("a free port")
}

impl World {
    /// Starts simulators and writes a configuration, without starting the daemon. `more` is added to the
    /// configuration; all clocks run `factor` times as fast. With 1 the daemon has the system's clock, and may use
    /// systems that are not simulated.
    pub async fn new(factor: i32, policies: &Path, more: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let origin = proofd::engine::clock::System.now();
        let clock = Scaled::since(origin, factor);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::file(&dir.path().join("ledger.jsonl")).unwrap();
        let credentials = Credentials::default();
        let town = Arc::new(Town::serve(Addresses::default(), &credentials, shared, ledger).await.unwrap());
        // A port that is free now and is reused by the daemon after restarts.
        let address = free_address();
        let url = format!("http://{address}");
        copy_tree(policies, &dir.path().join("policies"));
        let connectors = town.connectors_yaml(&credentials);
        let yaml = format!(
            "listen: {address}\npublic_url: {url}\nstore: sled:store\n{connectors}{}{more}",
            access()
        );
        std::fs::write(dir.path().join("proofd.yaml"), yaml).unwrap();
        town.broadcast_to(&url);
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { town, clock, dir, url, factor, origin, daemon: None, http, notify: None }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn share_town(&self) -> Arc<Town> {
        Arc::clone(&self.town)
    }

    /// The origin of the accelerated clock, for another process that shares it.
    pub fn origin(&self) -> String {
        self.origin.to_rfc3339()
    }

    /// Whether the metrics of a daemon without tokens report no open case.
    pub async fn settled(&self) -> bool {
        let request = self.http.get(format!("{}/metrics", self.url));
        let Ok(answer) = request.header("accept", "application/openmetrics-text").send().await else {
            return false;
        };
        let text = answer.text().await.unwrap_or_default();
        let open = text.lines().filter(|line| line.starts_with("proofd_cases_open{"));
        text.ends_with("# EOF\n") && open.clone().all(|line| line.ends_with(" 0"))
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("proofd.yaml")
    }

    pub fn policies(&self) -> PathBuf {
        self.dir.path().join("policies")
    }

    pub fn proofd(&self) -> Command {
        Command::new(env!("CARGO_BIN_EXE_proofd"))
    }

    /// Starts the daemon and waits until it reports that it listens.
    pub fn start(&mut self) {
        assert!(self.daemon.is_none(), "the daemon runs already");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("daemon.log"))
            .unwrap();
        let mut command = self.proofd();
        if let Some(socket) = &self.notify {
            command.env("NOTIFY_SOCKET", socket);
        }
        command.args(["run", "--config"]).arg(self.config());
        if self.factor != 1 {
            command.arg("--rehearse").arg(format!("{}@{}", self.factor, self.origin.to_rfc3339()));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.contains("listening"), "the daemon did not start: {said}\n{}", self.log());
        self.daemon = Some(child);
    }

    /// The id of the daemon's process.
    pub fn process(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon runs").id()
    }

    /// SIGKILL: nothing is flushed.
    pub fn kill(&mut self) {
        let mut child = self.daemon.take().expect("the daemon runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and the exit code after draining.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.daemon.take().expect("the daemon runs");
        signal(&child, "TERM");
        child.wait().unwrap().code()
    }

    pub fn hangup(&self) {
        signal(self.daemon.as_ref().expect("the daemon runs"), "HUP");
    }

    /// Days pass while the daemon is down: its clock and the simulators' stay equal.
    pub fn pass(&mut self, by: TimeDelta) {
        assert_eq!(self.stop(), Some(0), "{}", tail(&self.log()));
        self.clock.advance(by);
        // Moving the origin back by one second adds `factor` seconds, less that second.
        self.origin -= by / (self.factor - 1);
        self.start();
    }

    /// Waits for the end of a daemon that is expected to stop by itself.
    pub fn start_in_vain(&self) -> Said {
        self.say(&["run"])
    }

    /// Runs a command with this world's configuration.
    pub fn say(&self, arguments: &[&str]) -> Said {
        let config = self.config();
        let mut all = arguments.to_vec();
        all.extend(["--config", config.to_str().unwrap()]);
        self.say_alone(&all)
    }

    /// Runs a command with exactly these arguments.
    pub fn say_alone(&self, arguments: &[&str]) -> Said {
        let mut command = self.proofd();
        command.args(arguments).env_remove("PROOFD_URL").env_remove("PROOFD_TOKEN").current_dir(&self.dir);
        command.env_remove("PROOFD_CONFIG").env("TZ", "UTC");
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// A plain HTTP client, for invalid requests.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Replaces an existing text in the configuration.
    pub fn edit_config(&self, from: &str, to: &str) {
        edit(&self.config(), from, to);
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("daemon.log")).unwrap_or_default()
    }

    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        self.try_ask(method, path, token, body).await.expect("the daemon answers")
    }

    pub async fn try_ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), reqwest::Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if !token.is_empty() {
            request = request.bearer_auth(self::token(token));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask(Method::GET, path, "t-admin", None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {value}");
        value
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, "t-admin", Some(body)).await
    }

    /// Every case in the format of the list.
    pub async fn cases(&self) -> Vec<Value> {
        let mut cases = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/v1/cases?limit=200{cursor}")).await;
            cases.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return cases,
            }
        }
    }

    pub async fn case_of(&self, name: &str) -> Option<Value> {
        self.cases()
            .await
            .into_iter()
            .find(|case| case["subject"]["name"].as_str().is_some_and(|n| n.contains(name)))
    }

    /// Polls until a condition holds.
    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        let patience = std::env::var("PROOFD_PATIENCE_SECONDS").ok().and_then(|text| text.parse().ok());
        let patience = patience.map_or(PATIENCE, Duration::from_secs);
        loop {
            if let Some(found) = look(self).await {
                return found;
            }
            assert!(started.elapsed() < patience, "{what} did not come\n{}", tail(&self.log()));
            // The daemon's limit for a token counts by its clock.
            tokio::time::sleep(Duration::from_millis(if self.factor == 1 { 200 } else { 25 })).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut child) = self.daemon.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(30).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Replaces an existing text of a file in place.
pub fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} has no {from:?}", path.display());
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// Edits a shipped policy. Its tests, which describe the unedited policy, are removed first.
pub fn edit_shipped(path: &Path, from: &str, to: &str) {
    let tests = path.with_file_name("tests.yaml");
    if tests.exists() {
        std::fs::remove_file(tests).unwrap();
    }
    edit(path, from, to);
}

pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
