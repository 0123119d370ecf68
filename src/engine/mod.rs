//! The shell: the only room where time passes. It takes events in, hands inputs to cases one at a time,
//! commits what they decide, and performs their calls afterwards.
//!
//! | file | what |
//! |---|---|
//! | `clock` | the clocks |
//! | `intake` | events: durable first, then matched with policies |
//! | `asked` | whether a policy applies, and what it said |
//! | `explain` | why each policy did or did not fire for a person |
//! | `attempt` | what policies would say, of an edited tree or about a made-up event |
//! | `events` | CloudEvents that programs send |
//! | `cases`, `locks` | one input, one case, one commit; one writer at a time |
//! | `worker` | performs due calls, lane by lane |
//! | `waker` | wakes cases whose time has come |
//! | `poller` | reads identity sources |
//! | `tree`, `watching`, `reload` | policy files from the disk, when they change, and the swap to a new set |
//! | `standing` | which revision of a policy runs: the tree's, the last good one, or the one people chose |
//! | `releasing` | who may release a revision that waits |
//! | `revisions` | people look at revisions, release one, go back to one |
//! | `foresight`, `plan` | what the recorded past says of revisions before they run |
//! | `judging` | edits are held while the past is asked, and while it speaks against them |
//! | `stranded` | open cases whose revision cannot be used any more |
//! | `migrating` | people move open cases to another revision |
//! | `pauses` | times in which nobody could answer |
//! | `heard` | what a policy waits for and was never sent |
//! | `sources` | which identity provider a person is at |
//! | `shadow` | what a shadow policy would have done, against what happened |
//! | `sweep` | schedules over a population |
//! | `replay` | decides again what the journal says was decided |
//! | `limits` | how many effects a policy has had in a window |
//! | `requests` | the same change asked for twice |
//! | `person` | what the person's page shows and does |
//! | `desk` | what people and programs ask and order |
//! | `view` | from what the rooms below speak to what the API shows |
//! | `metrics`, `health` | what an operator watches |

mod asked;
pub mod attempt;
mod backoff;
pub mod cases;
pub mod clock;
pub mod desk;
pub mod events;
pub mod explain;
pub mod foresight;
pub mod health;
mod heard;
pub mod intake;
mod judging;
pub mod limits;
mod locks;
pub mod metrics;
pub mod migrating;
mod pauses;
pub mod person;
pub mod plan;
pub mod poller;
mod releasing;
pub mod reload;
pub mod replay;
pub mod requests;
pub mod revisions;
pub mod shadow;
pub mod sources;
mod standing;
mod stranded;
pub mod sweep;
pub mod tree;
pub mod view;
mod waker;
mod watching;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use chrono::TimeDelta;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::case::Links;
pub use crate::connectors::Connectors;
use crate::model::{Clock, PollEvery, Secret, Timestamp, Watched};
use crate::policy::{Known, Policy, PolicySet};
use crate::store::{Examined, Opened, Store};

pub use intake::HookRefused;
pub use reload::{PolicyState, PolicyStatus, Report};

/// A failure of the store, for the doors.
pub use crate::store::Error as StoreError;

/// What the engine is told once, at start.
#[derive(Debug, Clone)]
pub struct Settings {
    pub public_url: String,
    pub organization: String,
    pub policies: PathBuf,
    pub all_or_nothing: bool,
    /// An edit that lets a policy do more of this waits for a release; empty: none does.
    pub park: Vec<Watched>,
    /// The same for one that would have done it to more people than this, and how far back that is looked at.
    pub park_above: usize,
    pub look_back: TimeDelta,
    /// A parked revision is released by somebody else than who pushed the edit.
    pub release_by_other: bool,
    /// Names that policies may use.
    pub known: Known,
    /// How often runs of verification providers are read.
    pub poll_every: PollEvery,
    /// The keys of the callback paths, by verification provider.
    pub callback_secrets: BTreeMap<String, Secret>,
    /// Names of the sinks that events go to.
    pub sinks: Vec<String>,
    /// How long an account that was made in a system may not be found there yet, by the system's name.
    pub consistency: BTreeMap<String, TimeDelta>,
}

