//! Figures that are read at every scrape: depths of queues, ages, sizes, and the process.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use chrono::TimeDelta;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::process::{self, Process};
use crate::case::State;
use crate::model::{CaseState, Lane, Timestamp};
use crate::policy::Revision;
use crate::store::{self, CaseFilter, Sizes, Store};

/// Entries of a queue that are counted; a deeper queue shows this number.
const DEEPEST: usize = 10_000;
/// Stuck cases that are read to find the oldest one.
const MOST_STUCK: usize = 1_000;

/// Figures that are counted in the store at every scrape.
#[derive(Debug)]
pub(super) struct Counted {
    /// Open cases by policy and state.
    pub open: BTreeMap<(String, String), u64>,
    /// Open cases whose revision no longer loads, by policy and revision.
    pub unloadable: BTreeMap<(String, Revision), usize>,
    pub full: bool,
    /// Events that are received and not processed.
    pub inbox: usize,
    /// Due calls by lane.
    pub lanes: BTreeMap<&'static str, usize>,
    /// How late the case is that should have continued first.
    pub timer_lag: TimeDelta,
    /// Since when the oldest stuck case is stuck.
    pub stuck_since: Option<Timestamp>,
    pub now: Timestamp,
    /// Outages that extend deadlines now.
    pub pauses: usize,
    pub sizes: Sizes,
    pub process: Option<Process>,
}

impl Counted {
    /// Reads the figures of a store. The caller knows the unloadable cases and the number of pauses.
    pub fn read(
        store: &Store,
        now: Timestamp,
        unloadable: BTreeMap<(String, Revision), usize>,
        pauses: usize,
    ) -> Result<Self, store::Error> {
        let mut lanes = BTreeMap::new();
        for lane in Lane::ALL {
            lanes.insert(word(lane), store.due_calls(lane, now, DEEPEST)?.0.len());
        }
        let first = store.due_cases(now, 1)?.0.into_iter().next();
        let first = first.map(|id| store.case(&id)).transpose()?.flatten();
        let due = first.and_then(|case| case.wake_at());
        Ok(Self {
            open: store.open_counts()?,
            unloadable,
            full: store.is_full(),
            inbox: store.inbox(now, DEEPEST)?.0.len(),
            lanes,
            timer_lag: due.map_or(TimeDelta::zero(), |due| (now - due).max(TimeDelta::zero())),
            stuck_since: stuck_since(store)?,
            now,
            pauses,
            sizes: store.sizes(),
            process: process::read(),
        })
    }

    /// Registers the figures, with those of the process under their common names.
    pub fn register(self, own: &mut Registry, common: &mut Registry) {
        self.cases(own);
        let gauge = |value: usize| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            gauge
        };
        let full = gauge(usize::from(self.full));
        own.register("store_full", "Whether the disk is nearly full and new events are refused", full);
        own.register("inbox_events", "Events that are received and not processed yet", gauge(self.inbox));
        own.register("pauses_open", "Outages that extend deadlines now", gauge(self.pauses));
        let due = Family::<ByLane, Gauge>::default();
        for (lane, calls) in self.lanes {
            due.get_or_create(&ByLane { lane }).set(i64::try_from(calls).unwrap_or(i64::MAX));
        }
        own.register("calls_due", "Calls that are due and not in progress, by lane", due);
        let seconds = |length: TimeDelta| float(length.as_seconds_f64().max(0.0));
        own.register_with_unit(
            "timer_lag",
            "How late the case is that should have continued first",
            Unit::Seconds,
            seconds(self.timer_lag),
        );
        let stuck = self.stuck_since.map_or(TimeDelta::zero(), |since| self.now - since);
        own.register_with_unit(
            "oldest_stuck_case_age",
            "Age of the oldest stuck case; 0 without one",
            Unit::Seconds,
            seconds(stuck),
        );
        let Sizes { journal, state, free } = self.sizes;
        for (name, help, value) in [
            ("store_journal", "Size of the journal", Some(journal)),
            ("store_state", "Size of the state", Some(state)),
            ("store_free", "Free space of the store's disk", free),
        ] {
            if let Some(value) = value {
                own.register_with_unit(name, help, Unit::Bytes, bytes(value));
            }
        }
        if let Some(process) = self.process {
            register_process(common, process);
        }
    }

    fn cases(&self, own: &mut Registry) {
        let open = Family::<ByState, Gauge>::default();
        let held = Family::<ByPolicy, Gauge>::default();
        for ((policy, state), count) in &self.open {
            let (policy, count) = (policy.clone(), i64::try_from(*count).unwrap_or(i64::MAX));
            if state == CaseState::OverLimit.word() {
                held.get_or_create(&ByPolicy { policy: policy.clone() }).set(count);
            }
            open.get_or_create(&ByState { policy, state: state.clone() }).set(count);
        }
        own.register("cases_open", "Open cases by policy and state", open);
        own.register("effects_held", "Effects over a limit that wait for an administrator", held);
        let stranded = Family::<ByPolicy, Gauge>::default();
        for ((policy, _), count) in &self.unloadable {
            let by = ByPolicy { policy: policy.clone() };
            stranded.get_or_create(&by).inc_by(i64::try_from(*count).unwrap_or(i64::MAX));
        }
        own.register(
            "cases_stranded",
            "Open cases that cannot continue because their revision cannot be loaded",
            stranded,
        );
    }
}

/// The label of a lane.
const fn word(lane: Lane) -> &'static str {
    match lane {
        Lane::Mail => "mail",
        Lane::VerificationStart => "verification_start",
        Lane::VerificationRead => "verification_read",
        Lane::Identity => "identity",
        Lane::Provisioning => "provisioning",
        Lane::Request => "request",
        Lane::Emit => "emit",
    }
}

/// Since when the oldest stuck case is stuck.
fn stuck_since(store: &Store) -> Result<Option<Timestamp>, store::Error> {
    let stuck = CaseFilter { state: Some(CaseState::Stuck), ..CaseFilter::default() };
    let (cases, _) = store.cases(&stuck, None, MOST_STUCK)?;
    let since = cases.iter().filter_map(|case| match &case.state {
        State::Stuck(stuck) => Some(stuck.since),
        _ => None,
    });
    Ok(since.min())
}

fn register_process(registry: &mut Registry, process: Process) {
    let cpu = Counter::<f64, AtomicU64>::default();
    cpu.inc_by(process.cpu_seconds);
    registry.register("process_cpu_seconds", "Processor time of the process, in seconds", cpu);
    registry.register(
        "process_start_time_seconds",
        "Start of the process, in seconds since 1970",
        float(process.start_seconds),
    );
    registry.register(
        "process_virtual_memory_bytes",
        "Virtual memory of the process",
        bytes(process.virtual_bytes),
    );
    registry.register(
        "process_resident_memory_bytes",
        "Resident memory of the process",
        bytes(process.resident_bytes),
    );
    registry.register("process_open_fds", "Open file descriptors", bytes(process.open_descriptors));
    if let Some(most) = process.most_descriptors {
        registry.register("process_max_fds", "Maximum of open file descriptors", bytes(most));
    }
}

fn bytes(value: u64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge
}

fn float(value: f64) -> Gauge<f64, AtomicU64> {
    let gauge = Gauge::default();
    gauge.set(value);
    gauge
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    policy: String,
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPolicy {
    policy: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByLane {
    lane: &'static str,
}
