//! A store of waiting cases, built by the daemon's decision code without its sockets: many cases in little time.

use std::path::Path;
use std::sync::Arc;

use proofd::case::applicant;
use proofd::connectors::cloudevents;
use proofd::engine::clock::System;
use proofd::engine::{Connectors, Engine, Settings};
use proofd::model::{Clock, Timestamp, Verdict};
use proofd::rollout;
use proofd::store::{Commit, Consumed, PolicyVerdict, Store};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::daemon::started;
use crate::past;

/// Cases that become durable together.
const TOGETHER: usize = 256;

/// Opens cases in the store below a daemon's directory, each with its own event. `opened_at`: when, by its number.
pub async fn fill(dir: &Path, count: usize, opened_at: impl Fn(usize) -> Timestamp) {
    let clock: Arc<dyn Clock> = Arc::new(System);
    let (store, opened) = Store::open(&dir.join("store"), clock.now()).unwrap();
    let engine = Engine::open(settings(dir), store, &opened, clock, Connectors::default()).await.unwrap();
    let active = engine.active();
    let policy = active.set.policies.get("proofing");
    let policy = Arc::clone(policy.unwrap_or_else(|| panic!("the policy has errors: {:?}", active.report)));
    let terms = engine.rollout().back_tester.terms();
    let headers: HeaderMap =
        [(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json"))].into_iter().collect();
    for first in (0..count).step_by(TOGETHER) {
        let (mut received, mut opened, mut ends) = (Commit::default(), Commit::default(), Commit::default());
        for number in first..(first + TOGETHER).min(count) {
            let at = opened_at(number);
            let event = started("started", number).to_string();
            let event = cloudevents::read(&headers, event.as_bytes(), at).unwrap().remove(0);
            let subject = applicant(&event);
            received.received.push(event.clone());
            let said = PolicyVerdict::new(
                &policy.name,
                &policy.revision,
                Verdict::Opened,
                "a case opened".to_owned(),
            );
            ends.consumed.push(Consumed {
                key: event.key.clone(),
                at,
                verdicts: vec![said],
                people: Vec::new(),
                named: Vec::new(),
            });
            opened.cases.push(past::opening(&policy, terms, event, subject, at));
        }
        for commit in [received, opened, ends] {
            engine.store().commit(commit).await.unwrap();
        }
    }
    engine.store().close().await.unwrap();
}

fn settings(dir: &Path) -> Settings {
    Settings {
        public_url: "http://127.0.0.1".to_owned(),
        organization: "Example".to_owned(),
        rollout: rollout::Settings { policies: dir.join("policies"), park: Vec::new(), ..Default::default() },
        ..Settings::default()
    }
}
