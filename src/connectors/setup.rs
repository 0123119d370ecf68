//! `connectors:` of the configuration: the outside systems. Each provider reads its own options.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::TimeDelta;
use erased_serde::Deserializer as Erased;
use schemars::{JsonSchema as _, Schema, SchemaGenerator, json_schema};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use url::Url;

use super::options::{CallsPerSecond, Letterhead, Options, Site};
use super::registry::{Provider, Registry, Role};
use super::{
    EndpointClient, EventSink, IdentityOptions, IdentityProvider, Mailer, Results, TargetSystem,
    VerificationOptions, VerificationProvider, endpoint, scim, sink, smtp,
};
use crate::config::{self, Config, Mistake};
use crate::model::{Clock, PollEvery, Secret, SubjectKind};

/// Every configured connector, by the name that policies and subjects use.
#[derive(Debug, Default)]
pub struct Setup {
    pub identity: BTreeMap<String, Configured<dyn IdentityOptions>>,
    pub verification: BTreeMap<String, Configured<dyn VerificationOptions>>,
    pub mail: Option<smtp::Options>,
    pub scim: BTreeMap<String, scim::Options>,
    pub http: BTreeMap<String, endpoint::Options>,
    pub events: BTreeMap<String, sink::Options>,
}

/// The options of a provider with their place.
#[derive(Debug)]
pub struct Configured<O: ?Sized> {
    /// The kind of provider.
    pub provider: &'static str,
    /// For example `connectors.NAME`.
    pub path: String,
    pub options: Box<O>,
}

/// The connectors, built but not yet called.
#[derive(Debug, Clone, Default)]
pub struct Connectors {
    /// Identity providers, by the `source` of their subjects.
    pub identity: BTreeMap<String, Arc<dyn IdentityProvider>>,
    pub verification: BTreeMap<String, Arc<dyn VerificationProvider>>,
    pub mail: Option<Arc<dyn Mailer>>,
    /// Target systems in which accounts are created and changed. An endpoint is one too, with plain JSON.
    pub systems: BTreeMap<String, Arc<dyn TargetSystem>>,
    /// Endpoints that policies may call.
    pub endpoints: BTreeMap<String, Arc<dyn EndpointClient>>,
    /// Receivers of events.
    pub sinks: BTreeMap<String, Arc<dyn EventSink>>,
    /// Declared limits, in calls per second.
    pub limits: CallLimits,
}

/// Declared limits of systems that are no verification providers, in calls per second.
#[derive(Debug, Clone, Default)]
pub struct CallLimits {
    pub mail: Option<f64>,
    /// By the name of the target system or endpoint; no two have the same one.
    pub systems: BTreeMap<String, f64>,
    pub sinks: BTreeMap<String, f64>,
}

impl Connectors {
    /// Returns the provider of a source. Without a source it is the only provider: records that were written before
    /// subjects had sources have none.
    pub fn identity(&self, source: &str) -> Option<&Arc<dyn IdentityProvider>> {
        let mut all = self.identity.values();
        let only = all.next().filter(|_| source.is_empty() && all.next().is_none());
        self.identity.get(source).or(only)
    }
}

impl Setup {
    /// Reads `connectors:` and returns it with its warnings.
    pub fn read(registry: &Registry, config: &Config) -> Result<(Self, Vec<Mistake>), Mistake> {
        let setup = config.document.section("connectors", SetupSeed(registry))?.unwrap_or_default();
        setup.check().map_err(|why| config.document.mistake(why))?;
        let warnings = setup.warnings().into_iter().map(|why| config.document.mistake(why)).collect();
        Ok((setup, warnings))
    }

    /// Returns every connector's options with their path.
    fn all(&self) -> Vec<(String, &dyn Options)> {
        let mut all: Vec<(String, &dyn Options)> = Vec::new();
        all.extend(self.identity.values().map(|one| (one.path.clone(), &*one.options as &dyn Options)));
        all.extend(self.verification.values().map(|one| (one.path.clone(), &*one.options as &dyn Options)));
        all.extend(self.mail.iter().map(|mail| ("connectors.smtp".to_owned(), mail as &dyn Options)));
        all.extend(named("scim", &self.scim));
        all.extend(named("http", &self.http));
        all.extend(named("events", &self.events));
        all
    }

    /// Returns an address without a simulator: an accelerated clock must not reach it.
    pub fn real_host(&self) -> Option<String> {
        let targets = self.all().into_iter().flat_map(|(_, options)| options.addresses());
        targets.into_iter().find(|target| !target.simulator).map(|target| target.host)
    }

    /// Returns how long a new account may still be missing in each system. Business days are left out: no system takes
    /// them.
    pub fn consistency(&self) -> BTreeMap<String, TimeDelta> {
        let scim = self.scim.iter();
        scim.filter_map(|(name, scim)| Some((name.clone(), scim.consistency.elapsed()?))).collect()
    }

