//! The source of a secret. The file has only the reference; the text is read once, at start.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::Secret;

/// `{env: NAME}`, `{file: PATH}`, `{credential: NAME}` (systemd), or a plain text with a warning.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected {env: NAME}, {file: PATH}, {credential: NAME} or a text")]
pub enum SecretSource {
    Plain(#[schemars(with = "String")] Secret),
    Reference(Reference),
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Name of an environment variable.
    #[serde(default)]
    env: Option<String>,
    /// Path of a file with the secret; the last line end is ignored.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    file: Option<PathBuf>,
    /// Name of a systemd credential (`LoadCredential=`).
    #[serde(default)]
    credential: Option<String>,
}

/// A secret that could not be read, without any of its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the environment variable {0} is not set; set it, or use {{file: ...}} or {{credential: ...}}")]
    NoVariable(String),
    #[error("cannot read {path}: {cause}")]
    NoFile { path: String, cause: String },
    #[error(
        "the credential {0} was not found; add LoadCredential= to the systemd unit, or outside systemd set \
            CREDENTIALS_DIRECTORY to its directory"
    )]
    NoCredential(String),
    #[error("{0} is empty")]
    Empty(String),
    #[error("set exactly one of env, file and credential")]
    NotOne,
}

impl SecretSource {
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Reads the text. `base` is the directory of the configuration file.
    pub fn reveal(&self, base: &Path) -> Result<Secret, Unreadable> {
        let reference = match self {
            Self::Plain(secret) => return Ok(secret.clone()),
            Self::Reference(reference) => reference,
        };
        let (what, text) = match (&reference.env, &reference.file, &reference.credential) {
            (Some(name), None, None) => {
                let text = std::env::var(name).map_err(|_| Unreadable::NoVariable(name.clone()))?;
                (name.clone(), text)
            }
            (None, Some(path), None) => {
                let path = base.join(path);
                (path.display().to_string(), file(&path)?)
            }
            (None, None, Some(name)) => {
                let dir = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .filter(|_| !name.contains('/'))
                    .ok_or_else(|| Unreadable::NoCredential(name.clone()))?;
                let path = Path::new(&dir).join(name);
                (name.clone(), file(&path).map_err(|_| Unreadable::NoCredential(name.clone()))?)
            }
            _ => return Err(Unreadable::NotOne),
        };
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() { Err(Unreadable::Empty(what)) } else { Ok(Secret::new(text)) }
    }
}

fn file(path: &Path) -> Result<String, Unreadable> {
    std::fs::read_to_string(path).map_err(|cause| Unreadable::NoFile {
        path: path.display().to_string(),
        cause: cause.kind().to_string(),
    })
}
