//! Builds the parts of the engine: each gets only what it needs.

use std::sync::Arc;

use tokio::sync::watch;

use crate::case::Links;
use crate::connectors::Connectors;
use crate::model::Clock;
use crate::rollout::Rollout;
use crate::store::{self, Requests, Store};

use super::bells::Bells;
use super::capabilities::Capabilities;
use super::cases::{self, Cases};
use super::decision_log::DecisionLog;
use super::dry_run::DryRuns;
use super::explain::Explanations;
use super::health::Health;
use super::hooks::Hooks;
use super::inbox::Inbox;
use super::intake::Intake;
use super::limits::Limits;
use super::metrics::Metrics;
use super::migrations::Migrations;
use super::operators::Operators;
use super::outages::Outages;
use super::outbox::Outbox;
use super::poller::Poller;
use super::portal::Portal;
use super::retention::Retention;
use super::settings::Settings;
use super::sources::Sources;
use super::status::Status;
use super::sweep::Sweeps;
use super::timers::Timers;

/// Resources that several parts use.
#[derive(Debug)]
pub(super) struct Shared {
    pub settings: Settings,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub connectors: Connectors,
    pub links: Links,
    pub rollout: Rollout,
    pub requests: Requests,
    pub metrics: Arc<Metrics>,
}

/// The parts of the engine, each a handle.
#[derive(Debug)]
pub(super) struct Parts {
    pub limits: Limits,
    pub outages: Outages,
    pub cases: Cases,
    pub timers: Timers,
    pub outbox: Outbox,
    pub inbox: Inbox,
    pub poller: Poller,
    pub hooks: Hooks,
    pub intake: Intake,
    pub sweeps: Sweeps,
    pub capabilities: Capabilities,
    pub sources: Sources,
    pub explanations: Explanations,
    pub dry_runs: DryRuns,
    pub migrations: Migrations,
    pub portal: Portal,
    pub retention: Retention,
    pub operators: Operators,
    pub status: Status,
}

impl Parts {
    pub fn new(
        shared: &Shared,
        health: Arc<Health>,
        stop: &watch::Sender<bool>,
    ) -> Result<Self, store::Error> {
        let Shared { settings, connectors, requests, .. } = shared;
        let limits = Limits::open(&shared.store, shared.clock())?;
        let outages =
            Outages::open(shared.store.clone(), shared.clock(), connectors.clone(), shared.metrics())?;
        let bells = Arc::new(Bells::default());
        let cases = shared.cases(&limits, &outages, &health, &bells);
        let inbox =
            Inbox { store: shared.store.clone(), requests: requests.clone(), metrics: shared.metrics() };
        let poller = Poller::new(inbox.clone(), shared.store.clone(), shared.clock(), shared.metrics());
        let sources = Sources { connectors: connectors.clone(), store: shared.store.clone() };
        let capabilities = Capabilities::open(shared.store.clone(), settings.rollout.known.clone())?;
        let log = DecisionLog { cases: cases.clone(), store: shared.store.clone(), clock: shared.clock() };
        let intake = shared.intake(&cases, &sources, &capabilities, &log);
        let portal = shared.portal(&cases, &limits);
        let explanations = Explanations {
            store: shared.store.clone(),
            clock: shared.clock(),
            rollout: shared.rollout.clone(),
            sources: sources.clone(),
        };
        Ok(Self {
            timers: shared.timers(&cases, &outages, &health, &bells),
            outbox: shared.outbox(&cases, &outages, &bells, stop),
            hooks: Hooks {
                connectors: connectors.clone(),
                clock: shared.clock(),
                sources: sources.clone(),
                inbox: inbox.clone(),
                portal: portal.clone(),
            },
            sweeps: shared.sweeps(&intake, &sources, log, stop),
            dry_runs: shared.dry_runs(&cases, &sources, &intake, &explanations),
            migrations: shared.migrations(&cases),
            operators: shared.operators(&cases),
            retention: Retention {
                cases: cases.clone(),
                store: shared.store.clone(),
                clock: shared.clock(),
                rollout: shared.rollout.clone(),
                connectors: connectors.clone(),
                sources: sources.clone(),
                metrics: shared.metrics(),
            },
            status: shared.status(&outages, &poller, health, &bells),
            limits,
            outages,
            cases,
            inbox,
            poller,
            intake,
            capabilities,
            sources,
            explanations,
            portal,
        })
    }
}