    /// Returns the polling intervals for runs at each verification provider.
    pub fn poll_every(&self) -> PollEvery {
        let each = self.verification.iter().filter_map(|(name, one)| match one.options.results() {
            Results::Read { every, .. } => Some((name.clone(), every)),
            Results::Brought => None,
        });
        PollEvery { each: each.collect(), ..PollEvery::default() }
    }

    /// Returns the verification providers that must be told what to verify.
    pub fn told(&self) -> BTreeSet<String> {
        let told = self.verification.iter().filter(|(_, one)| match one.options.results() {
            Results::Read { .. } => false,
            Results::Brought => true,
        });
        told.map(|(name, _)| name.clone()).collect()
    }

    /// Returns the keys of the callback paths, by verification provider.
    pub fn callback_secrets(&self, base: &Path) -> anyhow::Result<BTreeMap<String, Secret>> {
        let mut secrets = BTreeMap::new();
        for (name, one) in &self.verification {
            if let Results::Read { callback_secret: Some(source), .. } = one.options.results() {
                let secret = source.reveal(base);
                let secret = secret.with_context(|| format!("while reading {}.callback_secret", one.path))?;
                secrets.insert(name.clone(), secret);
            }
        }
        Ok(secrets)
    }

    fn check(&self) -> Result<(), String> {
        if let Some(name) = self.http.keys().find(|name| self.scim.contains_key(*name)) {
            return Err(format!(
                "connectors.http.{name}: connectors.scim also has this name; 'in: {name}' would be \
                    ambiguous; rename one"
            ));
        }
        self.all()
            .into_iter()
            .try_for_each(|(path, options)| options.check().map_err(|why| format!("{path}: {why}")))
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (path, options) in self.all() {
            let plain = options.secrets().into_iter().filter(|(_, source)| source.is_plain());
            warnings.extend(plain.map(|(key, _)| config::plain_secret(&format!("{path}.{key}"))));
            warnings.extend(options.addresses().into_iter().filter_map(|target| target.warning(&path)));
        }
        warnings
    }

    fn call_limits(&self) -> CallLimits {
        fn limits<'a, O: Options + 'a>(
            all: impl Iterator<Item = (&'a String, &'a O)>,
        ) -> impl Iterator<Item = (String, f64)> {
            all.filter_map(|(name, options)| Some((name.clone(), options.calls_per_second()?.get())))
        }
        CallLimits {
            mail: self.mail.as_ref().and_then(Options::calls_per_second).map(CallsPerSecond::get),
            systems: limits(self.scim.iter()).chain(limits(self.http.iter())).collect(),
            sinks: limits(self.events.iter()).collect(),
        }
    }

    /// Builds all connectors.
    pub fn build(
        &self,
        base: &Path,
        public_url: &Url,
        letterhead: Letterhead<'_>,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Connectors> {
        let site = Site { name: "", path: "", base, clock, public_url, letterhead };
        let mut built = Connectors { limits: self.call_limits(), ..Connectors::default() };
        for (name, one) in &self.identity {
            built.identity.insert(name.clone(), one.options.build(&Site { name, path: &one.path, ..site })?);
        }
        for (name, one) in &self.verification {
            built
                .verification
                .insert(name.clone(), one.options.build(&Site { name, path: &one.path, ..site })?);
        }
        if let Some(mail) = &self.mail {
            built.mail =
                Some(Arc::new(mail.build(&Site { name: "smtp", path: "connectors.smtp", ..site })?));
        }
        for (name, one) in &self.scim {
            let path = format!("connectors.scim.{name}");
            let system = Arc::new(one.build(&Site { name, path: &path, ..site })?);
            built.systems.insert(name.clone(), system);
        }
        for (name, one) in &self.http {
            let path = format!("connectors.http.{name}");
            let endpoint = Arc::new(one.build(&Site { name, path: &path, ..site })?);
            built.systems.insert(name.clone(), Arc::clone(&endpoint) as _);
            built.endpoints.insert(name.clone(), endpoint);
        }
        for (name, one) in &self.events {
            let path = format!("connectors.events.{name}");
            let sink = Arc::new(one.build(&Site { name, path: &path, ..site })?);
            built.sinks.insert(name.clone(), sink);
        }
        Ok(built)
    }
}

fn named<'a, O: Options>(
    kind: &'a str,
    options: &'a BTreeMap<String, O>,
) -> impl Iterator<Item = (String, &'a dyn Options)> {
    options.iter().map(move |(name, one)| (format!("connectors.{kind}.{name}"), one as &dyn Options))
}

