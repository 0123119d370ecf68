//! The configuration of a run against the simulators: the tree's own, in which each address of a provider is replaced.
//! What has no simulator is refused, so that no real provider is reached.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde_yaml::{Mapping, Value};

use super::super::compose;
use super::Failed;
use crate::config::Config;
use crate::policy::PolicySet;
use crate::simulate::town::{Credentials, Town};

/// The port of the daemon without a configuration.
const PORT: u16 = 8_470;

/// A policy tree with its configuration, if it has one.
#[derive(Debug)]
pub struct Tree {
    policies: PathBuf,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    file: PathBuf,
    config: Config,
    text: Mapping,
}

impl Tree {
    /// Finds the policies: those of `proofd.yaml` in the directory, else `policies`, else the directory itself.
    pub fn find(dir: &Path) -> Result<Self, Failed> {
        let file = dir.join("proofd.yaml");
        let own = if file.is_file() { Some(Own::read(file)?) } else { None };
        let policies = match &own {
            Some(own) => own.config.policies_dir(),
            None if dir.join("policies").is_dir() => dir.join("policies"),
            None => dir.to_owned(),
        };
        if !has_policies(&policies) {
            return Err(Failed::usage(anyhow!(
                "no policy found in {}; name a directory that `proofd init DIR` wrote, or a policy tree",
                policies.display()
            )));
        }
        Ok(Self { policies, own })
    }

    pub fn policies(&self) -> &Path {
        &self.policies
    }

    /// The port of the tree's configuration.
    pub fn port(&self) -> u16 {
        self.own.as_ref().map_or(PORT, |own| own.config.listen.port())
    }

    /// Returns the tree's configuration if commands with it reach a daemon at this address.
    pub fn answers_at(&self, address: SocketAddr) -> Option<&Path> {
        let own = self.own.as_ref()?;
        let usable =
            own.config.access.tokens.iter().any(|token| token.token.reveal(&own.config.base).is_ok());
        (usable && own.config.listen.port() == address.port()).then_some(own.file.as_path())
    }

    /// Writes the configuration of this run to a folder, and returns its path.
    pub fn simulated(
        &self,
        folder: &Path,
        address: SocketAddr,
        town: &Town,
        credentials: &Credentials,
    ) -> Result<PathBuf, Failed> {
        let mut text = self.own.as_ref().map(|own| own.text.clone()).unwrap_or_default();
        let policies = std::path::absolute(&self.policies).context("while finding the policies")?;
        for (key, value) in [
            ("listen", address.to_string()),
            ("public_url", format!("http://{address}")),
            ("policies", policies.display().to_string()),
            ("store", format!("sled:{}", folder.join("store").display())),
        ] {
            text.insert(key.into(), value.into());
        }
        text.remove("public_listen");
        if !text.contains_key("organization") {
            text.insert("organization".into(), "Example Corp".into());
        }
        let own = text.remove("connectors").and_then(|own| match own {
            Value::Mapping(own) => Some(own),
            _ => None,
        });
        let connectors = town.stand_in_for(own.unwrap_or_default(), credentials);
        let connectors = connectors.map_err(|why| Failed::usage(anyhow!(why)))?;
        text.insert("connectors".into(), connectors.into());
        text.insert("access".into(), self.access()?);
        let file = folder.join("proofd.yaml");
        let yaml = serde_yaml::to_string(&text).context("while writing the configuration")?;
        std::fs::write(&file, yaml).context("while writing the configuration")?;
        Ok(file)
    }

    /// The tokens of the tree whose secrets exist on this machine: commands with its configuration then work.
    fn access(&self) -> Result<Value, Failed> {
        let mut tokens = Vec::new();
        for (number, token) in self.own.iter().flat_map(|own| own.config.access.tokens.iter().enumerate()) {
            let Some(own) = &self.own else { continue };
            let Ok(secret) = token.token.reveal(&own.config.base) else { continue };
            let Some(Value::Mapping(entry)) = own.text["access"]["tokens"].get(number) else { continue };
            let mut entry = entry.clone();
            entry.insert("token".into(), secret.expose().into());
            tokens.push(Value::Mapping(entry));
        }
        serde_yaml::to_value(Mapping::from_iter([("tokens".into(), Value::Sequence(tokens))]))
            .context("while writing the configuration")
            .map_err(Failed::from)
    }
}

impl Own {
    fn read(file: PathBuf) -> Result<Self, Failed> {
        // Its mistakes are reported with their places, as `run` reports them.
        let config = compose::read(&file).map_err(Failed::usage)?.config;
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("while reading {}", file.display()))?;
        let text =
            serde_yaml::from_str(&text).with_context(|| format!("while reading {}", file.display()))?;
        Ok(Self { file, config, text })
    }
}

fn has_policies(dir: &Path) -> bool {
    let folders = std::fs::read_dir(dir).into_iter().flatten().flatten();
    folders.into_iter().any(|folder| folder.path().join("policy.yaml").is_file())
}

/// The roles that settings of policies name, so that they can be given at the simulated identity provider.
pub fn roles(set: &PolicySet) -> BTreeSet<String> {
    let settings = set.policies.values().flat_map(|policy| &policy.settings);
    let of_roles = settings.filter(|(name, _)| name.contains("role"));
    let texts = of_roles.flat_map(|(_, value)| match value {
        serde_json::Value::Array(all) => all.iter().filter_map(|one| one.as_str()).collect(),
        serde_json::Value::String(one) => vec![one.as_str()],
        _ => Vec::new(),
    });
    texts.map(str::to_owned).collect()
}
