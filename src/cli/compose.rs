//! Builds connectors, access and settings from a configuration.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use chrono::TimeDelta;

use crate::config::{self, Config, Mistake};
use crate::connectors::options::Letterhead;
use crate::connectors::{Connectors, Registry, Setup};
use crate::engine::Settings;
use crate::http::{Access, Grant};
use crate::model::{Clock, Secret};
use crate::policy::{Known, Source};
use crate::rollout;

/// A configuration with its connectors.
#[derive(Debug)]
pub struct Configured {
    registry: Registry,
    pub config: Config,
    pub setup: Setup,
    pub warnings: Vec<Mistake>,
}

/// Reads a configuration with the providers of this build.
pub fn read(path: &Path) -> Result<Configured, Mistake> {
    read_with(Registry::shipped(), path)
}

/// Reads a configuration with the given providers.
pub fn read_with(registry: Registry, path: &Path) -> Result<Configured, Mistake> {
    let (config, mut warnings) = config::read(path)?;
    let (setup, more) = Setup::read(&registry, &config)?;
    warnings.extend(more);
    Ok(Configured { registry, config, setup, warnings })
}

/// The names that policies may use without a configuration: words of this build's providers.
pub fn known_to_all() -> Known {
    Known { vocabulary: Registry::shipped().vocabulary(), ..Known::default() }
}

impl Configured {
    /// The names that policies may use.
    pub fn known(&self) -> Known {
        let Self { registry, config, setup, .. } = self;
        let sources = setup.identity.iter().map(|(name, one)| {
            (
                name.clone(),
                Source { provider: one.provider, path: one.path.clone(), mapped: one.options.mapped() },
            )
        });
        let providers = setup.verification.iter().map(|(name, one)| (name.clone(), one.provider));
        Known {
            endpoints: Some(setup.http.keys().cloned().collect()),
            systems: Some(setup.scim.keys().chain(setup.http.keys()).cloned().collect()),
            providers: Some(providers.collect()),
            deciders: Some(
                config
                    .access
                    .tokens
                    .iter()
                    .filter(|token| token.decides())
                    .map(config::Token::actor)
                    .collect(),
            ),
            scim: Some(setup.scim.keys().cloned().collect()),
            sources: Some(sources.collect()),
            vocabulary: registry.vocabulary(),
        }
    }

    /// Builds the connectors without sending a request.
    pub fn connectors(&self, clock: &Arc<dyn Clock>) -> anyhow::Result<Connectors> {
        let config = &self.config;
        let letterhead = Letterhead { organization: &config.organization, color: &config.person_pages.color };
        self.setup.build(&config.base, &config.public_url, letterhead, clock)
    }

    pub fn settings(&self) -> anyhow::Result<Settings> {
        let (config, setup) = (&self.config, &self.setup);
        Ok(Settings {
            public_url: config.public_url.as_str().trim_end_matches('/').to_owned(),
            organization: config.organization.clone(),
            rollout: rollout::Settings {
                policies: config.policies_dir(),
                all_or_nothing: config.reload.all_or_nothing,
                park: config.reload.park.clone(),
                park_above: config.reload.park_above,
                look_back: config.reload.look_back.elapsed().unwrap_or(TimeDelta::days(90)),
                release_by_other: config.reload.release == config::Release::OtherPerson,
                known: self.known(),
            },
            poll_every: setup.poll_every(),
            told: setup.told(),
            callback_secrets: setup.callback_secrets(&config.base)?,
            sinks: setup.events.keys().cloned().collect(),
            consistency: setup.consistency(),
        })
    }
}

/// Builds access control from the tokens of the configuration.
pub fn access(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Access> {
    Ok(Access::new(grants(config)?, clock))
}

/// Returns what each token of the configuration grants.
pub fn grants(config: &Config) -> anyhow::Result<Vec<Grant>> {
    let revealed = config.access.reveal(&config.base).map_err(|why| anyhow!(why))?;
    let grant = |(token, text): (&config::Token, Secret)| {
        Grant::new(token.actor(), token.all_roles(), &text).until(token.expires)
    };
    Ok(revealed.into_iter().map(grant).collect())
}
