//! Computes how long a loop waits after a failed read of an outside system.

use chrono::TimeDelta;

use crate::case::spread;
use crate::model::Failure;

/// Longest delay from doubling. A longer `Retry-After` of the system takes precedence. The spread adds up to 20
/// percent.
const LONGEST: TimeDelta = TimeDelta::minutes(5);

/// Returns the delay, which doubles with every failure in a row and is never shorter than the system asks for. `who`
/// seeds a spread, which keeps loops that failed together from retrying at the same moment.
pub(super) fn wait(who: &str, failures: u32, failure: Option<&Failure>) -> TimeDelta {
    let doubled = (TimeDelta::seconds(2) * 2_i32.pow(failures.min(8))).min(LONGEST);
    let asked = failure.and_then(|failure| failure.retry_after_seconds).map(i64::from).unwrap_or_default();
    let percent = i32::try_from(spread(who, failures) % 21).unwrap_or_default();
    doubled.max(TimeDelta::seconds(asked)) * (100 + percent) / 100
}

#[cfg(test)]
mod tests {
    use super::wait;
    use crate::model::Failure;
    use chrono::TimeDelta;

    #[test]
    fn a_retry_never_precedes_retry_after() {
        let asks = |seconds| Failure::unavailable("busy").waiting(seconds);
        for (failures, failure, least, most) in [
            (1, None, 4, 5),
            (3, Some(asks(None)), 16, 20),
            (40, None, 300, 360),
            (1, Some(asks(Some(120))), 120, 144),
            (9, Some(asks(Some(10))), 300, 360),
            (1, Some(asks(Some(3_600))), 3_600, 4_320),
        ] {
            for who in ["identity", "policy/quarterly", "x"] {
                let wait = wait(who, failures, failure.as_ref());
                let range = TimeDelta::seconds(least)..=TimeDelta::seconds(most);
                assert!(range.contains(&wait), "{who} {failures} {failure:?}: {wait}");
            }
        }
    }
}
