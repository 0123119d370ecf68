//! An engine in the test's process with the real connectors: for clocks that only a test can set, and for stores that
//! only a test can break.
#![allow(dead_code, reason = "every test file uses its own part of it")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use proofd::cli::compose;
use proofd::engine::clock::Virtual;
use proofd::engine::{Connectors, Engine, Settings};
use proofd::http::{Access, AppState, Listening, listen};
use proofd::model::{Clock, Lane, Timestamp};
use proofd::simulate::ledger::Ledger;
use proofd::simulate::town::{Addresses, Credentials, Town};
use proofd::store::{Options, Store};
use tokio::task::JoinSet;

/// Settings and connectors from the configuration in a directory; without target systems.
pub fn parts(dir: &Path, clock: &Arc<dyn Clock>) -> (Settings, Connectors) {
    let mut configured = compose::read(&dir.join("proofd.yaml")).unwrap();
    configured.setup.scim.clear();
    configured.setup.http.clear();
    configured.setup.events.clear();
    let mut settings = configured.settings().unwrap();
    settings.rollout.park_above = 1;
    settings.rollout.known = compose::known_to_all();
    let connectors = configured.connectors(clock).unwrap();
    (settings, connectors)
}

/// A running engine whose clock the test advances.
pub struct Inside {
    pub town: Arc<Town>,
    pub clock: Virtual,
    pub dir: tempfile::TempDir,
    address: std::net::SocketAddr,
    set: fn(&mut Settings),
    running: Option<Running>,
}

struct Running {
    engine: Engine,
    tasks: JoinSet<()>,
    listening: Listening,
}

impl Inside {
    /// Runs the shipped policies.
    pub async fn open(start: Timestamp) -> Self {
        Self::with(Path::new("policies"), start).await
    }

    pub async fn with(policies: &Path, start: Timestamp) -> Self {
        Self::set_to(policies, start, |_| {}).await
    }

    /// Runs policies with changed settings.
    pub async fn set_to(policies: &Path, start: Timestamp, set: fn(&mut Settings)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Virtual::new(start);
        let (shared, credentials) = (Arc::new(clock.clone()), Credentials::default());
        let town = Town::serve(Addresses::default(), &credentials, shared, Ledger::memory()).await.unwrap();
        town.jumio.turn(|knobs| knobs.rate_limits = false);
        let dir = tempfile::tempdir().unwrap();
        super::copy_tree(policies, &dir.path().join("policies"));
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let connectors =
            town.connectors_yaml(&credentials).replace("  jumio:\n", "  jumio:\n    starts_per_second: 10\n");
        let yaml = format!("public_url: http://{address}\n{connectors}");
        std::fs::write(dir.path().join("proofd.yaml"), yaml).unwrap();
        town.broadcast_to(&format!("http://{address}"));
        let mut inside = Self { town: Arc::new(town), clock, dir, address, set, running: None };
        inside.start().await;
        inside
    }

    pub fn engine(&self) -> &Engine {
        &self.running.as_ref().expect("the engine runs").engine
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn start(&mut self) {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let (mut settings, connectors) = parts(self.dir.path(), &clock);
        (self.set)(&mut settings);
        // The directory is removed with the test, which must not end the process.
        let options = Options { failure: Arc::new(|_| {}), reserve_bytes: 64 << 10, ..Options::default() };
        let store = self.dir.path().join("store");
        let (store, opened) = Store::open_with(&store, clock.now(), options).unwrap();
        let engine = Engine::open(settings, store, &opened, clock, connectors).await.unwrap();
        let tasks = engine.start();
        let doors = AppState::new(engine.clone(), Access::default()).unwrap();
        let listening = listen(self.address, doors.everything()).await.unwrap();
        self.running = Some(Running { engine, tasks, listening });
    }

    /// Stops the engine in an orderly way.
    pub async fn stop(&mut self) {
        let Running { engine, mut tasks, listening } = self.running.take().expect("the engine runs");
        listening.stop().await;
        engine.stop();
        while tasks.join_next().await.is_some() {}
        engine.store().close().await.unwrap();
    }

    /// Advances the time in steps while the engine does what becomes due.
    pub async fn pass(&self, by: TimeDelta, step: TimeDelta) {
        let until = self.now() + by;
        while self.now() < until {
            self.clock.advance(step.min(until - self.now()));
            self.settle().await;
        }
    }

    /// Waits until the engine has handled the current time and has nothing left to do.
    pub async fn settle(&self) {
        self.look().await;
        let looks = std::cell::Cell::new(0);
        self.until("rest", async |inside| {
            looks.set(looks.get() + 1);
            // A lane that limits its rate to the vendor's waits for a fraction of a second, which passes only if the
            // test advances the clock.
            if looks.get() % 500 == 0 {
                inside.clock.advance(TimeDelta::seconds(1));
            }
            inside.rests().then_some(())
        })
        .await;
    }

    /// Waits until the engine has checked the current time, whatever follows from it.
    pub async fn look(&self) {
        let looked =
            async |inside: &Self| inside.engine().status().alive(TimeDelta::zero()).await.then_some(());
        self.until("a look at the time", looked).await;
    }

    fn rests(&self) -> bool {
        let (store, now) = (self.engine().store(), self.now());
        let idle = |lane: Lane| store.due_calls(lane, now, 1).unwrap().0.is_empty();
        store.due_cases(now, 1).unwrap().0.is_empty()
            && store.inbox(now, 1).unwrap().0.is_empty()
            && store.begun_calls().unwrap().is_empty()
            && Lane::ALL.into_iter().all(idle)
    }

    /// Advances the time second by second until a condition holds.
    pub async fn comes<T>(&self, what: &str, mut look: impl AsyncFnMut(&Self) -> Option<T>) -> T {
        self.until(what, async |inside| {
            let found = look(inside).await;
            if found.is_none() {
                inside.clock.advance(TimeDelta::seconds(1));
            }
            found
        })
        .await
    }

    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self).await {
                return found;
            }
            assert!(started.elapsed() < super::PATIENCE, "{what} did not come");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
