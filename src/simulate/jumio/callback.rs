//! The vendor's callbacks: unsigned, without a result, sent when due. This module must not interpret
//! statuses.

use std::time::Duration;

use serde_json::{Value, json};

use super::Simulator;
use super::execution::Execution;
use crate::model::Timestamp;

/// A callback that is waiting to be sent.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub due: Timestamp,
    pub url: String,
    pub body: Value,
    pub status: String,
    pub reference: String,
    pub retries_left: u32,
}

pub(super) fn time(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The members `account` and `workflowExecution` of both the callback and the status call.
pub(super) fn pointers(one: &Execution, status: &str, base: &str, long_href: bool) -> (Value, Value) {
    let account = format!("{base}/retrieval/api/v1/accounts/{}", one.account);
    let href = match long_href {
        true => format!("{account}/workflow-executions/{}", one.execution),
        false => format!("{base}/retrieval/api/v1/workflow-executions/{}", one.execution),
    };
    let execution = json!({
        "id": one.execution, "href": href, "definitionKey": one.order.key.to_string(), "status": status,
    });
    (json!({"id": one.account, "href": account}), execution)
}

pub(super) fn body(one: &Execution, status: &str, sent: Timestamp, base: &str, long_href: bool) -> Value {
    let (account, execution) = pointers(one, status, base, long_href);
    let mut body = json!({"callbackSentAt": time(sent)});
    if let Some(reference) = &one.order.user_reference {
        body["userReference"] = json!(reference);
    }
    body["workflowExecution"] = execution;
    body["account"] = account;
    body
}

/// Sends due callbacks one after the other, for as long as the future is polled.
pub(super) async fn deliver(simulator: Simulator) {
    // An error means that a provider is already installed, which is sufficient.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("Jumio Callback/1.0")
        .timeout(Duration::from_secs(10))
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "simulated Jumio: no callbacks can be sent"),
    };
    let mut changed = simulator.changed();
    loop {
        changed.mark_unchanged();
        let (due, next) = simulator.take_due();
        for delivery in &due {
            let answer = client.post(&delivery.url).json(&delivery.body).send().await;
            simulator.delivered(delivery, answer.ok().map(|answer| answer.status().as_u16()));
        }
        if !due.is_empty() {
            continue;
        }
        let clock = simulator.clock();
        let wait = async move {
            match next {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => {}
            changed = changed.changed() => if changed.is_err() { return },
        }
    }
}
