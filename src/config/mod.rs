//! `proofd.yaml`: the daemon's connectors and access rights. Strict: an unknown key is an error with its line, and a
//! secret is a reference. Contains plain data only.

mod person_pages;
mod read;
mod secret;
mod tokens;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use url::Url;

pub use person_pages::{Agreement, Help, PersonPages};
pub use read::{Document, Mistake, is_loopback, plain_http, plain_secret, read};
pub use secret::{SecretSource, Unreadable};
pub use tokens::{Role, Token};

use crate::model::{Span, Watched};

/// The configuration file. `proofd schema config` prints this schema.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on for the API, hooks and people's links.
    #[serde(default = "default_listen")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Another address for hooks and people's links only.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub public_listen: Option<SocketAddr>,
    /// Limits on open connections of each listener.
    #[serde(default)]
    pub connections: ConnectionLimits,
    /// Public address of the daemon. People's links start with it.
    #[schemars(with = "String")]
    pub public_url: Url,
    /// Shown in mails and on people's pages.
    #[serde(default = "default_organization")]
    pub organization: String,
    /// How the pages and mails for people look, and what they say.
    #[serde(default)]
    pub person_pages: PersonPages,
    /// Directory of the policy tree.
    #[serde(default = "default_policies")]
    #[schemars(with = "String")]
    pub policies: PathBuf,
    /// `sled:` and a directory.
    #[serde(default = "default_store")]
    pub store: String,
    /// How edits of policies take effect.
    #[serde(default)]
    pub reload: Reload,
    /// The outside systems. Each connector reads its own part from `document`.
    #[serde(default, rename = "connectors")]
    #[schemars(skip)]
    _connectors: serde::de::IgnoredAny,
    /// Who may use the API and the command line.
    #[serde(default)]
    pub access: Access,
    /// The directory of the file; relative paths start here.
    #[serde(skip)]
    pub base: PathBuf,
    /// The whole text.
    #[serde(skip)]
    pub document: Document,
}

/// Connections of one listener. Above a limit the oldest unauthenticated connection is closed. The file
/// descriptors of the process are another limit; some are reserved for the store and the vendors.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionLimits {
    /// Maximum number of open connections.
    #[serde(default = "default_in_all")]
    pub in_all: NonZeroUsize,
    /// Maximum for one address (one /64 network of IPv6). Behind a reverse proxy all clients share one
    /// address.
    #[serde(default = "default_per_address")]
    pub per_address: NonZeroUsize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { in_all: default_in_all(), per_address: default_per_address() }
    }
}

fn default_in_all() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(2_047)
}

fn default_per_address() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(255)
}

/// How edits of policies take effect.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// One policy with errors keeps all edits of the tree from becoming active, not only its own.
    #[serde(default)]
    pub all_or_nothing: bool,
    /// Effects that park an edit until `proofd policy release`, if it has more of them or undoes fewer.
    /// `protect_less` parks an edit that verifies fewer people, withholds less, or disables or removes such a
    /// policy. An edit that gives access with less proof or fewer decisions is always parked. The default is
    /// all adverse effects and `protect_less`; docs/edits.md has the list. Empty: no edit is parked.
    #[serde(default = "Watched::by_default")]
    #[schemars(with = "Vec<String>", extend("items" = serde_json::json!({"type": "string", "enum": Watched::words()})))]
    pub park: Vec<Watched>,
    /// Parks an edit if the back-test finds such effects on more than this many additional people.
    #[serde(default = "default_park_above")]
    pub park_above: usize,
    /// How far back the back-test of an edit reads recorded events.
    #[serde(default = "default_look_back")]
    #[schemars(with = "String")]
    pub look_back: Span,
    /// Who may release a parked edit. `other_person`: not its author; two persons if the author is unknown,
    /// as for files that were written in place.
    #[serde(default)]
    pub release: Release,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    #[default]
    Anybody,
    OtherPerson,
}

impl Default for Reload {
    fn default() -> Self {
        Self {
            all_or_nothing: false,
            park: Watched::by_default(),
            park_above: default_park_above(),
            look_back: default_look_back(),
            release: Release::default(),
        }
    }
}

fn default_park_above() -> usize {
    5
}

fn default_look_back() -> Span {
    Span::Elapsed(chrono::TimeDelta::days(90))
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Bearer tokens of programs and people.
    #[serde(default)]
    pub tokens: Vec<Token>,
    /// Sign-in to the console. Checked, but this version signs in with tokens only.
    #[serde(default)]
    pub oidc: Option<Oidc>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Address of the OpenID provider.
    #[schemars(with = "String")]
    pub issuer: Url,
    /// Client id of this daemon at the issuer.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretSource,
    /// Claim with the groups of a person.
    #[serde(default = "default_roles_claim")]
    pub roles_claim: String,
    /// Roles by group.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
}

impl Config {
    /// What mails and pages say without `organization`.
    pub const NO_ORGANIZATION: &str = "our organization";

    /// Resolves a path of the file against the file's directory.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    pub fn policies_dir(&self) -> PathBuf {
        self.path(&self.policies)
    }

    /// The directory of the embedded store.
    pub fn store_dir(&self) -> Option<PathBuf> {
        self.store.strip_prefix("sled:").map(|dir| self.path(Path::new(dir)))
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8470))
}
fn default_organization() -> String {
    Config::NO_ORGANIZATION.to_owned()
}
fn default_policies() -> PathBuf {
    PathBuf::from("policies")
}
fn default_store() -> String {
    "sled:/var/lib/proofd".to_owned()
}
fn default_roles_claim() -> String {
    "groups".to_owned()
}

/// Builds the JSON Schema for editors. `connectors` builds the schema of that key.
pub fn json_schema(connectors: impl FnOnce(&mut SchemaGenerator) -> Schema) -> serde_json::Value {
    let mut generator = SchemaGenerator::default();
    let connectors = connectors(&mut generator).to_value();
    let mut schema = generator.into_root_schema_for::<Config>().to_value();
    schema["properties"]["connectors"] = connectors;
    in_markdown(&mut schema);
    schema
}

/// Marks descriptions as Markdown: otherwise editors escape every backtick.
fn in_markdown(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(fields) => {
            if let Some(text) = fields.get("description").filter(|text| text.is_string()).cloned() {
                fields.insert("markdownDescription".to_owned(), text);
            }
            fields.values_mut().for_each(in_markdown);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(in_markdown),
        _ => {}
    }
}
