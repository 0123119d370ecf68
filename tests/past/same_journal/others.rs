//! The external systems of the simulated world as connectors of the daemon: the same requests get the same answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use proofd::connectors::{
    Connector, Created, EndpointAnswer, EndpointClient, EventSink, Finding, IdentityProvider, Mailer, Pace,
    Page, People, TargetSystem, VerificationProvider, WebhookRefused,
};
use proofd::engine::clock::Virtual;
use proofd::engine::{Connectors, Engine};
use proofd::model::{
    Action, Attempt, CaseId, Changed, Clock as _, Done, Event, Failure, Fields, HttpRequest, IdentityChange,
    Message, Outcome, ProvisioningAction, ReadSession, Reading, Session, SessionAction, Snapshot,
    StartSession, Subject, SubjectKind, SubjectRef,
};
use proofd::trial::{Outside, POPULATION};
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

pub const VERIFICATION: &str = "jumio";
pub const SYSTEMS: [&str; 1] = ["hris"];
pub const ENDPOINTS: [&str; 2] = ["paging", "ticketing"];
pub const SINK: &str = "sink";

/// A provider, a mail server and systems in one, with one answer at a time.
#[derive(Debug)]
pub struct Others {
    world: Mutex<Outside>,
    clock: Virtual,
    /// Calls that wait for their answer.
    waiting: Mutex<BTreeMap<(CaseId, u32), oneshot::Sender<()>>>,
    engine: Mutex<Option<Engine>>,
    arrived: watch::Sender<()>,
    /// Number of requests for the size of the population.
    pub counted: watch::Sender<u32>,
}

impl Others {
    pub fn new(clock: &Virtual) -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::default(),
            clock: clock.clone(),
            waiting: Mutex::default(),
            engine: Mutex::default(),
            arrived: watch::Sender::new(()),
            counted: watch::Sender::new(0),
        })
    }

    pub fn world(&self) -> MutexGuard<'_, Outside> {
        self.world.lock().unwrap()
    }

    /// Notifies of calls that begin to wait.
    pub fn arrivals(&self) -> watch::Receiver<()> {
        self.arrived.subscribe()
    }

    pub fn waiting(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }

    /// Answers the call that was requested first. False: no call waits.
    pub fn answer_one(&self) -> bool {
        let first = self.waiting.lock().unwrap().pop_first();
        first.is_some_and(|(_, turn)| turn.send(()).is_ok())
    }

    /// Sets the engine whose calls arrive; none: no engine.
    pub fn serve(&self, engine: Option<Engine>) {
        *self.engine.lock().unwrap() = engine;
    }

    /// The call in progress with this action; none: it is not a call of a case.
    fn call(&self, action: &Action) -> Option<(CaseId, u32)> {
        let engine = self.engine.lock().unwrap().clone()?;
        let begun = engine.store().begun_calls().unwrap().into_iter();
        let waiting = self.waiting.lock().unwrap();
        let mut calls =
            begun.map(|(case, number, _)| (case, number)).filter(|call| !waiting.contains_key(call));
        calls.find(|(case, number)| {
            let case = engine.cases().case(case).unwrap().unwrap();
            case.calls.get(number).is_some_and(|call| call.action == *action)
        })
    }

    /// Answers a call in its turn.
    async fn in_turn(&self, action: Action) -> Result<Done, Failure> {
        if let Some(call) = self.call(&action) {
            let (go, turn) = oneshot::channel();
            self.waiting.lock().unwrap().insert(call, go);
            self.arrived.send_replace(());
            turn.await.unwrap();
        }
        match self.world().perform(&action, self.clock.now()) {
            Outcome::Done(done) => Ok(done),
            Outcome::Failed(failure) => Err(failure),
        }
    }

    pub fn connectors(self: &Arc<Self>) -> Connectors {
        let wire = |name: &str| Arc::new(Wire(Arc::clone(self), name.to_owned()));
        Connectors {
            // The simulated world's people are at a provider without a name.
            identity: [(String::new(), Arc::clone(self) as _)].into(),
            verification: [(VERIFICATION.to_owned(), wire(VERIFICATION) as _)].into(),
            mail: Some(wire("mail")),
            systems: SYSTEMS.map(|name| (name.to_owned(), wire(name) as _)).into(),
            endpoints: ENDPOINTS.map(|name| (name.to_owned(), wire(name) as _)).into(),
            sinks: [(SINK.to_owned(), wire(SINK) as _)].into(),
            ..Connectors::default()
        }
    }
}

/// One of the systems, by its name.
#[derive(Debug)]
struct Wire(Arc<Others>, String);

impl Connector for Wire {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        async {
            let ok = !self.0.world().is_down(&self.1, self.0.clock.now());
            vec![Finding { ok, what: String::new(), detail: String::new() }]
        }
        .boxed()
    }
}

