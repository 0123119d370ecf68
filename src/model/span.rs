//! Lengths of time in policies: a number with a unit, never a bare number.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `30s`, `15m`, `12h`, `14d`, `2w`, `2y` are elapsed time; `2bd` are business days of a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Span {
    Elapsed(TimeDelta),
    BusinessDays(u32),
}

impl Span {
    pub const ZERO: Self = Self::Elapsed(TimeDelta::zero());

    /// Returns the elapsed length, if it needs no calendar.
    pub fn elapsed(self) -> Option<TimeDelta> {
        match self {
            Self::Elapsed(delta) => Some(delta),
            Self::BusinessDays(_) => None,
        }
    }
}

/// Why a text is not a span; the message contains the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a number with a unit, such as 30m, 12h, 14d, 2w, 1y or 2bd (business days)")]
pub struct NotASpan;

/// A hundred years: longer than any retention duty, short enough to add to any date.
const LONGEST_SECONDS: i64 = 100 * 366 * 86_400;

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: i64 = number.parse().map_err(|_| NotASpan)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            "y" => 365 * 86_400,
            "bd" => {
                let days = u32::try_from(number).map_err(|_| NotASpan)?;
                return match days {
                    // Zero is zero in any unit.
                    0 => Ok(Self::ZERO),
                    1..=1_000 => Ok(Self::BusinessDays(days)),
                    _ => Err(NotASpan),
                };
            }
            _ => return Err(NotASpan),
        };
        let seconds = number.checked_mul(seconds).filter(|s| *s <= LONGEST_SECONDS).ok_or(NotASpan)?;
        Ok(Self::Elapsed(TimeDelta::seconds(seconds)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BusinessDays(days) => write!(f, "{days}bd"),
            Self::Elapsed(delta) => {
                let seconds = delta.num_seconds();
                for (unit, size) in
                    [("y", 365 * 86_400), ("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60)]
                {
                    if seconds > 0 && seconds % size == 0 {
                        return write!(f, "{}{unit}", seconds / size);
                    }
                }
                write!(f, "{seconds}s")
            }
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_round_trips() {
        for text in ["30s", "30m", "12h", "13d", "2w", "2y", "2bd", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("14d".parse::<Span>(), "2w".parse());
    }

    #[test]
    fn invalid_spans_are_refused() {
        for text in
            ["", "5", "d", "-1d", "1.5h", "5 parsecs", "1 d", "99999999999999999999d", "200y", "1001bd"]
        {
            assert_eq!(text.parse::<Span>(), Err(NotASpan), "{text}");
        }
    }
}
