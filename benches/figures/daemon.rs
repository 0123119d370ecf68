//! The real daemon as a child process with a directory of its own, connected to simulators in this process.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proofd::engine::clock::{Scaled, System};
use proofd::model::{Clock as _, Timestamp};
use proofd::simulate::ledger::Ledger;
use proofd::simulate::town::{Addresses, Credentials, Town};

/// Number of tokens with the role `source`, and of those that read everything.
pub const SOURCES: usize = 40;
/// Every client has a rate limit of its own.
pub const READERS: usize = 20;

/// What differs from the registrations' configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup<'a> {
    /// Another policy than the registrations'.
    pub policy: Option<&'a str>,
    /// A second policy, in a folder of this name.
    pub second: Option<(&'a str, &'a str)>,
    /// More policies: path to text.
    pub more: &'a [(String, String)],
    /// Options of an endpoint named `peer`.
    pub peer: Option<&'a str>,
    /// The address of another OneLogin than the simulator.
    pub onelogin: Option<&'a str>,
}

/// The directory of a daemon, with its socket. The socket is held from the moment its port is chosen: the daemon gets
/// the socket itself, as from systemd, and again after a restart.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub address: String,
    pub town: Arc<Town>,
    listener: TcpListener,
    factor: i32,
    origin: Timestamp,
}

pub struct Daemon {
    pub child: Child,
    pub town: Arc<Town>,
    pub address: String,
    /// Time from the start of the process until it reported that it listens.
    pub started_within: Duration,
    pub place: Option<Place>,
}

/// A directory on the disk of the build, because a directory for temporary files may be in memory.
pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

