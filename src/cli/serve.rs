//! `run`: the daemon, from configuration to shutdown.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::activation::Handed;
use super::compose::{self, Configured};
use super::rehearsal::{self, Rehearsal};
use super::{Ending, Failed, descriptors, notify, opening, output};
use crate::config::Config;
use crate::console;
use crate::engine::Engine;
use crate::http::{AppState, Bounds, Listening, listen_on, listen_within, person};
use crate::model::{CaseState, Clock};

pub async fn run(path: &Path, rehearse: Option<Rehearsal>) -> Result<Ending, Failed> {
    // First: a program that this one starts must not take the sockets too.
    let handed = Handed::take()?;
    let configured = compose::read(path).map_err(Failed::usage)?;
    let config = &configured.config;
    log_to_stderr();
    for warning in &configured.warnings {
        tracing::warn!("{warning}");
    }
    if rehearse.is_some() {
        rehearsal::only_simulators(&configured.setup).map_err(Failed::usage)?;
    }
    // Registered before the store opens: without a handler, a signal would kill the process.
    let mut orders = Orders::listen().context("while preparing for signals")?;
    let clock = rehearsal::clock(rehearse);
    // Before the store opens: a refused token must not leave it open.
    let access = compose::access(config, Arc::clone(&clock)).map_err(Failed::usage)?;
    for ending in config.access.ending(clock.now()) {
        tracing::warn!("{ending}");
    }
    let Some(engine) = open(&configured, clock, &mut orders).await? else { return Ok(Ending::Ok) };
    log_start(&engine, config);
    let mut tasks = engine.start();
    let console = console::pages().map_err(|why| Failed::no(anyhow!(why)))?;
    let doors = AppState::new(engine.clone(), access).map_err(|why| Failed::usage(anyhow!(why)))?;
    let pages = person::Pages::new(&config.organization, &config.person_pages, &config.base);
    let pages = pages.map_err(|why| Failed::usage(anyhow!(why)))?;
    let doors = doors.with_console(console).with_person_pages(pages);
    let listeners = bind(config, &doors, handed).await?;
    for listening in &listeners {
        output::line(&format!("listening on http://{}", listening.address));
    }
    tracing::info!("the console is at http://{}/; sign in with a token of access.tokens", config.listen);
    notify::ready(&engine);
    let telling = tokio::spawn(notify::keep_telling(engine.clone()));
    tokio::select! {
        () = orders.until_stop(&engine) => {}
        // A loop ends early only after a panic, and its work would then stop unnoticed. A new process continues it from
        // the store.
        Some(_) = tasks.join_next() => {
            return Err(Failed::no(anyhow!("internal error: a loop of the engine ended; the log above has the reason")));
        }
    }

    notify::stopping();
    tracing::info!("stopping; waiting for calls in progress, starting no new ones");
    for listening in listeners {
        listening.stop().await;
    }
    engine.stop();
    tasks.join_all().await;
    telling.abort();
    engine.store().close().await.context("while closing the store")?;
    tracing::info!("stopped");
    Ok(Ending::Ok)
}

/// Logs what the daemon starts with.
fn log_start(engine: &Engine, config: &Config) {
    let counts = engine.store().open_counts().unwrap_or_default();
    let open: u64 = counts.values().sum();
    let of = |state: CaseState| -> u64 {
        counts.iter().filter(|((_, word), _)| word == state.word()).map(|(_, count)| count).sum()
    };
    let active = engine.active();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        policies = active.set.policies.len(),
        tree = active.report.tree.get(..8).unwrap_or("none"),
        open_cases = open,
        in_review = of(CaseState::InReview),
        stuck = of(CaseState::Stuck),
        over_limit = of(CaseState::OverLimit),
        store = config.store,
        public_url = config.public_url.as_str(),
        "started: {}",
        active.verdict()
    );
}

/// Creates the engine with its store and connectors. Missing abilities of a connector are reported by `doctor`: an
/// unavailable vendor must not prevent the daemon's start.
///
/// None: a stop signal arrived meanwhile.
async fn open(
    configured: &Configured,
    clock: Arc<dyn Clock>,
    orders: &mut Orders,
) -> Result<Option<Engine>, Failed> {
    let settings = configured.settings().map_err(Failed::usage)?;
    let connectors = configured.connectors(&clock).map_err(Failed::usage)?;
    let dir = configured
        .config
        .store_dir()
        .ok_or_else(|| Failed::usage(anyhow!("store: expected sled:DIRECTORY")))?;
    let Some((store, opened)) = opening::open(&dir, clock.now(), orders).await? else { return Ok(None) };
    let engine = Engine::open(settings, store, &opened, clock, connectors).await?;
    Ok(Some(engine))
}

async fn bind(config: &Config, doors: &AppState, mut handed: Handed) -> Result<Vec<Listening>, Failed> {
    let listeners = 1 + usize::from(config.public_listen.is_some());
    let in_all = descriptors::connections(config.connections.in_all.get(), listeners);
    let per_address = config.connections.per_address.get();
    let bounds = Bounds { in_all, per_address, ..Bounds::default() };
    let served = match config.public_listen {
        Some(public) => vec![(config.listen, doors.private()), (public, doors.public())],
        None => vec![(config.listen, doors.everything())],
    };
    let served: Vec<_> =
        served.into_iter().map(|(address, router)| (address, router, handed.at(address))).collect();
    handed.check_none_left()?;
    let mut listening = Vec::new();
    for (address, router, listener) in served {
        let bound = match listener {
            Some(listener) => listen_on(listener, router, bounds),
            None => listen_within(address, router, bounds).await,
        };
        listening.push(bound.map_err(|error| {
            Failed::usage(anyhow!("cannot listen on {address}: {error}; is another proofd running?"))
        })?);
    }
    Ok(listening)
}

/// The signals of the process: SIGHUP reloads the policies, SIGTERM and Ctrl-C stop the daemon.
pub(super) struct Orders {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Orders {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a signal to stop, before there are policies to reload.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    async fn until_stop(&mut self, engine: &Engine) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    engine.rollout().reload.reload_aside(true).await;
                    notify::status(engine);
                }
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
            }
        }
    }
}

/// The log filter: `RUST_LOG` selects by target and level, as in `info,proofd=debug`.
pub fn log_filter(usual: &str) -> Targets {
    let chosen = std::env::var("RUST_LOG").ok().filter(|chosen| !chosen.is_empty());
    chosen.and_then(|chosen| chosen.parse().ok()).or_else(|| usual.parse().ok()).unwrap_or_default()
}

/// Logs text on a terminal, and JSON lines for journald and similar systems.
fn log_to_stderr() {
    let log = tracing_subscriber::registry().with(log_filter("info,sled=error,notify=error"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // An error means that an embedding program has set a logger; it stays.
    let _ = if std::io::stderr().is_terminal() {
        log.with(lines).try_init()
    } else {
        log.with(lines.json().flatten_event(true)).try_init()
    };
}
