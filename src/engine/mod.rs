//! The shell: the only room where time passes. It receives events, applies inputs to cases one at a time, commits their
//! decisions, and performs their calls afterwards.
//!
//! Each part is a handle that has only what it needs; `Engine` puts them together and starts their loops.
//!
//! | file | what |
//! |---|---|
//! | `settings` | settings of the engine, fixed at start |
//! | `parts` | the parts, put together |
//! | `clock` | the clocks |
//! | `cases`, `locks` | one input, one case, one commit; one writer at a time |
//! | `limits` | how many effects a policy has had in a window |
//! | `outages` | times in which a provider, the daemon or a revision was unavailable, which cases are credited |
//! | `jumps` | detection of wall clock jumps |
//! | `timers` | wakes due cases; moves their times back when the clock was ahead |
//! | `outbox`, `lines`, `width` | performs due calls, lane by lane; how many at once, which first, and how fast |
//! | `bells` | wakes the loops whose work a commit brought |
//! | `inbox` | makes events durable first |
//! | `poller` | reads identity sources into the inbox |
//! | `hooks` | webhooks, callbacks and CloudEvents that other systems send |
//! | `intake` | matches events with policies; opens cases by hand |
//! | `decision_log` | the answers of policies, with the values that they read |
//! | `sweep` | schedules over a population |
//! | `capabilities` | event data that a policy waits for and a source never sent |
//! | `sources` | the identity provider of a person |
//! | `explain`, `reasons` | why each policy did or did not fire for a person; the clause and the values of a verdict |
//! | `dry_run` | what policies would answer, of an edited tree or about a made-up event |
//! | `migrations` | moves open cases to another revision |
//! | `portal`, `returns` | what the person's page shows and does |
//! | `operators` | queries and orders of people and programs about cases |
//! | `gauges`, `timings`, `process` | figures that are read at a scrape, durations, and those of the process |
//! | `ahead`, `audit` | timers of open cases in the next days; search over the journals of all cases |
//! | `status`, `health`, `metrics`, `providers` | what an operator watches |
//! | `unloadable` | credits time to open cases whose revision no longer loads |
//! | `retention` | removes data of cases at its time, and of a person on request |
//! | `replay` | makes the decisions of the journal again and compares |
//! | `waiting`, `backoff` | how loops wait, and for how long after a failure |
//! | `view` | converts types of the lower rooms to types of the API |

mod ahead;
mod audit;
mod backoff;
mod bells;
mod capabilities;
pub mod cases;
pub mod clock;
mod decision_log;
pub mod dry_run;
pub mod explain;
mod gauges;
mod health;
pub mod hooks;
mod inbox;
pub mod intake;
mod jumps;
pub mod limits;
mod lines;
mod locks;
pub mod metrics;
pub mod migrations;
pub mod operators;
mod outages;
mod outbox;
mod parts;
mod poller;
pub mod portal;
mod process;
mod providers;
mod reasons;
pub mod replay;
pub mod retention;
mod returns;
mod settings;
pub mod sources;
mod status;
pub mod sweep;
mod timers;
mod timings;
mod unloadable;
pub mod view;
mod waiting;
mod width;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::case::Links;
pub use crate::connectors::Connectors;
use crate::model::{Clock, Lane, Timestamp};
use crate::rollout::{self, Active, Rollout};
use crate::store::{Opened, Requests, Store};

pub use capabilities::Capabilities;
pub use cases::Cases;
pub use decision_log::DecisionLog;
pub use dry_run::DryRuns;
pub use explain::Explanations;
pub use hooks::{HookRefused, Hooks};
pub use inbox::Inbox;
pub use intake::Intake;
pub use limits::Limits;
pub use migrations::Migrations;
pub use operators::Operators;
pub use outages::Outages;
pub use outbox::Outbox;
pub use poller::Poller;
pub use portal::Portal;
pub use retention::Retention;
pub use settings::Settings;
pub use sources::Sources;
pub use status::Status;
pub use sweep::Sweeps;
pub use timers::Timers;

/// A failure of the store, re-exported for the rooms above.
pub use crate::store::Error as StoreError;
/// The subject and the answer of a change under an idempotency key, re-exported for the rooms above.
pub use crate::store::{About, Answer};

use parts::{Parts, Shared};

/// The running daemon. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Shared,
    parts: Parts,
    stop: watch::Sender<bool>,
}

