//! `proofd.yaml`: what the daemon is connected to and who may ask it. Strict: an unknown key is an error
//! with its line, and a secret is a reference. It knows nothing but plain data.

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

pub use read::{Document, Mistake, is_loopback, plain_http, plain_secret, read};
pub use secret::{SecretSource, Unreadable};
pub use tokens::{Role, Token};

use crate::model::{Span, Watched};

/// The whole file. `proofd schema config` prints this as JSON Schema.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of everything: API, hooks, people's links.
    #[serde(default = "default_listen")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Where hooks and people's links are served instead, and only they.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub public_listen: Option<SocketAddr>,
    /// How many connections each listener holds open.
    #[serde(default)]
    pub connections: ConnectionLimits,
    /// How people and vendors reach the daemon from outside. People's links begin with it.
    #[schemars(with = "String")]
    pub public_url: Url,
    /// Shown in mails and on people's pages.
    #[serde(default = "default_organization")]
    pub organization: String,
    /// Directory of the policy tree.
    #[serde(default = "default_policies")]
    #[schemars(with = "String")]
    pub policies: PathBuf,
    /// `sled:` and a directory.
    #[serde(default = "default_store")]
    pub store: String,
    /// What becomes of an edit of the policies.
    #[serde(default)]
    pub reload: Reload,
    /// The systems outside. Each connector reads its own part, from `document`.
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

/// Connections of one listener. Where a limit is reached, the oldest one on which nobody has shown who they are
/// is closed for a new one. The descriptors of the process bound them too: some are kept for the store and the
/// vendors.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionLimits {
    /// Open at the same time.
    #[serde(default = "default_in_all")]
    pub in_all: NonZeroUsize,
    /// Of one address (of one /64 network of IPv6). Behind a reverse proxy all come from its address.
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
    /// One bad policy keeps every edit back, instead of only its own.
    #[serde(default)]
    pub all_or_nothing: bool,
    /// An edit that lets a policy do more of this, or give back less of it, waits for `proofd policy release`.
    /// `protect_less`: so does one that asks fewer people for proof, withholds less, or switches off or removes a
    /// policy that does. An edit that gives access on less proof or by fewer decisions always waits. By default what
    /// takes something from people, and `protect_less`; docs/edits.md has the list. Empty: no edit waits.
    #[serde(default = "Watched::by_default")]
    #[schemars(with = "Vec<String>", extend("items" = serde_json::json!({"type": "string", "enum": Watched::words()})))]
    pub park: Vec<Watched>,
    /// So does one that would have done it, in the recorded past, to more than so many people to whom the
    /// running revision did not.
    #[serde(default = "default_park_above")]
    pub park_above: usize,
    /// How far back recorded events are played with an edit before it runs.
    #[serde(default = "default_look_back")]
    #[schemars(with = "String")]
    pub look_back: Span,
    /// Who releases an edit that waits. `other_person`: not the person who pushed it; where that is not known, as with
    /// files that were written in place, two persons.
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
    /// Login of people to the console. Read and checked; this version has no console.
    #[serde(default)]
    pub oidc: Option<Oidc>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Where people log in.
    #[schemars(with = "String")]
    pub issuer: Url,
    /// Of this daemon at the issuer.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretSource,
    /// The claim that names a person's groups.
    #[serde(default = "default_roles_claim")]
    pub roles_claim: String,
    /// Group to role.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
}

impl Config {
    /// A path of the file, seen from the file.
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
    "our organization".to_owned()
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

/// JSON Schema for editors. `connectors` makes the schema of that key.
pub fn json_schema(connectors: impl FnOnce(&mut SchemaGenerator) -> Schema) -> serde_json::Value {
    let mut generator = SchemaGenerator::default();
    let connectors = connectors(&mut generator).to_value();
    let mut schema = generator.into_root_schema_for::<Config>().to_value();
    schema["properties"]["connectors"] = connectors;
    in_markdown(&mut schema);
    schema
}

/// Editors show a description as it stands, with signs before every backtick, unless it is said to be Markdown.
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