impl Place {
    /// Prepares a daemon; its clock and the simulators' run `factor` times as fast.
    pub async fn new(factor: i32, setup: Setup<'_>) -> Self {
        let dir = directory();
        let origin = System.now();
        let clock = Arc::new(Scaled::since(origin, factor));
        let credentials = Credentials::default();
        let town = Town::serve(Addresses::default(), &credentials, clock, Ledger::memory()).await.unwrap();
        town.jumio.turn(|knobs| knobs.rate_limits = false);
        town.onelogin.turn(|knobs| knobs.hourly_limit = u32::MAX);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut connectors = town.connectors_yaml(&credentials);
        if let Some(options) = setup.peer {
            connectors = connectors.replace("  http:\n", &format!("  http:\n    peer: {{{options}}}\n"));
        }
        if let Some(url) = setup.onelogin {
            connectors = connectors.replace(&town.onelogin_served.url, url);
        }
        configure(dir.path(), &address, &connectors);
        if let Some(policy) = setup.policy {
            std::fs::write(dir.path().join("policies/proofing/policy.yaml"), policy).unwrap();
        }
        for (path, text) in setup.more {
            let path = dir.path().join("policies").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        if let Some((name, policy)) = setup.second {
            let folder = dir.path().join("policies").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("policy.yaml"), policy).unwrap();
        }
        town.broadcast_to(&format!("http://{address}"));
        Self { dir, address, town: Arc::new(town), listener, factor, origin }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Starts the daemon. The shell sets the process id, which only the process itself knows, and is replaced by it.
    pub fn start(self) -> Daemon {
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        let socket = OwnedFd::from(self.listener.try_clone().unwrap());
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 </dev/null"#, "sh"])
            .arg(env!("CARGO_BIN_EXE_proofd"))
            .args(["run", "--config"])
            .arg(self.path().join("proofd.yaml"));
        if self.factor != 1 {
            command.arg("--rehearse").arg(format!("{}@{}", self.factor, self.origin.to_rfc3339()));
        }
        let begun = Instant::now();
        let mut child = command.stdin(socket).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let started_within = begun.elapsed();
        let (town, address) = (Arc::clone(&self.town), self.address.clone());
        let daemon = Daemon { child, town, address, started_within, place: Some(self) };
        assert!(said.contains("listening"), "the daemon did not start: {said}\n{}", daemon.log());
        daemon
    }

    fn log_path(&self) -> std::path::PathBuf {
        self.path().join("daemon.log")
    }

    /// Bytes on disk below a directory of the store; empty: the whole store.
    pub fn bytes(&self, part: &str) -> u64 {
        size(&self.path().join("store").join(part))
    }
}

/// Allocated bytes of all files below a directory.
fn size(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => size(&entry.path()),
            Ok(about) => about.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

impl Daemon {
    /// Starts the daemon with the registrations' policy.
    pub async fn start(factor: i32) -> Self {
        Self::with(factor, Setup::default()).await
    }

    /// Starts the daemon with more policies: path to text.
    pub async fn running(policies: &[(String, String)]) -> Self {
        Self::with(1, Setup { more: policies, ..Setup::default() }).await
    }

    pub async fn with(factor: i32, setup: Setup<'_>) -> Self {
        Place::new(factor, setup).await.start()
    }

    fn place(&self) -> &Place {
        self.place.as_ref().expect("a running daemon has its place")
    }

    pub fn policies(&self) -> PathBuf {
        self.place().path().join("policies")
    }

    pub fn store(&self) -> PathBuf {
        self.place().path().join("store")
    }

    /// The last lines of the daemon's log, for a failure. The rest does not flood the figures.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.place().log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("case opened")).collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Bytes of the journal and number of its frames; each frame was one fdatasync.
    pub fn journal(&self) -> (usize, usize) {
        let mut sum = (0, 0);
        for entry in std::fs::read_dir(self.place().path().join("store/journal")).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            sum.0 += bytes.len();
            sum.1 += bytes.windows(4).filter(|window| window == b"PfF1").count();
        }
        sum
    }

    /// Stops the daemon in an orderly way, and returns its place for another start.
    pub fn stop(mut self) -> Place {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        self.place.take().expect("a running daemon has its place")
    }

    /// Kills the daemon, and returns its place for another start.
    pub fn kill(mut self) -> Place {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.place.take().expect("a running daemon has its place")
    }

    /// A read with one of the tokens that may read everything.
    pub fn get(&self, http: &reqwest::Client, number: usize, path: &str) -> reqwest::RequestBuilder {
        let token = format!("t-reader-of-the-bench-{}", number % READERS);
        http.get(format!("http://{}{path}", self.address)).bearer_auth(token)
    }

    /// An event of a program about an applicant.
    pub fn tell(&self, http: &reqwest::Client, what: &str, number: usize) -> reqwest::RequestBuilder {
        let token = format!("t-source-of-the-bench-{}", number % SOURCES);
        let event = started(what, number).to_string();
        let request = http.post(format!("http://{}/v1/events", self.address)).bearer_auth(token);
        request.header("content-type", "application/cloudevents+json").body(event)
    }
}

/// A policy about applicants that opens a case for each event of a type.
pub fn policy(name: &str, title: &str, event: &str, steps: &str) -> String {
    format!(
        "format: 1\npolicy: {name}\ntitle: {title}\nowner: team:iam-oncall\nmode: enforce\nsubject: applicant\n\
         when:\n  - event: custom.com.example.{event}\nsteps:{steps}"
    )
}

/// An event about an applicant, as a CloudEvent.
pub fn started(what: &str, number: usize) -> serde_json::Value {
    serde_json::json!({
        "specversion": "1.0", "id": format!("{what}-{number}"), "source": "/bench",
        "type": format!("com.example.{what}"), "subject": number.to_string(), "subjecttype": "applicant",
        "data": {"email": format!("p{number}@partner.test"), "first_name": "Ada", "last_name": "Tester"},
    })
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configure(dir: &Path, address: &str, connectors: &str) {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tree");
    copy_tree(&tree, &dir.join("policies"));
    // Webhooks and callbacks deliver everything; the polls stay out of the figures.
    let connectors = connectors
        .replace("  jumio:\n", "  jumio:\n    starts_per_second: 1000\n    poll_every: 1h\n")
        .replace("  onelogin:\n", "  onelogin:\n    poll_every: 1h\n");
    // Requests are limited per token; each token stays below its burst.
    let tokens = |name: &str, role: &str, count: usize| -> String {
        let token = |n| format!(", {{name: {name}{n}, role: {role}, token: t-{name}-of-the-bench-{n}}}");
        (0..count).map(token).collect()
    };
    let (sources, readers) = (tokens("source", "source", SOURCES), tokens("reader", "admin", READERS));
    let access = format!(
        "access:\n  tokens: [{{name: Dana, role: admin, token: t-admin-of-the-bench}}{sources}{readers}]\n"
    );
    let yaml =
        format!("listen: {address}\npublic_url: http://{address}\nstore: sled:store\n{connectors}{access}");
    std::fs::write(dir.join("proofd.yaml"), yaml).unwrap();
}

fn copy_tree(from: &Path, to: &Path) {
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