impl Engine {
    /// Opens all parts and loads the policies; starts nothing.
    pub async fn open(
        settings: Settings,
        store: Store,
        opened: &Opened,
        clock: Arc<dyn Clock>,
        connectors: Connectors,
    ) -> anyhow::Result<Self> {
        let links = Links::new(&settings.public_url, store.secret(), settings.callback_secrets.clone());
        let requests = Requests::open(store.clone(), Arc::clone(&clock))?;
        let metrics = Arc::new(metrics::Metrics::new(opened));
        let health = Arc::new(health::Health::new(clock.now()));
        let stop = watch::Sender::new(false);
        let uses = rollout::Uses {
            store: store.clone(),
            clock: Arc::clone(&clock),
            requests: requests.clone(),
            observer: Arc::clone(&metrics) as _,
            terms: replay::terms(&settings, &links),
            stop: stop.subscribe(),
        };
        let rollout = Rollout::open(settings.rollout.clone(), uses).await?;
        let shared = Shared { settings, store, clock, connectors, links, rollout, requests, metrics };
        let parts = Parts::new(&shared, health, &stop)?;
        let engine = Self(Arc::new(Inner { shared, parts, stop }));
        if let Some(ahead) = engine.0.parts.outages.note_absence().await? {
            engine.0.parts.timers.set_back(ahead).await?;
        }
        engine.0.parts.outages.beat().await?;
        engine.0.parts.cases.recover().await?;
        Ok(engine)
    }

    /// Starts the loops. They end after `stop`.
    pub fn start(&self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for lane in Lane::ALL {
            tasks.spawn(self.0.parts.outbox.clone().work(lane));
        }
        tasks.spawn(self.0.parts.timers.clone().wake_cases(self.stopping()));
        tasks.spawn(self.0.parts.intake.clone().digest_inbox(self.stopping()));
        tasks.spawn(self.0.parts.outages.clone().keep_time(self.stopping()));
        tasks.spawn(self.0.parts.retention.clone().run_nightly(self.stopping()));
        tasks.spawn(self.0.shared.rollout.reload.clone().watch_tree());
        let unloadable = self.0.shared.rollout.unloadable.clone();
        tasks.spawn(unloadable::look_for_unloadable(
            unloadable,
            self.0.parts.outages.clone(),
            self.stopping(),
        ));
        for (name, source) in &self.0.shared.connectors.identity {
            let source = || Arc::clone(source);
            tasks.spawn(self.0.parts.poller.clone().poll_source(name.clone(), source(), self.stopping()));
            tasks.spawn(self.0.parts.limits.clone().count_people(name.clone(), source(), self.stopping()));
        }
        if !self.0.shared.connectors.identity.is_empty() {
            tasks.spawn(self.0.parts.sweeps.clone().run_sweeps());
        }
        tasks
    }

    /// Asks the loops to end: no new call begins, and calls in progress are awaited.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
    }

    fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stop.subscribe()
    }

    pub fn now(&self) -> Timestamp {
        self.0.shared.clock.now()
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.shared.clock)
    }

    pub fn store(&self) -> &Store {
        &self.0.shared.store
    }

    pub fn settings(&self) -> &Settings {
        &self.0.shared.settings
    }

    pub fn links(&self) -> &Links {
        &self.0.shared.links
    }

    pub fn metrics(&self) -> &metrics::Metrics {
        &self.0.shared.metrics
    }

    /// The rollout: which policies run.
    pub fn rollout(&self) -> &Rollout {
        &self.0.shared.rollout
    }

    /// Changes that were requested under a key.
    pub fn requests(&self) -> &Requests {
        &self.0.shared.requests
    }

    /// The handle for every change of a case.
    pub fn cases(&self) -> &Cases {
        &self.0.parts.cases
    }

    pub fn hooks(&self) -> &Hooks {
        &self.0.parts.hooks
    }

    pub fn intake(&self) -> &Intake {
        &self.0.parts.intake
    }

    pub fn sweeps(&self) -> &Sweeps {
        &self.0.parts.sweeps
    }

    pub fn explanations(&self) -> &Explanations {
        &self.0.parts.explanations
    }

    pub fn dry_runs(&self) -> &DryRuns {
        &self.0.parts.dry_runs
    }

    pub fn inbox(&self) -> &Inbox {
        &self.0.parts.inbox
    }

    pub fn sources(&self) -> &Sources {
        &self.0.parts.sources
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.0.parts.capabilities
    }

    pub fn migrations(&self) -> &Migrations {
        &self.0.parts.migrations
    }

    pub fn operators(&self) -> &Operators {
        &self.0.parts.operators
    }

    pub fn retention(&self) -> &Retention {
        &self.0.parts.retention
    }

    pub fn portal(&self) -> &Portal {
        &self.0.parts.portal
    }

    pub fn status(&self) -> &Status {
        &self.0.parts.status
    }

    /// The policies that run now.
    pub fn active(&self) -> Arc<Active> {
        self.0.shared.rollout.active()
    }
}
