//! A policy tree on disk, as `check`, `test` and `effects` read it: nothing runs, and no daemon is asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;

use super::{Failed, compose};
use crate::policy::{self, Files, Loaded};
use crate::rollout::tree::{self, Fingerprint};

pub struct Read {
    pub files: Files,
    pub loaded: Loaded,
    /// Whether a configuration was there, so that names of endpoints and systems were judged.
    pub judged: bool,
}

/// Without `config`, the `proofd.yaml` beside the tree is taken, if there is one.
pub fn read(dir: &Path, config: Option<&Path>) -> Result<Read, Failed> {
    let beside = dir.parent().unwrap_or(dir).join("proofd.yaml");
    let config = config.map(Path::to_owned).or_else(|| beside.is_file().then_some(beside));
    let known = match &config {
        Some(path) => compose::read(path).map_err(Failed::usage)?.known(),
        None => compose::known_to_all(),
    };
    let (files, look) = whole(dir)?;
    let loaded = policy::load_tree(&files, &look.unread, &known);
    Ok(Read { files, loaded, judged: config.is_some() })
}

/// A tree to be sent: one of which something is not read would be another one.
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

/// The tree as text, path by path, as a daemon is sent it.
pub fn texts(dir: &Path) -> Result<BTreeMap<String, String>, Failed> {
    let text = |(path, bytes): (String, Arc<[u8]>)| match String::from_utf8(bytes.to_vec()) {
        Ok(text) => Ok((path, text)),
        Err(_) => Err(Failed::usage(anyhow!("{}/{path} is not UTF-8 text", dir.display()))),
    };
    files(dir)?.0.into_iter().map(text).collect()
}
