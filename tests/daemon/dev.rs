//! `proofd dev`: one process with simulators and the daemon on a tree, which reaches no real provider and leaves nothing
//! behind.
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::world::edit;
use proofd::simulate::applicant::press;
use reqwest::header::LOCATION;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running `proofd dev`.
struct Dev {
    child: Child,
    keys: ChildStdin,
    lines: Receiver<String>,
    said: Vec<String>,
    http: reqwest::Client,
}

impl Dev {
    fn start(tree: &Path, temporary: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofd"));
        command.arg("dev").arg(tree).args(more).env("TMPDIR", temporary).env_remove("PROOFD_CONFIG");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let keys = child.stdin.take().unwrap();
        Self { child, keys, lines, said: Vec::new(), http: http.build().unwrap() }
    }

    /// Waits for a line with a text, and returns the line.
    fn until(&mut self, text: &str) -> String {
        let started = Instant::now();
        loop {
            if let Some(line) = self.said.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            match self.lines.recv_timeout(Duration::from_millis(200)) {
                Ok(line) => self.said.push(line),
                Err(_) => assert!(started.elapsed() < PATIENCE, "{text:?} did not come: {:#?}", self.said),
            }
        }
    }

    /// The address in the line of a name.
    fn address(&mut self, name: &str) -> String {
        let line = self.until(&format!("  {name} "));
        line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address").to_owned()
    }

    fn press(&mut self, key: &str) {
        writeln!(self.keys, "{key}").unwrap();
        self.keys.flush().unwrap();
    }

    async fn get(&self, url: &str) -> String {
        self.http.get(url).send().await.unwrap().text().await.unwrap()
    }

    async fn post(&self, url: &str, form: &[(&str, &str)]) -> reqwest::Response {
        self.http.post(url).form(form).send().await.unwrap()
    }

