//! The policy trees of an editor's folders, with open documents and their unsaved changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::compose;
use crate::policy::{Files, Known, Unread};
use crate::rollout::tree;

/// A document that an editor has open.
#[derive(Debug, Clone)]
pub struct Open {
    /// The URI as the editor writes it.
    pub uri: String,
    pub version: Option<i64>,
    pub text: Arc<str>,
}

/// The inputs of an answer besides the files on disk.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    pub folders: Vec<PathBuf>,
    pub open: BTreeMap<PathBuf, Open>,
    /// The value of `--config`.
    pub config: Option<PathBuf>,
}

/// Most attempts to read a tree that changes during reading.
const READINGS: usize = 5;

impl Desk {
    /// The roots of all trees: those of the folders, and those of documents outside of the folders.
    pub fn roots(&self) -> BTreeSet<PathBuf> {
        let mut roots: BTreeSet<PathBuf> = self.folders.iter().filter_map(|folder| below(folder)).collect();
        for path in self.open.keys().filter(|path| read_by_loader(path)) {
            if !roots.iter().any(|root| path.starts_with(root)) {
                roots
                    .extend(path.ancestors().skip(1).find(|folder| has_policies(folder)).map(Path::to_owned));
            }
        }
        roots
    }

    /// The root of the tree that a file belongs to.
    pub fn root_of(&self, path: &Path) -> Option<PathBuf> {
        let roots = self.roots().into_iter().filter(|root| path.starts_with(root));
        roots.max_by_key(|root| root.components().count())
    }

    /// The files of a tree with open documents replacing those on disk, and the files that were not read.
    pub fn files(&self, root: &Path) -> Result<(Files, BTreeMap<String, Unread>), String> {
        let read = || tree::read(root).transpose();
        let (mut files, look) = (0..READINGS)
            .find_map(|_| read())
            .unwrap_or_else(|| Err(format!("{} changed while it was read", root.display())))?;
        for (path, open) in &self.open {
            let Some(name) = name(root, path) else { continue };
            if files.get(&name).is_some() || read_by_loader(path) {
                files.0.insert(name, Arc::from(open.text.as_bytes()));
            }
        }
        Ok((files, look.unread))
    }

    /// The configuration's names, as in `check`. An error: names are not checked.
    pub fn known(&self, root: &Path) -> Result<Known, String> {
        let beside = root.parent().unwrap_or(root).join("proofd.yaml");
        let path = self.config.clone().or_else(|| beside.is_file().then_some(beside));
        let Some(path) = path else { return Ok(compose::known_to_all()) };
        match compose::read(&path) {
            Ok(configured) => Ok(configured.known()),
            Err(mistake) => Err(format!("names of endpoints and systems are not checked: {mistake}")),
        }
    }
}

/// The name of a file in its tree.
pub fn name(root: &Path, path: &Path) -> Option<String> {
    let relative = path.strip_prefix(root).ok()?;
    let hidden = relative.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'));
    (!hidden).then(|| relative.to_string_lossy().replace('\\', "/"))
}

/// Whether the loader reads files of this kind: a new document counts before it is saved, an editor's backup does
/// not.
fn read_by_loader(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "rhai" || end == "md")
}

/// The tree of an open folder: the folder itself, `policies` below it, or the tree around a single policy.
fn below(folder: &Path) -> Option<PathBuf> {
    if has_policies(folder) {
        return Some(folder.to_owned());
    }
    let inside = folder.join("policies");
    if inside.is_dir() {
        return Some(inside);
    }
    folder.join("policy.yaml").is_file().then(|| folder.parent().map(Path::to_owned)).flatten()
}

fn has_policies(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.path().join("policy.yaml").is_file())
}
