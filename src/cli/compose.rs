//! Connectors, access and settings out of a configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use chrono::TimeDelta;

use crate::config::{self, Config, Registrations};
use crate::connectors::{Connector, endpoint, jumio, onelogin, scim, sink, smtp};
use crate::engine::{Connectors, Settings};
use crate::http::{Access, Grant};
use crate::model::{Clock, Secret, Span};
use crate::policy::Known;

/// How far back the very first poll of events looks: somebody who registered just before the daemon was
/// installed is not forgotten.
const FIRST_LOOKBACK: TimeDelta = TimeDelta::hours(24);

/// Names that policies may use.
pub fn known(config: &Config) -> Known {
    let connectors = &config.connectors;
    Known {
        endpoints: Some(connectors.http.keys().cloned().collect()),
        systems: Some(connectors.scim.keys().chain(connectors.http.keys()).cloned().collect()),
        providers: Some(connectors.jumio.iter().map(|_| "jumio".to_owned()).collect()),
        deciders: Some(
            config.access.tokens.iter().filter(|token| token.decides()).map(config::Token::actor).collect(),
        ),
        scim: Some(connectors.scim.keys().cloned().collect()),
        settable: connectors.onelogin.as_ref().map(|onelogin| {
            let plain = onelogin::attributes::PLAIN.iter().map(|name| (*name).to_owned());
            onelogin.attributes.keys().cloned().chain(plain).collect()
        }),
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
        park: config.reload.park.clone(),
        park_above: config.reload.park_above,
        look_back: config.reload.look_back.elapsed().unwrap_or(TimeDelta::days(90)),
        release_by_other: config.reload.release == config::Release::OtherPerson,
        known: known(config),
        starts_per_second: jumio.map_or(1.0, |jumio| jumio.starts_per_second),
        poll_identity: every(config.connectors.onelogin.as_ref().map(|onelogin| onelogin.poll_every), 30),
        poll_verification: every(jumio.map(|jumio| jumio.poll_every), 60),
        callback_secret,
        sinks: config.connectors.events.keys().cloned().collect(),
        consistency: consistency(config),
    })
}

/// The connectors that are configured, ready but not yet asked anything.
#[derive(Debug, Default)]
pub struct Built {
    pub onelogin: Option<Arc<onelogin::OneLogin>>,
    pub jumio: Option<Arc<jumio::Jumio>>,
    pub smtp: Option<Arc<smtp::Smtp>>,
    /// By the names of the configuration.
    pub scim: BTreeMap<String, Arc<dyn Connector>>,
    pub endpoints: BTreeMap<String, Arc<dyn Connector>>,
    pub sinks: BTreeMap<String, Arc<dyn Connector>>,
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
            // An endpoint is also a target system that speaks plain JSON.
            systems: self.scim.clone().into_iter().chain(self.endpoints.clone()).collect(),
            endpoints: self.endpoints.clone(),
            sinks: self.sinks.clone(),
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
    for (name, settings) in &config.connectors.scim {
        built.scim.insert(name.clone(), Arc::new(scim(config, name, settings)?));
    }
    for (name, settings) in &config.connectors.http {
        built.endpoints.insert(name.clone(), Arc::new(endpoint(config, name, settings)?));
    }
    for (name, settings) in &config.connectors.events {
        built.sinks.insert(name.clone(), Arc::new(sink(config, name, settings, clock)?));
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
    let (urls, web) = match (&settings.region, &settings.urls) {
        (Some(region), _) => {
            let urls =
                jumio::Urls::region(region).map_err(|why| anyhow!("connectors.jumio.region: {why}"))?;
            (urls, jumio::Web::region(region))
        }
        (None, Some(urls)) => {
            let urls = jumio::Urls {
                auth: urls.auth.clone(),
                account: urls.account.clone(),
                retrieval: urls.retrieval.clone(),
            };
            let web = jumio::Web::urls(&urls);
            (urls, web)
        }
        (None, None) => return Err(anyhow!("connectors.jumio: give either region or urls")),
    };
    let web =
        web.and(&settings.redirect_hosts).map_err(|why| anyhow!("connectors.jumio.redirect_hosts: {why}"))?;
    let secret = settings.client_secret.reveal(&config.base);
    let settings = jumio::Settings {
        urls,
        web,
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

/// By the name of the system. Business days are no time that a system takes.
fn consistency(config: &Config) -> BTreeMap<String, TimeDelta> {
    let scim = config.connectors.scim.iter();
    scim.filter_map(|(name, scim)| Some((name.clone(), scim.consistency.elapsed()?))).collect()
}

fn scim(config: &Config, name: &str, settings: &config::Scim) -> anyhow::Result<scim::Scim> {
    let token = settings.token.reveal(&config.base);
    let settings = scim::Settings {
        name: name.to_owned(),
        url: settings.url.clone(),
        token: token.with_context(|| format!("while reading connectors.scim.{name}.token"))?,
    };
    scim::Scim::new(settings).map_err(|why| anyhow!("connectors.scim.{name}.{why}"))
}

fn endpoint(config: &Config, name: &str, settings: &config::Http) -> anyhow::Result<endpoint::Endpoint> {
    let headers = settings.headers.iter().map(|(header, value)| {
        let value = value.reveal(&config.base);
        let value =
            value.with_context(|| format!("while reading connectors.http.{name}.headers.{header}"))?;
        Ok((header.clone(), value))
    });
    let settings = endpoint::Settings {
        name: name.to_owned(),
        url: settings.url.clone(),
        headers: headers.collect::<anyhow::Result<Vec<_>>>()?,
        timeout: endpoint::Settings::DEFAULT_TIMEOUT,
    };
    endpoint::Endpoint::new(settings).map_err(|why| anyhow!("connectors.http.{name}.{why}"))
}

fn sink(
    config: &Config,
    name: &str,
    settings: &config::Sink,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<sink::Sink> {
    let signing_secret = match &settings.signing_secret {
        Some(source) => {
            let secret = source.reveal(&config.base);
            Some(secret.with_context(|| format!("while reading connectors.events.{name}.signing_secret"))?)
        }
        None => None,
    };
    let settings = sink::Settings {
        name: name.to_owned(),
        url: settings.url.clone(),
        signing_secret,
        timeout: sink::Settings::DEFAULT_TIMEOUT,
    };
    sink::Sink::new(settings, Arc::clone(clock)).map_err(|why| anyhow!("connectors.events.{name}.{why}"))
}

/// Who may ask, from the tokens of the configuration.
pub fn access(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Access> {
    let revealed = config.access.reveal(&config.base).map_err(|why| anyhow!(why))?;
    let grant = |(token, text): (&config::Token, Secret)| {
        Grant::new(token.actor(), token.all_roles(), &text).until(token.expires)
    };
    Ok(Access::new(revealed.into_iter().map(grant).collect(), clock))
}
