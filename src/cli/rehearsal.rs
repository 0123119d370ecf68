//! Rehearsals: days in minutes, against simulators on this machine only.

use std::str::FromStr;
use std::sync::Arc;

use anyhow::anyhow;

use crate::config::Config;
use crate::engine::clock::{Scaled, System};
use crate::model::{Clock, Timestamp};

/// `FACTOR` or `FACTOR@ORIGIN`: time runs FACTOR times as fast since ORIGIN (RFC 3339). Processes that share
/// both agree about the time, also after a restart.
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

/// The machine's clock, or a rehearsal's.
pub fn clock(rehearsal: Option<Rehearsal>) -> Arc<dyn Clock> {
    match rehearsal {
        None => Arc::new(System),
        Some(Rehearsal { factor, origin: None }) => Arc::new(Scaled::from_now(factor)),
        Some(Rehearsal { factor, origin: Some(origin) }) => Arc::new(Scaled::since(origin, factor)),
    }
}

/// A clock that runs ahead must not reach anybody real.
pub fn only_simulators(config: &Config) -> anyhow::Result<()> {
    let connectors = &config.connectors;
    let mut hosts = Vec::new();
    hosts
        .extend(connectors.onelogin.as_ref().and_then(|onelogin| onelogin.url.host_str()).map(str::to_owned));
    if let Some(jumio) = &connectors.jumio {
        match &jumio.urls {
            Some(urls) => {
                let all = [&urls.auth, &urls.account, &urls.retrieval];
                hosts.extend(all.iter().filter_map(|url| url.host_str()).map(str::to_owned));
            }
            None => hosts.push("the vendor's region".to_owned()),
        }
    }
    if let Some(smtp) = &connectors.smtp {
        let url = smtp.url.parse::<url::Url>().ok();
        hosts.push(url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| smtp.url.clone()));
    }
    let scim = connectors.scim.values().map(|scim| &scim.url);
    let http = connectors.http.values().map(|http| &http.url);
    let events = connectors.events.values().map(|sink| &sink.url);
    let targets = scim.chain(http).chain(events);
    hosts.extend(targets.map(|url| url.host_str().unwrap_or("an address without a host").to_owned()));
    let real = hosts.iter().find(|host| !["127.0.0.1", "localhost", "[::1]"].contains(&host.as_str()));
    match real {
        Some(host) => Err(anyhow!("--rehearse is for simulators on this machine; {host} is not one")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_with_or_without_an_origin() {
        assert_eq!("60".parse(), Ok(Rehearsal { factor: 60, origin: None }));
        assert!(
            "60@2026-01-05T09:00:00Z".parse::<Rehearsal>().is_ok_and(|rehearsal| rehearsal.origin.is_some())
        );
        for text in ["", "0", "-1", "x", "60@yesterday"] {
            assert!(text.parse::<Rehearsal>().is_err(), "{text}");
        }
    }
}
