//! How many calls to one system are in progress at the same time, and when the next one may begin. Pure.
//!
//! A system with a declared limit is used fully at its own latency (Little's law: calls in progress are rate times
//! latency), and its limit is kept by the time between two calls. A system without one starts narrow and gets more calls
//! while they end well and as quickly as before. After a refusal the width is halved.

use chrono::TimeDelta;

use crate::case::Urgency;
use crate::model::Timestamp;

/// First width of a system without a declared limit.
const FIRST: f64 = 8.0;
/// Least width of a system with a declared limit: its latency varies.
const LEAST: f64 = 4.0;
/// Room for calls that take longer than the average.
const HEADROOM: f64 = 1.5;
/// Latency that is assumed before the first call has ended, in seconds.
const UNKNOWN: f64 = 1.0;
/// A call that takes this many times the quickest shows that the system is busy.
const BUSY: f64 = 2.0;
/// Variation of quick calls, in seconds.
const NOISE: f64 = 0.005;

/// Returns how many calls may be in progress. `latency`: average seconds from the start of a call to its end;
/// `bound`: the most that refusals left.
pub(super) fn width(per_second: Option<f64>, latency: Option<f64>, bound: f64) -> usize {
    let wanted = match per_second {
        Some(rate) => (rate * latency.unwrap_or(UNKNOWN) * HEADROOM).ceil().max(LEAST),
        None => bound,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the bound")]
    let calls = wanted.min(bound).max(1.0) as usize;
    calls
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ended {
    /// Its number among the calls to the system.
    pub number: u64,
    /// From the request to the answer, in seconds; `None`: nothing was sent.
    pub answered: Option<f64>,
    /// The system was busy or not available.
    pub refused: bool,
    /// In progress altogether, in seconds, with the commits of its start and its end.
    pub lasted: f64,
    /// All places were taken when it began or when it ended.
    pub full: bool,
}

/// The width of one system, adapted to its answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Width {
    per_second: Option<f64>,
    most: f64,
    bound: f64,
    /// Average of `lasted`.
    latency: Option<f64>,
    /// Average of `answered`, and about the quickest.
    answer: f64,
    quickest: f64,
    /// The calls up to this one had begun when the width was halved; their refusals are not counted again.
    halved_at: Option<u64>,
}

impl Width {
    pub fn new(per_second: Option<f64>, most: u32) -> Self {
        let most = f64::from(most);
        let bound = if per_second.is_some() { most } else { FIRST.min(most) };
        Self { per_second, most, bound, latency: None, answer: 0.0, quickest: f64::INFINITY, halved_at: None }
    }

    pub fn calls(&self) -> usize {
        width(self.per_second, self.latency, self.bound)
    }

    /// Adapts the width to the end of a call. `begun`: the calls that have begun until now.
    pub fn ended(&mut self, call: Ended, begun: u64) {
        self.latency = Some(self.latency.map_or(call.lasted, |known| known + (call.lasted - known) / 8.0));
        if call.refused {
            if self.halved_at.is_none_or(|at| call.number > at) {
                #[expect(clippy::cast_precision_loss, reason = "a small number of calls")]
                let calls = self.calls() as f64;
                self.bound = (calls / 2.0).max(1.0);
                self.halved_at = Some(begun);
            }
            return;
        }
        let Some(answered) = call.answered else { return };
        self.answer =
            if self.quickest.is_finite() { self.answer + (answered - self.answer) / 8.0 } else { answered };
        // Forgets slowly: a system that became slower is not busy forever.
        self.quickest = answered.min(self.quickest + (answered - self.quickest).max(0.0) / 256.0);
        if !self.quickest.is_finite() {
            self.quickest = answered;
        }
        if call.full && self.answer <= self.quickest * BUSY + NOISE {
            let more = if self.halved_at.is_none() { 1.0 } else { 1.0 / self.bound };
            self.bound = (self.bound + more).min(self.most);
        }
    }
}

/// A loop wakes this much late at most; the calls that it missed follow at once.
const LATE: TimeDelta = TimeDelta::milliseconds(10);

/// The times at which calls to a system with a declared limit may begin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spacing {
    gap: TimeDelta,
    next: Timestamp,
}