/// Returns the schema of `connectors:`.
pub fn schema(registry: &Registry, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = json_schema!({
        "type": "object",
        "additionalProperties": false,
        "description": "Identity and verification providers, mail, target systems, endpoints and event \
            sinks.",
    });
    let mut property = |name: &str, value: Schema| {
        let properties = schema.ensure_object().entry("properties").or_insert_with(|| serde_json::json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.insert(name.to_owned(), value.to_value());
        }
    };
    let by_name = |value: Schema, text: &str| json_schema!({"type": "object", "description": text, "additionalProperties": value});
    for provider in registry.iter() {
        let one = (provider.schema)(generator);
        property(provider.name, if provider.several { by_name(one, "By name.") } else { one });
    }
    property("smtp", smtp::Options::json_schema(generator));
    let scim = scim::Options::json_schema(generator);
    property("scim", by_name(scim, "SCIM 2.0 target systems, by the name that policies use (`in: NAME`)."));
    let http = endpoint::Options::json_schema(generator);
    property(
        "http",
        by_name(
            http,
            "HTTP endpoints, by the name that policies use: for `call`, and as JSON target systems.",
        ),
    );
    let sinks = sink::Options::json_schema(generator);
    property("events", by_name(sinks, "CloudEvents sinks by name; every sink receives every `emit`."));
    schema
}

/// Reads `connectors:`, each key with its own reader.
struct SetupSeed<'a>(&'a Registry);

impl<'de> DeserializeSeed<'de> for SetupSeed<'_> {
    type Value = Setup;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Setup, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SetupSeed<'_> {
    type Value = Setup;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connectors by name")
    }

    fn visit_unit<E>(self) -> Result<Setup, E> {
        Ok(Setup::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Setup, A::Error> {
        let mut setup = Setup::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "smtp" => setup.mail = map.next_value()?,
                "scim" => setup.scim = map.next_value::<Option<_>>()?.unwrap_or_default(),
                "http" => setup.http = map.next_value::<Option<_>>()?.unwrap_or_default(),
                "events" => setup.events = map.next_value::<Option<_>>()?.unwrap_or_default(),
                name => {
                    let provider = self.0.find(name);
                    map.next_value_seed(ProviderSeed {
                        setup: &mut setup,
                        registry: self.0,
                        name,
                        provider,
                    })?;
                }
            }
        }
        Ok(setup)
    }
}

/// Reads the value under the key of a provider.
struct ProviderSeed<'a> {
    setup: &'a mut Setup,
    registry: &'a Registry,
    name: &'a str,
    provider: Option<&'a Provider>,
}

impl<'de> DeserializeSeed<'de> for ProviderSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Some(provider) = self.provider else {
            let mut known: Vec<_> = self.registry.iter().map(|provider| provider.name).collect();
            known.extend(["smtp", "scim", "http", "events"]);
            return Err(D::Error::custom(format!(
                "unknown field `{}`, expected one of `{}`",
                self.name,
                known.join("`, `")
            )));
        };
        if provider.several {
            return deserializer.deserialize_map(InstancesVisitor { setup: self.setup, provider });
        }
        let path = format!("connectors.{}", provider.name);
        InstanceSeed { setup: self.setup, provider, name: provider.name.to_owned(), path }
            .deserialize(deserializer)
    }
}

struct InstancesVisitor<'a> {
    setup: &'a mut Setup,
    provider: &'a Provider,
}

impl<'de> Visitor<'de> for InstancesVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connections to {} by name", self.provider.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let path = format!("connectors.{}.{name}", self.provider.name);
            map.next_value_seed(InstanceSeed { setup: self.setup, provider: self.provider, name, path })?;
        }
        Ok(())
    }
}

/// Reads the options of one provider.
struct InstanceSeed<'a> {
    setup: &'a mut Setup,
    provider: &'a Provider,
    name: String,
    path: String,
}

impl<'de> DeserializeSeed<'de> for InstanceSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { setup, provider, name, path } = self;
        let taken = setup.identity.contains_key(&name) || setup.verification.contains_key(&name);
        if taken || !is_name(&name) {
            return Err(D::Error::custom(if taken {
                format!("the name {name} is used twice; choose another name")
            } else {
                format!(
                    "the name {name:?} cannot be used; write a lower-case letter, then letters, digits, - and _"
                )
            }));
        }
        let mut erased = <dyn Erased<'_>>::erase(deserializer);
        let kind = provider.name;
        match provider.role {
            Role::Identity { read, .. } => {
                let options = read(&mut erased).map_err(D::Error::custom)?;
                setup.identity.insert(name, Configured { provider: kind, path, options });
            }
            Role::Verification { read, .. } => {
                let options = read(&mut erased).map_err(D::Error::custom)?;
                setup.verification.insert(name, Configured { provider: kind, path, options });
            }
        }
        Ok(())
    }
}

/// Returns whether a name is valid: names are parts of addresses, references of subjects and keys of the store.
fn is_name(name: &str) -> bool {
    // First words of references and event types that have another meaning.
    let reserved = SubjectKind::of_word(name).is_some()
        || ["proofd", "custom", "daemon", "mail", "identity"].contains(&name);
    !reserved
        && name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}
