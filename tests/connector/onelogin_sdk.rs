//! OneLogin's own Python SDK against the simulated tenant: independent code checks the simulator. Needs python3
//! with venv and, the first time, the package index.
use std::net::SocketAddr;
use std::sync::Arc;

use proofd::engine::clock::System;
use proofd::simulate::ledger::Ledger;
use proofd::simulate::onelogin::{Options, Simulator};
use serde_json::{Value, json};

use crate::python::{python, run};

const SDK: &str = "onelogin==4.0.1";

#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_works_against_the_simulator() {
    let Some(python) = python("onelogin-sdk", &[SDK]) else { return };
    let options = Options::default();
    let simulator = Simulator::new(options.clone(), Arc::new(System), Ledger::memory());
    let serving = simulator.serve(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/connector/onelogin_sdk.py");
    let url = serving.url.clone();
    let output = tokio::task::spawn_blocking(move || {
        run(&python, &[script, &url, &options.client_id, &options.client_secret])
    });
    let output = output.await.unwrap().unwrap_or_else(|why| panic!("{why}"));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();

    let user = simulator.user(5001).unwrap();
    for (what, expected) in [
        ("wrong_secret", json!("Authentication Failure")),
        ("token_type", json!("bearer")),
        ("same_token", json!(true)),
        ("created", json!([5001, user["created_at"], 0])),
        ("read", json!(["ada@example.com", 1, 7, {"idv_status": null, "idv_verified_at": null}])),
        ("updated", json!(["Analysis", 1])),
        ("listed", json!([5001])),
        ("granted", json!([5001])),
        ("members", json!([5001])),
        ("members_after", json!([])),
        ("risk", json!(24.0)),
        ("lock", json!("sent")),
        ("logout", json!("sent")),
        ("state", json!("sent")),
        (
            "deleted",
            json!({"message": "The resource with the given id could not be found",
                   "name": "NotFoundError", "statusCode": 404}),
        ),
    ] {
        assert_eq!(seen[what], expected, "{what} of {seen}");
    }
    assert!(seen["event_types"].as_u64() > Some(30));
    assert_eq!(seen["events"].as_array().unwrap()[0], 533, "the creation comes first");

    assert_eq!(user["state"], 2, "set_state took effect although the SDK raised");
    assert_eq!(user["status"], 3, "so did the lock");
    assert_eq!(user["logouts"], 1);
    assert_eq!(user["invitations_sent"], 1);
    assert_eq!(user["role_ids"], json!([]), "a rejected user keeps no role");
    assert_ne!(user["created_at"], "0001-01-01T00:00:00Z");
    serving.stop().await;
}