impl Spacing {
    /// One percent below the limit: the calls of any second stay within it.
    pub fn new(per_second: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most a thousand seconds in microseconds")]
        let gap = TimeDelta::microseconds((1_010_000.0 / per_second.max(0.001)).ceil() as i64);
        Self {
            gap: if per_second >= 1_000_000.0 { TimeDelta::zero() } else { gap },
            next: Timestamp::MIN_UTC,
        }
    }

    /// Returns when the next call may begin, if not now. `ahead`: calls that have reserved a time.
    pub fn next(&self, now: Timestamp, ahead: i32) -> Option<Timestamp> {
        // After a clock was set back, reserved times are too far away.
        let planned = self.next <= now + self.gap * ahead.saturating_add(1);
        Some(self.next).filter(|next| planned && *next > now)
    }

    /// Reserves the next time and returns it.
    pub fn reserve(&mut self, now: Timestamp, ahead: i32) -> Timestamp {
        let at = self.next(now, ahead).unwrap_or(now);
        let from = if self.next <= now && self.next > now - LATE { self.next } else { at };
        self.next = from.max(now - LATE) + self.gap;
        at
    }
}

/// Distributes the places of a system over the classes of its calls, by weight (smooth weighted round robin).
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Shares([i64; Urgency::ALL.len()]);

