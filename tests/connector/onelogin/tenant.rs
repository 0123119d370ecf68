//! A served tenant with a connector to it, and helpers for both.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use proofd::connectors::IdentityProvider as _;
use proofd::connectors::onelogin::{OneLogin, RegistrationsMode, Settings};
use proofd::engine::clock::Virtual;
use proofd::model::{Clock, Event, Failure, Secret, Snapshot, Subject, SubjectKind, SubjectRef, Timestamp};
use proofd::simulate::Serving;
use proofd::simulate::ledger::Ledger;
use proofd::simulate::onelogin::{Form, Knobs, Options, Registered, Simulator};

/// A served tenant with a connector that detects the back end.
pub struct Tenant {
    pub simulator: Simulator,
    pub serving: Serving,
    pub clock: Virtual,
    pub onelogin: Arc<OneLogin>,
}

/// The tenant's clock for the connector: waiting for a time advances the clock to it.
#[derive(Debug)]
struct Hasty(Virtual);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        self.0.advance((at - self.0.now()).max(TimeDelta::zero()));
        Box::pin(async {})
    }
}

/// Tests that depend on the back end run with both.
pub const BACK_ENDS: [bool; 2] = [true, false];

impl Tenant {
    pub async fn new(turn: impl FnOnce(&mut Knobs)) -> Self {
        Self::at("2026-01-02T00:00:00.123456Z".parse().unwrap(), turn).await
    }

    pub async fn at(start: Timestamp, turn: impl FnOnce(&mut Knobs)) -> Self {
        let clock = Virtual::new(start);
        let simulator = Simulator::new(Options::default(), Arc::new(clock.clone()), Ledger::memory());
        simulator.turn(turn);
        let serving = simulator.serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let onelogin =
            Arc::new(OneLogin::new(settings(&serving.url), Arc::new(Hasty(clock.clone()))).unwrap());
        Self { simulator, serving, clock, onelogin }
    }

    /// Another connector to the same tenant.
    pub fn connector(&self, change: impl FnOnce(&mut Settings)) -> Arc<OneLogin> {
        let mut settings = settings(&self.serving.url);
        change(&mut settings);
        Arc::new(OneLogin::new(settings, Arc::new(Hasty(self.clock.clone()))).unwrap())
    }

    /// A person signs up and follows the link in the mail.
    pub fn applicant(&self) -> Registered {
        let form = Form {
            firstname: "Ada".into(),
            lastname: "Lovelace".into(),
            email: "Ada@example.com".into(),
            profile: None,
            custom_attributes: BTreeMap::new(),
        };
        let registered = self.simulator.register(form).unwrap();
        self.clock.advance(TimeDelta::seconds(5));
        self.simulator.verify_email(registered.registration_id).unwrap();
        registered
    }

    /// Polls to the end; returns the events, the number of pages, and the cursor.
    pub async fn poll(&self, from: Option<String>) -> Result<(Vec<Event>, usize, Option<String>), Failure> {
        let (mut events, mut pages, mut cursor) = (Vec::new(), 0, from);
        loop {
            let page = self.onelogin.poll(cursor.as_deref()).await?;
            events.extend(page.events);
            cursor = page.cursor;
            pages += 1;
            if !page.more {
                return Ok((events, pages, cursor));
            }
        }
    }

    pub async fn subject(&self, id: &str, event: Option<&Event>) -> Result<Option<Subject>, Failure> {
        let reference =
            SubjectRef { source: "onelogin".to_owned(), kind: SubjectKind::Registration, id: id.into() };
        self.onelogin.subject(&reference, event).await
    }

    /// The snapshot of a case that opens now.
    pub async fn snapshot(&self, id: &str) -> Snapshot {
        snapshot(&self.subject(id, None).await.unwrap().unwrap())
    }

    pub async fn user(&self, id: i64) -> Subject {
        let reference =
            SubjectRef { source: "onelogin".to_owned(), kind: SubjectKind::User, id: id.to_string() };
        self.onelogin.subject(&reference, None).await.unwrap().unwrap()
    }

    /// A value of the tenant's true state of a user.
    pub fn truth(&self, user: i64, key: &str) -> serde_json::Value {
        self.simulator.user(user).unwrap()[key].clone()
    }

    /// Number of requests of this kind that the tenant received.
    pub async fn requests(&self, what: &str) -> u64 {
        let url = format!("{}/_sim/requests", self.serving.url);
        let all: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        all.get(what).and_then(serde_json::Value::as_u64).unwrap_or(0)
    }

    /// Number of applied changes of this kind.
    pub fn applied(&self, what: &str) -> usize {
        let records = self.simulator.ledger().records();
        records.iter().filter(|record| record.applied && record.what == what).count()
    }
}

fn settings(url: &str) -> Settings {
    Settings {
        name: "onelogin".to_owned(),
        poll_every: TimeDelta::seconds(30),
        url: url.parse().unwrap(),
        client_id: "sim-client".into(),
        client_secret: Secret::new("sim-secret"),
        registrations: RegistrationsMode::Auto,
        webhook: Some(("X-OneLogin-Token".into(), Secret::new("shared"))),
        attributes: BTreeMap::from([("verified_at".into(), "idv_verified_at".into())]),
        lookback: TimeDelta::hours(24),
    }
}

/// Builds a snapshot from the data that a case keeps about its subject.
pub fn snapshot(subject: &Subject) -> Snapshot {
    let text = |field: &str| subject.text(field).map(str::to_owned);
    Snapshot {
        subject: subject.reference(),
        user_id: text("user_id"),
        profile_id: text("profile_id"),
        email: text("email"),
        created_at: text("created_at").map(|at| at.parse().unwrap()),
        compared: BTreeMap::new(),
    }
}
