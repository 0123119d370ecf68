//! Histograms of what outside systems and the disk take.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCall {
    connector: String,
    action: &'static str,
    outcome: &'static str,
}

/// From a local answer to the timeout of a vendor.
const CALLS: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// From a fast disk to a stalled one.
const COMMITS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// Histograms of durations.
#[derive(Debug)]
pub(super) struct Timings {
    calls: Family<ByCall, Histogram, fn() -> Histogram>,
    commits: Histogram,
}

impl Timings {
    pub fn register(registry: &mut Registry) -> Self {
        let timings = Self {
            calls: Family::new_with_constructor(|| Histogram::new(CALLS)),
            commits: Histogram::new(COMMITS),
        };
        registry.register_with_unit(
            "call_duration",
            "Duration of attempts of calls, by connector, action and outcome",
            Unit::Seconds,
            timings.calls.clone(),
        );
        registry.register_with_unit(
            "commit_duration",
            "Time from the request of a commit of a case until it is on disk and visible",
            Unit::Seconds,
            timings.commits.clone(),
        );
        timings
    }

    pub fn called(&self, connector: String, action: &'static str, outcome: &'static str, took: Duration) {
        self.calls.get_or_create(&ByCall { connector, action, outcome }).observe(took.as_secs_f64());
    }

    pub fn committed(&self, took: Duration) {
        self.commits.observe(took.as_secs_f64());
    }
}
