//! One real Keycloak for all tests of this program, with the example realm, and one mailbox for the mails of Keycloak
//! and of the daemon.
//!
//! | file | what |
//! |---|---|
//! | `fetch` | fetches and builds Keycloak |
//! | `process` | runs it |
#![allow(dead_code, reason = "tests of settings ask for realms of their own")]

mod fetch;
mod process;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use proofd::engine::clock::System;
use proofd::simulate::ledger::Ledger;
use proofd::simulate::mailbox::Mailbox;

use crate::admin::Realm;

/// The realm of `examples/keycloak/realm.json`.
pub const EXAMPLE: &str = "proofd-example";
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/keycloak/realm.json");
/// The secret of the client `proofd` in every realm of the tests.
pub const SECRET: &str = "secret-of-the-service-account";
/// Name and password of the administrator of the master realm.
pub const ADMIN: &str = "admin";

#[derive(Debug)]
pub struct Keycloak {
    pub url: String,
    pub mailbox: Mailbox,
    pub smtp: SocketAddr,
    process: process::Process,
}

/// The server, started by the first test that asks. None: it is not available, which is printed.
pub async fn keycloak() -> Option<&'static Keycloak> {
    static SHARED: OnceLock<Result<Keycloak, String>> = OnceLock::new();
    let started = tokio::task::spawn_blocking(|| SHARED.get_or_init(start)).await.unwrap();
    match started {
        Ok(keycloak) => Some(keycloak),
        Err(why) => {
            skipped("Keycloak", why);
            None
        }
    }
}

/// Says that something was not tried. In CI that is a failure.
pub fn skipped(what: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} must be there in CI: {why}");
    eprintln!("SKIPPED: nothing was tried against {what}. {why}");
}

fn start() -> Result<Keycloak, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let installed = fetch::installed()?;
    let (mailbox, smtp) = mailbox();
    let variables = [
        ("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN.to_owned()),
        ("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMIN.to_owned()),
        ("SMTP_HOST", smtp.ip().to_string()),
        ("SMTP_PORT", smtp.port().to_string()),
        ("PROOFD_CLIENT_SECRET", SECRET.to_owned()),
    ];
    let process = process::Process::start(&installed, &[(EXAMPLE, Path::new(FILE))], &variables);
    Ok(Keycloak { url: process.url.clone(), mailbox, smtp, process })
}

/// A mailbox that outlives the runtime of the test that started it.
fn mailbox() -> (Mailbox, SocketAddr) {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let free = SocketAddr::from(([127, 0, 0, 1], 0));
            let mailbox = Mailbox::new(Arc::new(System), Ledger::memory());
            let serving = mailbox.serve(free, free).await.unwrap();
            tell.send((mailbox, serving.smtp)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}

impl Keycloak {
    /// The realm that Keycloak imported at its start. Tests share it: each uses people of its own and leaves the
    /// settings as they are.
    pub fn example(&'static self) -> Realm {
        Realm::new(self, EXAMPLE)
    }

    /// The example under another name, for a test that changes settings or reads every event. Takes some seconds.
    pub async fn realm(&'static self, name: &str) -> Realm {
        self.realm_with_mail(name, &self.mailbox, self.smtp).await
    }

    /// The same, with a mailbox of its own.
    pub async fn realm_with_mail(&'static self, name: &str, mailbox: &Mailbox, smtp: SocketAddr) -> Realm {
        let text = std::fs::read_to_string(FILE).unwrap();
        let text = text
            .replace("${SMTP_HOST}", &smtp.ip().to_string())
            .replace("${SMTP_PORT}", &smtp.port().to_string())
            .replace("${PROOFD_CLIENT_SECRET}", SECRET);
        let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
        file["realm"] = name.into();
        let mut realm = Realm::new(self, name);
        realm.mailbox = mailbox.clone();
        realm.create(&file).await;
        realm
    }

    /// The end of the server's log, for a failure.
    pub fn tail(&self) -> String {
        self.process.tail()
    }
}
