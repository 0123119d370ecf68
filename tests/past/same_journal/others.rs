//! Everybody outside, as the made-up world has them, on the wires of the daemon: they answer the same to the
//! same questions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use proofd::connectors::{
    Connector, Finding, IdentityProvider, Mailer, Pace, Page, People, VerificationProvider, WebhookRefused,
};
use proofd::engine::Connectors;
use proofd::engine::clock::Virtual;
use proofd::model::{Call, CaseId, Clock as _, Event, Failure, Outcome, Subject, SubjectKind, SubjectRef};
use proofd::trial::{Outside, POPULATION};
use reqwest::header::HeaderMap;
use tokio::sync::{oneshot, watch};

pub const VERIFICATION: &str = "jumio";
pub const SYSTEMS: [&str; 1] = ["hris"];
pub const ENDPOINTS: [&str; 2] = ["paging", "ticketing"];
pub const SINK: &str = "sink";

/// A provider, a mail server, systems: one for all, and one answer at a time.
#[derive(Debug)]
pub struct Others {
    world: Mutex<Outside>,
    clock: Virtual,
    /// Calls that wait for their turn to be answered.
    waiting: Mutex<BTreeMap<(CaseId, u32), oneshot::Sender<()>>>,
    arrived: watch::Sender<()>,
    /// So often was asked how many people there are.
    pub counted: watch::Sender<u32>,
}

impl Others {
    pub fn new(clock: &Virtual) -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::default(),
            clock: clock.clone(),
            waiting: Mutex::default(),
            arrived: watch::Sender::new(()),
            counted: watch::Sender::new(0),
        })
    }

    pub fn world(&self) -> MutexGuard<'_, Outside> {
        self.world.lock().unwrap()
    }

    /// Tells of calls that begin to wait.
    pub fn arrivals(&self) -> watch::Receiver<()> {
        self.arrived.subscribe()
    }

    pub fn waiting(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }

    /// Answers the call that was asked for first. False: none waits.
    pub fn answer_one(&self) -> bool {
        let first = self.waiting.lock().unwrap().pop_first();
        first.is_some_and(|(_, turn)| turn.send(()).is_ok())
    }

    /// Answers a call when its turn comes.
    async fn in_turn(&self, call: &Call) -> Outcome {
        let (go, turn) = oneshot::channel();
        let key = (call.id.case.clone(), call.id.number);
        self.waiting.lock().unwrap().insert(key, go);
        self.arrived.send_replace(());
        turn.await.unwrap();
        self.world().perform(&call.action, self.clock.now())
    }

    pub fn connectors(self: &Arc<Self>) -> Connectors {
        let each = |names: &[&str]| -> BTreeMap<String, Arc<dyn Connector>> {
            names
                .iter()
                .map(|name| ((*name).to_owned(), Arc::new(Wire(Arc::clone(self), None)) as _))
                .collect()
        };
        let vendor = Wire(Arc::clone(self), Some(VERIFICATION));
        Connectors {
            // The made-up world's people are at a provider without a name.
            identity: [(String::new(), Arc::clone(self) as _)].into(),
            verification: [(VERIFICATION.to_owned(), Arc::new(vendor) as _)].into(),
            mail: Some(Arc::new(Wire(Arc::clone(self), None))),
            systems: each(&SYSTEMS),
            endpoints: each(&ENDPOINTS),
            sinks: each(&[SINK]),
        }
    }
}

/// One of them, with the name by which it can be down.
#[derive(Debug)]
struct Wire(Arc<Others>, Option<&'static str>);

impl Connector for Wire {
    fn perform<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome> {
        self.0.in_turn(call).boxed()
    }

    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        async {
            let ok = self.1.is_none_or(|name| !self.0.world().is_down(name, self.0.clock.now()));
            vec![Finding { ok, what: String::new(), detail: String::new() }]
        }
        .boxed()
    }
}

impl VerificationProvider for Wire {
    fn hint(&self, _: &[u8]) -> Result<String, String> {
        Err("hints come in by the scenario".to_owned())
    }

    fn pace(&self) -> Pace {
        Pace { starts_per_second: 1e9, reads_per_second: 1e9 }
    }
}

impl Mailer for Wire {
    fn send_test<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        async { Ok(()) }.boxed()
    }
}

impl Connector for Others {
    fn perform<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome> {
        self.in_turn(call).boxed()
    }

    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        async { Vec::new() }.boxed()
    }
}

impl IdentityProvider for Others {
    fn poll_every(&self) -> TimeDelta {
        TimeDelta::days(365)
    }

    fn poll<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<Page, Failure>> {
        async { Ok(Page::default()) }.boxed()
    }

    fn anew(&self, _: &str) -> Option<String> {
        None
    }

    fn is_webhook(&self, _: &HeaderMap) -> bool {
        false
    }

    fn webhook(&self, _: &HeaderMap, _: &[u8]) -> Result<Vec<Event>, WebhookRefused> {
        Err(WebhookRefused::NotConfigured)
    }

    fn subject<'a>(
        &'a self,
        reference: &'a SubjectRef,
        _: Option<&'a Event>,
    ) -> BoxFuture<'a, Result<Option<Subject>, Failure>> {
        async { self.world().look_up(reference, self.clock.now()) }.boxed()
    }

    fn population<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<People, Failure>> {
        async {
            let mut people: Vec<Subject> = self.world().people.values().cloned().collect();
            people.retain(|person| person.kind == SubjectKind::User);
            Ok(People { people, next: None })
        }
        .boxed()
    }

    fn population_size(&self) -> BoxFuture<'_, Result<u64, Failure>> {
        async {
            self.counted.send_modify(|times| *times += 1);
            Ok(POPULATION)
        }
        .boxed()
    }
}
