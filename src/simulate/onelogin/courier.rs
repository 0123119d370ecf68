//! Broadcasts events to the receiver: one POST for ten events, or for events that have waited ten seconds. A knob
//! leaves out the wait.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::Inner;
use super::knobs::{Webhook, WebhookFormat};
use super::tenant::{ACCOUNT, Outgoing, Tenant};
use super::text::iso;
use crate::model::Timestamp;

const BATCH: usize = 10;
const BATCH_WAIT: TimeDelta = TimeDelta::seconds(10);

/// Timeout of the receiver; the real one is unknown.
const PATIENCE: Duration = Duration::from_secs(10);

/// The next action of the courier.
enum Next {
    Send(Vec<Outgoing>),
    Wait(Option<Timestamp>),
}

impl Tenant {
    fn next_batch(&mut self, flush: bool) -> Next {
        let now = self.now;
        let ready = self.outgoing.iter().take_while(|one| flush || one.ready_at <= now).count();
        let oldest = self.outgoing.front().map(|one| one.ready_at);
        let full = ready >= BATCH;
        let wait = if self.knobs.webhook.at_once { TimeDelta::zero() } else { BATCH_WAIT };
        let waited = oldest.is_some_and(|at| at + wait <= now);
        if ready > 0 && (full || waited || flush) {
            return Next::Send(self.outgoing.drain(..ready.min(BATCH)).collect());
        }
        // The time at which the first ten events are ready.
        let full = self.outgoing.len() >= BATCH;
        let tenth = self.outgoing.iter().take(BATCH).map(|one| one.ready_at).max().filter(|_| full);
        let due = oldest.map(|at| at + wait);
        Next::Wait(tenth.into_iter().chain(due).min())
    }
}

/// Delivers until the future is dropped.
pub(super) async fn run(inner: Arc<Inner>) {
    let client = client();
    loop {
        match inner.with(|tenant| tenant.next_batch(false)) {
            Next::Send(batch) => deliver(&inner, &client, batch).await,
            Next::Wait(Some(at)) => {
                let due = inner.clock.sleep_until(at);
                let stirred = std::pin::pin!(inner.stirred.notified());
                futures::future::select(due, stirred).await;
            }
            Next::Wait(None) => inner.stirred.notified().await,
        }
    }
}

/// Delivers all ready events without waiting for a full batch.
pub(super) async fn flush(inner: &Inner) {
    let client = client();
    while let Next::Send(batch) = inner.with(|tenant| tenant.next_batch(true)) {
        deliver(inner, &client, batch).await;
    }
}

fn client() -> Option<reqwest::Client> {
    // An error means that the same provider is already installed in this process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().ok()
}

async fn deliver(inner: &Inner, client: &Option<reqwest::Client>, mut batch: Vec<Outgoing>) {
    let (webhook, number) = inner.with(|tenant| {
        tenant.batches += 1;
        (tenant.knobs.webhook.clone(), tenant.batches)
    });
    let hits = |every: u32| every > 0 && number.is_multiple_of(every);
    if webhook.reorder {
        batch.reverse();
    }
    let times = if hits(webhook.drop_every) {
        0
    } else if hits(webhook.duplicate_every) {
        2
    } else {
        1
    };
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(post(client, &webhook, &batch).await);
    }
    inner.with(|tenant| {
        let events: Vec<i64> = batch.iter().map(|one| one.event.id).collect();
        // Status 0: the receiver could not be reached.
        let delivery =
            json!({"at": iso(tenant.now), "batch": number, "events": events, "statuses": statuses});
        tenant.deliveries.push(delivery);
    });
}

async fn post(client: &Option<reqwest::Client>, webhook: &Webhook, batch: &[Outgoing]) -> u16 {
    let (Some(client), Some(url)) = (client, &webhook.url) else { return 0 };
    let elements = batch.iter().map(|one| one.event.broadcast(ACCOUNT, webhook.string_ids));
    let (kind, body) = match webhook.format {
        WebhookFormat::JsonArray => ("application/json", json!(elements.collect::<Vec<_>>()).to_string()),
        WebhookFormat::Ndjson => {
            let lines: String = elements.map(|element| format!("{element}\n")).collect();
            ("application/x-ndjson", lines)
        }
    };
    let mut request = client.post(url).header("content-type", kind).body(body);
    for (name, value) in &webhook.headers {
        request = request.header(name, value);
    }
    request.send().await.map_or(0, |response| response.status().as_u16())
}
