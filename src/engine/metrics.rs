//! Counters for Prometheus. Labels are policies, actions and outcomes; never a case or a person.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::case::Note;
use crate::model::{EffectKind, Event, Forgotten, Outcome, Timestamp};
use crate::rollout::{Observer, PolicyState, Report};
use crate::store::{Opened, SweepRun};

use super::gauges::Counted;
use super::timings::Timings;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPolicy {
    policy: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    policy: String,
    result: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAction {
    action: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByClient {
    client: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySource {
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByVerdict {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    what: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByClass {
    class: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    events: Family<BySource, Counter>,
    opened: Family<ByPolicy, Counter>,
    closed: Family<ByResult, Counter>,
    stuck: Family<ByPolicy, Counter>,
    held: Family<ByPolicy, Counter>,
    undecided: Family<ByPolicy, Counter>,
    calls: Family<ByAction, Counter>,
    connector_failures: Family<BySource, Counter>,
    down: Family<BySource, Gauge>,
    alarms: Family<BySource, Gauge>,
    sweeps: Family<ByResult, Counter>,
    swept: Family<ByResult, Counter>,
    limited: Family<ByClient, Counter>,
    refused: Family<ByReason, Counter>,
    polled: Family<BySource, Seconds>,
    reloads: Family<ByVerdict, Counter>,
    reload_ok: Gauge,
    reload_at: Seconds,
    not_active: Gauge,
    set_back: Counter,
    retention: Family<ByClass, Counter>,
    retention_pending: Gauge,
    paid: Family<ByPolicy, Counter>,
    pauses: Family<BySource, Counter>,
    timings: Timings,
}

impl Metrics {
    pub(super) fn new(opened: &Opened) -> Self {
        let mut registry = Registry::with_prefix("proofd");
        let rebuilt: Gauge = Gauge::default();
        rebuilt.set(i64::from(opened.rebuilt.is_some()));
        registry.register(
            "store_rebuilt",
            "1 if the state was rebuilt from the journal at this start",
            rebuilt,
        );
        let losses: Gauge = Gauge::default();
        losses.set(i64::try_from(opened.accepted_losses).unwrap_or(i64::MAX));
        registry.register("store_accepted_losses", "Accepted losses of the store", losses);
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "The version of the program", build);
        let timings = Timings::register(&mut registry);
        let metrics = Self {
            events: Family::default(),
            opened: Family::default(),
            closed: Family::default(),
            stuck: Family::default(),
            held: Family::default(),
            undecided: Family::default(),
            calls: Family::default(),
            connector_failures: Family::default(),
            down: Family::default(),
            alarms: Family::default(),
            sweeps: Family::default(),
            swept: Family::default(),
            limited: Family::default(),
            refused: Family::default(),
            polled: Family::default(),
            reloads: Family::default(),
            reload_ok: Gauge::default(),
            reload_at: Seconds::default(),
            not_active: Gauge::default(),
            set_back: Counter::default(),
            retention: Family::default(),
            retention_pending: Gauge::default(),
            paid: Family::default(),
            pauses: Family::default(),
            timings,
            registry,
        };
        metrics.register_cases().register_sources().register_upkeep()
    }

    fn register_cases(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("events", "Events received, by source", self.events.clone());
        registry.register("cases_opened", "Cases opened", self.opened.clone());
        registry.register(
            "verifications_paid",
            "Sessions at verification providers that were requested and count against limits",
            self.paid.clone(),
        );
        registry.register("pauses", "Outages of providers that extended deadlines", self.pauses.clone());
        registry.register("cases_closed", "Cases closed, by result", self.closed.clone());
        registry.register("cases_stuck", "Times a case got stuck", self.stuck.clone());
        registry.register(
            "refused",
            "Refused decisions, orders, returns from vendors and results, by kind and reason",
            self.refused.clone(),
        );
        registry.register("effects_over_limit", "Effects that a limit stopped", self.held.clone());
        registry.register(
            "could_not_decide",
            "Events for which a policy's clauses failed; no case was opened",
            self.undecided.clone(),
        );
        registry.register("calls", "Attempts of calls, by action and outcome", self.calls.clone());
        self
    }

    fn register_sources(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "connector_failures",
            "Reads of an identity provider that failed",
            self.connector_failures.clone(),
        );
        registry.register("sweep_runs", "Runs of sweeps, by result", self.sweeps.clone());
        registry.register("sweep_people", "People in runs of sweeps, by result", self.swept.clone());
        registry.register(
            "provider_down",
            "1 while a provider is down and the deadlines that depend on it are paused",
            self.down.clone(),
        );
        registry.register(
            "source_alarms",
            "Things at an identity provider that a person must repair; /readyz names them",
            self.alarms.clone(),
        );
        registry.register(
            "requests_limited",
            "Requests refused with 429, by kind of limit",
            self.limited.clone(),
        );
        registry.register(
            "source_polled_timestamp_seconds",
            "When a source was last read",
            self.polled.clone(),
        );
        self
    }

    fn register_upkeep(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("policy_reloads", "Reloads of the policy tree, by result", self.reloads.clone());
        registry.register(
            "policy_last_reload_successful",
            "1 if the whole policy tree is active",
            self.reload_ok.clone(),
        );
        registry.register(
            "policy_last_reload_timestamp_seconds",
            "Time of the last reload",
            self.reload_at.clone(),
        );
        registry.register(
            "policies_not_active",
            "Policies whose revision in the tree is not active",
            self.not_active.clone(),
        );
        registry.register(
            "clock_set_back",
            "Times that the clock was set back by more than five minutes",
            self.set_back.clone(),
        );
        registry.register(
            "retention_cases",
            "Cases from which data was removed, by class of data",
            self.retention.clone(),
        );
        registry.register(
            "retention_pending",
            "Orders to remove data that are not carried out in the store's files yet",
            self.retention_pending.clone(),
        );
        self
    }

    pub(super) fn received(&self, events: &[Event]) {
        for event in events {
            // A program chooses the source of the events that it sends; a label must come from a closed set.
            let sent = event.kind.as_str().starts_with("custom.");
            let source = if sent { "cloudevents".to_owned() } else { event.source.clone() };
            self.events.get_or_create(&BySource { source }).inc();
        }
    }

    pub(super) fn opened(&self, policy: &str) {
        self.opened.get_or_create(&ByPolicy { policy: policy.to_owned() }).inc();
    }

    pub(super) fn could_not_decide(&self, policy: &str) {
        self.undecided.get_or_create(&ByPolicy { policy: policy.to_owned() }).inc();
    }

    pub(super) fn noted(&self, policy: &str, note: &Note) {
        let by_policy = || ByPolicy { policy: policy.to_owned() };
        if let Note::Closed { result } = note {
            self.closed.get_or_create(&ByResult { policy: policy.to_owned(), result: result.clone() }).inc();
        } else if let Note::Stuck { .. } = note {
            self.stuck.get_or_create(&by_policy()).inc();
        } else if let Note::Held { .. } = note {
            self.held.get_or_create(&by_policy()).inc();
        } else if let Note::SessionVoid { why, .. } = note {
            self.refused("session", why.word());
        }
    }

    /// Counts an attempt of a call, and how long it took.
    pub(super) fn performed(
        &self,
        connector: String,
        action: &'static str,
        outcome: &Outcome,
        took: Duration,
    ) {
        let outcome = match outcome {
            Outcome::Done(_) => "done",
            Outcome::Failed(failure) => match failure.kind {
                crate::model::FailureKind::Unavailable => "unavailable",
                crate::model::FailureKind::Refused => "refused",
                crate::model::FailureKind::Changed => "changed",
                crate::model::FailureKind::NotEnrolled => "not_enrolled",
            },
        };
        self.calls.get_or_create(&ByAction { action, outcome }).inc();
        self.timings.called(connector, action, outcome, took);
    }

    pub(super) fn committed(&self, took: Duration) {
        self.timings.committed(took);
    }

    /// Counts effects that were requested.
    pub(super) fn requested(&self, policy: &str, effects: &[EffectKind]) {
        let paid = effects.iter().filter(|effect| **effect == EffectKind::Verify).count();
        if paid > 0 {
            let by = ByPolicy { policy: policy.to_owned() };
            self.paid.get_or_create(&by).inc_by(u64::try_from(paid).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn connector_failed(&self, source: &str) {
        self.connector_failures.get_or_create(&BySource { source: source.to_owned() }).inc();
    }

    pub(super) fn provider_down(&self, provider: &str, down: bool) {
        let by = BySource { source: provider.to_owned() };
        self.down.get_or_create(&by).set(i64::from(down));
        if down {
            self.pauses.get_or_create(&by).inc();
        }
    }

    /// Counts a run of a sweep that ended.
    pub(super) fn swept(&self, policy: &str, end: &str, run: &SweepRun) {
        let by = |result: &str| ByResult { policy: policy.to_owned(), result: result.to_owned() };
        self.sweeps.get_or_create(&by(end)).inc();
        let people = [
            ("looked_at", run.looked_at),
            ("due", run.due),
            ("opened", run.opened.into()),
            ("would_open", run.would_open.into()),
            ("left", run.left),
        ];
        let skipped = run.skipped.iter().map(|(why, count)| (why.as_str(), *count));
        for (result, count) in people.into_iter().chain(skipped).filter(|(_, count)| *count > 0) {
            self.swept.get_or_create(&by(result)).inc_by(count);
        }
    }

    /// Counts a client that a rate limit refused. The label is the way the client was counted, not its identity.
    pub fn limited(&self, client: &'static str) {
        self.limited.get_or_create(&ByClient { client }).inc();
    }

    pub(super) fn retained(&self, class: Forgotten, cases: usize) {
        self.retention.get_or_create(&ByClass { class: class.word() }).inc_by(cases as u64);
    }

    pub(super) fn redactions_pending(&self, orders: usize) {
        self.retention_pending.set(i64::try_from(orders).unwrap_or(i64::MAX));
    }

    pub(super) fn set_back(&self) {
        self.set_back.inc();
    }

    /// Counts a refused decision or order of a person.
    pub(super) fn refused(&self, what: &'static str, reason: &'static str) {
        self.refused.get_or_create(&ByReason { what, reason }).inc();
    }

    pub(super) fn alarmed(&self, source: &str, alarms: usize) {
        let alarms = i64::try_from(alarms).unwrap_or(i64::MAX);
        self.alarms.get_or_create(&BySource { source: source.to_owned() }).set(alarms);
    }

    pub(super) fn polled(&self, source: &str, at: Timestamp) {
        self.polled.get_or_create(&BySource { source: source.to_owned() }).set(seconds(at));
    }
}

impl Observer for Metrics {
    fn reloaded(&self, report: &Report, at: Timestamp) {
        let result = if report.ok { "ok" } else { "errors" };
        self.reloads.get_or_create(&ByVerdict { result }).inc();
        self.reload_ok.set(i64::from(report.ok));
        self.reload_at.set(seconds(at));
        let not_active = report.policies.iter().filter(|policy| policy.state != PolicyState::Active).count();
        self.not_active.set(i64::try_from(not_active).unwrap_or(i64::MAX));
    }

    fn release_refused(&self, reason: &'static str) {
        self.refused("release", reason);
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium fit")]
fn seconds(at: Timestamp) -> f64 {
    at.timestamp_millis() as f64 / 1_000.0
}

impl Metrics {
    /// Returns all metrics as OpenMetrics.
    pub(super) fn text(&self, counted: Counted) -> Result<String, String> {
        let encode = |registry: &Registry| {
            let mut text = String::new();
            let encoded = prometheus_client::encoding::text::encode(&mut text, registry);
            encoded.map(|()| text).map_err(|error| error.to_string())
        };
        // Figures that are read now are inserted before the end mark.
        let (mut own, mut common) = (Registry::with_prefix("proofd"), Registry::default());
        counted.register(&mut own, &mut common);
        let (kept, read, process) = (encode(&self.registry)?, encode(&own)?, encode(&common)?);
        let body = |text: &str| text.trim_end_matches("# EOF\n").to_owned();
        Ok(format!("{}{}{process}", body(&kept), body(&read)))
    }
}
