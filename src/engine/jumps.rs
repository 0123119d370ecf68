//! Detects jumps of the wall clock: compares it with a clock that cannot be set, and waits before it accepts a jump.
//! Pure.

use std::time::Duration;

use chrono::TimeDelta;

use crate::model::{Pause, Timestamp};

/// Accepted difference between the wall clock and the time that passed.
pub(super) const JUMP: TimeDelta = TimeDelta::minutes(5);
/// A jump is accepted after the clock has run without another jump for this long.
const QUIET: Duration = Duration::from_secs(120);

/// Compares the wall clock with one that cannot be set.
#[derive(Debug, Default)]
pub(super) struct Beat {
    last: Option<(Timestamp, Duration)>,
    suspect: Option<Suspect>,
}

#[derive(Debug)]
struct Suspect {
    from: Timestamp,
    jumped: TimeDelta,
    quiet_since: Duration,
}

/// The assessment of the current time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Time {
    Fine,
    /// The clock jumped; due work waits until the jump is confirmed.
    Suspect,
    /// The clock was ahead by this much and was set back.
    SetBack(TimeDelta),
    /// The time is right: the machine slept, or its clock was wrong before.
    Skipped(Pause),
}

impl Beat {
    pub fn look(&mut self, wall: Timestamp, steady: Option<Duration>) -> Time {
        let Some(steady) = steady else { return Time::Fine };
        let Some((last_wall, last_steady)) = self.last.replace((wall, steady)) else { return Time::Fine };
        let passed = TimeDelta::from_std(steady.saturating_sub(last_steady)).unwrap_or(TimeDelta::zero());
        let drift = (wall - last_wall) - passed;
        match &mut self.suspect {
            None if drift > JUMP => {
                self.suspect = Some(Suspect { from: last_wall, jumped: drift, quiet_since: steady });
                Time::Suspect
            }
            None if drift < -JUMP => Time::SetBack(-drift),
            None => Time::Fine,
            Some(suspect) if drift.abs() > JUMP => {
                suspect.jumped += drift;
                suspect.quiet_since = steady;
                let jumped = suspect.jumped;
                if jumped > JUMP {
                    return Time::Suspect;
                }
                // Set back to the time before the jump, or further: the clock was wrong in between, and before.
                self.suspect = None;
                if jumped < -JUMP { Time::SetBack(-jumped) } else { Time::Fine }
            }
            Some(suspect) if steady.saturating_sub(suspect.quiet_since) < QUIET => Time::Suspect,
            Some(suspect) => {
                let until = suspect.from + suspect.jumped;
                let pause = Pause { who: Pause::DAEMON.to_owned(), from: suspect.from, until: Some(until) };
                self.suspect = None;
                Time::Skipped(pause)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn a_clock_jump_must_be_confirmed() {
        let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
        let skipped = |from, until| {
            Time::Skipped(Pause { who: Pause::DAEMON.to_owned(), from: at(from), until: Some(at(until)) })
        };
        // Wall minute, steady minute, assessment.
        for (name, rows) in [
            ("quiet", vec![(0, 0, Time::Fine), (10, 10, Time::Fine), (14, 10, Time::Fine)]),
            (
                "a machine that slept",
                vec![
                    (0, 0, Time::Fine),
                    (500, 1, Time::Suspect),
                    (501, 2, Time::Suspect),
                    (503, 4, skipped(0, 499)),
                    (504, 5, Time::Fine),
                ],
            ),
            (
                "a clock that was wrong for a moment",
                vec![
                    (0, 0, Time::Fine),
                    (5_000_000, 1, Time::Suspect),
                    (2, 2, Time::Fine),
                    (9, 9, Time::Fine),
                ],
            ),
            (
                "a clock that was set back",
                vec![
                    (900, 0, Time::Fine),
                    (1, 1, Time::SetBack(TimeDelta::minutes(900))),
                    (2, 2, Time::Fine),
                    (498, 3, Time::Suspect),
                    (4, 4, Time::Fine),
                ],
            ),
            (
                "a clock that jumped and was set back further",
                vec![
                    (900, 0, Time::Fine),
                    (1_000, 1, Time::Suspect),
                    (2, 2, Time::SetBack(TimeDelta::minutes(900))),
                ],
            ),
        ] {
            let mut beat = Beat::default();
            for (wall, steady, expected) in rows {
                assert_eq!(beat.look(at(wall), minutes(steady)), expected, "{name} at {wall}");
            }
        }
        assert_eq!(Beat::default().look(at(0), None), Time::Fine);
    }
}