impl Default for Settings {
    /// As where a configuration says nothing.
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8470".to_owned(),
            organization: String::new(),
            policies: PathBuf::from("policies"),
            all_or_nothing: false,
            park: Watched::by_default(),
            park_above: 5,
            look_back: TimeDelta::days(90),
            release_by_other: false,
            known: Known::default(),
            poll_every: PollEvery::default(),
            callback_secrets: BTreeMap::new(),
            sinks: Vec::new(),
            consistency: BTreeMap::new(),
        }
    }
}

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
    active: ArcSwap<Active>,
    revisions: reload::Revisions,
    reloading: tokio::sync::Mutex<reload::Attempted>,
    judgements: judging::Judgements,
    pushes: releasing::Pushes,
    /// The past is asked by one at a time: it takes all cores.
    asking: tokio::sync::Mutex<()>,
    locks: locks::Locks,
    stranded: stranded::Stranded,
    limits: Mutex<limits::Counters>,
    returns: person::Returns,
    remembered: requests::Remembered,
    pauses: pauses::Pauses,
    heard: heard::Heard,
    reading: poller::Reading,
    metrics: metrics::Metrics,
    health: health::Health,
    stop: watch::Sender<bool>,
}

/// What runs now, swapped as a whole.
#[derive(Debug, Default)]
pub struct Active {
    pub set: PolicySet,
    /// Good policies of the tree that do not run, and would otherwise: parked, or stood in for by a revert.
    pub waiting: BTreeMap<String, Arc<Policy>>,
    /// What the tests of what runs walked when they were good.
    pub tests: BTreeMap<String, Examined>,
    pub report: Report,
    /// Of those that wait, what they would have done in the recorded past.
    pub foreseen: BTreeMap<String, Arc<judging::Seen>>,
    /// An edit of which the past is to be asked, with everything that differs.
    pub asked: Vec<foresight::Edited>,
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
        let remembered = requests::Remembered::default();
        remembered.count(&store)?;
        let inner = Inner {
            under: replay::under(&settings, &links),
            links,
            active: ArcSwap::from_pointee(Active::default()),
            revisions: reload::Revisions::default(),
            reloading: tokio::sync::Mutex::new(reload::Attempted::default()),
            judgements: judging::Judgements::default(),
            pushes: releasing::Pushes::default(),
            asking: tokio::sync::Mutex::new(()),
            locks: locks::Locks::default(),
            stranded: stranded::Stranded::default(),
            limits: Mutex::new(counters),
            returns: person::Returns::default(),
            remembered,
            pauses,
            heard,
            reading: poller::Reading::default(),
            metrics: metrics::Metrics::new(opened),
            health: health::Health::new(now),
            stop: watch::Sender::new(false),
            settings,
            store,
            clock,
            connectors,
        };
        let engine = Self(Arc::new(inner));
        engine.start_policies().await?;
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
        tasks.spawn(self.clone().watch_policies());
        tasks.spawn(self.clone().look_for_stranded());
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

    /// What runs now.
    pub fn active(&self) -> Arc<Active> {
        self.0.active.load_full()
    }

    /// Calls that were under way when the daemon stopped: their end is not known.
    async fn recover(&self) -> anyhow::Result<()> {
        for (case, call, attempt) in self.0.store.begun_calls()? {
            let lost = crate::case::Input::Lost { call, attempt };
            match self.apply(&case, lost).await {
                Ok(_) | Err(cases::ApplyError::Refused(_)) => {}
                Err(error) => {
                    tracing::error!(case = %case, %error, "a call under way at the last stop is not taken up")
                }
            }
        }
        Ok(())
    }
}
