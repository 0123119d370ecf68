//! The OpenAPI document, and the daemon compared with it. schemathesis, an independent program, generates valid and
//! invalid requests from the document and checks the daemon's answers.
use std::path::Path;
use std::process::Command;

use crate::world::people::other_name;
use crate::world::python::python;
use crate::world::{World, token};
use reqwest::Method;
use serde_json::Value;

const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// Random requests for each operation, besides those that the document itself contains.
const EXAMPLES: &str = "8";
/// Below the daemon's rate limit of a token.
const RATE: &str = "45/s";

#[tokio::test(flavor = "multi_thread")]
async fn the_served_and_printed_documents_equal_the_committed_one() {
    let mut world = World::new(1, Path::new("policies"), "").await;
    world.start();
    let committed: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    for path in ["/openapi.json", "/v1/openapi.json"] {
        let (status, served) = world.ask(Method::GET, path, "t-source", None).await;
        assert_eq!((status.as_u16(), &served), (200, &committed), "{path}");
        assert_eq!(world.ask(Method::GET, path, "", None).await.0, 401, "{path}");
    }
    assert_eq!(world.say_alone(&["openapi"]).json(), committed);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_daemon_match_the_openapi_document() {
    let Some(python) = python("schemathesis", &[SCHEMATHESIS]) else { return };
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    let ada = world.registers("Ada");
    world.goes_through(&ada, other_name()).await;
    let sheet = world.until_state(&ada, "in_review").await;
    let ben = world.registers("Ben");
    let link = world.link(&ben).await;
    let dir = world.dir.path();
    let config = include_str!("schemathesis.toml")
        .replace("CASE", sheet["id"].as_str().unwrap())
        .replace("TOKEN", &token("t-admin"))
        .replace("LINK", link.rsplit_once('/').unwrap().1);
    std::fs::write(dir.join("schemathesis.toml"), config).unwrap();
    std::fs::write(dir.join("schemathesis_hooks.py"), include_str!("schemathesis_hooks.py")).unwrap();
    let mut command = Command::new(python.with_file_name("schemathesis"));
    command
        .args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json"), "--url", &world.url])
        .args(["--phases", "coverage,fuzzing", "--max-examples", EXAMPLES])
        .args(["--seed", "1", "--generation-deterministic"])
        .args(["--rate-limit", RATE, "--no-color", "--continue-on-failure"])
        .current_dir(&world.dir);
    let said = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}\n{err}");
    let log = world.log();
    assert!(!log.contains("panicked") && !log.contains("a request failed"), "{log}");
}
