//! The shell: the only room where time passes. It takes events in, hands inputs to cases one at a time,
//! commits what they decide, and performs their calls afterwards.
//!
//! Each part is a handle that has what it needs and no more; `Engine` puts them together and starts their loops.
//!
//! | file | what |
//! |---|---|
//! | `settings` | what the engine is told at start |
//! | `parts` | the parts, put together |
//! | `clock` | the clocks |
//! | `cases`, `locks` | one input, one case, one commit; one writer at a time |
//! | `limits` | how many effects a policy has had in a window |
//! | `outages` | times in which somebody could not answer, which cases are credited |
//! | `jumps` | a wall clock that jumps |
//! | `timers` | wakes cases whose time has come; moves their times back when the clock was ahead |
//! | `outbox` | performs due calls, lane by lane |
//! | `inbox` | events are durable first |
//! | `poller` | reads identity sources into the inbox |
//! | `hooks` | webhooks, callbacks and CloudEvents that other systems send |
//! | `intake` | events are matched with policies; a person opens a case by hand |
//! | `decision_log` | what policies answered, with what they looked at |
//! | `sweep` | schedules over a population |
//! | `capabilities` | what a policy waits for and a source never sent |
//! | `sources` | which identity provider a person is at |
//! | `explain` | why each policy did or did not fire for a person |
//! | `dry_run` | what policies would answer, of an edited tree or about a made-up event |
//! | `migrations` | people move open cases to another revision |
//! | `portal`, `returns` | what the person's page shows and does |
//! | `operators` | what people and programs ask about cases, and order |
//! | `status`, `health`, `metrics` | what an operator watches |
//! | `unloadable` | stops the clocks of open cases whose revision does not load any more |
//! | `replay` | decides again what the journal says was decided |
//! | `waiting`, `backoff` | how loops wait, and for how long after a failure |
//! | `view` | from what the rooms below speak to what the API shows |

mod backoff;
mod capabilities;
pub mod cases;
pub mod clock;
mod decision_log;
pub mod dry_run;
pub mod explain;
mod health;
pub mod hooks;
mod inbox;
pub mod intake;
mod jumps;
pub mod limits;
mod locks;
pub mod metrics;
pub mod migrations;
pub mod operators;
mod outages;
mod outbox;
mod parts;
mod poller;
pub mod portal;
pub mod replay;
mod returns;
mod settings;
pub mod sources;
mod status;
pub mod sweep;
mod timers;
mod unloadable;
pub mod view;
mod waiting;

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
pub use settings::Settings;
pub use sources::Sources;
pub use status::Status;
pub use sweep::Sweeps;
pub use timers::Timers;

/// A failure of the store, for the doors.
pub use crate::store::Error as StoreError;
/// What a change under a key was about, and its answer, for the doors.
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
    /// Opens everything and loads the policies; nothing is started yet.
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

    /// Asks the loops to end: no call begins any more, those under way are waited for.
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

    /// Which policies run.
    pub fn rollout(&self) -> &Rollout {
        &self.0.shared.rollout
    }

    /// Changes that were asked for under a key.
    pub fn requests(&self) -> &Requests {
        &self.0.shared.requests
    }

    /// Every change of a case.
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

    pub fn portal(&self) -> &Portal {
        &self.0.parts.portal
    }

    pub fn status(&self) -> &Status {
        &self.0.parts.status
    }

    /// What runs now.
    pub fn active(&self) -> Arc<Active> {
        self.0.shared.rollout.active()
    }
}