impl Shares {
    /// Chooses the class of the next call among those with waiting calls, and returns its position in `Urgency::ALL`.
    pub fn choose(&mut self, waits: [bool; Urgency::ALL.len()]) -> Option<usize> {
        let mut total = 0;
        let mut chosen: Option<(i64, usize)> = None;
        for (place, (credit, urgency)) in self.0.iter_mut().zip(Urgency::ALL).enumerate() {
            if !waits.get(place).copied().unwrap_or_default() {
                // An empty class saves nothing for later.
                *credit = 0;
                continue;
            }
            let weight = i64::from(urgency.weight());
            *credit += weight;
            total += weight;
            if chosen.is_none_or(|(most, _)| *credit > most) {
                chosen = Some((*credit, place));
            }
        }
        let (_, place) = chosen?;
        if let Some(credit) = self.0.get_mut(place) {
            *credit -= total;
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_uses_a_declared_limit_at_the_measured_latency() {
        for (per_second, latency, bound, calls) in [
            // Declared: rate times latency times 1.5, at least 4.
            (Some(50.0), Some(2.0), 256.0, 150),
            (Some(50.0), Some(0.1), 256.0, 8),
            (Some(1.0), Some(0.2), 256.0, 4),
            (Some(12.0), None, 256.0, 18),
            (Some(1_000.0), Some(2.0), 256.0, 256),
            (Some(1e9), Some(0.001), 256.0, 256),
            // After refusals the bound counts.
            (Some(50.0), Some(2.0), 19.5, 19),
            (Some(50.0), Some(2.0), 0.5, 1),
            // Not declared: the bound.
            (None, Some(2.0), 8.0, 8),
            (None, None, 63.9, 63),
        ] {
            assert_eq!(width(per_second, latency, bound), calls, "{per_second:?} {latency:?} {bound}");
        }
    }

    /// Ends calls one after the other, each with this answer time, and returns the width afterwards.
    fn after(width: &mut Width, calls: u64, answered: f64, refused: bool, full: bool) -> usize {
        for _ in 0..calls {
            let number = width.halved_at.unwrap_or_default() + 1;
            width.ended(Ended { number, answered: Some(answered), refused, lasted: answered, full }, number);
        }
        width.calls()
    }

    #[test]
    fn the_width_grows_while_calls_end_well_and_falls_back_on_refusals() {
        let mut open = Width::new(None, 64);
        for (calls, answered, refused, full, width) in [
            (1, 0.1, false, false, 8),
            // Full and as quick as before: one more for each.
            (8, 0.1, false, true, 16),
            (100, 0.1, false, true, 64),
            // Refused: half, and half again.
            (1, 0.1, true, true, 32),
            (1, 0.1, true, true, 16),
            // Afterwards one more for each whole round.
            (17, 0.1, false, true, 17),
            // Slower than before: the system is busy, no more calls.
            (1_0, 0.9, false, true, 17),
            (60, 0.9, false, true, 17),
            (20, 0.1, true, true, 1),
        ] {
            assert_eq!(after(&mut open, calls, answered, refused, full), width, "{calls} of {answered} s");
        }
        // A declared limit of 50/s and 2 s: 150; one refusal halves it, the others of the same burst do not.
        let mut declared = Width::new(Some(50.0), 256);
        assert_eq!(after(&mut declared, 50, 2.0, false, true), 150);
        let refused = |number| Ended { number, answered: Some(2.0), refused: true, lasted: 2.0, full: true };
        (60..100).for_each(|number| declared.ended(refused(number), 200));
        assert_eq!(declared.calls(), 75);
    }

    #[test]
    fn calls_of_any_second_stay_within_the_declared_limit() {
        for (per_second, wakes_every) in
            [(1.0, 7), (12.0, 1), (50.0, 3), (50.0, 30), (400.0, 1), (1_000.0, 1)]
        {
            let (mut spacing, mut now) = (Spacing::new(per_second), Timestamp::UNIX_EPOCH);
            let mut begun = Vec::new();
            for _ in 0..6_000 / wakes_every {
                now += TimeDelta::milliseconds(wakes_every);
                while spacing.next(now, 0).is_none() {
                    begun.push(spacing.reserve(now, 0));
                }
            }
            let second = |at: Timestamp| {
                let range = at..at + TimeDelta::seconds(1);
                begun.iter().filter(|other| range.contains(other)).count()
            };
            let most = begun.iter().map(|at| second(*at)).max().unwrap_or_default();
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let (most, all) = (most as f64, begun.len() as f64 / 6.0);
            assert!(most <= per_second + 1.0, "{per_second} every {wakes_every} ms: {most} in a second");
            let used = if wakes_every <= 10 { 0.9 } else { 0.6 };
            assert!(all >= per_second * used, "{per_second} every {wakes_every} ms: {all} a second");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_blocks_no_system() {
        let mut spacing = Spacing::new(1.0);
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(400);
        spacing.reserve(now, 0);
        assert!(spacing.next(now, 0).is_some());
        let earlier = now - TimeDelta::days(40);
        assert_eq!(spacing.next(earlier, 0), None);
        assert_eq!(spacing.reserve(earlier, 0), earlier);
    }

    #[test]
    fn classes_share_by_weight_and_an_urgent_call_does_not_wait_for_a_campaign() {
        let shares = |waits: [bool; 4], calls: usize| {
            let (mut shares, mut got) = (Shares::default(), [0; 4]);
            for _ in 0..calls {
                got[shares.choose(waits).unwrap()] += 1;
            }
            got
        };
        for (waits, calls, expected) in [
            ([true; 4], 150, [80, 40, 20, 10]),
            ([false, false, false, true], 9, [0, 0, 0, 9]),
            ([true, false, false, true], 90, [80, 0, 0, 10]),
            ([true, false, false, true], 1, [1, 0, 0, 0]),
        ] {
            assert_eq!(shares(waits, calls), expected, "{waits:?}");
        }
        // A campaign that was served alone has no claim on the next places.
        let mut alone = Shares::default();
        for _ in 0..50 {
            assert_eq!(alone.choose([false, false, false, true]), Some(3));
        }
        assert_eq!(alone.choose([true, false, false, true]), Some(0));
        assert_eq!(Shares::default().choose([false; 4]), None);
    }
}
