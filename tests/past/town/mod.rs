//! A directory of people in memory, and an engine with it whose clock the test advances.
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use proofd::connectors::{Connector, Finding, IdentityProvider, Page, People, WebhookRefused};
use proofd::engine::clock::Virtual;
use proofd::engine::{Connectors, Engine, Settings};
use proofd::model::{
    Attempt, Changed, Clock, Event, Failure, Fields, IdentityChange, Snapshot, Subject, SubjectRef,
    Timestamp, User,
};
use proofd::rollout;
use proofd::store::{Options, Store, SweepRun, SweepState};
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A person with an account and default values.
pub fn person(id: &str, verified_at: Option<Timestamp>) -> Subject {
    let user = User {
        id: id.to_owned(),
        username: Some(format!("user{id}")),
        email: Some(format!("user{id}@example.com")),
        email_domain: Some("example.com".to_owned()),
        first_name: Some("Ada".to_owned()),
        last_name: Some(format!("Number {id}")),
        status: Some("active".to_owned()),
        state: Some("approved".to_owned()),
        roles: Vec::new(),
        groups: Vec::new(),
        manager: None,
        department: None,
        title: None,
        created_at: None,
        last_login_at: None,
        verified_at,
        exempt_until: None,
        service_account: None,
        locale: None,
        attributes: Fields::new(),
    };
    user.into()
}

/// An identity provider that can be down or stop answering.
#[derive(Debug, Default)]
pub struct Directory {
    /// In the order of their ids.
    pub people: Mutex<Vec<Subject>>,
    pub down: AtomicBool,
    /// Number of further answers; 0: unlimited.
    silent_after: AtomicUsize,
    pub silent: Notify,
    pub pages: AtomicUsize,
    pub reads: AtomicUsize,
}

/// People on a page, and how many of them were on the page before.
const PAGE: usize = 250;
const OVERLAP: usize = 7;

impl Directory {
    pub fn of(people: Vec<Subject>) -> Arc<Self> {
        Arc::new(Self { people: Mutex::new(people), ..Self::default() })
    }

    pub fn change(&self, id: &str, change: impl FnOnce(&mut Fields)) {
        let mut people = self.people.lock().unwrap();
        change(&mut people.iter_mut().find(|person| person.id == id).unwrap().fields);
    }

    pub fn fall_silent_after(&self, answers: usize) {
        self.silent_after.store(answers, Ordering::SeqCst);
    }

    async fn answer(&self) -> Result<(), Failure> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Failure::unavailable("down"));
        }
        let last =
            self.silent_after.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if last == Ok(1) {
            self.silent.notify_one();
            return std::future::pending().await;
        }
        Ok(())
    }
}

impl Connector for Directory {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        async { Vec::new() }.boxed()
    }
}

impl IdentityProvider for Directory {
    fn change<'a>(
        &'a self,
        _: &'a Attempt,
        _: &'a Snapshot,
        _: &'a IdentityChange,
    ) -> BoxFuture<'a, Result<Changed, Failure>> {
        async { Err(Failure::refused("a directory changes nobody")) }.boxed()
    }

    fn poll_every(&self) -> TimeDelta {
        TimeDelta::days(365)
    }

    fn poll<'a>(&'a self, _cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page, Failure>> {
        async { Ok(Page::default()) }.boxed()
    }

    fn anew(&self, _: &str) -> Option<String> {
        None
    }

    fn is_webhook(&self, _: &reqwest::header::HeaderMap) -> bool {
        false
    }

    fn webhook(
        &self,
        _headers: &reqwest::header::HeaderMap,
        _body: &[u8],
    ) -> Result<Vec<Event>, WebhookRefused> {
        Err(WebhookRefused::NotConfigured)
    }

    fn subject<'a>(
        &'a self,
        reference: &'a SubjectRef,
        _event: Option<&'a Event>,
    ) -> BoxFuture<'a, Result<Option<Subject>, Failure>> {
        async {
            self.answer().await?;
            self.reads.fetch_add(1, Ordering::SeqCst);
            let people = self.people.lock().unwrap();
            let found = people.binary_search_by(|person| person.id.cmp(&reference.id));
            Ok(found.ok().map(|at| people[at].clone()))
        }
        .boxed()
    }

    fn population<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<People, Failure>> {
        async move {
            self.answer().await?;
            self.pages.fetch_add(1, Ordering::SeqCst);
            let people = self.people.lock().unwrap();
            let (from, moved) = cursor.map_or((0, true), |cursor| {
                let (from, moved) = cursor.split_once(' ').unwrap_or((cursor, ""));
                (from.parse::<usize>().unwrap(), !moved.is_empty())
            });
            // From time to time rows have moved, and a part of the list is read again.
            if !moved && from % 3 == 0 {
                let people = people[from.saturating_sub(2 * PAGE)..from].to_vec();
                return Ok(People { people, next: Some(format!("{from} moved")) });
            }
            let until = (from + PAGE).min(people.len());
            let next = (until < people.len()).then(|| (until - OVERLAP).to_string());
            Ok(People { people: people[from..until].to_vec(), next })
        }
        .boxed()
    }

    fn population_size(&self) -> BoxFuture<'_, Result<u64, Failure>> {
        async { Ok(self.people.lock().unwrap().len() as u64) }.boxed()
    }
}