/// Builds each part from the shared resources and the parts below it.
impl Shared {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    fn cases(&self, limits: &Limits, outages: &Outages, health: &Arc<Health>, bells: &Arc<Bells>) -> Cases {
        Cases::new(cases::Uses {
            settings: self.settings.clone(),
            links: self.links.clone(),
            store: self.store.clone(),
            clock: self.clock(),
            connectors: self.connectors.clone(),
            rollout: self.rollout.clone(),
            requests: self.requests.clone(),
            limits: limits.clone(),
            outages: outages.clone(),
            metrics: self.metrics(),
            health: Arc::clone(health),
            bells: Arc::clone(bells),
        })
    }

    fn timers(&self, cases: &Cases, outages: &Outages, health: &Arc<Health>, bells: &Arc<Bells>) -> Timers {
        Timers {
            cases: cases.clone(),
            outages: outages.clone(),
            store: self.store.clone(),
            clock: self.clock(),
            requests: self.requests.clone(),
            health: Arc::clone(health),
            metrics: self.metrics(),
            bells: Arc::clone(bells),
        }
    }

    fn outbox(
        &self,
        cases: &Cases,
        outages: &Outages,
        bells: &Arc<Bells>,
        stop: &watch::Sender<bool>,
    ) -> Outbox {
        Outbox {
            cases: cases.clone(),
            store: self.store.clone(),
            clock: self.clock(),
            connectors: self.connectors.clone(),
            links: self.links.clone(),
            outages: outages.clone(),
            metrics: self.metrics(),
            bells: Arc::clone(bells),
            meters: Arc::default(),
            stop: stop.subscribe(),
        }
    }

    fn intake(
        &self,
        cases: &Cases,
        sources: &Sources,
        capabilities: &Capabilities,
        log: &DecisionLog,
    ) -> Intake {
        Intake {
            cases: cases.clone(),
            store: self.store.clone(),
            clock: self.clock(),
            rollout: self.rollout.clone(),
            sources: sources.clone(),
            capabilities: capabilities.clone(),
            log: log.clone(),
            metrics: self.metrics(),
        }
    }

    fn sweeps(
        &self,
        intake: &Intake,
        sources: &Sources,
        log: DecisionLog,
        stop: &watch::Sender<bool>,
    ) -> Sweeps {
        Sweeps {
            intake: intake.clone(),
            store: self.store.clone(),
            clock: self.clock(),
            rollout: self.rollout.clone(),
            connectors: self.connectors.clone(),
            sources: sources.clone(),
            log,
            metrics: self.metrics(),
            stop: stop.subscribe(),
        }
    }

    fn portal(&self, cases: &Cases, limits: &Limits) -> Portal {
        Portal {
            cases: cases.clone(),
            store: self.store.clone(),
            clock: self.clock(),
            connectors: self.connectors.clone(),
            links: self.links.clone(),
            limits: limits.clone(),
            returns: Arc::default(),
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn dry_runs(
        &self,
        cases: &Cases,
        sources: &Sources,
        intake: &Intake,
        explanations: &Explanations,
    ) -> DryRuns {
        DryRuns {
            known: self.settings.rollout.known.clone(),
            store: self.store.clone(),
            clock: self.clock(),
            rollout: self.rollout.clone(),
            cases: cases.clone(),
            sources: sources.clone(),
            intake: intake.clone(),
            explanations: explanations.clone(),
            metrics: self.metrics(),
        }
    }

    fn migrations(&self, cases: &Cases) -> Migrations {
        Migrations {
            cases: cases.clone(),
            store: self.store.clone(),
            clock: self.clock(),
            rollout: self.rollout.clone(),
        }
    }

    fn operators(&self, cases: &Cases) -> Operators {
        Operators {
            cases: cases.clone(),
            store: self.store.clone(),
            clock: self.clock(),
            rollout: self.rollout.clone(),
            metrics: self.metrics(),
        }
    }

    fn status(&self, outages: &Outages, poller: &Poller, health: Arc<Health>, bells: &Arc<Bells>) -> Status {
        Status {
            store: self.store.clone(),
            clock: self.clock(),
            rollout: self.rollout.clone(),
            outages: outages.clone(),
            poller: poller.clone(),
            metrics: self.metrics(),
            health,
            bells: Arc::clone(bells),
        }
    }
}
