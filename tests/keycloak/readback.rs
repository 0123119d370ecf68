//! `python-keycloak`, a client of Keycloak that shares nothing with us, reads back what the daemon did. Needs python3
//! with venv and, the first time, the package index.

use serde_json::Value;

use crate::admin::Realm;
use crate::server::ADMIN;
use crate::world::python::{python, run};

const CLIENT: &str = "python-keycloak==7.1.1";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keycloak/readback.py");

/// What the client reads of each person, by name; null for nobody. None: it is not available, which is printed.
pub async fn read(realm: &Realm, names: &[&str]) -> Option<Value> {
    let (url, name) = (realm.keycloak.url.clone(), realm.name.clone());
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let read = tokio::task::spawn_blocking(move || {
        let python = python("python-keycloak", &[CLIENT])?;
        let mut arguments = vec![SCRIPT, &url, &name, ADMIN, ADMIN];
        arguments.extend(names.iter().map(String::as_str));
        Some(run(&python, &arguments).unwrap_or_else(|why| panic!("{why}")))
    });
    let output = read.await.unwrap()?;
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