    /// Ctrl-C; returns the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.until("stopped");
        self.child.wait().unwrap().code()
    }

    /// The sockets of the process: local addresses that listen, and all remote addresses.
    fn sockets(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let own: BTreeSet<String> = descriptors
            .filter_map(|one| std::fs::read_link(one.ok()?.path()).ok())
            .filter_map(|link| {
                let link = link.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_owned();
                Some(link)
            })
            .collect();
        let (mut listening, mut remote) = (BTreeSet::new(), BTreeSet::new());
        for table in ["tcp", "tcp6", "udp", "udp6"] {
            for line in
                std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default().lines().skip(1)
            {
                let parts: Vec<&str> = line.split_whitespace().collect();
                if !own.contains(parts[9]) {
                    continue;
                }
                let host = |address: &str| address.split(':').next().unwrap().to_owned();
                match parts[3] {
                    "0A" => listening.insert(host(parts[1])),
                    _ => remote.insert(host(parts[2])),
                };
            }
        }
        (listening, remote)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn init(tree: &Path, template: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofd"));
    assert!(command.arg("init").arg(tree).args(["--template", template]).output().unwrap().status.success());
}

/// The files of a tree with their contents.
fn files(dir: &Path) -> BTreeSet<(String, Vec<u8>)> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.insert((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    files
}

/// An address in the hexadecimal form of /proc/net.
const LOOPBACK: &str = "0100007F";

/// Writes a configuration for production: every address is a real one, and its secrets do not exist here.
fn for_production(config: &Path) {
    for (from, to) in [
        ("public_url: http://127.0.0.1:8470", "listen: 0.0.0.0:18470\npublic_url: https://proof.example.com"),
        ("url: http://127.0.0.1:9000 ", "url: https://acme.onelogin.com "),
        ("client_secret: sim-secret           #", "client_secret: {credential: onelogin} #"),
        ("    urls: {auth", "    region: emea-1\n    # urls: {auth"),
        ("callback_secret: sim-callback", "callback_secret: {credential: jumio-callback}"),
        (
            "url: smtp://127.0.0.1:9002 ",
            "url: smtps://mailer@mail.example.com\n    password: {credential: smtp} ",
        ),
        ("http://127.0.0.1:9004/scim/v2", "https://hris.example.com/scim/v2"),
        ("http://127.0.0.1:9004/ticketing", "https://tickets.example.com/api"),
        ("http://127.0.0.1:9004/paging", "https://page.example.com/"),
        ("http://127.0.0.1:9004/events", "https://siem.example.com/in"),
    ] {
        edit(config, from, to);
    }
}

/// A person signs up in a browser, follows the mail, and comes to the vendor's page. Without the webhook's real delay, the
/// mail comes at once.
async fn signs_up(dev: &mut Dev, sign_up: &str, mailbox: &str) -> String {
    let form = [("firstname", "Zoë"), ("lastname", "Quist"), ("email", "zoe@partner.test")];
    let answer = dev.post(&format!("{sign_up}/self_registration?name=sign-up"), &form).await;
    let thanks = answer.text().await.unwrap();
    let verify = thanks.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
    dev.post(&format!("{sign_up}{verify}"), &[]).await;
    dev.until("Zoë Quist");
    dev.until("a mail is sent: proof-invite");
    assert!(dev.address("console").contains("/login/"));
    let mails: serde_json::Value =
        serde_json::from_str(&dev.get(&format!("{mailbox}/_sim/mails?to=zoe@partner.test")).await).unwrap();
    let links: Vec<&str> =
        mails[0]["links"].as_array().unwrap().iter().filter_map(|link| link.as_str()).collect();
    let link = links.iter().find(|link| link.contains("/v/")).unwrap().to_string();
    let mut to = press(&dev.http, &link).await.unwrap();
    loop {
        let next = to.headers()[LOCATION].to_str().unwrap().to_owned();
        if next.contains("/web/v4/app") {
            return next;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        to = dev.http.get(format!("{link}?wait=1")).send().await.unwrap();
        if !to.headers().contains_key(LOCATION) {
            to = dev.http.get(format!("{link}?wait=1")).send().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applicant_with_their_own_name_passes_and_an_edit_is_active_at_once() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (dir, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tree = dir.path().join("proofing");
    init(&tree, "registration");
    let config = tree.join("proofd.yaml");
    for_production(&config);
    let before = files(&tree);
    let mut dev = Dev::start(&tree, temporary.path(), &[]);
    let (sign_up, mailbox) = (dev.address("sign up"), dev.address("mailbox"));
    let start = dev.address("start here");
    let page = dev.get(&start).await;
    assert!(page.contains(&sign_up) && page.contains(&mailbox) && page.contains("a day passes"), "{page}");
    // A page of another site cannot read it, nor press a button.
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let key = dev.http.post(format!("{start}/keys/d")).header(name, value).send().await.unwrap();
        assert_eq!(key.status(), 403, "{name}");
    }
    let foreign = dev.http.get(&start).header("host", "evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    let jumio = signs_up(&mut dev, &sign_up, &mailbox).await;
    // The document has the registered name, and each button has a sentence.
    let page = dev.get(&jumio).await;
    for text in
        ["value=\"Zoë\"", "value=\"Quist\"", "Another person's document", "The face does not match it"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    let token = jumio.split("authorizationToken=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let base = jumio.split("/web/").next().unwrap().to_owned();
    let fields = [("authorizationToken", token.as_str()), ("first_name", "Zoë"), ("last_name", "Quist")];
    dev.post(&format!("{base}/web/v4/app/pass"), &fields).await;
    dev.until("case closed: approved");

    // Nothing but this machine was reached, and nobody else can reach it.
    let (listening, remote) = dev.sockets();
    assert!(!listening.is_empty() && listening.iter().all(|host| host == LOOPBACK), "{listening:?}");
    assert!(remote.iter().all(|host| host == LOOPBACK), "{remote:?}");

    // Commands with the tree's own configuration reach it.
    let commands = dev.until("proofd case list --config");
    assert!(commands.contains(&config.display().to_string()), "{commands}");
    dev.press("d");
    dev.until("24 h later");
    dev.press("4");
    dev.until("a day per second");
    let policy = tree.join("policies/registration-proofing/policy.yaml");
    edit(&policy, "title: Your registration needs proof of identity", "title: Please prove who you are");
    let active = dev.until("is active").clone();
    edit(&policy, "owner:", "ownr:");
    dev.until(&format!("{}:5:1:", policy.display()));
    dev.until("stays active");
    assert!(active.contains("registration-proofing"), "{active}");
    edit(&policy, "ownr:", "owner:");
    edit(&policy, "title: Please prove who you are", "title: Your registration needs proof of identity");
    assert_eq!(dev.interrupt(), Some(0));
    assert_eq!(files(&tree), before, "the tree is as it was");
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_run_stays_and_a_system_without_a_simulator_is_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (dir, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tree = dir.path().join("proofing");
    init(&tree, "re-verification");
    // A bare policy tree needs no configuration.
    let mut dev = Dev::start(&tree.join("policies"), temporary.path(), &["--keep", "--speed", "60"]);
    dev.until("export PROOFD_URL=http://127.0.0.1:");
    dev.until("a minute per second");
    let sign_up = dev.address("sign up");
    // Accounts, and the roles that the policies name.
    let people = dev.get(&format!("{sign_up}/people")).await;
    let first = people.split("href=\"/people/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let person = dev.get(&format!("{sign_up}/people/{first}")).await;
    assert!(person.contains("Payments admin") && person.contains("log in"), "{person}");
    assert_eq!(dev.interrupt(), Some(0));
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().map(|one| one.unwrap().path()).collect();
    assert!(left.len() == 1 && left[0].join("store").is_dir(), "{left:?}");

    let run = |dir: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofd"));
        let output = command.arg("dev").arg(dir).env("TMPDIR", temporary.path()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let config = tree.join("proofd.yaml");
    edit(
        &config,
        "connectors:\n",
        "connectors:\n  keycloak:\n    staff: {url: https://id.example.com, realm: staff, client_id: proofd, client_secret: {env: NOWHERE}}\n",
    );
    let (code, error) = run(&tree);
    assert!(
        code == Some(2) && error.contains("connectors.keycloak: there is no simulator"),
        "{code:?} {error}"
    );
    let (code, error) = run(dir.path());
    assert!(code == Some(2) && error.contains("no policy found in"), "{code:?} {error}");
}
