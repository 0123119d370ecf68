//! A toy verification provider: a run ends as its options set, as soon as its hint arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use proofd::config::SecretSource;
use proofd::connectors::options::{self, Site, Target};
use proofd::connectors::registry::Provider;
use proofd::connectors::{Connector, Finding, Pace, Results, VerificationOptions, VerificationProvider};
use proofd::model::{
    Clock, Document, Failure, Judgement, Method, Pattern, Phase, Proof, ReadSession, Reading, Session,
    StartSession, VerificationWords,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub const PROVIDER: Provider = Provider::verification::<Options>(
    "stamp",
    VerificationWords {
        checks: &["ink"],
        workflow: Pattern { regex: ".*", matches: |_| true, expected: "any text" },
        methods: &[Method::Full],
        must_require: false,
    },
)
.several();

/// A provider whose runs all have one result.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stamp")]
pub struct Options {
    /// Whether runs pass.
    stamps: bool,
    /// The secret of its hints.
    callback_secret: SecretSource,
}

impl options::Options for Options {
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        vec![("callback_secret".to_owned(), &self.callback_secret)]
    }

    fn addresses(&self) -> Vec<Target> {
        Vec::new()
    }
}

impl VerificationOptions for Options {
    fn results(&self) -> Results<'_> {
        Results::Read { every: TimeDelta::days(30), callback_secret: Some(&self.callback_secret) }
    }

    fn build(&self, site: &Site<'_>) -> anyhow::Result<Arc<dyn VerificationProvider>> {
        let (name, clock) = (site.name.to_owned(), Arc::clone(site.clock));
        Ok(Arc::new(Stamp { name, stamps: self.stamps, clock, hinted: Mutex::default() }))
    }
}

struct Stamp {
    name: String,
    stamps: bool,
    clock: Arc<dyn Clock>,
    hinted: Mutex<BTreeSet<String>>,
}

impl std::fmt::Debug for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stamp({})", self.name)
    }
}

impl Stamp {
    fn proof(&self) -> Proof {
        let decision = if self.stamps { Judgement::Passed } else { Judgement::Rejected };
        Proof {
            decision,
            score: None,
            reasons: Vec::new(),
            checks: BTreeMap::from([("ink".to_owned(), decision)]),
            document: Some(Document {
                kind: Some("PASSPORT".to_owned()),
                country: Some("DEU".to_owned()),
                first_name: Some("ANNA".to_owned()),
                last_name: Some("MUSTER".to_owned()),
                date_of_birth: None,
                expires_on: None,
            }),
            numbers: Vec::new(),
            fingerprints: Vec::new(),
            same_face: Vec::new(),
            completed_at: Some(self.clock.now()),
        }
    }
}

impl Connector for Stamp {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        async { vec![Finding { ok: true, what: "stamp".to_owned(), detail: String::new() }] }.boxed()
    }
}

impl VerificationProvider for Stamp {
    fn start<'a>(&'a self, start: &'a StartSession) -> BoxFuture<'a, Result<Session, Failure>> {
        let session = Session {
            account: "paper".to_owned(),
            execution: format!("{}-{}", self.name, start.reference.replace('.', "-")),
            // The link contains the callback's secret, where the test reads it.
            link: start.callback_url.clone().unwrap(),
            expires_at: self.clock.now() + TimeDelta::hours(1),
            reference: start.reference.clone(),
            returns_by: None,
        };
        async { Ok(session) }.boxed()
    }

    fn read<'a>(&'a self, read: &'a ReadSession) -> BoxFuture<'a, Result<Reading, Failure>> {
        let done = self.hinted.lock().unwrap().contains(&read.execution);
        let reading = Reading {
            account: read.account.clone(),
            execution: read.execution.clone(),
            reference: Some(read.reference.clone()),
            phase: if done { Phase::Done } else { Phase::Waiting },
            proof: done.then(|| Box::new(self.proof())),
            void: None,
        };
        async { Ok(reading) }.boxed()
    }

    fn hint(&self, body: &[u8]) -> Result<String, String> {
        let execution = String::from_utf8(body.to_vec()).map_err(|_| "no text".to_owned())?;
        self.hinted.lock().unwrap().insert(execution.clone());
        Ok(execution)
    }

    fn pace(&self) -> Pace {
        Pace { starts_per_second: 100.0, reads_per_second: 100.0 }
    }

    fn display_name(&self) -> &str {
        "Stamp"
    }
}
