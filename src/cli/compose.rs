//! Connectors, access and settings out of a configuration.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use chrono::TimeDelta;

use crate::config::{self, Config, Registrations};
use crate::connectors::{Connector, jumio, onelogin, smtp};
use crate::engine::{Connectors, Settings};
use crate::http::{Access, Grant};
use crate::model::{Clock, Span};
use crate::policy::Known;

/// How far back the very first poll of events looks: somebody who registered just before the daemon was
/// installed is not forgotten.
const FIRST_LOOKBACK: TimeDelta = TimeDelta::hours(24);

/// Names that policies may use.
pub fn known(config: &Config) -> Known {
    let connectors = &config.connectors;
    Known {
        endpoints: Some(connectors.http.keys().cloned().collect()),
        systems: Some(connectors.scim.keys().cloned().collect()),
        providers: Some(connectors.jumio.iter().map(|_| "jumio".to_owned()).collect()),
    }
}

pub fn settings(config: &Config) -> anyhow::Result<Settings> {
    let jumio = config.connectors.jumio.as_ref();
    let callback_secret = match jumio.and_then(|jumio| jumio.callback_secret.as_ref()) {
        Some(source) => {
            Some(source.reveal(&config.base).context("while reading connectors.jumio.callback_secret")?)
        }
        None => None,
    };
    let every = |span: Option<Span>, otherwise: i64| {
        span.and_then(Span::elapsed)
            .filter(|every| *every >= TimeDelta::seconds(1))
            .unwrap_or(TimeDelta::seconds(otherwise))
    };
    Ok(Settings {
        public_url: config.public_url.as_str().trim_end_matches('/').to_owned(),
        organization: config.organization.clone(),
        policies: config.policies_dir(),
        all_or_nothing: config.reload.all_or_nothing,
        known: known(config),
        starts_per_second: jumio.map_or(1.0, |jumio| jumio.starts_per_second),
        poll_identity: every(config.connectors.onelogin.as_ref().map(|onelogin| onelogin.poll_every), 30),
        poll_verification: every(jumio.map(|jumio| jumio.poll_every), 60),
        callback_secret,
    })
}

/// The connectors that are configured, ready but not yet asked anything.
#[derive(Debug, Default)]
pub struct Built {
    pub onelogin: Option<Arc<onelogin::OneLogin>>,
    pub jumio: Option<Arc<jumio::Jumio>>,
    pub smtp: Option<Arc<smtp::Smtp>>,
}

impl Built {
    pub fn connectors(&self) -> Connectors {
        let verification =
            self.jumio.iter().map(|jumio| ("jumio".to_owned(), Arc::clone(jumio) as Arc<dyn Connector>));
        Connectors {
            identity: self.onelogin.clone().map(|onelogin| onelogin as Arc<dyn Connector>),
            source: self.onelogin.clone().map(|onelogin| onelogin as _),
            verification: verification.collect(),
            mail: self.smtp.clone().map(|smtp| smtp as Arc<dyn Connector>),
            ..Connectors::default()
        }
    }
}

pub fn connectors(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Built> {
    let mut built = Built::default();
    if let Some(settings) = &config.connectors.onelogin {
        built.onelogin = Some(Arc::new(onelogin(config, settings, clock)?));
    }
    if let Some(settings) = &config.connectors.jumio {
        built.jumio = Some(Arc::new(jumio(config, settings, clock)?));
    }
    if let Some(settings) = &config.connectors.smtp {
        built.smtp = Some(Arc::new(smtp(config, settings, clock)?));
    }
    Ok(built)
}

fn onelogin(
    config: &Config,
    settings: &config::OneLogin,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<onelogin::OneLogin> {
    let webhook = match &settings.webhook {
        Some(webhook) => {
            let value =
                webhook.value.reveal(&config.base).context("while reading connectors.onelogin.webhook")?;
            Some((webhook.header.clone(), value))
        }
        None => None,
    };
    let secret = settings.client_secret.reveal(&config.base);
    let settings = onelogin::Settings {
        url: settings.url.clone(),
        client_id: settings.client_id.clone(),
        client_secret: secret.context("while reading connectors.onelogin.client_secret")?,
        registrations: match settings.registrations {
            Registrations::Auto => onelogin::RegistrationsMode::Auto,
            Registrations::Resource => onelogin::RegistrationsMode::Resource,
            Registrations::UserRecord => onelogin::RegistrationsMode::UserRecord,
        },
        webhook,
        attributes: settings.attributes.clone(),
        lookback: FIRST_LOOKBACK,
    };
    onelogin::OneLogin::new(settings, Arc::clone(clock)).map_err(|why| anyhow!("connectors.onelogin: {why}"))
}

fn jumio(config: &Config, settings: &config::Jumio, clock: &Arc<dyn Clock>) -> anyhow::Result<jumio::Jumio> {
    let urls = match (&settings.region, &settings.urls) {
        (Some(region), _) => {
            jumio::Urls::region(region).map_err(|why| anyhow!("connectors.jumio.region: {why}"))?
        }
        (None, Some(urls)) => jumio::Urls {
            auth: urls.auth.clone(),
            account: urls.account.clone(),
            retrieval: urls.retrieval.clone(),
        },
        (None, None) => return Err(anyhow!("connectors.jumio: give either region or urls")),
    };
    let secret = settings.client_secret.reveal(&config.base);
    let settings = jumio::Settings {
        urls,
        client_id: settings.client_id.clone(),
        client_secret: secret.context("while reading connectors.jumio.client_secret")?,
        user_agent: settings.user_agent.clone(),
    };
    jumio::Jumio::new(settings, Arc::clone(clock)).map_err(|why| anyhow!("connectors.jumio: {why}"))
}

fn smtp(config: &Config, settings: &config::Smtp, clock: &Arc<dyn Clock>) -> anyhow::Result<smtp::Smtp> {
    let password = match &settings.password {
        Some(source) => Some(source.reveal(&config.base).context("while reading connectors.smtp.password")?),
        None => None,
    };
    let settings = smtp::Settings {
        url: settings.url.clone(),
        password,
        from: settings.from.clone(),
        ..smtp::Settings::default()
    };
    smtp::Smtp::new(settings, Arc::clone(clock)).map_err(|why| anyhow!("connectors.smtp: {why}"))
}

/// Who may ask, from the tokens of the configuration.
pub fn access(config: &Config) -> anyhow::Result<Access> {
    let grants = config.access.tokens.iter().map(|token| {
        let text = token.token.reveal(&config.base);
        let text = text.with_context(|| format!("while reading the token {}", token.name))?;
        Ok(Grant::new(&token.name, token.all_roles(), &text))
    });
    Ok(Access::new(grants.collect::<anyhow::Result<Vec<_>>>()?))
}
