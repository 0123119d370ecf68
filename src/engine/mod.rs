//! The shell: the only room where time passes. It takes events in, hands inputs to cases one at a time,
//! commits what they decide, and performs their calls afterwards.
//!
//! | file | what |
//! |---|---|
//! | `clock` | the clocks |
//! | `intake` | events: durable first, then matched with policies |
//! | `decision_log` | whether a policy applies, and what it said |
//! | `explain` | why each policy did or did not fire for a person |
//! | `dry_run` | what policies would say, of an edited tree or about a made-up event |
//! | `events` | CloudEvents that programs send |
//! | `cases`, `locks` | one input, one case, one commit; one writer at a time |
//! | `worker` | performs due calls, lane by lane |
//! | `waker` | wakes cases whose time has come |
//! | `poller` | reads identity sources |
//! | `settings` | what the engine is told at start |
//! | `migrating` | people move open cases to another revision |
//! | `unloadable` | stops the clocks of open cases whose revision does not load any more |
//! | `pauses` | times in which nobody could answer |
//! | `heard` | what a policy waits for and was never sent |
//! | `sources` | which identity provider a person is at |
//! | `shadow` | what a shadow policy would have done, against what happened |
//! | `sweep` | schedules over a population |
//! | `replay` | decides again what the journal says was decided |
//! | `limits` | how many effects a policy has had in a window |
//! | `person` | what the person's page shows and does |
//! | `desk` | what people and programs ask and order |
//! | `view` | from what the rooms below speak to what the API shows |
//! | `metrics`, `health` | what an operator watches |

mod backoff;
pub mod cases;
pub mod clock;
mod decision_log;
pub mod desk;
pub mod dry_run;
pub mod events;
pub mod explain;
pub mod health;
mod heard;
pub mod intake;
pub mod limits;
mod locks;
pub mod metrics;
pub mod migrating;
mod pauses;
pub mod person;
pub mod poller;
pub mod replay;
mod settings;
pub mod shadow;
pub mod sources;
pub mod sweep;
mod unloadable;
pub mod view;
mod waker;
mod worker;

use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::case::Links;
pub use crate::connectors::Connectors;
use crate::model::{Clock, Timestamp};
use crate::rollout::{self, Active, Rollout};
use crate::store::{Opened, Requests, Store};

pub use intake::HookRefused;
pub use settings::Settings;

/// A failure of the store, for the doors.
pub use crate::store::Error as StoreError;
/// What a change under a key was about, and its answer, for the doors.
pub use crate::store::{About, Answer};

/// The running daemon's heart. Clones are handles to the same engine.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    store: Store,
    clock: Arc<dyn Clock>,
    connectors: Connectors,
    links: Links,
    /// The mark of what is the same for every decision.
    under: String,
    rollout: Rollout,
    requests: Requests,
    locks: locks::Locks,
    limits: Mutex<limits::Counters>,
    returns: person::Returns,
    pauses: pauses::Pauses,
    heard: heard::Heard,
    reading: poller::Reading,
    metrics: Arc<metrics::Metrics>,
    health: health::Health,
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
        let now = clock.now();
        let counters = limits::from_store(&store, now)?;
        let pauses = pauses::Pauses::from_store(&store, now)?;
        let heard = heard::Heard::from_store(&store)?;
        let requests = Requests::open(store.clone(), Arc::clone(&clock))?;
        let metrics = Arc::new(metrics::Metrics::new(opened));
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
        let inner = Inner {
            under: replay::under(&settings, &links),
            links,
            rollout,
            requests,
            locks: locks::Locks::default(),
            limits: Mutex::new(counters),
            returns: person::Returns::default(),
            pauses,
            heard,
            reading: poller::Reading::default(),
            metrics,
            health: health::Health::new(now),
            stop,
            settings,
            store,
            clock,
            connectors,
        };
        let engine = Self(Arc::new(inner));
        engine.note_absence().await?;
        engine.recover().await?;
        Ok(engine)
    }

    /// Starts the loops. They end after `stop`.
    pub fn start(&self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for lane in crate::model::Lane::ALL {
            tasks.spawn(self.clone().work(lane));
        }
        tasks.spawn(self.clone().wake_cases());
        tasks.spawn(self.clone().digest_inbox());
        tasks.spawn(self.clone().keep_time());
        tasks.spawn(self.0.rollout.reload.clone().watch_tree());
        tasks.spawn(self.clone().look_for_unloadable());
        for (name, source) in &self.0.connectors.identity {
            let source = || Arc::clone(source);
            tasks.spawn(self.clone().poll_source(name.clone(), source()));
            tasks.spawn(self.clone().count_people(name.clone(), source()));
        }
        if !self.0.connectors.identity.is_empty() {
            tasks.spawn(self.clone().run_sweeps());
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
        self.0.clock.now()
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub fn links(&self) -> &Links {
        &self.0.links
    }

    pub fn metrics(&self) -> &metrics::Metrics {
        &self.0.metrics
    }

    /// Which policies run.
    pub fn rollout(&self) -> &Rollout {
        &self.0.rollout
    }

    /// Changes that were asked for under a key.
    pub fn requests(&self) -> &Requests {
        &self.0.requests
    }

    /// What runs now.
    pub fn active(&self) -> Arc<Active> {
        self.0.rollout.active()
    }

    /// Calls that were under way when the daemon stopped: their end is not known.
    async fn recover(&self) -> anyhow::Result<()> {
        for (case, call, attempt) in self.0.store.begun_calls()? {
            let lost = crate::case::Input::Lost { call, attempt };
            match self.apply(&case, lost).await {
                Ok(_) | Err(cases::ApplyError::Refused(_)) => {}
                Err(error) => {
                    tracing::error!(case = %case, %error, "resuming a call that was in progress at the \
                        last stop failed")
                }
            }
        }
        Ok(())
    }
}