/// Unwraps an answer; an answer of another kind is an error of the simulated world.
macro_rules! answer {
    ($done:expr, $wanted:pat => $value:expr) => {
        match $done? {
            $wanted => Ok($value),
            other => panic!("{other:?}"),
        }
    };
}

impl TargetSystem for Wire {
    fn create<'a>(
        &'a self,
        _: &'a Attempt,
        external_id: &'a str,
        attributes: &'a Fields,
    ) -> BoxFuture<'a, Result<Created, Failure>> {
        let (external_id, attributes) = (external_id.to_owned(), attributes.clone());
        let account = ProvisioningAction::Create { external_id, attributes };
        let action = Action::Provisioning { system: self.1.clone(), account };
        async {
            answer!(self.0.in_turn(action).await, Done::Created { id, already } => Created { id, already })
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        _: &'a Attempt,
        matching: &'a Fields,
        attributes: &'a Fields,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        let (matching, attributes) = (matching.clone(), attributes.clone());
        let account = ProvisioningAction::Update { matching, attributes };
        let action = Action::Provisioning { system: self.1.clone(), account };
        async { answer!(self.0.in_turn(action).await, Done::Applied { already, .. } => already) }.boxed()
    }
}

impl EndpointClient for Wire {
    fn request<'a>(
        &'a self,
        _: &'a Attempt,
        request: &'a HttpRequest,
    ) -> BoxFuture<'a, Result<EndpointAnswer, Failure>> {
        let action = Action::Request { endpoint: self.1.clone(), request: request.clone() };
        async {
            let done = self.0.in_turn(action).await;
            answer!(done, Done::Answered { status, body } => EndpointAnswer { status, body })
        }
        .boxed()
    }
}

impl EventSink for Wire {
    fn emit<'a>(&'a self, _: &'a Attempt, event: &'a Value) -> BoxFuture<'a, Result<(), Failure>> {
        let action = Action::Emit { sink: self.1.clone(), event: event.clone() };
        async { answer!(self.0.in_turn(action).await, Done::Emitted => ()) }.boxed()
    }
}

impl VerificationProvider for Wire {
    fn start<'a>(&'a self, start: &'a StartSession) -> BoxFuture<'a, Result<Session, Failure>> {
        let session = SessionAction::Start(start.clone());
        let action = Action::Verification { provider: self.1.clone(), session };
        async { answer!(self.0.in_turn(action).await, Done::Started { session } => session) }.boxed()
    }

    fn read<'a>(&'a self, read: &'a ReadSession) -> BoxFuture<'a, Result<Reading, Failure>> {
        let session = SessionAction::Read(read.clone());
        let action = Action::Verification { provider: self.1.clone(), session };
        async { answer!(self.0.in_turn(action).await, Done::Read { reading } => reading) }.boxed()
    }

    fn hint(&self, _: &[u8]) -> Result<String, String> {
        Err("hints come in by the scenario".to_owned())
    }

    fn pace(&self) -> Pace {
        Pace { starts_per_second: 1e9, reads_per_second: 1e9 }
    }

    fn display_name(&self) -> &str {
        "Wire"
    }
}

impl Mailer for Wire {
    fn send<'a>(&'a self, _: &'a Attempt, message: &'a Message) -> BoxFuture<'a, Result<(), Failure>> {
        let action = Action::Mail { message: message.clone() };
        async { answer!(self.0.in_turn(action).await, Done::Sent => ()) }.boxed()
    }

    fn send_test<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        async { Ok(()) }.boxed()
    }
}

impl Connector for Others {
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
        event: Option<&'a Event>,
    ) -> BoxFuture<'a, Result<Option<Subject>, Failure>> {
        async move {
            if event.is_some() {
                return self.world().look_up(reference, self.clock.now());
            }
            let read = self.in_turn(Action::read(reference.clone())).await;
            answer!(read, Done::Seen { subject } => subject.map(|subject| *subject))
        }
        .boxed()
    }

    fn change<'a>(
        &'a self,
        _: &'a Attempt,
        snapshot: &'a Snapshot,
        change: &'a IdentityChange,
    ) -> BoxFuture<'a, Result<Changed, Failure>> {
        async move {
            let (already, before, invited_at) =
                match self.in_turn(Action::change(snapshot.clone(), change.clone())).await? {
                    Done::Approved { already, invited_at } => (already, None, invited_at),
                    Done::Invited { already } | Done::Rejected { already } | Done::Deleted { already } => {
                        (already, None, None)
                    }
                    Done::Applied { already, before } => (already, before, None),
                    other => panic!("{other:?}"),
                };
            Ok(Changed { already, before, invited_at })
        }
        .boxed()
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
