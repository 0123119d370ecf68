//! Reads a policy tree on disk for `check`, `test` and `effects`, without a daemon.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;

use super::{Failed, compose};
use crate::policy::{self, Files, Loaded, Loader};
use crate::rollout::tree::{self, Fingerprint};

pub struct Read {
    pub files: Files,
    pub loaded: Loaded,
    /// Whether a configuration exists and names of endpoints and systems were therefore checked.
    pub judged: bool,
}

/// Reads a tree. Without `config`, the `proofd.yaml` beside the tree is used, if it exists.
pub fn read(dir: &Path, config: Option<&Path>) -> Result<Read, Failed> {
    let beside = dir.parent().unwrap_or(dir).join("proofd.yaml");
    let config = config.map(Path::to_owned).or_else(|| beside.is_file().then_some(beside));
    let known = match &config {
        Some(path) => compose::read(path).map_err(Failed::usage)?.known(),
        None => compose::known_to_all(),
    };
    let (files, look) = whole(dir)?;
    let loaded = policy::load_tree(&files, &look.unread, &Loader::new(known));
    Ok(Read { files, loaded, judged: config.is_some() })
}

/// Reads a tree to send it. An unreadable file is an error: without it, the tree would be a different one.
fn files(dir: &Path) -> Result<Files, Failed> {
    let (files, look) = whole(dir)?;
    match look.unread.keys().next() {
        None => Ok(files),
        Some(path) => {
            let check = format!("`proofd check {}` gives the reason", dir.display());
            Err(Failed::usage(anyhow!("{}/{path} cannot be used; {check}", dir.display())))
        }
    }
}

fn whole(dir: &Path) -> Result<(Files, Fingerprint), Failed> {
    tree::read(dir)
        .map_err(|why| Failed::usage(anyhow!(why)))?
        .ok_or_else(|| Failed::usage(anyhow!("{} changed while it was read; try again", dir.display())))
}

/// The texts of a tree by path, as sent to a daemon.
pub fn texts(dir: &Path) -> Result<BTreeMap<String, String>, Failed> {
    let text = |(path, bytes): (String, Arc<[u8]>)| match String::from_utf8(bytes.to_vec()) {
        Ok(text) => Ok((path, text)),
        Err(_) => Err(Failed::usage(anyhow!("{}/{path} is not UTF-8 text", dir.display()))),
    };
    files(dir)?.0.into_iter().map(text).collect()
}
