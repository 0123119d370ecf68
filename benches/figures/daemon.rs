//! The real daemon as a child process with a directory of its own, connected to simulators in this process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proofd::engine::clock::{Scaled, System};
use proofd::model::Clock as _;
use proofd::simulate::ledger::Ledger;
use proofd::simulate::town::{Addresses, Credentials, Town};

/// Number of tokens with the role `source`.
pub const SOURCES: usize = 40;

pub struct Daemon {
    pub child: Child,
    pub town: Arc<Town>,
    pub address: String,
    /// Time from the start of the process until it reported that it listens.
    pub started_within: Duration,
    dir: tempfile::TempDir,
}

/// A directory on the disk of the build, because a directory for temporary files may be in memory.
pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

impl Daemon {
    /// Starts the daemon; its clock and the simulators' run `factor` times as fast.
    pub async fn start(factor: i32) -> Self {
        Self::with(factor, None).await
    }

    /// Starts the daemon with another policy than the registrations', and an endpoint named `peer`.
    pub async fn with(factor: i32, peer: Option<(&str, &str)>) -> Self {
        Self::begin(factor, peer, &[]).await
    }

    /// Starts the daemon with more policies: path to text.
    pub async fn running(policies: &[(String, String)]) -> Self {
        Self::begin(1, None, policies).await
    }

    async fn begin(factor: i32, peer: Option<(&str, &str)>, policies: &[(String, String)]) -> Self {
        let dir = directory();
        let origin = System.now();
        let clock = Arc::new(Scaled::since(origin, factor));
        let credentials = Credentials::default();
        let town = Town::serve(Addresses::default(), &credentials, clock, Ledger::memory()).await.unwrap();
        town.jumio.turn(|knobs| knobs.rate_limits = false);
        town.onelogin.turn(|knobs| knobs.hourly_limit = u32::MAX);
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut connectors = town.connectors_yaml(&credentials);
        if let Some((url, _)) = peer {
            connectors = connectors.replace("  http:\n", &format!("  http:\n    peer: {{url: {url}}}\n"));
        }
        configure(dir.path(), &address, &connectors);
        if let Some((_, policy)) = peer {
            std::fs::write(dir.path().join("policies/proofing/policy.yaml"), policy).unwrap();
        }
        for (path, text) in policies {
            let path = dir.path().join("policies").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        town.broadcast_to(&format!("http://{address}"));
        let log = std::fs::File::create(dir.path().join("daemon.log")).unwrap();
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_proofd"))
            .args(["run", "--config"])
            .arg(dir.path().join("proofd.yaml"))
            .args(["--rehearse", &format!("{factor}@{}", origin.to_rfc3339())])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let started_within = begun.elapsed();
        let daemon = Self { child, town: Arc::new(town), address, started_within, dir };
        assert!(said.contains("listening"), "the daemon did not start: {said}\n{}", daemon.log());
        daemon
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("daemon.log")).unwrap_or_default()
    }

    pub fn policies(&self) -> PathBuf {
        self.dir.path().join("policies")
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Bytes of the journal and number of its frames; each frame was one fdatasync.
    pub fn journal(&self) -> (usize, usize) {
        let mut sum = (0, 0);
        for entry in std::fs::read_dir(self.dir.path().join("store/journal")).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            sum.0 += bytes.len();
            sum.1 += bytes.windows(4).filter(|window| window == b"PfF1").count();
        }
        sum
    }
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
    let sources: String = (0..SOURCES)
        .map(|number| {
            format!(", {{name: bench{number}, role: source, token: t-source-of-the-bench-{number}}}")
        })
        .collect();
    let access =
        format!("access:\n  tokens: [{{name: Dana, role: admin, token: t-admin-of-the-bench}}{sources}]\n");
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
