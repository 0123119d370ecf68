//! Rehearsals: an accelerated clock, only with simulators on this machine.

use std::str::FromStr;
use std::sync::Arc;

use anyhow::anyhow;

use crate::connectors::Setup;
use crate::engine::clock::{Scaled, System};
use crate::model::{Clock, Timestamp};

/// `FACTOR` or `FACTOR@ORIGIN`: time runs FACTOR times as fast since ORIGIN (RFC 3339). Processes with the same
/// values share one clock, also after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rehearsal {
    factor: i32,
    origin: Option<Timestamp>,
}

impl FromStr for Rehearsal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (factor, origin) = match text.split_once('@') {
            Some((factor, origin)) => (factor, Some(origin)),
            None => (text, None),
        };
        let factor = factor.parse::<i32>().ok().filter(|factor| (1..=1_000_000).contains(factor));
        let factor = factor.ok_or("expected FACTOR or FACTOR@ORIGIN, such as 60@2026-01-05T09:00:00Z")?;
        let origin = origin.map(str::parse).transpose();
        let origin = origin.map_err(|_| "ORIGIN: expected a time such as 2026-01-05T09:00:00Z")?;
        Ok(Self { factor, origin })
    }
}

/// The system clock, or the accelerated clock of a rehearsal.
pub fn clock(rehearsal: Option<Rehearsal>) -> Arc<dyn Clock> {
    match rehearsal {
        None => Arc::new(System),
        Some(Rehearsal { factor, origin: None }) => Arc::new(Scaled::from_now(factor)),
        Some(Rehearsal { factor, origin: Some(origin) }) => Arc::new(Scaled::since(origin, factor)),
    }
}

/// Refuses an accelerated clock with any system that is not a simulator.
pub fn only_simulators(setup: &Setup) -> anyhow::Result<()> {
    match setup.real_host() {
        Some(host) => {
            Err(anyhow!("--rehearse works with simulators on this machine only; {host} is not one"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_factor_parses_with_and_without_an_origin() {
        assert_eq!("60".parse(), Ok(Rehearsal { factor: 60, origin: None }));
        assert!(
            "60@2026-01-05T09:00:00Z".parse::<Rehearsal>().is_ok_and(|rehearsal| rehearsal.origin.is_some())
        );
        for text in ["", "0", "-1", "x", "60@yesterday"] {
            assert!(text.parse::<Rehearsal>().is_err(), "{text}");
        }
    }
}