/// A policy over users: the lines under `sweep:`, and the lines after `when`.
pub fn policy(dir: &Path, name: &str, mode: &str, sweep: &str, rest: &str) {
    let text = format!(
        "format: 1\npolicy: {name}\ntitle: t\nowner: a@example.com\nmode: {mode}\nsubject: user\nwhen:\n  - sweep:\n\
         {sweep}{rest}"
    );
    let folder = dir.join("policies").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("policy.yaml"), text).unwrap();
}

/// A running engine.
pub struct Town {
    pub engine: Engine,
    pub clock: Virtual,
    tasks: JoinSet<()>,
}

impl Town {
    pub async fn open(dir: &Path, clock: &Virtual, directory: &Arc<Directory>) -> Self {
        let connectors = Connectors {
            identity: [(String::new(), Arc::clone(directory) as _)].into(),
            ..Connectors::default()
        };
        Self::open_with(dir, clock, connectors).await
    }

    pub async fn open_with(dir: &Path, clock: &Virtual, connectors: Connectors) -> Self {
        for (file, text) in [
            ("verifications.yaml", "format: 1\nverifications: {}\n"),
            ("people.yaml", "format: 1\nteams: {}\n"),
        ] {
            std::fs::create_dir_all(dir.join("policies")).unwrap();
            if !dir.join("policies").join(file).exists() {
                std::fs::write(dir.join("policies").join(file), text).unwrap();
            }
        }
        let (store, opened) = Store::open_with(&dir.join("store"), clock.now(), options()).unwrap();
        let settings = Settings {
            public_url: "http://localhost".to_owned(),
            organization: "Example".to_owned(),
            rollout: rollout::Settings {
                policies: dir.join("policies"),
                park: Vec::new(),
                ..Default::default()
            },
            poll_every: TimeDelta::days(365).into(),
            ..Settings::default()
        };
        let engine =
            Engine::open(settings, store, &opened, Arc::new(clock.clone()), connectors).await.unwrap();
        let report = &engine.active().report;
        assert!(report.ok, "{}", report.rendered);
        let tasks = engine.start();
        let town = Self { engine, clock: clock.clone(), tasks };
        // Every sweep is registered before the time advances.
        let active = town.engine.active();
        for policy in active.set.policies.values().filter(|one| one.mode != proofd::policy::Mode::Disabled) {
            for sweep in policy.sweeps() {
                town.until(&sweep.schedule, |state| state.awake).await;
            }
        }
        town
    }

    /// Waits for a state of a sweep.
    pub async fn until(&self, schedule: &str, reached: impl Fn(&SweepState) -> bool) -> SweepState {
        let mut applied = self.engine.store().applied();
        loop {
            applied.mark_unchanged();
            if let Some(state) = self.engine.store().sweep(schedule).unwrap().filter(&reached) {
                return state;
            }
            applied.changed().await.unwrap();
        }
    }

    /// Waits until a nominal time is handled, and returns the last run that ended.
    pub async fn settled(&self, schedule: &str, nominal: Timestamp) -> SweepRun {
        self.until(schedule, |state| state.settled >= nominal && state.run.is_none()).await;
        self.engine.store().sweep_runs(schedule, 1).unwrap().remove(0)
    }

    pub fn advance_to(&self, at: Timestamp) {
        self.clock.advance(at - self.clock.now());
    }

    /// Ends the process abruptly.
    pub async fn die(mut self) {
        self.tasks.shutdown().await;
        let store = self.engine.store().clone();
        store.close().await.unwrap();
    }

    /// Stops in an orderly way.
    pub async fn stop(mut self) {
        self.engine.stop();
        while self.tasks.join_next().await.is_some() {}
        let store = self.engine.store().clone();
        store.close().await.unwrap();
    }
}

pub fn options() -> Options {
    Options { reserve_bytes: 64 << 10, ..Options::default() }
}
